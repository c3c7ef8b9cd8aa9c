"""Pages that the status line reads."""

import pytest

from tickvol.supervisor.status_line import Samples, fetch, scraped

METRICS = b'# TYPE rows counter\nrows_total{product="a"} 2.0\nrows_total{product="b"} 3.0\n'


def test_text_of_a_page_is_fetched(receive) -> None:
    assert fetch(f"http://127.0.0.1:{receive((200, {}, 'größer'.encode())).port}/health") == "größer"


@pytest.mark.parametrize(
    "answer", [404, 429, 500, 503, lambda handler: None], ids=["404", "429", "500", "503", "hang up"]
)
def test_answer_that_is_no_success_is_none_after_one_request(receive, answer) -> None:
    receiver = receive(answer)
    assert fetch(f"http://127.0.0.1:{receiver.port}/health") is None
    assert len(receiver.requests) == 1


def test_samples_are_summed_and_counted(receive) -> None:
    expected: Samples = {"rows_total": 5.0, "rows_total#": 2}
    assert scraped(receive((200, {}, METRICS)).port) == expected


def test_process_that_does_not_answer_has_no_samples() -> None:
    assert scraped(1) is None
