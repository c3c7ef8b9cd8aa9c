"""The guard by raw ASGI calls: what it lets through, what it answers itself, how it words errors anew."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest

from tickvol.serving.guard import Guard
from tickvol.systems import routes

LIMIT = 100
JSON_TYPE = (b"content-type", b"application/json")


class Echo:
    """Answers with the body it was given; `answer` replaces that."""

    def __init__(self, status: int = 200, answer: bytes | None = None, kind: bytes = b"application/json") -> None:
        self.status, self.answer, self.kind = status, answer, kind
        self.calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        body = (await receive())["body"]
        content = body if self.answer is None else self.answer
        headers = [(b"content-type", self.kind), (b"content-length", str(len(content)).encode()), (b"allow", b"POST")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        half = len(content) // 2
        await send({"type": "http.response.body", "body": content[:half], "more_body": True})
        await send({"type": "http.response.body", "body": content[half:], "more_body": False})


class Answer:
    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.status = messages[0]["status"] if messages else None
        self.headers = dict(messages[0]["headers"]) if messages else {}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    @property
    def error(self) -> dict[str, Any]:
        error = json.loads(self.body)["error"]
        assert isinstance(error, dict)
        assert self.headers[b"content-type"] == b"application/json"
        assert int(self.headers[b"content-length"]) == len(self.body)
        return error


def call(
    app: Any,
    chunks: Iterable[bytes] = (b"{}",),
    headers: Iterable[tuple[bytes, bytes]] = (JSON_TYPE,),
    *,
    method: str = "POST",
    disconnect: bool = False,
) -> tuple[Answer, int]:
    """The answer and how many messages of the body were taken."""
    parts = list(chunks)
    incoming = [
        {"type": "http.request", "body": part, "more_body": disconnect or place + 1 < len(parts)}
        for place, part in enumerate(parts)
    ]
    if disconnect:
        incoming.append({"type": "http.disconnect"})
    taken = 0
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return incoming[taken - 1]

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/predict", "headers": list(headers)}
    asyncio.run(Guard(app, LIMIT, routes())(scope, receive, send))
    return Answer(sent), taken


def test_body_at_the_limit_reaches_the_service_whole() -> None:
    body = b"[" + b"1" * (LIMIT - 2) + b"]"
    answer, _ = call(Echo(), [body[:30], body[30:]])
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize(
    ("chunks", "why"),
    [
        ([b"x" * (LIMIT + 1)], "one byte too many"),
        ([b"x" * 60, b"x" * 60], "chunks without a length in the header count too"),
        ([b"x"] * (LIMIT + 1), "many small chunks"),
    ],
)
def test_longer_body_is_413_and_never_reaches_the_service(chunks: list[bytes], why: str) -> None:
    echo = Echo()
    answer, taken = call(echo, chunks)
    assert answer.status == 413, why
    assert answer.error["field"] == "body"
    assert "serving.max_body_bytes" in answer.error["rule"]
    assert echo.calls == 0
    assert taken == len(chunks), "the rest is drained, so that the client gets to read its answer"


def test_endless_body_is_not_drained_for_ever() -> None:
    _, taken = call(Echo(), [b"x" * LIMIT] * 1000)
    assert taken < 10


def test_client_that_waits_for_leave_is_refused_before_it_sends() -> None:
    headers = [JSON_TYPE, (b"expect", b"100-continue"), (b"content-length", b"999")]
    answer, taken = call(Echo(), [b"x" * 999], headers)
    assert (answer.status, taken) == (413, 0)


def test_client_that_goes_away_gets_nothing_and_reaches_nothing() -> None:
    echo = Echo()
    answer, _ = call(echo, [b'{"a"'], disconnect=True)
    assert answer.status is None
    assert echo.calls == 0


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ([], "content-type"),
        ([(b"content-type", b"text/plain")], "content-type"),
        ([(b"content-type", b"application/vnd.bentoml+pickle")], "content-type"),
        ([(b"content-type", b"multipart/form-data; boundary=x")], "content-type"),
        ([(b"content-type", b"application/json; charset=latin-1")], "content-type"),
        ([JSON_TYPE, (b"content-encoding", b"gzip")], "content-encoding"),
    ],
)
def test_anything_but_plain_json_is_415(headers: list[tuple[bytes, bytes]], field: str) -> None:
    echo = Echo()
    answer, taken = call(echo, headers=headers)
    assert answer.status == 415
    assert answer.error["field"] == field
    assert (echo.calls, taken) == (0, 0)


@pytest.mark.parametrize("kind", [b"application/json", b"Application/JSON", b'application/json; charset="UTF-8"'])
def test_json_in_any_spelling_passes(kind: bytes) -> None:
    answer, _ = call(Echo(), headers=[(b"Content-Type", kind)])
    assert answer.status == 200


def test_empty_body_is_400_where_bentoml_would_take_it_for_an_empty_object() -> None:
    answer, _ = call(Echo(), [b" \n"])
    assert answer.status == 400
    assert answer.error["rule"] == "is empty, must be a JSON object"


def test_get_needs_no_type_and_no_body() -> None:
    answer, _ = call(Echo(answer=b"{}"), headers=[], method="GET")
    assert answer.status == 200


def details(*problems: dict[str, Any]) -> bytes:
    return json.dumps({"error": "validation error", "detail": list(problems)}).encode()


def test_validation_error_becomes_422_with_the_field_s_path_and_value() -> None:
    body = b'{"rows":[{"a":1},{"a":NaN}]}'
    problem = {"type": "finite_number", "loc": ["rows", 1, "a"], "msg": "Input should be a finite number"}
    other = {"type": "missing", "loc": ["b"], "msg": "Field required"}
    answer, _ = call(Echo(400, details(problem, other)), [body])
    assert answer.status == 422
    assert answer.error == {
        "status": 422,
        "field": "rows[1].a",
        "value": "nan",
        "rule": "must be a finite number or null",
        "more_problems": 1,
    }


@pytest.mark.parametrize(
    ("problem", "field", "value", "rule"),
    [
        ({"type": "extra_forbidden", "loc": ["x"], "msg": "..."}, "x", 5, "no such field"),
        ({"type": "missing", "loc": ["y"], "msg": "Field required"}, "y", None, "is required"),
        (
            {"type": "value_error", "loc": [], "msg": "Value error, must hold either"},
            "body",
            "object with 1 fields",
            "must hold either",
        ),
    ],
)
def test_each_kind_of_problem_names_field_value_and_rule(
    problem: dict[str, Any], field: str, value: Any, rule: str
) -> None:
    answer, _ = call(Echo(400, details(problem)), [b'{"x":5}'])
    assert (answer.error["field"], answer.error["value"], answer.error["rule"]) == (field, value, rule)


def test_what_is_no_json_stays_400() -> None:
    problem = {"type": "json_invalid", "loc": [], "msg": "Invalid JSON: EOF while parsing a value at line 1 column 5"}
    answer, _ = call(Echo(400, details(problem)), [b'{"a":'])
    assert answer.status == 400
    assert answer.error["rule"].startswith("is not JSON: EOF")


@pytest.mark.parametrize(
    ("status", "content", "kind", "field"),
    [
        (404, b"Not Found", b"text/plain", "path"),
        (405, b"Method Not Allowed", b"text/plain", "method"),
        (500, b'{"error":"An unexpected error has occurred"}', b"application/json", "path"),
        (500, b"Traceback (most recent call last): secret", b"text/plain", "path"),
        (503, b"Service is not ready", b"text/plain", "path"),
    ],
)
def test_other_errors_get_the_one_form_and_tell_no_inside(status: int, content: bytes, kind: bytes, field: str) -> None:
    answer, _ = call(Echo(status, content, kind))
    assert answer.status == status
    assert answer.error["field"] == field
    assert b"secret" not in answer.body


def test_405_keeps_the_allowed_methods() -> None:
    answer, _ = call(Echo(405, b"Method Not Allowed", b"text/plain"))
    assert answer.headers[b"allow"] == b"POST"


def test_errors_in_our_form_pass_unchanged() -> None:
    ours = b'{"error":{"status":409,"field":"feature_schema_version","value":2,"rule":"must be 1"}}'
    answer, _ = call(Echo(409, ours))
    assert (answer.status, answer.body) == (409, ours)


def test_other_scopes_pass_by() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(Guard(app, LIMIT, routes())({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
