"""`tickvol simulate-exchange`: a local exchange that speaks the feed's protocol, from a seeded market or recordings."""

import argparse
import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickvol.command import command_parser, run_command
from tickvol.core.errors import UsageError, WorkError

if TYPE_CHECKING:
    from tickvol.simulator.frames import EventSource
    from tickvol.simulator.market import MarketSpec
    from tickvol.simulator.rest.market import Market

DESCRIPTION = """Serve a local exchange that speaks the feed's protocol.

The source is a seeded market (the default; the same seed sends the same bytes) or recorded files (--data-file). Frames
are renumbered for each connection. The first line printed is "listening on ws://HOST:PORT".

faults (--fault, repeatable): NAME[:PART]... where PART is a SHARE of frames, a DURATION in market time (ms, s, m, h) or
KEY=VALUE
  drop:0.01                              the frame is numbered but not sent: a sequence gap
  duplicate:0.05                         the frame is sent twice with the same number
  reorder:0.05:200ms                     the frame is sent this much later, after the frames that follow it
  bad-json:0.001                         the frame is truncated to invalid JSON
  skewed-clock:300s:0.001                the timestamp is off by this much (may be negative)
  disconnect:every=60s:code=1006:for=2s  the connection closes with 1000, 1001, 1006 (abrupt), 1008, 1011, 1012 or 1013;
                                         the market continues unsent for this long
  half-frame:every=60s                   the connection breaks in the middle of a frame
  silence:at=30s:for=10s                 the connection stays open, but nothing is sent
"every" counts from a connection's first frame, "at" from the market's start.

--rest serves Coinbase's public REST APIs instead, Advanced Trade and Exchange on one port: products, candles, order
books, tickers, trades and the time, from a seeded daily market or from files of candles. The first line printed is
"listening on http://HOST:PORT". Its faults (--fault, repeatable) are NAME[:PART]... where PART is a SHARE of requests
or KEY=VALUE (nth, times, path, product, day, for, retry, row, to); without a share or nth every request is hit:
  429:0.1                                a tenth of the requests
  429-retry-after:nth=3:retry=2          the third request
  empty:product=ETH-USD:day=2026-01-05   windows of this product that include the day
docs/simulated_exchange.md lists the names.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol simulate-exchange`."""
    parser = command_parser("simulate-exchange", DESCRIPTION)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--rest", action="store_true", help="serve the REST APIs instead of the feed")
    parser.add_argument("--port", type=int, default=8765, help="port to listen on; 0 picks a free port")
    parser.add_argument(
        "--speed", default="1", help="simulated seconds per second; 0 or max: as fast as the clients read"
    )
    parser.add_argument(
        "--data-file",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="recorded frames, in this order (plain, .gz or .zst); default: a seeded market",
    )
    parser.add_argument("--seed", type=int, default=7, help="seed of the market and the faults")
    parser.add_argument(
        "--products",
        nargs="+",
        metavar="PRODUCT",
        help="products of the seeded market, separated by blanks or commas; overrides products",
    )
    parser.add_argument("--start", default="2026-01-05T00:00:00Z", help="start of the seeded market (UTC)")
    parser.add_argument("--hours", type=float, default=6.0, help="length of the seeded market in hours; 0: endless")
    parser.add_argument(
        "--ticks-per-s", type=float, default=3.0, help="mean ticks per second and product of the seeded market"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="FAULT", help="inject a fault, see above")
    parser.add_argument("--exit-when-done", action="store_true", help="exit when the source ends")
    parser.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help="write the seeded market's bare frames to FILE (plain, .gz or .zst) instead of serving; default: serve",
    )
    rest = parser.add_argument_group("with --rest")
    rest.add_argument("--days", type=int, default=0, help="days of the seeded market before now; 0: since the listing")
    rest.add_argument("--now", metavar="TIME", help="time at which the exchange's clock starts; default: the present")
    rest.add_argument("--unlimited", action="store_true", help="no rate limit; default: 10 requests/s, burst 15")
    rest.add_argument(
        "--request-log",
        type=Path,
        metavar="FILE",
        help="append a line of JSON per request to FILE; default: none is kept",
    )
    return run_command(parser, _work, argv)


def _work(options: argparse.Namespace) -> int:
    if not 0 <= options.port <= 65535:
        raise UsageError(f"--port: {options.port}: must be from 0 to 65535")
    return _serve_rest(options) if options.rest else _serve_feed(options)


