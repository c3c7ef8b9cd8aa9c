"""The Dash application: one frame, filled by the page of the address, at each refresh with what is stored then."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dash import Dash, Input, Output, State, no_update, set_props
from dash.development.base_component import Component
from flask import Flask, Response, request

from tickvol.dashboard import shell
from tickvol.dashboard.headers import secure
from tickvol.dashboard.patches import Content, Shown
from tickvol.settings.dashboard import DashboardConfig
from tickvol.system import Page

logger = logging.getLogger(__name__)

ASSETS = Path(__file__).parent / "assets"
HEALTH = "/healthz"

# Dash writes its start as an inline script; as a file, the policy needs no exception for it.
_INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{metas}
<meta name="color-scheme" content="light dark">
<title>tickvol</title>
<link rel="icon" type="image/svg+xml" href="/assets/icon.svg">
{css}
</head>
<body>
<noscript>These pages need JavaScript, which this server sends itself; nothing is loaded from elsewhere.</noscript>
{app_entry}
{config}
{scripts}
<script id="_dash-renderer" src="/assets/start.js"></script>
</body>
</html>"""


class _Application(Dash):
    def interpolate_index(self, **parts: Any) -> str:  # type: ignore[override]  # Dash lists its keywords
        return _INDEX.format(**{name: parts[name] for name in ("metas", "css", "app_entry", "config", "scripts")})


def build_app(
    config: DashboardConfig, pages: Sequence[Page], *, now_us: Callable[[], int] = lambda: time.time_ns() // 1000
) -> Flask:
    """The WSGI application with all pages.

    Parameters
    ----------
    now_us : Unix time of a refresh, as the footer shows it.
    """
    app = _Application(
        "tickvol.dashboard",
        assets_folder=str(ASSETS),
        assets_ignore="start.js",
        title=shell.HOME,
        update_title="",
        add_log_handler=False,
    )
    app.layout = shell.frame(config.refresh_s)
    by_path = {page.path: page for page in pages}

    shown = Shown()

    @app.callback(
        Output("body", "children"),
        Output("shown", "data"),
        Output("read-at", "children"),
        Input("address", "pathname"),
        Input("address", "search"),
        Input("refresh", "n_intervals"),
        State("shown", "data"),
    )
    def show(path: str | None, query: str | None, _refreshes: int | None, before: str | None) -> tuple[Any, str, str]:
        name = (path or "").strip("/")
        content = Content.of(shell.body(pages, name, _content(by_path, path or "/", query or "")))
        patches = shown.patches(before, content)
        shown.keep(content)
        for component, properties in (patches or {}).items():
            set_props(component, dict(properties))
        whole = no_update if patches is not None else content.nodes
        return whole, content.digest, shell.read_at(now_us())

    server: Flask = app.server
    server.add_url_rule(HEALTH, "health", lambda: Response("ok\n", mimetype="text/plain"))

    @server.after_request
    def finish(response: Response) -> Response:
        is_page = response.status_code == 200 and response.mimetype == "text/html"
        if is_page and request.path.strip("/") not in {"", *by_path}:
            response.status_code = 404
        return secure(response)

    return server


def _content(pages: dict[str, Page], path: str, query: str) -> list[Component]:
    name = path.strip("/")
    if not name:
        return shell.home(tuple(pages.values()))
    if name not in pages:
        return shell.no_such_page(path, tuple(pages.values()))
    page = pages[name]
    try:
        return shell.titled(page, query)
    except Exception as error:  # the other pages stay up, and this one comes back at the next refresh
        logger.exception("page %s cannot be shown", name)
        return shell.failure(page, f"{type(error).__name__}: {error}".splitlines()[0])
