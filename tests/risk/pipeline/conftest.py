"""Fixtures of runs against an exchange in the test's own process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.risk.pipeline.exchange import Desk, Faults, market, noon_s, sections
from tickvol.simulator.rest.market import Market
from tickvol.simulator.rest.server import RestExchange

NewDesk = Callable[..., Desk]


@pytest.fixture
def new_desk(tmp_path: Path) -> Iterator[NewDesk]:
    """Opens an exchange, and a directory of tables that is empty."""
    with ExitStack() as opened:

        def open_desk(bars: Market | None = None, *, faults: Faults = (), name: str = "", **settings: object) -> Desk:
            exchange = RestExchange(bars or market(), now_s=noon_s(), faults=faults)
            server = opened.enter_context(exchange)
            directory = tmp_path / (name or f"desk{len(list(tmp_path.iterdir()))}")
            directory.mkdir(exist_ok=True)
            return Desk(server, sections(directory, server.url, **settings))  # type: ignore[arg-type]

        yield open_desk
