"""States of a figure: current, stale, unknown, empty or unreadable; each has a sign, a word and a sentence."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dash import html
from dash.development.base_component import Component

from tickvol.pages.aria import aria
from tickvol.pages.numbers import age_text

Kind = Literal["current", "stale", "unknown", "empty", "error"]

_SIGNS: dict[Kind, str] = {"current": "●", "stale": "◷", "unknown": "?", "empty": "○", "error": "✕"}
_SEVERITY: tuple[Kind, ...] = ("error", "empty", "stale", "unknown", "current")


@dataclass(frozen=True, slots=True)
class State:
    """A state with the sentence that explains it.

    Attributes
    ----------
    command : what to run in order to change the state; empty: nothing.
    """

    kind: Kind
    text: str = ""
    command: str = ""

    @property
    def has_value(self) -> bool:
        """Whether there is a figure to show."""
        return self.kind in ("current", "stale")


def empty(command: str) -> State:
    """State of a figure for which nothing is stored yet."""
    return State("empty", "Nothing is stored yet.", command)


def unknown(reason: str) -> State:
    """State of a figure that is null, with the reason."""
    return State("unknown", reason)


def unreadable(message: str) -> State:
    """State of a figure whose table cannot be read."""
    return State("error", message)


def of_age(age_s: float, stale_after_h: float) -> State:
    """State of a figure by the time since the end of what it describes.

    >>> of_age(3600.0, 36.0).kind, of_age(40 * 3600.0, 36.0).kind
    ('current', 'stale')
    """
    if age_s <= stale_after_h * 3600:
        return State("current")
    return State("stale", f"The newest day ended {age_text(age_s)} ago; the limit is {stale_after_h:g} h.")


def worst(states: Iterable[State]) -> State:
    """The state that a reader must know of first.

    >>> worst([State("current"), State("stale"), State("unknown")]).kind
    'stale'
    """
    return min(states, key=lambda state: _SEVERITY.index(state.kind))


def badge(kind: Kind, word: str = "") -> Component:
    """A sign and a word in the colour of a state."""
    return signed_word(kind, _SIGNS[kind], word or kind)


def signed_word(tone: str, sign: str, word: str) -> Component:
    """A word with a sign before it, so that colour is never the only signal."""
    return html.Span([html.Span(sign, **aria(hidden="true")), f" {word}"], className=f"badge badge-{tone}")


def explanation(state: State) -> list[Component | str]:
    """The sentence of a state, with the command to run."""
    if not state.command:
        return [state.text]
    return [f"{state.text} Run ", html.Code(state.command), "."]


def notice(state: State) -> Component:
    """A box with a state in place of a chart or a table."""
    return html.Div(
        [badge(state.kind), html.P(explanation(state))], className=f"notice notice-{state.kind}", role="note"
    )
