"""The archive followed, stopped, killed and started again gives the bytes of one replay."""

import contextlib
import gzip
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tickvol.apps import featurize, replay
from tickvol.core.records import GapReason
from tickvol.eventlog.archive_lines import Control, control_line, frame_line
from tickvol.simulator.market import MarketSpec, market_products
from tickvol.simulator.session import market_frames
from tickvol.volatility.featurizer import archive_worker as featurize_archive

START_NS = 1_767_571_200_000_000_000


class _Killed(Exception):
    pass


def write_archive(raw_dir: Path, seed: int, frames_per_file: int = 900) -> None:
    """Two captures of a simulated market: losses, duplicates, disorder, late and bad frames, a reconnect, a kill."""
    rng = random.Random(seed)
    products = market_products(("BTC-USD", "ETH-USD"))
    frames = list(market_frames(MarketSpec(products, seed, START_NS, 1800)))
    raw_dir.mkdir(parents=True)
    capture, part, connection = "20260105T000000Z", 0, "20260105T000000Z-1"
    lines = [control_line(START_NS, Control.CAPTURE_STARTED, products=["BTC-USD", "ETH-USD"])]
    lines.append(control_line(START_NS, Control.CONNECTION_OPENED, connection_id=connection))
    later: list[tuple[int, bytes]] = []
    for number, frame in enumerate(frames):
        receive = START_NS + number * 1_000_000
        text = frame.rstrip(b"\n").decode()
        draw = rng.random()
        if draw < 0.002:
            continue
        if draw < 0.01:
            later.append((number + rng.randrange(1, 3), frame_line(receive, connection, text)))
        elif draw < 0.012:
            later.append((number + 60, frame_line(receive, connection, text)))
        elif draw < 0.014:
            lines.append(frame_line(receive, connection, text[: len(text) // 2]))
        else:
            lines.append(frame_line(receive, connection, text))
            if draw > 0.99:
                lines.append(lines[-1])
        lines += [line for due, line in later if due <= number]
        later = [(due, line) for due, line in later if due > number]
        if len(lines) > frames_per_file:
            (raw_dir / f"{capture}_{part:03}.ndjson").write_bytes(b"".join(lines))
            part += 1
            lines = [control_line(receive, Control.CONNECTION_CONTINUED, connection_id=connection)]
        if number == len(frames) // 3:
            lines.append(
                control_line(receive, Control.CONNECTION_CLOSED, connection_id=connection, reason=GapReason.SILENCE)
            )
            connection = f"{capture}-2"
            lines.append(control_line(receive, Control.CONNECTION_OPENED, connection_id=connection))
        if number == 2 * len(frames) // 3:
            lines.append(b'{"receive_time_ns":17675')
            (raw_dir / f"{capture}_{part:03}.ndjson").write_bytes(b"".join(lines))
            capture, part, connection = "20260105T002000Z", 0, "20260105T002000Z-1"
            lines = [control_line(receive, Control.CAPTURE_STARTED)]
            lines.append(control_line(receive, Control.CONNECTION_OPENED, connection_id=connection))
    (raw_dir / f"{capture}_{part:03}.ndjson").write_bytes(b"".join(lines))


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_stops_and_kills_end_with_the_bytes_of_one_replay(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw_dir, whole, followed = tmp_path / "raw", tmp_path / "whole.parquet", tmp_path / "followed.parquet"
    write_archive(raw_dir, seed)
    assert replay.main(["--data-file", str(raw_dir), "--out", str(whole)]) == 0
    rng = random.Random(seed)
    monkeypatch.setenv("TICKVOL_FEATURES__FLUSH_INTERVAL_S", "0.02")
    take = featurize_archive._Run._take
    for _ in range(6):
        rng.randrange(1, 30)
        killed = rng.random() < 0.5

        def limited(
            run: featurize_archive._Run, *arguments: object, budget: list[int] | None = None, killed: bool = killed
        ) -> object:
            if budget is None:
                budget = [budget]
            budget[0] -= 1
            if budget[0] < 0 and killed:
                raise _Killed
            if budget[0] < 0:
                run.stop()
            return take(run, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(featurize_archive._Run, "_take", limited)
        with contextlib.suppress(_Killed):
            featurize.main(
                [
                    "--source",
                    "archive",
                    "--raw-dir",
                    str(raw_dir),
                    "--out",
                    str(followed),
                    "--batch-size",
                    str(rng.randrange(40, 400)),
                ]
            )
    monkeypatch.setattr(featurize_archive._Run, "_take", take)
    assert featurize.main(["--source", "archive", "--raw-dir", str(raw_dir), "--out", str(followed)]) == 0
    assert tree(followed) == tree(whole)
    letters = tree(tmp_path / "followed.deadletters")
    assert letters == tree(tmp_path / "whole.deadletters")
    assert any(b'"late"' in text for text in letters.values())
    assert any(b'"torn_line"' in text for text in letters.values())
    assert np.sum([text.count(b"not_json") for text in letters.values()]) > 3


def test_a_packed_last_file_is_read_once_while_following(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw_dir, whole, followed = tmp_path / "raw", tmp_path / "whole.parquet", tmp_path / "followed.parquet"
    write_archive(raw_dir, 4)
    last = max(raw_dir.iterdir())
    last.with_name(f"{last.name}.gz").write_bytes(gzip.compress(last.read_bytes()))
    last.unlink()
    assert replay.main(["--data-file", str(raw_dir), "--out", str(whole)]) == 0
    until = time.monotonic() + 2

    def sleep(_: float) -> None:
        if time.monotonic() > until:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(featurize_archive.time, "sleep", sleep)
    assert featurize.main(["--source", "archive", "--raw-dir", str(raw_dir), "--out", str(followed), "--follow"]) == 0
    assert tree(followed) == tree(whole)
    assert tree(tmp_path / "followed.deadletters") == tree(tmp_path / "whole.deadletters")
