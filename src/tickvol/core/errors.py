"""Everything that can go wrong, as one tree.

TickvolError
├── UsageError              wrong use: exit 2; carries one line per field, value and rule
│   └── ConfigError         a configuration that does not hold
├── RequestError            an HTTP request that is not answered: status, field, value and rule
└── WorkError               the work failed: exit 1
    ├── DiskFull            no room to write; what was written before is whole
    ├── InputError          a file, frame or row that cannot be read
    │   └── CorruptFile     bytes that do not match their checksum
    ├── SchemaMismatch      features of another schema than the reader's
    ├── NotEnoughData       too few rows, positives or events to go on honestly
    ├── SuspectedLeak       a result too good to be believed
    ├── TrackingUnavailable MLflow cannot be reached
    ├── Busy                another process is at this work
    ├── LedgerBroken        a ledger that was changed by other means than appending
    ├── BrokerUnavailable   Kafka cannot be reached
    ├── TopicMismatch       a topic is not what the configuration says
    ├── LogLost             what was consumed or published before is no longer in the log
    ├── RequestFailed       an HTTP request has no usable response after its last attempt
    └── NotDelivered        a sink did not take an alert: it is tried again later
        └── DeliveryRefused ... and will not take it however often it is tried
"""

import math
from collections.abc import Sequence
from typing import Any

_MAX_SHOWN = 80


class TickvolError(Exception):
    """Root of every error that tickvol raises on purpose."""


class UsageError(TickvolError):
    """Wrong use; `problems` holds one line for each field, its value and the rule it breaks."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class ConfigError(UsageError):
    """A configuration that does not hold."""


class RequestError(TickvolError):
    """An HTTP request that is not answered: status, path of the field, its value, and the rule it breaks."""

    def __init__(self, status: int, field: str, value: Any, rule: str) -> None:
        super().__init__(f"{field}: {shown(value)}: {rule}")
        self.status = status
        self.field = field
        self.value = value
        self.rule = rule


class WorkError(TickvolError):
    """The work failed although it was asked for rightly."""


class DiskFull(WorkError):
    """No room to write; what was written before is whole, and writing may go on when there is room."""


class InputError(WorkError):
    """A file, frame or row that cannot be read."""


class CorruptFile(InputError):
    """Bytes that do not match their checksum."""


class SchemaMismatch(WorkError):
    """Features of another schema than the reader's."""


class NotEnoughData(WorkError):
    """Too few rows, positives or events to go on honestly."""


class SuspectedLeak(WorkError):
    """A result too good to be believed."""


class TrackingUnavailable(WorkError):
    """MLflow cannot be reached."""


class Busy(WorkError):
    """Another process is at this work; it is to be waited for."""


class LedgerBroken(WorkError):
    """A ledger that was changed by other means than appending."""


class BrokerUnavailable(WorkError):
    """Kafka cannot be reached."""


class TopicMismatch(WorkError):
    """A topic is not what the configuration says."""


class LogLost(WorkError):
    """What was consumed or published before is no longer in the log: going on in silence would hide a hole."""


class RequestFailed(WorkError):
    """An HTTP request has no usable response; `place` is as much of its URL as may be shown.

    `retry_after_s` is the wait that the server asked for last, 0 where it did not.
    """

    def __init__(self, place: str, attempts: int, reason: str, *, retry_after_s: float = 0.0) -> None:
        self.place = place
        self.attempts = attempts
        self.reason = reason
        self.retry_after_s = retry_after_s
        made = f"{attempts} attempt{'' if attempts == 1 else 's'}, the last: " if attempts else ""
        super().__init__(f"{place}: {made}{reason}")


class NotDelivered(WorkError):
    """A sink did not take an alert; it stays in the ledger and is tried again later."""


class DeliveryRefused(NotDelivered):
    """A sink refused an alert for good; trying again would not help until someone has changed something."""


def shown(value: Any) -> Any:
    """A value as an error may repeat it: finite, short, and of a container no more than its size."""
    if isinstance(value, dict):
        return f"object with {len(value)} fields"
    if isinstance(value, list):
        return f"array of {len(value)}"
    if isinstance(value, str):
        return value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}... ({len(value)} characters)"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 64:
        return f"integer of {value.bit_length()} bits"
    return value
