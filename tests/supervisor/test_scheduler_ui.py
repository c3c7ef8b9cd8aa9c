"""The scheduler's pages: when they are ready."""

import pytest

from tickvol.supervisor.scheduler_ui import _answers


@pytest.mark.parametrize(("answer", "is_ready"), [(200, True), (204, False), (302, False), (500, False), (503, False)])
def test_pages_are_ready_when_they_answer_200(receive, answer: int, is_ready: bool) -> None:
    assert _answers(f"http://127.0.0.1:{receive(answer).port}/server_info") == is_ready


def test_pages_that_do_not_answer_are_not_ready() -> None:
    assert not _answers("http://127.0.0.1:1/server_info")
