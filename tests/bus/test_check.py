"""What a check counts, on logs made by hand."""

import random

import pytest

from tickvol.bus.check import LogCheck
from tickvol.bus.contents import Content
from tickvol.bus.reading import Stored
from tickvol.bus.seen_numbers import SeenNumbers
from tickvol.core.records import Gap

MS = 10**6
BTC, ETH = "BTC-USD", "ETH-USD"


def tick(number, *, product=BTC, connection="c1", time_ms=None, delay_ms=3, partition=0):
    time_ns = (number * 10 if time_ms is None else time_ms) * MS
    content = Content("tick", product, time_ns, time_ns + delay_ms * MS, connection, product, number)
    return partition, content


def gap(product, first, last):
    record = Gap(product, first, last, "jump", first, last)
    return 0, Content("gap", product, last, None, gap=record)


def checked(log, *, now_ms=10**6, live_from=0, **options):
    """A check over (partition, content or fault)."""
    contents = {offset: content for offset, (_, content) in enumerate(log)}
    check = LogCheck(
        lambda messages: [contents[message.offset] for message in messages],
        counts_numbers=True,
        live_from={0: live_from, 1: live_from},
        **options,
    )
    for offset, (partition, _) in enumerate(log):
        check.take([Stored(partition, offset, 0, b"", b"")], now_ms * MS)
    return check.report()


def test_an_unbroken_log_has_nothing_to_tell():
    report = checked([tick(number) for number in range(100)])
    assert report["messages"] == 100
    assert report["by_product"] == {BTC: 100}
    assert report["sequence"]["missing"] == report["duplicates"] == report["disorder"]["messages"] == 0
    assert report["schema_errors"]["total"] == 0


def test_missing_numbers_are_counted_by_connection():
    log = [tick(number) for number in range(10) if number not in (4, 5)]
    log += [tick(number, connection="c2") for number in (7, 9)]
    assert checked(log)["sequence"]["missing_by_group"] == {"c1": 2, "c2": 1}


def test_a_number_that_another_product_carried_is_not_missing():
    log = [tick(number, product=(BTC, ETH)[number % 2], partition=number % 2) for number in range(20)]
    assert checked(log)["sequence"]["missing"] == 0


def test_a_frame_of_two_products_is_no_repeat_but_the_same_product_twice_is():
    log = [tick(1), tick(1, product=ETH), tick(2), tick(1), tick(1, product=ETH)]
    assert checked(log)["duplicates"] == 2


def test_the_edges_where_one_partition_was_read_and_another_not_are_no_loss():
    odd = [tick(number, product=ETH, partition=1) for number in range(11, 40, 2)]
    even = [tick(number) for number in range(0, 60, 2)]
    assert checked(even + odd)["sequence"]["missing"] == 0


def test_a_resend_is_duplicates_and_no_disorder():
    log = [tick(number) for number in [*range(50), *range(20, 60)]]
    report = checked(log)
    assert (report["duplicates"], report["disorder"]["messages"], report["sequence"]["missing"]) == (30, 0, 0)


def test_disorder_is_measured_against_the_products_newest():
    log = [tick(1, time_ms=100), tick(2, time_ms=90), tick(3, time_ms=95), tick(4, product=ETH, time_ms=1)]
    assert checked(log)["disorder"] == {"messages": 2, "at_most_ms": 10.0}


def test_a_gap_is_no_disorder_and_names_its_numbers_once_for_all_products():
    report = checked([tick(1, time_ms=100), gap(BTC, 2, 4), gap(ETH, 2, 4), gap(BTC, 2, 4)])
    assert report["sequence"]["gap_records"] == {"jump": 3}
    assert report["sequence"]["gap_numbers"] == 3
    assert report["disorder"]["messages"] == 0
    assert report["by_kind"] == {"gap": 3, "tick": 1}


def test_schema_errors_have_reasons_and_the_first_have_places():
    report = checked([tick(1), *[(1, "not_json")] * 7, (0, "bad_field")])
    assert report["schema_errors"]["by_reason"] == {"bad_field": 1, "not_json": 7}
    assert report["schema_errors"]["first"][0] == {"partition": 1, "offset": 1, "reason": "not_json"}
    assert len(report["schema_errors"]["first"]) == 5
    assert report["by_partition"] == {"0": 2, "1": 7}


def test_only_what_came_while_reading_has_a_delay_to_here():
    report = checked([tick(number) for number in range(10)], now_ms=1000, live_from=9)
    assert report["delay"]["exchange_to_receipt"]["p99_ms"] == pytest.approx(3, rel=0.01)
    assert report["delay"]["receipt_to_here"]["count"] == 1
    assert report["delay"]["receipt_to_here"]["max_ms"] == 1000 - 93


def test_many_connections_are_summed_up_without_losing_their_missing_numbers():
    log = [tick(number, connection=f"c{connection}") for connection in range(30) for number in (0, 2)]
    report = checked(log, max_groups=5)
    assert report["sequence"]["groups"] == 30
    assert report["sequence"]["missing"] == 30
    assert len(report["sequence"]["missing_by_group"]) == 5


def test_what_is_forgotten_is_not_called_missing():
    report = checked([tick(number) for number in range(10 * 4096)], seen=SeenNumbers(max_chunks=4))
    assert report["forgotten_numbers"]
    assert report["sequence"]["missing"] == 0


def test_names_of_a_hostile_producer_do_not_fill_the_memory():
    report = checked([tick(number, product=f"X{number}-USD") for number in range(1500)])
    assert len(report["by_product"]) == 1001
    assert report["by_product"]["others"] == 500


def test_counts_agree_with_plain_sets_on_random_logs():
    source = random.Random(11)
    for _ in range(20):
        frames = [number for number in range(300) if source.random() > 0.1]
        log = [tick(number, product=product) for number in frames for product in (BTC, ETH) if source.random() > 0.3]
        log += source.choices(log, k=20)
        numbers = [{content.number for _, content in log if content.product_id == name} for name in (BTC, ETH)]
        both = numbers[0] | numbers[1]
        report = checked(log)
        assert report["sequence"]["missing"] == max(both) - min(both) + 1 - len(both)
        assert report["duplicates"] == 20
