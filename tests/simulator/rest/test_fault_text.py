"""Faults as text."""

import pytest

from tests.support import ROOT
from tickvol.core.errors import UsageError
from tickvol.simulator.rest.fault_kinds import KINDS
from tickvol.simulator.rest.fault_text import parse_rest_fault
from tickvol.simulator.rest.faults import Fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("500", Fault("500", times=0)),
        ("500:0.25", Fault("500", share=0.25)),
        ("500:nth=3", Fault("500", nth=3)),
        ("500:times=2", Fault("500", times=2)),
        ("500:nth=3:times=0", Fault("500", nth=3, times=0)),
        ("no-answer:for=250ms:nth=1", Fault("no-answer", for_s=0.25)),
        ("delay:0.1:for=2s", Fault("delay", share=0.1, for_s=2.0)),
        (
            "429-retry-after:retry=7:product=ETH-USD",
            Fault("429-retry-after", times=0, retry_after_s=7, product_id="ETH-USD"),
        ),
        ("empty:day=1970-01-02", Fault("empty", times=0, at_s=86_400)),
        ("missing:row=0:path=/candles", Fault("missing", times=0, row=0, path="/candles")),
        ("redirect:nth=1:to=http://127.0.0.1:99/a:b", Fault("redirect", to="http://127.0.0.1:99/a:b")),
    ],
)
def test_a_text_is_a_fault(text: str, fault: Fault) -> None:
    assert parse_rest_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no fault ''; must be one of 429,"),
        ("drop:0.1", "no fault 'drop'"),
        ("500:0", "'0': must be NAME"),
        ("500:1.5", "'1.5': must be NAME"),
        ("500:nan", "'nan': must be NAME"),
        ("500:x", "'x': must be NAME"),
        ("500:nth=-1", "'nth=-1': must be NAME"),
        ("500:nth=x", "'nth=x': must be NAME"),
        ("500:every=3", "no key 'every'; must be one of nth, times"),
        ("delay:for=-1s", "'for=-1s': must be NAME"),
        ("delay:for=infs", "'for=infs': must be NAME"),
        ("empty:day=tomorrow", "'day=tomorrow': must be NAME"),
    ],
)
def test_a_text_that_is_no_fault_says_why(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rest_fault(text)
    assert str(caught.value).startswith(f"--fault: {text!r}: ")
    assert says in str(caught.value)


def test_the_documentation_has_every_kind_of_fault() -> None:
    text = (ROOT / "docs" / "simulated_exchange.md").read_text()
    assert [name for name, kind in KINDS.items() if f"| `{name}` | {kind.about} |" not in text] == []
