"""Raw exchange frames to feature rows, with the common decoder, tracker and engine, from an empty state."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tickvol.core.errors import RequestError
from tickvol.eventlog.frames import FrameDecoder, Layout, detect_layout
from tickvol.eventlog.tracker import FrameCounts, FrameTracker
from tickvol.volatility.features.engine import FeatureEngine
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable

_LINES_THAT_TELL = 8
_CONNECTION = "request"


@dataclass(frozen=True, slots=True)
class FrameRules:
    """Settings of decoder and tracker in addition to the feature spec."""

    products: tuple[str, ...]
    max_line_bytes: int
    max_ahead_s: float
    trust_bare: bool


@dataclass(frozen=True, slots=True)
class FrameRows:
    """Rows of all bars closed by the frames, and counts of the frames by category."""

    table: FeatureTable
    counts: FrameCounts
    late: int
    duplicates: int


def rows_of_frames(frames: Sequence[Any], spec: FeatureSpec, rules: FrameRules) -> FrameRows:
    """Run the engine over frames in the order given; the end of the input closes no bar.

    Parameters
    ----------
    frames : exchange frames (or lines of the raw archive), each a JSON object or its text.
    spec : bars and windows.
    rules : products and limits.

    Raises
    ------
    RequestError
        When an element is neither object nor text, or holds NaN or Infinity.
    """
    lines = [_line(frame, place) for place, frame in enumerate(frames)]
    products = tuple(sorted(rules.products))
    layout = detect_layout(lines[:_LINES_THAT_TELL])
    decoded = FrameDecoder(products, rules.max_line_bytes).decode(lines, layout, bare_connection=_CONNECTION)
    tracker = FrameTracker(products, grace_ms=spec.grace_ms, max_ahead_s=rules.max_ahead_s, trust_bare=rules.trust_bare)
    tracked = tracker.push(decoded, bare=layout is Layout.BARE)
    rows = FeatureEngine(spec, products).push(tracked.records)
    order = np.lexsort((rows.bar_end_ns, rows.product))
    table = FeatureTable(
        spec=spec,
        products=products,
        product=rows.product[order],
        bar_end_ns=rows.bar_end_ns[order],
        values=rows.values[order],
        simulated=tracker.simulated,
    )
    return FrameRows(table, tracker.counts, len(rows.late), rows.duplicates)


def _line(frame: Any, place: int) -> bytes:
    if isinstance(frame, str):
        return frame.encode("utf-8", "surrogatepass")
    if not isinstance(frame, dict):
        raise RequestError(422, f"frames[{place}]", frame, "must be a JSON object or the text of one")
    try:
        return json.dumps(frame, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        raise RequestError(422, f"frames[{place}]", frame, "must not hold NaN or Infinity") from None
