"""The commands as processes: summaries that add up, signals, kill -9, wrong use."""

import contextlib
import gzip
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import pytest

from tests.support import ROOT


def command(name, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, ROOT / "scripts" / f"{name}.py", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"TICKVOL_INGESTION__SINK": "file"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finished(name, *arguments):
    with command(name, *arguments) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@contextlib.contextmanager
def exchange(*arguments):
    process = command("simulate_exchange", "--port", 0, *arguments)
    try:
        first = process.stdout.readline()
        yield re.fullmatch(r"listening on (ws://127\.0\.0\.1:\d+)\n", first)[1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def wait_for_bytes(directory, size):
    for _ in range(600):
        if sum(path.stat().st_size for path in directory.glob("*.ndjson")) >= size:
            return
        time.sleep(0.05)
    raise AssertionError(f"{directory}: never grew to {size} bytes")


def archived(directory):
    return [line for path in sorted(directory.glob("*.gz")) for line in gzip.decompress(path.read_bytes()).splitlines()]


def sums(summary):
    """Each line of the form `name total = part a + part b`, as (total, [a, b])."""
    found = {}
    for line in summary.splitlines():
        match = re.match(r"  (\w+) +([\d,]+) = ([^;]*)", line)
        if match:
            parts = [part for part in match[3].removesuffix(", each product its own").split(" + ") if part != "none"]
            numbers = [int(part.split()[-1].replace(",", "")) for part in parts]
            found[match[1]] = (int(match[2].replace(",", "")), numbers)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_closes_the_files_and_the_summary_adds_up(tmp_path, number):
    faults = ("--fault", "drop:0.01", "--fault", "bad-json:0.01", "--fault", "disconnect:every=200s:code=1011")
    with exchange("--speed", "200", *faults) as url:
        process = command("ws_ingest", "--url", url, "--raw-dir", tmp_path, "--products", "BTC-USD,ETH-USD")
        wait_for_bytes(tmp_path, 500_000)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert f"ended by {number.name}" in out
    totals = sums(out)
    assert set(totals) == {"frames", "ticks", "gaps", "connections", "lines"}
    for total, parts in totals.values():
        assert total == sum(parts)
    lines = archived(tmp_path)
    assert totals["lines"][0] == len(lines)
    assert totals["frames"][0] == sum(b'"control"' not in line for line in lines)
    assert json.loads(lines[-1])["control"] == "capture_stopped"
    assert not list(tmp_path.glob("*.ndjson"))
    assert "Traceback" not in err


def test_kill_leaves_whole_lines_that_the_next_capture_packs(tmp_path):
    with exchange("--speed", "max", "--hours", "24") as url:
        process = command("ws_ingest", "--url", url, "--raw-dir", tmp_path, "--products", "BTC-USD", "ETH-USD")
        wait_for_bytes(tmp_path, 1_000_000)
        process.kill()
        process.communicate(timeout=30)
    (plain,) = tmp_path.glob("*.ndjson")
    content = plain.read_bytes()
    for line in content.split(b"\n")[:-1]:
        json.loads(line)
    code, out, _ = finished("ws_ingest", "--url", "ws://127.0.0.1:9", "--raw-dir", tmp_path, "--duration", "0.2")
    assert code == 0
    assert "ended by --duration" in out
    assert not list(tmp_path.glob("*.ndjson"))
    assert gzip.decompress((tmp_path / f"{plain.name}.gz").read_bytes()) == content


def test_capture_waits_for_room_on_a_full_disk_and_writes_down_the_gap(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))

    with exchange("--speed", "200", "--hours", "24") as url:
        process = command("ws_ingest", "--url", url, "--raw-dir", tmp_path, preexec_fn=limit)
        while "cannot be written: File too large; free space" not in process.stderr.readline():
            assert process.poll() is None
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_for_bytes(tmp_path, 250_000)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "there is room again: capture goes on" in err
    assert "Traceback" not in err
    lines = [json.loads(line) for line in archived(tmp_path)]
    assert sums(out)["lines"][0] == len(lines)
    assert sums(out)["gaps"] == (2, [2])
    closed = [line["reason"] for line in lines if line.get("control") == "connection_closed"]
    assert closed == ["capture_down"]


def test_capture_of_a_recording_ends_with_it(tmp_path):
    with exchange("--speed", "max", "--hours", "0.1", "--exit-when-done") as url:
        code, out, err = finished("ws_ingest", "--url", url, "--raw-dir", tmp_path, "--stop-on-close")
    assert code == 0, err
    assert "ended by the server's close" in out
    assert len(archived(tmp_path)) == sums(out)["lines"][0] > 1000


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("--duration", "0"), "--duration: 0: must be above 0 seconds"),
        (("--url", "https://x"), "--url: 'https://x': must be like wss://host"),
        (("--url", "wss://"), "--url: 'wss://': must be like"),
        (("--products", "bitcoin"), "--products: bitcoin: must be names like BTC-USD"),
        (("--products", ","), "--products: : must be names like BTC-USD, one at least"),
    ],
)
def test_wrong_use_of_ws_ingest_exits_2(tmp_path, arguments, rule):
    code, _, err = finished("ws_ingest", "--raw-dir", tmp_path / "raw", *arguments)
    assert code == 2
    assert rule in err
    assert not (tmp_path / "raw").exists()


def test_directory_that_cannot_be_written_exits_1(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    code, _, err = finished("ws_ingest", "--raw-dir", tmp_path / "file")
    assert code == 1
    assert "cannot be written" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("--fault", "explode:1"), "--fault: 'explode': unknown fault"),
        (("--speed", "-1"), "--speed: '-1': must be a positive number"),
        (("--port", "70000"), "--port: 70000: must be from 0 to 65535"),
        (("--start", "tomorrow"), "--start: 'tomorrow': must be a time such as"),
        (("--ticks-per-s", "0"), "must be positive"),
        (("--seed", "-1"), "--seed: -1: must not be negative"),
        (("--write", "x.ndjson", "--hours", "0"), "--write: needs --hours above 0"),
        (("--write", "x.ndjson", "--fault", "drop:0.1"), "--write: writes the seeded market as it is"),
    ],
)
def test_wrong_use_of_simulate_exchange_exits_2(arguments, rule):
    code, _, err = finished("simulate_exchange", *arguments)
    assert code == 2
    assert rule in err


def test_missing_recording_exits_1(tmp_path):
    code, _, err = finished("simulate_exchange", "--data-file", tmp_path / "none.ndjson")
    assert code == 1
    assert "no such file" in err


def test_port_in_use_exits_1():
    with exchange() as url:
        code, _, err = finished("simulate_exchange", "--port", url.rpartition(":")[2])
    assert code == 1
    assert "--port 0 takes a free port" in err
    assert "Traceback" not in err


def test_written_market_is_the_same_each_time(tmp_path):
    for name in ("a.ndjson.gz", "b.ndjson.gz"):
        code, out, _ = finished("simulate_exchange", "--write", tmp_path / name, "--hours", "0.05", "--seed", "3")
        assert code == 0
    assert re.fullmatch(r"wrote [\d,]+ frames to .*b\.ndjson\.gz\n", out)
    assert (tmp_path / "a.ndjson.gz").read_bytes() == (tmp_path / "b.ndjson.gz").read_bytes()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_directory_without_permission_exits_1(tmp_path):
    tmp_path.chmod(0o500)
    code, _, err = finished("ws_ingest", "--raw-dir", tmp_path / "raw")
    assert code == 1
    assert "Permission denied" in err
