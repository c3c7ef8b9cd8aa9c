"""Contents of messages as an audit counts them, and the checks shared by all topics."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from tickvol.bus.messages import partition_of
from tickvol.bus.reading import Stored
from tickvol.core.records import Gap
from tickvol.core.times import NS_PER_MS

MAX_INTEGER = 2**62
home_partition = lru_cache(maxsize=1024)(partition_of)


class Content(NamedTuple):
    """Content of a valid message.

    `number` counts within `group` and, for ticks and heartbeats, separately for each `member`, a product; None if the
    message has no such number. `gap` is set for gap records only.
    """

    kind: str
    product_id: str
    time_ns: int
    receive_time_ns: int | None
    group: str = ""
    member: str | None = None
    number: int | None = None
    gap: Gap | None = None


Validator = Callable[[Sequence[Stored]], list[Content | str]]
"""Maps messages of a topic to contents, and each invalid one to the first rule that it breaks."""


def each(validate: Callable[[Stored], Content | str]) -> Validator:
    """A validator that judges each message on its own."""
    return lambda messages: [validate(message) for message in messages]


def decoding_fault(value: bytes, error: Exception) -> str:
    """Reason why a value could not be decoded, as dead-letter records name it."""
    if isinstance(error, msgspec.ValidationError):
        return "bad_field"
    if isinstance(error, RecursionError):
        return "too_deep"
    try:
        value.decode()
    except UnicodeDecodeError:
        return "not_utf8"
    return "not_json"


def decoded(message: Stored, decode: Callable[[bytes], Any]) -> Any:
    """The decoded value, or the fault as a str."""
    if message.value is None:
        return "null_value"
    try:
        return decode(message.value)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return decoding_fault(message.value, error)


def envelope_fault(message: Stored, key: str, time_ns: int) -> str | None:
    """`wrong_key`, `bad_timestamp` or None: order in a partition depends on the key, rewinding on the timestamp."""
    if message.key != key.encode(errors="surrogatepass"):
        return "wrong_key"
    return None if message.timestamp_ms == time_ns // NS_PER_MS else "bad_timestamp"


def placement_fault(message: Stored, content: Content | str, partitions: int) -> Content | str:
    """The content, or `wrong_partition` if the message is not in its product's partition."""
    if isinstance(content, str) or message.partition == home_partition(content.product_id, partitions):
        return content
    return "wrong_partition"
