"""`tickvol demo`: its requests to the service."""

import pytest

from tickvol.apps.demo import _call
from tickvol.core.errors import WorkError


def test_request_with_a_body_is_a_post_of_json(receive) -> None:
    receiver = receive((200, {}, b"{}"))
    assert _call(f"http://127.0.0.1:{receiver.port}/predict", {"rows": []}) == "{}"
    ((path, headers, body),) = receiver.requests
    assert (path, headers["Content-Type"], body) == ("/predict", "application/json", b'{"rows": []}')


@pytest.mark.parametrize("answer", [503, lambda handler: None], ids=["not ready", "no answer"])
def test_service_that_is_not_ready_gives_no_text(receive, answer) -> None:
    assert _call(f"http://127.0.0.1:{receive(answer).port}/readyz") is None


@pytest.mark.parametrize("status", [400, 422, 429, 500])
def test_any_other_refusal_ends_the_demo_with_its_text(receive, status: int) -> None:
    receiver = receive((status, {}, b"the reason"))
    with pytest.raises(WorkError, match=f"/predict: {status}: the reason"):
        _call(f"http://127.0.0.1:{receiver.port}/predict", {})
    assert len(receiver.requests) == 1
