"""What an archive received, counted from its text alone, without the decoder and tracker that are under test."""

import base64
import gzip
import json


def archive_lines(raw_dir):
    """(file without compression, number, parsed line) in the order of capture; a line torn by a kill ends a file."""
    for name in sorted({path.name.removesuffix(".gz") for path in raw_dir.glob("*.ndjson*") if path.suffix != ".tmp"}):
        try:
            content = (raw_dir / name).read_bytes()
        except FileNotFoundError:  # packed, perhaps a moment ago
            content = gzip.decompress((raw_dir / f"{name}.gz").read_bytes())
        for number, line in enumerate(content.split(b"\n"), 1):
            try:
                yield name, number, json.loads(line)
            except json.JSONDecodeError:
                continue


def ticks_received(raw_dir, products):
    """{(product, connection, sequence number): place "file:line" of its first frame} of all tickers."""
    ticks = {}
    for name, number, line in archive_lines(raw_dir):
        if "control" in line:
            continue
        try:
            frame = json.loads(line["frame"] if "frame" in line else base64.b64decode(line["frame_base64"]))
        except ValueError:
            continue
        if not isinstance(frame, dict) or frame.get("channel") != "ticker":
            continue
        for ticker in (ticker for event in frame["events"] for ticker in event.get("tickers", ())):
            if ticker["product_id"] in products:
                key = (ticker["product_id"], line["connection_id"], frame["sequence_num"])
                ticks.setdefault(key, f"{name}:{number}")
    return ticks


def controls(raw_dir):
    """Control lines in order, parsed."""
    return [line for _, _, line in archive_lines(raw_dir) if "control" in line]
