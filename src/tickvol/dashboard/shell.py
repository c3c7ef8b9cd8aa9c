"""Frame around every page: skip link, navigation, title and footer; the list of pages, and unknown addresses."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from dash import dcc, html
from dash.development.base_component import Component

from tickvol.pages.aria import aria
from tickvol.pages.numbers import utc_text
from tickvol.pages.states import State, badge, explanation, unreadable
from tickvol.system import Page

logger = logging.getLogger(__name__)

HOME = "tickvol"


def frame(refresh_s: int) -> Component:
    """The parts that stay while pages come and go; a callback fills `body` and `read-at`.

    `shown` holds the digest of the body's content.
    """
    read_at_data: dict[str, Any] = {"data-refresh-s": str(refresh_s)}
    return html.Div(
        [
            dcc.Location(id="address"),
            dcc.Store(id="shown"),
            dcc.Interval(id="refresh", interval=refresh_s * 1000),
            html.A("Skip to content", href="#content", className="skip"),
            html.Div(id="contact", role="status", className="contact", hidden=True),
            html.Div(id="body"),
            html.Footer(
                [
                    html.Span(id="read-at", **read_at_data),
                    html.Span(f"All times are UTC. Refreshed every {refresh_s} s."),
                ],
            ),
        ],
        className="frame",
    )


def body(pages: Sequence[Page], here: str, content: Sequence[Component]) -> list[Component]:
    """Navigation and content.

    Parameters
    ----------
    here : path of the page.
    """
    navigation = html.Nav(_navigation(pages, here), **aria(label="Pages"))
    return [html.Header(navigation, className="top"), html.Main(list(content), id="content", tabIndex="-1")]


def _navigation(pages: Sequence[Page], here: str) -> Component:
    links = [_link(HOME, "/", here == "", "home")]
    links += [_link(page.title, f"/{page.path}", here == page.path, "") for page in pages]
    return html.Ul([html.Li(link) for link in links])


def _link(title: str, href: str, is_here: bool, name: str) -> Component:
    here = [html.Span(" (this page)", className="unseen")] if is_here else []
    return dcc.Link([title, *here], href=href, className=f"{name} here".strip() if is_here else name)


def titled(page: Page, query: str) -> list[Component]:
    """A page under its title.

    Parameters
    ----------
    query : of the address, with its question mark.
    """
    return [html.H1(page.title), html.P(page.about, className="about"), page.layout(parsed(query))]


def parsed(query: str) -> Mapping[str, str]:
    """Names and values of a query; of a repeated name the last value.

    >>> parsed("?product=BTC-USD")
    {'product': 'BTC-USD'}
    """
    return dict(parse_qsl(query.removeprefix("?")))


def home(pages: Sequence[Page]) -> list[Component]:
    """All pages with what they show and their state."""
    return [
        html.H1("Dashboard"),
        html.P("Pages of this installation, read from its own tables.", className="about"),
        _listed(pages),
    ]


def no_such_page(path: str, pages: Sequence[Page]) -> list[Component]:
    """The page for an unknown address."""
    return [
        html.H1("No such page"),
        html.P(["Nothing is at ", html.Code(path), ". These pages exist:"], className="about"),
        _listed(pages),
    ]


def _listed(pages: Sequence[Page]) -> Component:
    if not pages:
        return html.P("No system has registered a page.")
    return html.Ul([_card(page) for page in pages], className="cards")


def _card(page: Page) -> Component:
    state = _state(page)
    return html.Li(
        [
            html.H2(dcc.Link(page.title, href=f"/{page.path}")),
            html.P(page.about),
            html.P([badge(state.kind), html.Span([" ", *explanation(state)])], className="card-state"),
        ],
        className="card",
    )


def _state(page: Page) -> State:
    try:
        return page.state()
    except Exception as error:  # the other pages stay up
        logger.exception("state of page %s is unknown", page.path)
        return unreadable(f"{type(error).__name__}: {error}")


def failure(page: Page, message: str) -> list[Component]:
    """A page whose layout failed."""
    words: list[Component | str] = [
        "This page cannot be shown: ",
        html.Code(message),
        ". The log of the dashboard says more.",
    ]
    notice = html.Div([badge("error"), html.P(words)], className="notice notice-error", role="alert")
    return [html.H1(page.title), notice]


def read_at(now_us: int) -> str:
    """The time of the last refresh."""
    return f"Read at {utc_text(now_us)}. "
