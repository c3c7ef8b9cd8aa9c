"""Ticks and bars of recordings as columns, for libraries that are given them ready."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from stream import Input

from tickvol.config import Config
from tickvol.core.times import NS_PER_S
from tickvol.eventlog.frames import FrameDecoder, Layout


@dataclass(frozen=True, slots=True)
class Ticks:
    """Columns of the ticks of one product, in log order."""

    time_ns: NDArray[np.int64]
    mid: NDArray[np.float64]
    log_return: NDArray[np.float64]
    spread_bps: NDArray[np.float64]
    imbalance: NDArray[np.float64]


def tick_columns(config: Config, found: Input) -> list[Ticks]:
    """The ticks of each product, all recordings one after the other."""
    decoder = FrameDecoder(config.products, config.ingestion.max_line_bytes)
    parts = [decoder.decode(recording.lines, Layout.BARE) for recording in found.recordings]
    time_ns = np.concatenate([np.repeat(part.event_time_ns, np.diff(part.tick_begin)) for part in parts])
    product, bid, ask, bid_quantity, ask_quantity = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("product", "bid", "ask", "bid_quantity", "ask_quantity")
    )
    mid, imbalance = (bid + ask) / 2, np.nan_to_num((bid_quantity - ask_quantity) / (bid_quantity + ask_quantity))
    given = []
    for number in np.unique(product):
        own = product == number
        log_return = np.diff(np.log(mid[own]), prepend=np.log(mid[own][0]))
        given.append(Ticks(time_ns[own], mid[own], log_return, 1e4 * ((ask - bid) / mid)[own], imbalance[own]))
    return given


def bar_table(ticks: Ticks) -> pd.DataFrame:
    """One row a second that has ticks: last mid, mean spread and imbalance, number of ticks, log-return."""
    table = pd.DataFrame({"mid": ticks.mid, "spread_bps": ticks.spread_bps, "imbalance": ticks.imbalance})
    groups = table.groupby(ticks.time_ns // NS_PER_S)
    bars = groups.mean().assign(mid=groups.mid.last(), ticks=groups.size())
    return bars.assign(log_return=np.log(bars.mid).diff().fillna(0.0))
