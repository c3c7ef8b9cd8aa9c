"""The host of the pages by its HTTP responses and its callback, without a browser."""

import json
import re

import pytest
from dash import html

from tests.support import ROOT
from tickvol.config import load_config
from tickvol.core.errors import UsageError
from tickvol.dashboard.app import ASSETS, build_app
from tickvol.dashboard.server import listen, url_of
from tickvol.pages.states import State
from tickvol.system import Page
from tickvol.systems import pages

CONFIG = load_config(ROOT / "config.yaml", env_file=None)


def page(path, layout=lambda query: html.P("content"), state=lambda: State("current")):
    return Page(path=path, title=path.title(), about=f"Shows {path}.", layout=layout, state=state)


def client(*shown):
    return build_app(CONFIG.dashboard, shown, now_us=lambda: 0).test_client()


def content(http, path, query="", before=None):
    """Response of the callback that fills the page."""
    asked = {
        "output": "..body.children...shown.data...read-at.children..",
        "outputs": [
            {"id": name, "property": part}
            for name, part in (("body", "children"), ("shown", "data"), ("read-at", "children"))
        ],
        "inputs": [
            {"id": "address", "property": "pathname", "value": path},
            {"id": "address", "property": "search", "value": query},
            {"id": "refresh", "property": "n_intervals", "value": 0},
        ],
        "state": [{"id": "shown", "property": "data", "value": before}],
        "changedPropIds": ["refresh.n_intervals"],
    }
    return http.post("/_dash-update-component", json=asked).get_json()


@pytest.mark.parametrize("path", ["/", "/one", "/nothing", "/healthz", "/assets/tickvol.css", "/_dash-layout"])
def test_every_response_carries_the_policy(path):
    headers = client(page("one")).get(path, buffered=True).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["script-src"] == "'self'"
    assert policy["style-src-attr"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe-eval" not in str(policy)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_no_script_of_the_page_is_inline_or_from_elsewhere():
    text = client(page("one")).get("/").get_data(as_text=True)
    scripts = [tag for tag in re.findall(r"<script([^>]*)>", text) if "application/json" not in tag]
    assert len(scripts) >= 5
    assert all(re.search(r'src="/[^/]', tag) for tag in scripts)
    assert not re.search(r'(src|href)="(https?:)?//', text)


def test_the_assets_name_no_other_place():
    for path in ASSETS.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text
        assert "@import" not in text


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/one", 200), ("/one/", 200), ("/two", 404), ("/one/x", 404)]
)
def test_only_registered_addresses_are_found(path, status):
    assert client(page("one")).get(path, buffered=True).status_code == status


@pytest.mark.parametrize("path", ["/assets/tickvol.css", "/_dash-component-suites/dash/dcc/async-graph.js"])
def test_an_unchanged_file_is_not_sent_again(path):
    http = client(page("one"))
    http.get("/")  # lists the scripts, of which alone Dash serves copies
    tag = http.get(path, buffered=True).headers["ETag"]
    assert http.get(path, headers={"If-None-Match": tag}, buffered=True).status_code == 304


def test_the_health_route_answers():
    response = client().get("/healthz")
    assert (response.status_code, response.get_data(as_text=True)) == (200, "ok\n")


def test_the_list_of_pages_says_what_each_shows_and_its_state():
    shown = json.dumps(content(client(page("one"), page("two", state=lambda: State("stale", "Old."))), "/"))
    assert "Shows one." in shown
    assert "Old." in shown
    assert "badge-stale" in shown


def test_a_page_takes_the_query_of_its_address():
    http = client(page("one", layout=lambda query: html.P(query["product"])))
    assert "BTC-USD" in json.dumps(content(http, "/one", "?product=BTC-USD"))


def test_a_page_that_fails_says_so_and_the_others_stay_up(caplog):
    def failing(*_query):
        raise RuntimeError("no disk")

    http = client(page("bad", layout=failing, state=failing), page("good"))
    assert "RuntimeError: no disk" in json.dumps(content(http, "/bad"))
    assert "content" in json.dumps(content(http, "/good"))
    listed = json.dumps(content(http, "/"))
    assert "badge-error" in listed
    assert "badge-current" in listed
    assert "page bad cannot be shown" in caplog.text


def test_a_refresh_sends_only_what_changed():
    texts = iter(["first", "second"])
    http = client(page("one", layout=lambda query: html.Div([html.P("same"), html.P(next(texts))])))
    first = content(http, "/one")["response"]
    second = content(http, "/one", before=first["shown"]["data"])
    assert "same" in json.dumps(first)
    assert "body" not in second["response"]
    assert [list(change.values()) for change in second["sideUpdate"].values()] == [["second"]]


def test_the_footer_names_the_time_of_the_read():
    assert content(client(), "/")["response"]["read-at"]["children"] == "Read at 1970-01-01 00:00:00. "


def test_the_pages_of_all_systems_have_addresses_of_their_own():
    paths = [one.path for one in pages(CONFIG)]
    assert {"risk", "pipeline"} <= set(paths)
    assert len(paths) == len(set(paths))


def test_an_address_in_use_is_refused_with_the_way_out():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"--port: {port}: cannot listen on 127.0.0.1: .*; choose another"):
            listen("127.0.0.1", port)


def test_an_ipv6_address_is_written_in_brackets():
    with listen("::1", 0) as listener:
        assert url_of(listener).startswith("http://[::1]:")
