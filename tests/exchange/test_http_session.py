"""What errors and logs of the HTTP client show of a URL."""

import logging
import traceback
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from tests.exchange.clients import RULES, Clock, hangs_up, new_client, url_of
from tickvol.core.errors import RequestFailed

SECRET = "sesame"


def redirects_to_the_path(handler: BaseHTTPRequestHandler) -> None:
    place = f"http://127.0.0.1:{handler.server.server_port}{handler.path}"
    handler.connection.sendall(f"HTTP/1.1 301 Moved\r\nLocation: {place}\r\n\r\n".encode())


def repeats_the_request(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.sendall(handler.raw_requestline + b"\r\n")


def repeats_the_path_in_the_status(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.sendall(b"HTTP/1.1 503 no %s\r\n\r\n" % handler.path.encode())


@pytest.mark.parametrize(
    ("answer", "follow_redirects", "fails"),
    [
        (200, False, False),
        (404, False, False),
        (503, False, True),
        ((503, {"Retry-After": "999"}), False, True),
        (hangs_up, False, True),
        (repeats_the_request, False, True),
        (repeats_the_path_in_the_status, False, True),
        (redirects_to_the_path, False, False),
        (redirects_to_the_path, True, True),
    ],
)
def test_path_query_and_password_show_in_no_error_and_no_log(
    receive, caplog, answer, follow_redirects: bool, fails: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"http://me:{SECRET}@127.0.0.1:{receive(answer).port}/{SECRET}?key={SECRET}#{SECRET}"
    said = []
    with new_client(replace(RULES, follow_redirects=follow_redirects)) as client:
        try:
            client.request("POST", url, headers={"X-Key": SECRET})
        except RequestFailed as error:
            said = traceback.format_exception(error)
    assert bool(said) == fails
    assert SECRET not in "".join([*said, caplog.text])


def test_path_shows_where_it_is_no_secret(receive) -> None:
    receiver = receive(500)
    with (
        new_client(replace(RULES, shows_path=True)) as client,
        pytest.raises(RequestFailed, match=f"^{url_of(receiver)}: 3 attempts") as caught,
    ):
        client.request("GET", url_of(receiver, f"/candles?key={SECRET}").replace("://", f"://me:{SECRET}@"))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "sesame", "/sesame", "ftp://host/sesame", "http:///sesame", "http://256.256.256.256/sesame",
            "http://host:sesame/", "http://host/\0sesame"],
)  # fmt: skip
def test_url_that_is_none_is_not_retried_and_not_shown(url: str) -> None:
    clock = Clock()
    with new_client(clock=clock) as client, pytest.raises(RequestFailed, match="not a valid URL") as caught:
        client.request("GET", url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert clock.waits == []


def test_header_that_http_forbids_is_not_retried_and_not_shown(receive) -> None:
    receiver, clock = receive(200), Clock()
    with new_client(clock=clock) as client, pytest.raises(RequestFailed, match="not valid HTTP") as caught:
        client.request("GET", url_of(receiver), headers={"X-Key": f"{SECRET}\n"})
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert clock.waits == []
