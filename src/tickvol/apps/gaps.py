"""`tickvol gaps`: the gaps of the log: start, length, reason, products and affected rows."""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickvol.command import command_parser, run_command
from tickvol.core.times import NS_PER_S

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.volatility.featurizer.gap_ledger import BarsOf, GapLedger, Interruption

DESCRIPTION = """List the gaps of the log, one line each: start, length, reason, number of sequence numbers known to be
lost, number of dataset rows with a window that overlaps the gap, number of these rows without a mid (missing bars), and
products.

The log is the archive or, with --from-kafka, the tick topic. Repeated records of a gap count once. An ongoing
interruption is not listed: its gap is recorded with the first tick after it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol gaps`."""
    parser = command_parser("gaps", DESCRIPTION)
    parser.add_argument(
        "--data-file",
        nargs="+",
        type=Path,
        metavar="F",
        help="files or directories; default: all of ingestion.raw_dir",
    )
    parser.add_argument("--from-kafka", action="store_true", help="read ingestion.topic, not the archive")
    parser.add_argument(
        "--sequence",
        choices=("trust", "report"),
        help="sequence gaps in bare recordings: trust them as data loss, or only report; default: ingestion.sequence",
    )
    parser.add_argument("--features", type=Path, metavar="DIR", help="dataset; default: features.dataset_dir")
    parser.add_argument("--product", metavar="P", help="gaps of this product only; default: of all products")
    parser.add_argument("--min-seconds", type=float, default=0.0, metavar="S", help="omit shorter gaps from the list")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return run_command(parser, _gaps, argv)


def _gaps(options: argparse.Namespace) -> int:
    from tickvol.config import check_products, load_config
    from tickvol.core.errors import UsageError
    from tickvol.volatility.featurizer.gap_ledger import GapLedger, touched

    config = load_config(options.config)
    if options.from_kafka and options.data_file:
        raise UsageError(f"--data-file: {options.data_file[0]}: not with --from-kafka, which reads the topic")
    if not 0 <= options.min_seconds < math.inf:
        raise UsageError(f"--min-seconds: {options.min_seconds}: must be at least 0")
    products = config.products if options.product is None else check_products([options.product])
    ledger = GapLedger()
    if options.from_kafka:
        source, unreadable = config.ingestion.topic, _from_topic(ledger, config, products)
    else:
        paths = options.data_file or [config.ingestion.raw_dir]
        source = " ".join(map(str, paths))
        unreadable = _from_archive(ledger, config, products, paths, options.sequence)
    everything = ledger.interruptions()
    listed = ledger.interruptions(min_s=options.min_seconds)
    dataset: Path = options.features or config.features.dataset_dir
    if listed and (options.features is not None or dataset.is_dir()):
        spec, bars = _bars_of(dataset, products, listed)
        for gap in listed:
            gap.rows, gap.missing_bars = touched(gap, bars, spec)
    totals = _totals(ledger, everything)
    if options.json:
        import msgspec

        report = {"source": source, "gaps": [_told(gap) for gap in listed], "totals": totals, "unreadable": unreadable}
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
        return 0
    _print(source, listed, len(everything), totals, unreadable, dataset)
    return 0


def _from_archive(
    ledger: "GapLedger", config: "Config", products: Sequence[str], paths: Sequence[Path], sequence: str | None
) -> list[str]:
    """Add the gaps of recorded frames, as replay reads them; return the unreadable inputs."""
    import numpy as np

    from tickvol.core.errors import InputError
    from tickvol.core.record_columns import RecordKind
    from tickvol.eventlog.archive_reader import MergedLog, archive_files
    from tickvol.eventlog.frames import FrameDecoder
    from tickvol.eventlog.tracker import FrameTracker

    if not all(path.exists() for path in paths):
        absent = next(path for path in paths if not path.exists())
        raise InputError(f"--data-file: {absent}: no such file or directory; `tickvol ws-ingest` captures something")
    decoder = FrameDecoder(products, config.ingestion.max_line_bytes)
    tracker = FrameTracker(
        products,
        grace_ms=config.features.grace_ms,
        max_ahead_s=config.ingestion.max_ahead_s,
        trust_bare=(sequence or config.ingestion.sequence) == "trust",
    )
    log = MergedLog(archive_files(paths), decoder, batch_size=config.features.batch_size)
    for batch in log:
        tracked = tracker.push(batch.frames, bare=batch.bare)
        for gap in tracked.gaps:
            ledger.add(gap)
        records = tracked.records
        dated = records.kind != RecordKind.GAP
        for number in np.unique(records.product[dated]):
            times = records.event_time_ns[dated & (records.product == number)]
            ledger.saw(products[number], int(times.min()), int(times.max()))
    return log.unreadable


