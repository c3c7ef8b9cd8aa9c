"""Faults of an answer: another status, another body, other headers."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate

from tickvol.simulator.rest.faults import Fault
from tickvol.simulator.rest.limits import LIMITED
from tickvol.simulator.rest.wire import Answer, Request, json_answer, not_found, refusal

AnswerFault = Callable[[Answer, Request, Fault, float], Answer]
"""Takes the true answer, the request, the fault and the exchange's clock in s."""

_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
_HTML_TYPE = ("Content-Type", "text/html; charset=UTF-8")


def _limited(answer: Answer, request: Request, fault: Fault, now_s: float) -> Answer:
    return refusal(request, 429, "RESOURCE_EXHAUSTED", LIMITED)


def _limited_seconds(answer: Answer, request: Request, fault: Fault, now_s: float) -> Answer:
    limited = _limited(answer, request, fault, now_s)
    return replace(limited, headers=(("Retry-After", str(fault.retry_after_s)),))


def _limited_date(answer: Answer, request: Request, fault: Fault, now_s: float) -> Answer:
    limited = _limited(answer, request, fault, now_s)
    return replace(limited, headers=(("Retry-After", formatdate(int(now_s) + fault.retry_after_s, usegmt=True)),))


def _internal(answer: Answer, request: Request, fault: Fault, now_s: float) -> Answer:
    return refusal(request, 500, "INTERNAL", "Internal server error")


def _page(status: int) -> AnswerFault:
    return lambda answer, request, fault, now_s: Answer(status, _HTML, headers=(_HTML_TYPE,))


def _refused(status: int, error: str, said: str) -> AnswerFault:
    return lambda answer, request, fault, now_s: refusal(request, status, error, said)


def _error_object(answer: Answer, request: Request, fault: Fault, now_s: float) -> Answer:
    return json_answer({"message": "Internal server error"})


def _redirect(answer: Answer, request: Request, fault: Fault, now_s: float) -> Answer:
    return Answer(302, b"", headers=(("Location", fault.to + request.target.lstrip("/")),))


def _gzip(answer: Answer, request: Request, fault: Fault, now_s: float) -> Answer:
    packed = gzip.compress(answer.body, mtime=0)
    return replace(answer, body=packed, headers=(*answer.headers, ("Content-Encoding", "gzip")))


def _wrong_charset(answer: Answer, request: Request, fault: Fault, now_s: float) -> Answer:
    return replace(answer, headers=(*answer.headers, ("Content-Type", "application/json; charset=utf-16")))


def _bad_utf8(answer: Answer, request: Request, fault: Fault, now_s: float) -> Answer:
    return replace(answer, body=answer.body[:1] + b'"\xff\xfe",' + answer.body[1:])


def _half_json(answer: Answer, request: Request, fault: Fault, now_s: float) -> Answer:
    return replace(answer, body=answer.body[: len(answer.body) // 2])


ANSWER_FAULTS: Mapping[str, tuple[str, AnswerFault]] = {
    "429": ("429 without Retry-After", _limited),
    "429-retry-after": ("429 with Retry-After in seconds (retry=1)", _limited_seconds),
    "429-retry-date": ("429 with Retry-After as an HTTP date (retry=1)", _limited_date),
    "500": ("500 with an error object", _internal),
    "502": ("502 with an HTML page", _page(502)),
    "503": ("503 with an HTML page", _page(503)),
    "504": ("504 with an HTML page", _page(504)),
    "400": ("400 with an error object", _refused(400, "INVALID_ARGUMENT", "Invalid request")),
    "401": ("401 with an error object", _refused(401, "UNAUTHENTICATED", "Unauthorized.")),
    "403": ("403 with an error object", _refused(403, "PERMISSION_DENIED", "Forbidden")),
    "404": ("404 as for an unknown product", lambda answer, request, fault, now_s: not_found(request)),
    "error-object": ("200 with an error object", _error_object),
    "html": ("200 with an HTML page", _page(200)),
    "half-json": ("half of the body, with a Content-Length that fits", _half_json),
    "gzip": ("the body compressed; not an error", _gzip),
    "wrong-charset": ("a Content-Type that names UTF-16 for a body in UTF-8; not an error", _wrong_charset),
    "bad-utf8": ("bytes in the body that are not UTF-8", _bad_utf8),
    "redirect": ("302 to another host (to=URL)", _redirect),
}
