"""Faults of the simulated REST exchange, each a kind and the requests that it hits."""

from collections.abc import Sequence
from dataclasses import dataclass

from tickvol.simulator.rest.wire import Request


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault and the requests that it hits: some by number, or a share of them drawn from the seed.

    Parameters
    ----------
    kind : a name of `fault_kinds.KINDS`.
    share : of the matching requests; None: those numbered `nth` to `nth + times - 1`.
    nth, times : number of the first matching request that is hit, from 1, and count of them; 0: all that follow.
    path : part of the path; empty: that of the kind. product_id : empty: any.
    at_s : hits only requests whose window includes this time.
    for_s : duration of a wait; None: that of the kind.
    retry_after_s : wait that the answer asks for. row : index of the row, level or trade; None: the middle one.
    to : target of a redirect.
    """

    kind: str
    share: float | None = None
    nth: int = 1
    times: int = 1
    path: str = ""
    product_id: str = ""
    at_s: int | None = None
    for_s: float | None = None
    retry_after_s: int = 1
    row: int | None = None
    to: str = "http://127.0.0.1:9/"

    def matches(self, request: Request, paths: Sequence[str]) -> bool:
        """Whether the fault may hit the request; `paths` are those of its kind."""
        if self.product_id not in ("", request.product_id):
            return False
        if self.at_s is not None and not (
            request.window_s is not None and request.window_s[0] <= self.at_s <= request.window_s[1]
        ):
            return False
        return any(part in request.path for part in ([self.path] if self.path else paths))


@dataclass(frozen=True, slots=True)
class FaultRates:
    """One of several faults, drawn for a share of the requests.

    A draw depends on the seed, the target of the request and how often that target was asked for, so that neither the
    order of other requests nor threads change it.

    Parameters
    ----------
    share : of the requests for candles, or of those whose path contains `path`.
    kinds : names, or faults with their parameters, all equally likely.
    """

    seed: int
    share: float
    kinds: tuple[str | Fault, ...]
    path: str = "/candles"
