"""One Chromium and one filled lake for all tests of the pages."""

import pytest

from tests.dashboard.hosting import Visit, chromium, served
from tests.risk.pages.stored import fill


@pytest.fixture(scope="package")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="package")
def filled(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lake")
    fill(directory)
    return directory


@pytest.fixture(scope="package")
def filled_address(filled):
    with served(filled) as address:
        yield address


@pytest.fixture
def visit(browser):
    """Opens a page and, at the end, checks that it said nothing and asked nobody else."""
    opened = []

    def _visit(address, **look):
        opened.append(Visit.of(browser, address, **look))
        return opened[-1]

    yield _visit
    for one in opened:
        one.assert_calm()
        one.page.close()
