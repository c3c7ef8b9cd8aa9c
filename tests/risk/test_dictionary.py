"""The data dictionary says of every table and column what the declarations say."""

from tests.support import ROOT
from tickvol.risk.dictionary import risk_dictionary
from tickvol.risk.star.schema import TABLES
from tickvol.systems import all_tables

PAGE = ROOT / "docs" / "data_dictionary.md"


def test_the_page_is_what_the_declarations_say():
    assert PAGE.read_text(encoding="utf-8") == risk_dictionary(), "write it again: tickvol.risk.dictionary"


def test_the_page_has_every_table():
    text = risk_dictionary()
    names = [spec.name for spec in all_tables()] + [table.name for table in TABLES]
    assert [name for name in names if f"### {name}\n" not in text] == []
