"""Lines of the raw archive: frames exactly as received, and control lines about connections and the capture.

A frame line, a control line::

    {"receive_time_ns":1775427313930000000,"connection_id":"20260405T223513Z-1","frame":"{\\"channel\\":\\"ticker\\",...}"}
    {"receive_time_ns":1775427313900000000,"control":"connection_opened","connection_id":"20260405T223513Z-1",
     "products":["BTC-USD"],"url":"wss://..."}

The frame stays text inside JSON, so that a frame that is not JSON is kept as received; bytes that are not UTF-8 are
stored as `frame_base64`.
"""

import base64
import enum

import msgspec

from tickvol.core.records import GapReason


class Control(enum.StrEnum):
    """Event that a control line reports."""

    CAPTURE_STARTED = "capture_started"
    CAPTURE_STOPPED = "capture_stopped"
    CONNECTION_OPENED = "connection_opened"
    CONNECTION_CONTINUED = "connection_continued"
    """First line of a rotated file: the connection continues from the previous file."""
    CONNECTION_CLOSED = "connection_closed"


class ArchiveLine(msgspec.Struct, omit_defaults=True, gc=False):
    """One line: a frame if `frame` (or `frame_base64`) is set, else a control line."""

    receive_time_ns: int
    connection_id: str | None = None
    frame: str | None = None
    frame_base64: str | None = None
    control: Control | None = None
    products: list[str] | None = None
    url: str | None = None
    reason: str | None = None


_encode = msgspec.json.Encoder().encode


def frame_line(receive_time_ns: int, connection_id: str, frame: str | bytes) -> bytes:
    """A received frame as one line, newline included."""
    if isinstance(frame, bytes):
        try:
            frame = frame.decode()
        except UnicodeDecodeError:
            return _encode(ArchiveLine(receive_time_ns, connection_id, frame_base64=_base64(frame))) + b"\n"
    return _encode(ArchiveLine(receive_time_ns, connection_id, frame=frame)) + b"\n"


def _base64(frame: str | bytes) -> str:
    return base64.b64encode(frame if isinstance(frame, bytes) else frame.encode()).decode()


def control_line(
    receive_time_ns: int,
    control: Control,
    *,
    connection_id: str | None = None,
    products: list[str] | None = None,
    url: str | None = None,
    reason: GapReason | None = None,
) -> bytes:
    """A control line, newline included; `reason` gives the reason why a connection closed."""
    line = ArchiveLine(
        receive_time_ns,
        connection_id,
        control=control,
        products=products,
        url=url,
        reason=None if reason is None else reason.label,
    )
    return _encode(line) + b"\n"
