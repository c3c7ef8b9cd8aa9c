"""The page about the warehouse shows the tables as they are declared."""

from tests.support import ROOT
from tickvol.signals.warehouse.drawing import column_lists, entity_relationships
from tickvol.signals.warehouse.schema import TABLES, VIEWS

PAGE = ROOT / "docs" / "warehouse.md"


def test_the_page_draws_the_declared_tables():
    text = PAGE.read_text()
    assert f"```mermaid\n{entity_relationships()}\n```" in text
    assert column_lists() in text
    assert all(f"`{view}`" in text for view in VIEWS)


def test_each_table_and_column_says_what_it_is():
    for table in TABLES:
        assert table.comment
        assert table.comment.endswith(".")
        assert all(column.comment for column in table.columns)
