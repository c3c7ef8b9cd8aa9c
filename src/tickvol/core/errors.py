"""All errors, as one tree.

TickvolError
├── UsageError              wrong use: exit 2; carries one line per field, value and rule
│   └── ConfigError         an invalid configuration
├── RequestError            an HTTP request that cannot be answered: status, field, value and rule
└── WorkError               the work failed: exit 1
    ├── DiskFull            no disk space; what was written before is whole
    ├── InputError          a file, frame or row that cannot be read
    │   └── CorruptFile     bytes that do not match their checksum
    ├── SchemaMismatch      features of a schema other than the reader's
    ├── KeyConflict         a row whose key is stored with other values
    │   └── WarehouseConflict ... in a SQL table: names the key and both values
    ├── NotEnoughData       too few rows, positives or events for an honest result
    ├── SuspectedLeak       a result too good to be true
    ├── TrackingUnavailable MLflow cannot be reached
    ├── Busy                another process is doing this work
    │   └── TablesBusy      ... is writing to the Delta tables: exit 3
    ├── LedgerBroken        a ledger that was changed other than by appending
    ├── BrokerUnavailable   Kafka cannot be reached
    ├── TopicMismatch       a topic does not match the configuration
    ├── LogLost             messages consumed or published before are no longer in the log
    ├── RequestFailed       an HTTP request has no usable response after its last attempt
    └── NotDelivered        a sink did not take an alert: it is retried later
        └── DeliveryRefused ... and never will
"""

import math
from collections.abc import Sequence
from typing import Any

_MAX_SHOWN = 80


class TickvolError(Exception):
    """Root of all errors that tickvol raises deliberately."""


class UsageError(TickvolError):
    """Wrong use; `problems` holds one line per problem: field, value and the rule that it breaks."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class ConfigError(UsageError):
    """An invalid configuration."""


class RequestError(TickvolError):
    """An HTTP request that cannot be answered: status, path of the field, its value, and the rule that it breaks."""

    def __init__(self, status: int, field: str, value: Any, rule: str) -> None:
        super().__init__(f"{field}: {shown(value)}: {rule}")
        self.status = status
        self.field = field
        self.value = value
        self.rule = rule


class WorkError(TickvolError):
    """The work failed although it was requested correctly."""


class DiskFull(WorkError):
    """No disk space; what was written before is whole, and writing may continue once there is space."""


class InputError(WorkError):
    """A file, frame or row that cannot be read."""


class CorruptFile(InputError):
    """Bytes that do not match their checksum."""


class SchemaMismatch(WorkError):
    """Features of a schema other than the reader's."""


class KeyConflict(WorkError):
    """A row whose key is stored with other values, in a table that is only appended to."""


class WarehouseConflict(KeyConflict):
    """A row of a SQL table that is stored with other values than those to be written; names the key and both."""


class NotEnoughData(WorkError):
    """Too few rows, positives or events for an honest result."""


class SuspectedLeak(WorkError):
    """A result too good to be true."""


class TrackingUnavailable(WorkError):
    """MLflow cannot be reached."""


class Busy(WorkError):
    """Another process is doing this work; wait for it."""


class TablesBusy(Busy):
    """Another process is writing to the Delta tables; commands exit with code 3."""


class LedgerBroken(WorkError):
    """A ledger that was changed other than by appending."""


class BrokerUnavailable(WorkError):
    """Kafka cannot be reached."""


class TopicMismatch(WorkError):
    """A topic does not match the configuration."""


class LogLost(WorkError):
    """Messages consumed or published before are no longer in the log: continuing would hide a gap."""


class RequestFailed(WorkError):
    """An HTTP request without a usable response; `place` is as much of its URL as may be shown.

    `retry_after_s` is the wait that the server last asked for, 0 if it did not ask; `status` that of the last response,
    0 if there was none; `body` its body, if the rules of the call keep it.
    """

    def __init__(
        self,
        place: str,
        attempts: int,
        reason: str,
        *,
        retry_after_s: float = 0.0,
        status: int = 0,
        body: bytes = b"",
    ) -> None:
        self.place = place
        self.attempts = attempts
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.status = status
        self.body = body
        made = f"{attempts} attempt{'' if attempts == 1 else 's'}, the last: " if attempts else ""
        super().__init__(f"{place}: {made}{reason}")


class NotDelivered(WorkError):
    """A sink did not take an alert; it stays in the ledger and is retried later."""


class DeliveryRefused(NotDelivered):
    """A sink refused an alert for good; a retry would not help until something is changed."""


def shown(value: Any) -> Any:
    """A value as an error message may repeat it: finite and short; of a container only the size."""
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