def _from_topic(ledger: "GapLedger", config: "Config", products: Sequence[str]) -> list[str]:
    """Add the gaps of the tick topic; return a line with the number of invalid messages."""
    from tickvol.bus.reading import TopicReader
    from tickvol.capture.topics import ticks_topic

    bad, topic = 0, ticks_topic(config.kafka, config.ingestion)
    with TopicReader(config.kafka, topic.name, client_id="tickvol-gaps") as reader:
        for messages in reader.whole():
            for content in topic.validator(messages):
                if isinstance(content, str):
                    bad += 1
                elif content.product_id in products:
                    if content.gap is not None:
                        ledger.add(content.gap)
                    else:
                        ledger.saw(content.product_id, content.time_ns, content.time_ns)
    return [f"{topic.name}: {bad} messages that are no records"] if bad else []


def _bars_of(dataset: Path, products: Sequence[str], gaps: "Sequence[Interruption]") -> "tuple[Any, dict[str, BarsOf]]":
    """Feature spec, and per product the bars and missing bars of all hours that a gap can affect."""
    import numpy as np

    from tickvol.core.errors import InputError, SchemaMismatch
    from tickvol.volatility.dataset import HOUR_NS, dataset_files, read_hour
    from tickvol.volatility.featurizer.gap_ledger import BarsOf
    from tickvol.volatility.schema.feature_row import feature_names

    files = dataset_files(dataset, products)
    if not files:
        raise InputError(f"--features: {dataset}: no rows of {', '.join(products)}; compute them with `tickvol replay`")
    spec = read_hour(files[0][2])[0]
    reach = spec.longest_window_s // 3600 + 1
    parts: dict[str, list[Any]] = {}
    for product_id, hour, path in files:
        if any(gap.from_ns < (hour + 1) * HOUR_NS and gap.end_ns >= (hour - reach) * HOUR_NS for gap in gaps):
            own_spec, bar_end_ns, values, _ = read_hour(path)
            if own_spec != spec:
                raise SchemaMismatch(f"{path}: has another feature spec than {files[0][2]}; replay the whole dataset")
            mid = values[:, feature_names(spec).index("mid")]
            parts.setdefault(product_id, []).append((bar_end_ns // spec.bar_ns - 1, np.isnan(mid)))
    return spec, {
        name: BarsOf(np.concatenate([bar for bar, _ in own]), np.concatenate([missing for _, missing in own]))
        for name, own in parts.items()
    }


def _totals(ledger: "GapLedger", gaps: "Sequence[Interruption]") -> dict[str, dict[str, float]]:
    from tickvol.volatility.featurizer.gap_ledger import unknown_ns

    totals = {}
    for product_id, (first, last) in ledger.spans().items():
        unknown = unknown_ns(gaps, product_id)
        totals[product_id] = {
            "gaps": sum(product_id in gap.until_ns for gap in gaps),
            "unknown_s": unknown / NS_PER_S,
            "span_s": (last - first) / NS_PER_S,
            "share": unknown / (last - first) if last > first else 0.0,
        }
    return totals


def _told(gap: "Interruption") -> dict[str, Any]:
    from tickvol.core.times import iso_millis

    return {
        "from": iso_millis(gap.from_ns),
        "from_time_ns": gap.from_ns,
        "seconds": (gap.end_ns - gap.from_ns) / NS_PER_S,
        "reason": gap.reason,
        "products": {name: {"to_time_ns": end} for name, end in gap.until_ns.items()},
        "first_missing": gap.first_missing,
        "last_missing": gap.last_missing,
        "rows": gap.rows,
        "missing_bars": gap.missing_bars,
    }


def _print(
    source: str,
    gaps: "Sequence[Interruption]",
    of: int,
    totals: dict[str, dict[str, float]],
    unreadable: list[str],
    dataset: Path,
) -> None:
    looked_at = any(gap.rows is not None for gap in gaps)
    print(f"{'from (UTC)':<24}  {'seconds':>12}  {'reason':<12}  {'lost':>8}  {'rows':>8}  {'missing':>8}  products")
    for line in _lines(gaps):
        print(line)
    shorter = f"; {of - len(gaps)} shorter ones omitted" if of > len(gaps) else ""
    rows = "" if looked_at or not gaps else f"; rows unknown, there is no dataset at {dataset}"
    print(f"gaps        {len(gaps)} in {source}{shorter}{rows}")
    for product_id, total in totals.items():
        print(
            f"unknown     {product_id}: {total['unknown_s']:.3f} s of {total['span_s']:.3f} s, {total['share']:.4%},"
            f" in {total['gaps']} gaps"
        )
    for problem in unreadable:
        print(f"unreadable  {problem}")


def _lines(gaps: "Sequence[Interruption]") -> Iterator[str]:
    from tickvol.core.times import iso_millis

    for gap in gaps:
        lengths = {name: (end - gap.from_ns) / NS_PER_S for name, end in gap.until_ns.items()}
        same = len(set(lengths.values())) == 1
        names = ", ".join(name if same else f"{name} ({length:.3f} s)" for name, length in lengths.items())
        counts = ["-" if count is None else str(count) for count in (gap.missing, gap.rows, gap.missing_bars)]
        yield (
            f"{iso_millis(gap.from_ns)}  {max(lengths.values()):>12.3f}  {gap.reason:<12}"
            f"  {counts[0]:>8}  {counts[1]:>8}  {counts[2]:>8}  {names}"
        )
