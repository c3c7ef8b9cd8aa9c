"""Candles from files, stored as an answer of the source `file` in the form of the exchange's own answers."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tickvol.core.errors import InputError, UsageError
from tickvol.core.records import PRODUCT_PATTERN
from tickvol.exchange.candle_files import VALUES, DailyFile, read_daily_file
from tickvol.exchange.coinbase_candles import ParsedCandles, parse_candles
from tickvol.exchange.coinbase_rest import CandleAnswer
from tickvol.exchange.klines import QUOTES
from tickvol.risk.figures.calendar import day_number
from tickvol.risk.pipeline.bronze import BronzeWriter
from tickvol.risk.pipeline.context import FILE, GRANULARITY_S, RunContext
from tickvol.risk.tables import BRONZE

FIRST_DAY = "2009-01-03"
"""The first block of Bitcoin: no candle is older."""


class CandleFile(NamedTuple):
    """A file and the product whose candles it holds."""

    product_id: str
    path: Path


def parse_candle_file(text: str) -> CandleFile:
    """Parse `PRODUCT=FILE`, or a file's name that begins with a symbol, such as `BTCUSDT_1d.csv` or `BTC-USD.csv`.

    Raises
    ------
    UsageError
        If neither names a product, or `PRODUCT=` names none or no file.

    >>> parse_candle_file("BTC-USD=btc.csv").product_id, parse_candle_file("dir/ETHUSDT_1d.csv").product_id
    ('BTC-USD', 'ETH-USDT')
    """
    product, given, path = text.partition("=")
    if given and "/" not in product:
        if not re.fullmatch(PRODUCT_PATTERN, product):
            raise UsageError(f"FILE: {text!r}: PRODUCT in PRODUCT=FILE must be like BTC-USD")
        if not path:
            raise UsageError(f"FILE: {text!r}: names no file; write {product}=FILE")
        return CandleFile(product, Path(path))
    name = Path(text).stem.upper()
    if match := re.match(r"([A-Z0-9]{1,16}-[A-Z0-9]{1,16})(?![A-Z0-9])", name):
        return CandleFile(match[1], Path(text))
    symbol = re.split(r"[-_.]", name)[0]
    for quote in QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return CandleFile(f"{symbol.removesuffix(quote)}-{quote}", Path(text))
    raise UsageError(f"FILE: {text!r}: its name has no product; write PRODUCT=FILE, such as BTC-USD={text}")


def load_files(run: RunContext, files: Sequence[CandleFile]) -> Iterator[str]:
    """Store the candles of files, each as one answer, log the step, and report a line for each file.

    Raises
    ------
    InputError
        If a file cannot be read; those before it are stored.
    """
    with run.log.step("load", table=BRONZE.name) as step:
        writer = BronzeWriter(run)
        try:
            for file in files:
                daily = read_daily_file(file.path)
                if not daily.days:
                    raise InputError(f"{file.path}: candles of {daily.bar_s} s: must fill a day at least")
                answer = _answer(run, file, daily)
                writer.add(answer, FILE)
                step.rows_read += len(daily.frame)
                yield _summary(file, daily)
        finally:
            step.rows_written = writer.flush()
            files_text = "1 file" if step.rows_written == 1 else f"{step.rows_written} files"
            step.message = f"{files_text}, {step.rows_read:,} daily candles"


def _answer(run: RunContext, file: CandleFile, daily: DailyFile) -> CandleAnswer:
    candles = [
        {"start": None if row["open_time_s"] is None else str(row["open_time_s"]), **_texts(row)}
        for row in daily.frame.iter_rows(named=True)
    ]
    file_sha256 = hashlib.sha256(file.path.read_bytes()).hexdigest()
    body = msgspec.json.encode({"file": file.path.name, "file_sha256": file_sha256, "candles": candles})
    parsed = parse_candles("advanced_trade", body)
    assert isinstance(parsed, ParsedCandles)
    now_us = run.now_us()
    times = daily.frame["open_time_s"].drop_nulls()
    plausible = times.filter((times >= day_number(FIRST_DAY) * GRANULARITY_S) & (times * 1_000_000 <= now_us)).to_list()
    if not plausible:
        raise InputError(
            f"{file.path}: opening times: none is from {FIRST_DAY} to now; check their unit and their year"
        )
    first_s, last_s = min(plausible), max(plausible)  # the rules reject what lies outside
    return CandleAnswer(
        product_id=file.product_id,
        granularity_s=GRANULARITY_S,
        window_start_s=first_s // GRANULARITY_S * GRANULARITY_S,
        window_end_s=last_s // GRANULARITY_S * GRANULARITY_S,
        requested_at_us=now_us,
        received_at_us=now_us,
        http_status=0,
        attempts=1,
        outcome="ok",
        error=None,
        body=body,
        candles=parsed,
    )


def _texts(row: dict[str, float | None]) -> dict[str, str | None]:
    return {name: None if row[name] is None else repr(row[name]) for name in VALUES}


def _summary(file: CandleFile, daily: DailyFile) -> str:
    """A line such as `BTC-USD: 30 days of btc.csv; its last candle is dropped`."""
    shorter = f" from candles of {daily.bar_s} s" if daily.bar_s != GRANULARITY_S else ""
    repeated = len(daily.frame) - daily.unreadable - daily.days
    odd = {
        f"incomplete days left out, from {daily.incomplete[0]}" if daily.incomplete else "": len(daily.incomplete),
        "rows without a readable time": daily.unreadable,
        "repeated rows": repeated,
    }
    rest = "".join(f"; {name}: {number:,}" for name, number in odd.items() if number)
    rest += "; its last candle is dropped"
    return f"{file.product_id}: {daily.days:,} days{shorter} of {file.path}{rest}"
