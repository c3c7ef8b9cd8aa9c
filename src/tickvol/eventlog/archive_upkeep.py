"""Maintenance of the raw archive off the hot path: pack closed files, those of killed captures too, delete old ones."""

import gzip
import json
import logging
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tickvol.storage.files import lock, replacement

log = logging.getLogger(__name__)

PROGRESS_NAME = ".published.json"
"""File next to the archive's files with their publication progress."""
GZIP_LEVEL = 6
CHUNK_BYTES = 1 << 20

_NAME = re.compile(r"\d{8}T\d{6}Z(?:-\d+)?_(?P<hour>\d{8}T\d{2})Z\.ndjson(?:\.gz)?")


def pack_leftovers(raw_dir: Path) -> None:
    """Pack the plain files that no process writes any more."""
    for path in sorted(raw_dir.glob("*.ndjson")):
        if _NAME.fullmatch(path.name):
            pack(path)


def pack(path: Path) -> None:
    """Replace a closed file by its `.gz`: the packed file is whole and on disk before the plain one is deleted."""
    target, partial = path.with_name(path.name + ".gz"), path.with_name(path.name + ".gz.tmp")
    try:
        with path.open("rb") as plain:
            if not lock(plain.fileno(), wait=False):
                return  # another capture writes or packs it
            if not path.exists():
                return
            with (
                replacement(target, temporary=partial) as raw,
                gzip.GzipFile("", "wb", compresslevel=GZIP_LEVEL, fileobj=raw, mtime=0) as packed,
            ):
                shutil.copyfileobj(plain, packed, CHUNK_BYTES)
            path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        log.error("%s: cannot be packed and stays as it is: %s", path, error.strerror or error)


def is_written(path: Path) -> bool:
    """True if a capture is writing (or packing) the file."""
    try:
        with path.open("rb") as plain:
            return not lock(plain.fileno(), shared=True, wait=False)
    except OSError:
        return False


def _first_unsent(raw_dir: Path, *, spool: bool) -> str | None:
    """The first file that may hold unsent lines; "" if the progress is unknown, None if nothing is to be sent."""
    try:
        noted = json.loads((raw_dir / PROGRESS_NAME).read_bytes())
        return str(noted["source"])
    except FileNotFoundError:
        return "" if spool else None
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def delete_old(raw_dir: Path, raw_keep_days: int, now_ns: int, *, spool: bool = False) -> None:
    """Delete packed files whose hour ended more than `raw_keep_days` ago; plain files are never touched.

    For a `spool`, only files before the one published last: unsent lines are never deleted.
    """
    unsent = _first_unsent(raw_dir, spool=spool)
    oldest = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC) - timedelta(days=raw_keep_days)
    for path in sorted(raw_dir.glob("*.ndjson.gz")):
        match = _NAME.fullmatch(path.name)
        if match is None or (unsent is not None and path.name >= unsent):
            continue
        try:
            end = datetime.strptime(match["hour"], "%Y%m%dT%H").replace(tzinfo=UTC) + timedelta(hours=1)
            if end < oldest:
                path.unlink(missing_ok=True)
                log.info("%s deleted: older than ingestion.raw_keep_days (%d)", path, raw_keep_days)
        except (OSError, ValueError) as error:
            log.error("%s: cannot be deleted: %s", path, error)
