"""The clock of receive times: never behind itself nor behind what the archive holds."""

import gzip
import logging

import pytest

from tests.eventlog import wire
from tickvol.eventlog.receive_clock import ReceiveClock, last_receive_time_ns

SECOND = wire.SECOND
HOUR = 3600 * SECOND


def told(times, floor_ns=0):
    """What the clock says while the host's tells these times."""
    hosts = iter(times)
    clock = ReceiveClock(floor_ns, lambda: next(hosts))
    return [clock.now_ns() for _ in times]


@pytest.mark.parametrize(
    ("times", "floor", "expected", "why"),
    [
        ([5, 6, 9], 0, [5, 6, 9], "a good clock is followed"),
        ([5, 5], 0, [5, 5], "it may stand still"),
        ([5, 4, 3], 0, [5, 5, 5], "set back it stands"),
        ([5, 4, 5, 6], 0, [5, 5, 5, 6], "until it has caught up"),
        ([5, 5 + HOUR, 6, 7 + HOUR], 0, [5, 5 + HOUR, 5 + HOUR, 7 + HOUR], "an hour ahead and back"),
        ([5, 6], 100, [100, 100], "what the archive holds is not overtaken"),
        ([100, 101], 100, [100, 101], "a floor that is reached binds no more"),
    ],
)
def test_receive_times_never_fall(times, floor, expected, why):
    assert told(times, floor) == expected, why


def test_a_clock_set_back_is_said_once_each_time(caplog):
    with caplog.at_level(logging.WARNING):
        told([HOUR, 0, 1, 2 * HOUR, 0, 1])
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "the clock was set back by 3600.0 s",
        "the clock was set back by 7200.0 s",
    ]


def test_a_clock_that_is_slewed_by_less_than_a_second_is_not_worth_a_word(caplog):
    with caplog.at_level(logging.WARNING):
        told([HOUR, HOUR - SECOND, HOUR - SECOND // 2])
    assert caplog.records == []


def frames(*times):
    return wire.file_of([wire.wrap(wire.heartbeat(0, wire.START_NS), time) for time in times])


def test_an_archive_that_is_not_there_has_no_time(tmp_path):
    assert last_receive_time_ns(tmp_path / "none") == 0
    assert last_receive_time_ns(tmp_path) == 0


def test_the_newest_file_tells_packed_or_not(tmp_path):
    (tmp_path / "a_1.ndjson.gz").write_bytes(gzip.compress(frames(1, 2, 3)))
    assert last_receive_time_ns(tmp_path) == 3
    (tmp_path / "b_1.ndjson").write_bytes(frames(*range(4, 5000)))
    assert last_receive_time_ns(tmp_path) == 4999


def test_a_line_torn_by_a_kill_is_passed_over(tmp_path):
    (tmp_path / "a_1.ndjson").write_bytes(frames(7, 8) + b'{"receive_time_ns":99999,"conn')
    assert last_receive_time_ns(tmp_path) == 8


def test_a_newest_file_without_a_line_leaves_it_to_the_one_before(tmp_path):
    (tmp_path / "a_1.ndjson").write_bytes(frames(7, 8))
    (tmp_path / "b_1.ndjson").write_bytes(b"")
    assert last_receive_time_ns(tmp_path) == 8
