"""The connection to the exchange's feed: subscribe, write every frame to the archive, and reconnect, for ever."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tickvol.capture.reconnect import ConnectLimiter
from tickvol.core.backoff import Backoff
from tickvol.core.errors import DiskFull
from tickvol.core.records import GapReason
from tickvol.eventlog.raw_archive import RawArchive
from tickvol.exchange.coinbase import HEARTBEATS, TICKER, subscribe_message

log = logging.getLogger(__name__)

CHANNELS = (HEARTBEATS, TICKER)
QUEUE_FRAMES = 1024
CLOSE_TIMEOUT_S = 2.0
DISK_RETRY_S = 1.0
_ERROR = b'{"type":"error"'
_NO_DATA = (b'"channel":"subscriptions"', b'"type":"error"')
_NORMAL_CLOSURE = 1000


@dataclass(frozen=True)
class FeedSpec:
    """Feed and products to capture, and the limits of a connection."""

    url: str
    products: tuple[str, ...]
    subscribe_timeout_s: float
    feed_silence_s: float
    max_message_bytes: int


@dataclass
class FeedCounts:
    """Connections by outcome; `opened` is the sum of `closed` and those still open at the end."""

    opened: int = 0
    failed: int = 0
    closed: Counter[str] = field(default_factory=Counter)


class Feed:
    """Captures until it is cancelled.

    Parameters
    ----------
    now_ns : wall clock, for receive times only.
    monotonic : seconds, for the silence timeout.
    stop_on_close : end when the server closes normally (1000), as it does at the end of a recording.
    """

    def __init__(
        self,
        spec: FeedSpec,
        archive: RawArchive,
        backoff: Backoff,
        limiter: ConnectLimiter,
        *,
        stop_on_close: bool = False,
        now_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = FeedCounts()
        self._spec = spec
        self._archive = archive
        self._backoff = backoff
        self._limiter = limiter
        self._stop_on_close = stop_on_close
        self._now_ns = now_ns
        self._monotonic = monotonic
        self._connection_id = ""
        self._began_s = self._last_frame_s = monotonic()
        self._silent = False
        self._delivered = False

    @property
    def frame_age_s(self) -> float:
        """Time since the last frame, on any connection; since the start if there was none."""
        return self._monotonic() - self._last_frame_s

    async def run(self) -> None:
        """Capture until cancelled, or with `stop_on_close` until the server closes."""
        while True:
            while (wait_s := self._limiter.wait_s()) > 0:
                await asyncio.sleep(wait_s)
            socket = await self._connect()
            self._limiter.note()  # now: the server cannot have counted it later
            if socket is not None:
                try:
                    await self._session(socket)
                except DiskFull as error:
                    await self._wait_for_disk_space(error)
                if self._stop_on_close and socket.close_code == _NORMAL_CLOSURE:
                    return
            wait_s = self._backoff.next_wait_s()
            log.info("connecting again in %.1f s", wait_s)
            await asyncio.sleep(wait_s)

    async def _connect(self) -> ClientConnection | None:
        try:
            socket = await connect(
                self._spec.url,
                max_size=self._spec.max_message_bytes,
                max_queue=QUEUE_FRAMES,
                open_timeout=self._spec.feed_silence_s,  # a handshake without a response counts as silence
                close_timeout=CLOSE_TIMEOUT_S,
                logger=log.getChild("socket"),
            )
        except (OSError, WebSocketException, EOFError) as error:
            self.counts.failed += 1
            log.warning("%s: cannot connect: %s", self._spec.url, error or type(error).__name__)
            return None
        self.counts.opened += 1
        return socket

    async def _session(self, socket: ClientConnection) -> None:
        connection_id = self._connection_id = f"{self._archive.capture_id}-{self.counts.opened}"
        self._silent, self._delivered = False, False
        self._began_s = self._monotonic()
        self._archive.connection_opened(self._now_ns(), connection_id, list(self._spec.products), self._spec.url)
        watch = asyncio.create_task(self._watch(socket))
        try:
            async with asyncio.timeout(self._spec.subscribe_timeout_s):
                for channel in CHANNELS:
                    await socket.send(subscribe_message(channel, self._spec.products))
            await self._receive(socket, connection_id)
        except TimeoutError:
            log.warning("%s: no subscription within %g s", connection_id, self._spec.subscribe_timeout_s)
            socket.transport.abort()
        except ConnectionClosed as closed:
            if not self._silent:
                log.warning("%s ended: %s", connection_id, closed)
        except asyncio.CancelledError:
            await socket.close()
            with contextlib.suppress(ConnectionClosed):
                await self._receive(socket, connection_id)  # frames that had arrived when the capture was stopped
            raise
        finally:
            watch.cancel()
            await socket.close()
        reason = GapReason.SILENCE if self._silent else GapReason.RECONNECT
        self.counts.closed[reason.label] += 1
        self._archive.connection_closed(self._now_ns(), connection_id, reason)

    async def _wait_for_disk_space(self, error: DiskFull) -> None:
        """Retry recording the end of the connection until it succeeds; what arrives meanwhile is a gap in the log."""
        log.error("%s; capture goes on when there is room", error)
        self.counts.closed[GapReason.CAPTURE_DOWN.label] += 1
        while True:
            await asyncio.sleep(DISK_RETRY_S)
            with contextlib.suppress(DiskFull):
                self._archive.connection_closed(self._now_ns(), self._connection_id, GapReason.CAPTURE_DOWN)
                log.warning("there is room again: capture goes on")
                return

    async def _receive(self, socket: ClientConnection, connection_id: str) -> None:
        receive, write, now_ns, monotonic = socket.recv, self._archive.write_frame, self._now_ns, self._monotonic
        while True:
            frame = await receive(decode=False)
            self._last_frame_s = monotonic()
            write(now_ns(), connection_id, frame)
            if not self._delivered:
                self._look(connection_id, frame)

    def _look(self, connection_id: str, frame: bytes) -> None:
        start = frame[:200]
        if start.startswith(_ERROR):
            log.warning("%s: the exchange refuses: %s", connection_id, start.decode(errors="replace"))
        if not any(mark in start for mark in _NO_DATA):
            self._delivered = True
            self._backoff.reset()

    async def _watch(self, socket: ClientConnection) -> None:
        while (left_s := max(self._last_frame_s, self._began_s) + self._spec.feed_silence_s - self._monotonic()) > 0:
            await asyncio.sleep(left_s)
        self._silent = True
        log.warning("no frame for %g s: the feed is dead", self._spec.feed_silence_s)
        socket.transport.abort()
