"""The pages as the dashboard takes them."""

import time
from collections.abc import Callable, Sequence

from tickvol.risk.pages.market import PATH as MARKET_PATH
from tickvol.risk.pages.market import MarketPage
from tickvol.risk.pages.pipeline import PATH as PIPELINE_PATH
from tickvol.risk.pages.pipeline import PipelinePage
from tickvol.risk.pages.readings import Clock, Readings
from tickvol.risk.settings import RiskSections
from tickvol.system import Page


def risk_pages(
    config: RiskSections,
    stale_after_h: float,
    now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
) -> Sequence[Page]:
    """Market risk, and health of the pipeline.

    Parameters
    ----------
    stale_after_h : figures whose newest day ended longer ago are marked as stale.
    now_us : Unix time.
    """
    clock = Clock(now_us, stale_after_h)
    readings = Readings(config.lake.dir)
    market = MarketPage(readings, config.risk.products, config.risk.z_threshold, clock)
    pipeline = PipelinePage(readings, "risk", clock)
    return (
        Page(
            path=MARKET_PATH,
            title="Market risk",
            about="Price, volatility, drawdown, value at risk with its backtest, and anomalies of each product.",
            layout=market.layout,
            state=market.state,
        ),
        Page(
            path=PIPELINE_PATH,
            title="Pipeline health",
            about="Status, records and duration of each daily run, its rules, rejected rows and days without data.",
            layout=pipeline.layout,
            state=pipeline.state,
        ),
    )