def _serve_feed(options: argparse.Namespace) -> int:
    from tickvol.simulator.faults import parse_fault

    for name in ("days", "now", "unlimited", "request_log"):
        if getattr(options, name):
            raise UsageError(f"--{name.replace('_', '-')}: only with --rest")
    if not options.verbose:
        logging.getLogger("tickvol.simulator.exchange.socket").setLevel(logging.CRITICAL)
    speed = _speed(options.speed)
    faults = [parse_fault(text) for text in options.fault]
    if options.write:
        return _write(options)
    source = _source(options)
    from tickvol.simulator.exchange import SimulatedExchange

    exchange = SimulatedExchange(source, speed=speed, faults=faults, fault_seed=options.seed)

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await exchange.run(
            options.host,
            options.port,
            lambda port: print(f"listening on ws://{options.host}:{port}", flush=True),
            stop,
            exit_when_done=options.exit_when_done,
        )

    try:
        asyncio.run(serve())
    except OSError as error:
        where = f"--host {options.host}, --port {options.port}"
        raise WorkError(f"{where}: cannot listen: {error.strerror or error}; --port 0 takes a free port") from None
    counts = exchange.counts
    print(f"served {counts.frames:,} frames of {counts.events:,} events to {counts.connections:,} connections")
    return 0


def _serve_rest(options: argparse.Namespace) -> int:
    from tickvol.simulator.rest.fault_plan import FaultPlan
    from tickvol.simulator.rest.fault_text import parse_rest_fault
    from tickvol.simulator.rest.limits import RateLimit
    from tickvol.simulator.rest.request_log import RequestLog
    from tickvol.simulator.rest.server import RestExchange

    for name in ("write", "exit_when_done"):
        if getattr(options, name):
            raise UsageError(f"--{name.replace('_', '-')}: not with --rest")
    clock = _clock(options.now)
    market = _daily_market(options, clock())
    faults = FaultPlan([parse_rest_fault(text) for text in options.fault], seed=options.seed)
    exchange = RestExchange(
        market,
        now_s=clock,
        faults=faults,
        limit=None if options.unlimited else RateLimit(),
        log=RequestLog(options.request_log),
        host=options.host,
        port=options.port,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with exchange:
            print(f"listening on {exchange.url}", flush=True)
            stop.wait()
    except OSError as error:
        where = f"--host {options.host}, --port {options.port}"
        raise WorkError(f"{where}: cannot listen: {error.strerror or error}; --port 0 takes a free port") from None
    count, most = len(exchange.log.requests), exchange.log.most_in_a_second()
    print(f"answered {count:,} requests, at most {most} in a second")
    return 0


def _daily_market(options: argparse.Namespace, now_s: float) -> "Market":
    if options.days < 0:
        raise UsageError(f"--days: {options.days}: must not be negative")
    if options.data_file:
        from tickvol.simulator.rest.recordings import recorded_market

        return recorded_market(options.data_file)
    from tickvol.core.times import DAY_S
    from tickvol.simulator.rest.market import SeededMarket

    first_day = int(now_s) // DAY_S - options.days if options.days else None
    return SeededMarket(_products(options), options.seed, first_day=first_day)


def _clock(text: str | None) -> Callable[[], float]:
    if text is None:
        return time.time
    ahead_s = _time_s("--now", text) - time.time()
    return lambda: time.time() + ahead_s


def _source(options: argparse.Namespace) -> "EventSource":
    if options.data_file:
        from tickvol.simulator.recording import recorded_source

        return recorded_source(options.data_file)
    from tickvol.simulator.market_events import market_source

    return market_source(_market(options))


def _market(options: argparse.Namespace) -> "MarketSpec":
    from tickvol.simulator.market import MarketSpec, market_products

    if options.hours < 0 or options.ticks_per_s <= 0:
        raise UsageError(f"--hours {options.hours:g}, --ticks-per-s {options.ticks_per_s:g}: must be positive")
    if options.seed < 0:
        raise UsageError(f"--seed: {options.seed}: must not be negative")
    products = market_products(_products(options), ticks_per_s=options.ticks_per_s)
    return MarketSpec(
        products, options.seed, _time_s("--start", options.start) * 1_000_000_000, round(options.hours * 3600) or None
    )


def _products(options: argparse.Namespace) -> list[str]:
    if options.products:
        names = [name for text in options.products for name in text.split(",") if name]
        return list(dict.fromkeys(names))
    from tickvol.config import load_config

    return list(load_config(options.config).products)


def _speed(text: str) -> float | None:
    try:
        speed = 0.0 if text == "max" else float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed < float("inf"):
        raise UsageError(f"--speed: {text!r}: must be a positive number, or 0 or max for as fast as the clients read")
    return speed or None


def _time_s(option: str, text: str) -> int:
    from datetime import UTC, datetime

    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option}: {text!r}: must be a time such as 2026-01-05T00:00:00Z") from None
    return int(start.replace(tzinfo=start.tzinfo or UTC).timestamp())


def _write(options: argparse.Namespace) -> int:
    if options.data_file or options.fault:
        raise UsageError("--write: writes the seeded market as it is: not with --data-file or --fault")
    if not options.hours:
        raise UsageError("--write: needs --hours above 0, or it would never end")
    from tickvol.simulator.recording import write_lines
    from tickvol.simulator.session import market_frames

    frames = write_lines(options.write, market_frames(_market(options)))
    print(f"wrote {frames:,} frames to {options.write}")
    return 0
