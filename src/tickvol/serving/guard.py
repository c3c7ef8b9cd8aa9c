"""ASGI guard around the service: exact 413, 415, 422 and 400, and one JSON form for every error.

BentoML has no body limit, treats a body of any type (or without a type) as JSON, answers 400 where 422 is meant, and
formats its errors in several ways. The guard reads the body, so that chunked bodies are counted too, and rewrites the
error responses.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from tickvol.serving.problems import field_path, problem_body, value_at
from tickvol.system import Route

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_DRAINED_LIMITS = 4
"""Multiple of the limit that is read and discarded, so that a client still sending gets to see its 413."""

_RULES = {
    "extra_forbidden": "no such field",
    "missing": "is required",
    "finite_number": "must be a finite number or null",
}
_HEALTH = ("livez", "readyz")
_STATUS_RULES = {
    405: "method not allowed here",
    500: "internal error; the service's log says more",
    503: "the service is not ready; its log says why",
    504: "took too long",
}


class Guard:
    """Middleware for `Service.add_asgi_middleware`.

    Parameters
    ----------
    app : the service.
    max_body_bytes : a longer body gets 413.
    routes : the service's routes, listed in its 404.
    """

    def __init__(self, app: App, max_body_bytes: int, routes: Sequence[Route]) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._status_rules = {**_STATUS_RULES, 404: f"no such endpoint; {_listed(routes)}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""
        if scope["method"] in ("POST", "PUT", "PATCH"):
            headers = {name.lower(): value for name, value in scope["headers"]}
            unfit = _unfit_type(headers)
            if unfit is not None:
                await _answer(send, 415, problem_body(415, *unfit))
                return
            taken = await self._take_body(headers, receive)
            if taken is None:
                return
            if isinstance(taken, int):
                rule = f"must be at most {self._max_body_bytes} bytes (serving.max_body_bytes); send it in parts"
                await _answer(send, 413, problem_body(413, "body", f"{taken} bytes at least", rule))
                return
            body = taken
            if not body.strip():
                await _answer(send, 400, problem_body(400, "body", "", "is empty, must be a JSON object"))
                return
        await self._app(scope, _replay(body, receive), _ErrorRewriter(scope, body, send, self._status_rules))

    async def _take_body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | int | None:
        """Read the body; its size so far if it is too long; None if the client has disconnected."""
        if headers.get(b"expect", b"").lower() == b"100-continue" and headers.get(b"content-length", b"").isdigit():
            announced = int(headers[b"content-length"])
            if announced > self._max_body_bytes:
                return announced  # the client waits for permission to send: there is nothing to drain
        chunks, size, more = [], 0, True
        while more and size <= _DRAINED_LIMITS * self._max_body_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= self._max_body_bytes:
                chunks.append(chunk)
            else:
                chunks.clear()
            more = message.get("more_body", False)
        return b"".join(chunks) if size <= self._max_body_bytes else size


class _ErrorRewriter:
    """Passes responses through, and rewrites errors unless they have our form already."""

    def __init__(self, scope: Scope, body: bytes, send: Send, status_rules: Mapping[int, str]) -> None:
        self._scope = scope
        self._body = body
        self._send = send
        self._status_rules = status_rules
        self._start: Message | None = None
        self._chunks: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._start = message
        elif self._start is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._finish(self._start, b"".join(self._chunks))

    async def _finish(self, start: Message, content: bytes) -> None:
        status, body = self._reworded(start["status"], _parsed(content), content)
        kept = [(name, value) for name, value in start["headers"] if name.lower() in (b"allow", b"retry-after")]
        await _answer(self._send, status, body, kept)

    def _reworded(self, status: int, document: Any, content: bytes) -> tuple[int, bytes]:
        error = document.get("error") if isinstance(document, dict) else None
        if isinstance(error, dict) and "rule" in error:
            return status, content
        details = document.get("detail") if isinstance(document, dict) else None
        if status == 400 and isinstance(details, list) and details:
            return _invalid(details, self._body)
        path = self._scope["path"]
        field, value = ("method", self._scope["method"]) if status == 405 else ("path", path)
        return status, problem_body(
            status, field, value, self._status_rules.get(status, "the request was not answered")
        )


def _invalid(details: list[Any], body: bytes) -> tuple[int, bytes]:
    first = details[0]
    if first["type"] == "json_invalid":
        return 400, problem_body(400, "body", f"{len(body)} bytes", first["msg"].replace("Invalid JSON", "is not JSON"))
    parts = first["loc"]
    rule = _RULES.get(first["type"], _as_rule(first["msg"]))
    value = None if first["type"] == "missing" else value_at(_parsed(body), parts)
    return 422, problem_body(422, field_path(parts), value, rule, more=len(details) - 1)


def _listed(routes: Sequence[Route]) -> str:
    posts = ", ".join(f"/{route.name}" for route in routes if route.method == "POST")
    gets = ", ".join(f"/{name}" for name in (*(route.name for route in routes if route.method == "GET"), *_HEALTH))
    return "; ".join(f"{method} {names}" for method, names in (("POST", posts), ("GET", gets)) if names)


def _as_rule(message: str) -> str:
    for prefix in ("Input ", "Value error, "):
        message = message.removeprefix(prefix)
    return message


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _unfit_type(headers: dict[bytes, bytes]) -> tuple[str, str, str] | None:
    """Field, value and rule if the body is not plain JSON in UTF-8, else None."""
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if encoding.strip().lower() != "identity":
        return "content-encoding", encoding, "must be absent: compressed bodies are not taken"
    given = headers.get(b"content-type", b"").decode("latin-1")
    media, *parameters = (part.strip().lower() for part in given.split(";"))
    charsets = [part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")]
    if media != "application/json" or any(charset not in ("utf-8", "utf8") for charset in charsets):
        return "content-type", given, "must be application/json (UTF-8)"
    return None


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive function that gives the body already read, then whatever comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    all_headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *(headers or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
