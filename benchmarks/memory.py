"""Memory of `tickvol replay`: ten times the frames, against the peak of the shorter replay.

Run as a program it is one such replay: `memory.py CONFIG SMALL_ARCHIVE ARCHIVE OUT` prints the two figures as JSON.
"""

import contextlib
import gc
import io
import json
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from statistics import median

import zstandard
from outcome import Outcome
from stream import ROOT, SEED, START_NS

from tickvol.config import Config
from tickvol.simulator.market import MarketSpec, market_products
from tickvol.simulator.session import market_frames

GOAL = 1.1
WARM_UP_FRAMES = 100
_CHUNK = 10_000


def replay_memory(config: Config, frames: int, repeats: int) -> list[Outcome]:
    """Peak above the warmed idle process of a replay of `10 * frames`, over that of `frames`; a process each.

    A first replay, not counted, leaves compiled kernels on disk: a process that compiles is another thing to measure.
    """
    with tempfile.TemporaryDirectory(prefix="tickvol-bench-") as name:
        directory = Path(name)
        sizes = (WARM_UP_FRAMES, frames, 10 * frames)
        archives = [directory / f"{size}.ndjson.zst" for size in sizes]
        _write_archives(config, dict(zip(archives, sizes, strict=True)))
        small, *measured = archives
        _replayed(small, measured[0], directory / "dataset")
        peaks = [[_replayed(small, path, directory / "dataset") for path in measured] for _ in range(repeats)]
        shorter, longer = (median(values) for values in zip(*peaks, strict=True))
    outcome = Outcome(
        name="replay_memory",
        value=longer,
        unit="MB",
        yardstick=f"the same of {frames:,} frames",
        yardstick_value=shorter,
        input=f"{10 * frames:,} frames of the seeded market in a .zst file, replayed into a dataset, median of"
        f" {repeats}; peak resident memory above the process that has replayed {WARM_UP_FRAMES} frames",
    )
    return [outcome.at_most(GOAL)]


def _write_archives(config: Config, sizes: dict[Path, int]) -> None:
    """Each file gets the first frames of the same market."""
    frames = market_frames(MarketSpec(market_products(config.products), SEED, START_NS))
    with contextlib.ExitStack() as stack:
        sinks = {
            stack.enter_context(zstandard.open(path, "wb", cctx=zstandard.ZstdCompressor(level=1))): size
            for path, size in sizes.items()
        }
        written = 0
        while chunk := list(islice(frames, min(_CHUNK, max(sizes.values()) - written))):
            for sink, size in sinks.items():
                if written < size:
                    sink.write(b"".join(line + b"\n" for line in chunk[: size - written]))
            written += len(chunk)


def _replayed(warm_up: Path, archive: Path, out: Path) -> float:
    command = [sys.executable, __file__, str(ROOT / "config.yaml"), str(warm_up), str(archive), str(out)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures = json.loads(finished.stdout)
    return (figures["peak_kb"] - figures["idle_kb"]) / 1000


def _resident_kb(field: str) -> int:
    """`VmRSS` (now) or `VmHWM` (peak) of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _replay(config: str, archive: str, out: str) -> None:
    from tickvol.apps.replay import main

    with contextlib.redirect_stdout(io.StringIO()):
        code = main(["--config", config, "--data-file", archive, "--out", out])
    if code:
        raise SystemExit(code)


if __name__ == "__main__":
    config_file, small_file, archive_file, out_directory = sys.argv[1:]
    _replay(config_file, small_file, out_directory)
    gc.collect()
    _forget_peak()
    idle_kb = _resident_kb("VmRSS")
    _replay(config_file, archive_file, out_directory)
    print(json.dumps({"idle_kb": idle_kb, "peak_kb": _resident_kb("VmHWM")}))
