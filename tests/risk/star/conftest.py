"""Gold tables for the tests of the star schema."""

import pytest

from tests.risk.star.gold import RANKS, anomalies_of, risk_of
from tickvol.risk.star.build import star_rows


@pytest.fixture(scope="session")
def risk():
    return risk_of()


@pytest.fixture(scope="session")
def anomalies(risk):
    return anomalies_of(risk)


@pytest.fixture(scope="session")
def star(risk, anomalies):
    return star_rows(risk, anomalies, RANKS, {})
