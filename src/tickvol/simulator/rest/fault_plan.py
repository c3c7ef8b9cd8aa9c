"""The decision which requests a fault hits: by number, or drawn from a seed."""

import threading
from collections import Counter
from collections.abc import Sequence
from random import Random

from tickvol.core.errors import UsageError
from tickvol.simulator.rest.fault_kinds import KINDS
from tickvol.simulator.rest.faults import Fault, FaultRates
from tickvol.simulator.rest.wire import Request


class FaultPlan:
    """Faults in the order in which they apply. Threads may share a plan.

    Raises
    ------
    UsageError
        If a fault is of no known kind.
    """

    def __init__(self, faults: Sequence[str | Fault] | FaultRates = (), *, seed: int = 7) -> None:
        self._rates = faults if isinstance(faults, FaultRates) else None
        given = faults.kinds if isinstance(faults, FaultRates) else faults
        self._faults = [Fault(fault) if isinstance(fault, str) else fault for fault in given]
        self._seed = faults.seed if isinstance(faults, FaultRates) else seed
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._matched: Counter[int] = Counter()
        for fault in self._faults:
            if fault.kind not in KINDS:
                raise UsageError(f"fault {fault.kind!r}: must be one of {', '.join(KINDS)}")

    def hits(self, request: Request) -> list[Fault]:
        """Faults that hit this request."""
        with self._lock:
            self._asked[request.target] += 1
            if self._rates is not None:
                return self._drawn(self._rates, request)
            return [fault for number, fault in enumerate(self._faults) if self._is_hit(number, fault, request)]

    def _drawn(self, rates: FaultRates, request: Request) -> list[Fault]:
        draws = self._draws(request)
        if rates.path not in request.path or draws.random() >= rates.share:
            return []
        return [self._faults[draws.randrange(len(self._faults))]]

    def _is_hit(self, number: int, fault: Fault, request: Request) -> bool:
        if not fault.matches(request, KINDS[fault.kind].paths):
            return False
        if fault.share is not None:
            return self._draws(request, number).random() < fault.share
        self._matched[number] += 1
        return fault.nth <= self._matched[number] and (
            fault.times == 0 or self._matched[number] < fault.nth + fault.times
        )

    def _draws(self, request: Request, number: int = 0) -> Random:
        return Random(f"{self._seed}/{number}/{request.target}/{self._asked[request.target]}")
