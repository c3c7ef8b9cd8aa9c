"""Days that a market publishes late, never, or changes after they were final."""

from collections.abc import Sequence
from dataclasses import dataclass

from tickvol.simulator.rest.market import Bar, Day, Market, day_number


@dataclass(frozen=True, slots=True)
class Missing:
    """A day that the exchange never publishes."""

    product_id: str
    day: Day


@dataclass(frozen=True, slots=True)
class Late:
    """A day that the exchange publishes from `at_s` on, in s since the epoch."""

    product_id: str
    day: Day
    at_s: float


@dataclass(frozen=True, slots=True)
class Revised:
    """A day that has other values from `at_s` on, in s since the epoch."""

    product_id: str
    day: Day
    at_s: float
    bar: tuple[float, float, float, float, float]


class EditedMarket:
    """A market with some days changed; of several revisions of a day the last one that holds wins."""

    def __init__(self, market: Market, edits: Sequence[Missing | Late | Revised]) -> None:
        self._market = market
        self._edits: dict[tuple[str, int], list[Missing | Late | Revised]] = {}
        for edit in edits:
            self._edits.setdefault((edit.product_id, day_number(edit.day)), []).append(edit)

    @property
    def products(self) -> Sequence[str]:
        """Products of the market."""
        return self._market.products

    def day_bar(self, product_id: str, day: int, now_s: float) -> Bar | None:
        """The bar of the day as published at `now_s`."""
        bar = self._market.day_bar(product_id, day, now_s)
        for edit in self._edits.get((product_id, day), ()):
            if isinstance(edit, Missing) or (isinstance(edit, Late) and now_s < edit.at_s):
                return None
            if isinstance(edit, Revised) and now_s >= edit.at_s:
                bar = Bar(*edit.bar)
        return bar
