"""The pace of requests, as the exchange sees it."""

from tests.risk.pipeline.conftest import NewDesk
from tests.risk.pipeline.exchange import Desk, noon_s
from tickvol.risk.tables import BRONZE
from tickvol.simulator.rest.faults import Fault


def arrivals(desk: Desk) -> list[float]:
    return [request.arrived_s for request in desk.server.log.requests]


def test_requests_are_never_faster_than_configured(new_desk: NewDesk) -> None:
    desk = new_desk(window_days=4, request={"max_requests_per_s": 5.0, "burst": 8})
    assert desk.fetch(noon_s()).succeeded
    assert len(arrivals(desk)) == 22
    assert desk.server.log.most_in_a_second() <= 10
    times = arrivals(desk)
    assert all(times[at] - times[0] >= (at - 8) / 5.0 - 0.05 for at in range(len(times)))


def test_a_429_makes_a_pause_and_the_same_window_is_asked_again(new_desk: NewDesk) -> None:
    limited = Fault("429-retry-after", nth=3, retry_after_s=1)
    desk = new_desk(faults=[limited], request={"max_backoff_s": 3.0, "max_requests_per_s": 50.0, "burst": 20})
    assert desk.fetch(noon_s()).succeeded
    log = desk.server.log.requests
    refused = next(number for number, request in enumerate(log) if request.status == 429)
    assert log[refused + 1].window_s == log[refused].window_s
    assert log[refused + 1].arrived_s - log[refused].arrived_s >= 1.0
    assert desk.table(BRONZE.name)["attempts"].to_list() == [1, 1, 2, 1, 1, 1]


def test_a_429_that_does_not_end_fails_the_window_and_is_counted(new_desk: NewDesk) -> None:
    desk = new_desk(faults=[Fault("429", times=2)])
    assert not desk.fetch(noon_s()).succeeded
    first = desk.table(BRONZE.name).row(0, named=True)
    assert (first["outcome"], first["http_status"], first["attempts"]) == ("failed", 429, 2)
