"""Request to answer without HTTP: what is scored, what is unknown and why, what is refused."""

import json
from typing import Any

import msgspec
import pytest

from tests.volatility.answers.samples import START_NS, KnownModel, frames, row, rows_body, served
from tickvol.core.times import NS_PER_S
from tickvol.serving.problems import RequestError
from tickvol.volatility.answers import row_answers as answers
from tickvol.volatility.answers.requests import RowsOrFrames
from tickvol.volatility.evaluation.report import SIMULATED_WARNING
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION


def ask(body: dict[str, Any]) -> RowsOrFrames:
    return RowsOrFrames.model_validate_json(json.dumps(body))


def test_each_row_is_answered_in_the_order_of_the_request() -> None:
    body = rows_body(row(0.3, second=9), row(0.1, second=2, product="ETH-USD"), row(0.2, second=4))
    answer = answers.predict(served(), ask(body))
    assert [(a.product_id, a.probability) for a in answer.answers] == [
        ("BTC-USD", 0.3),
        ("ETH-USD", 0.1),
        ("BTC-USD", 0.2),
    ]
    assert [a.bar_end_ns for a in answer.answers] == [row["bar_end_ns"] for row in body["rows"]]


def test_every_answer_names_model_version_and_feature_schema() -> None:
    for function in (answers.predict, answers.anomaly, answers.signal):
        answer = function(served(), ask(rows_body(row())))
        assert (answer.model_version, answer.feature_schema_version) == ("sha256:known", SCHEMA_VERSION)


@pytest.mark.parametrize("function", [answers.predict, answers.anomaly, answers.signal])
@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ({"coverage_60": 0.983}, "coverage_60 is 0.983"),
        ({"coverage_60": None}, "coverage_60 is nan"),
        ({"coverage_300": 0.79}, "coverage_300 is 0.790"),
        ({"coverage_300": None}, "coverage_300 is nan"),
    ],
)
def test_row_with_an_unknown_past_is_unknown_and_gets_no_number(function: Any, features: Any, reason: str) -> None:
    answer = function(served(), ask(rows_body(row(0.9, robust_z=99.0, **features)))).answers[0]
    assert answer.status == "unknown"
    assert reason in answer.reason
    plain = msgspec.to_builtins(answer)
    assert all(not value for name, value in plain.items() if name in ("probability", "signal", "abnormal", "rules"))


def test_probability_that_is_no_number_is_unknown_too() -> None:
    answer = answers.predict(served(), ask(rows_body(row(None), row(0.4, second=2))))
    assert [(a.status, a.probability) for a in answer.answers] == [("unknown", None), ("ok", 0.4)]


@pytest.mark.parametrize(
    ("probability", "word"),
    [(0.0, "CALM"), (0.249, "CALM"), (0.25, "WATCH"), (0.499, "WATCH"), (0.5, "ALERT"), (1.0, "ALERT")],
)
def test_signal_starts_at_its_threshold(probability: float, word: str) -> None:
    answer = answers.signal(served(), ask(rows_body(row(probability))))
    assert answer.answers[0].signal == word
    assert (answer.thresholds.watch, answer.thresholds.alert) == (0.25, 0.5)


def test_evidence_names_the_largest_contributions_first() -> None:
    evidence = answers.signal(served(), ask(rows_body(row(0.4, vol_zscore=None)))).answers[0].evidence
    assert [(e.input, e.value, e.contribution) for e in evidence] == [
        ("vol_zscore", None, -0.8),
        ("quote_imbalance_60", 0.4, 0.4),
    ]


@pytest.mark.parametrize(
    ("robust_z", "vol_zscore", "status", "abnormal", "why"),
    [
        (0.0, 0.0, "ok", False, "nothing fired"),
        (3.5, 0.0, "ok", True, "the threshold itself fires"),
        (-3.6, 0.0, "ok", True, "a fall is as abnormal as a rise"),
        (0.0, 3.0, "ok", True, "volatility alone"),
        (0.0, -9.0, "ok", False, "unusually calm is not abnormal"),
        (None, 0.0, "unknown", None, "the unknown rule might have fired"),
        (0.0, None, "unknown", None, "the unknown rule might have fired"),
        (None, None, "unknown", None, "nothing is known"),
        (None, 3.1, "ok", True, "one rule fired, whatever the other would say"),
    ],
)
def test_anomaly_by_its_rules(
    robust_z: float | None, vol_zscore: float | None, status: str, abnormal: bool | None, why: str
) -> None:
    body = rows_body(row(robust_z=robust_z, vol_zscore=vol_zscore))
    answer = answers.anomaly(served(), ask(body)).answers[0]
    assert (answer.status, answer.abnormal) == (status, abnormal), why


def test_anomaly_says_which_rule_fired_at_which_threshold() -> None:
    answer = answers.anomaly(served(), ask(rows_body(row(robust_z=-4.0, vol_zscore=1.0)))).answers[0]
    assert [(r.rule, r.value, r.threshold, r.fired) for r in answer.rules] == [
        ("abs(robust_z)", 4.0, 3.5, True),
        ("vol_zscore", 1.0, 3.0, False),
    ]


def without(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return given | {"features": {name: value for name, value in given["features"].items() if name not in names}}


def shifted(given: dict[str, Any], ns: int) -> dict[str, Any]:
    return given | {"bar_end_ns": given["bar_end_ns"] + ns}


@pytest.mark.parametrize(
    ("body", "status", "field", "why"),
    [
        (rows_body(row(), version=SCHEMA_VERSION + 1), 409, "feature_schema_version", "rows of another schema"),
        (rows_body(), 422, "rows", "nothing to answer"),
        (rows_body(*[row(second=s) for s in range(1, 5)]), 422, "rows", "more than max_rows"),
        ({"frames": []}, 422, "frames", "nothing to answer"),
        ({"frames": ["{}"] * 6}, 422, "frames", "more than max_frames"),
        (rows_body(row(), row(second=2, nonsense=1.0)), 422, "rows[1].features.nonsense", "a name of no feature"),
        (rows_body(without(row(), "vol_zscore")), 422, "rows[0].features.vol_zscore", "the model needs it"),
        (rows_body(without(row(), "coverage_300")), 422, "rows[0].features.coverage_300", "scorability needs it"),
        (rows_body(shifted(row(), 1)), 422, "rows[0].bar_end_ns", "no end of a bar"),
        (rows_body(row(), row(second=2), row()), 422, "rows[2].bar_end_ns", "the same bar twice"),
        ({"frames": [{"a": 1}, 7]}, 422, "frames[1]", "neither object nor text"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_field_s_path(
    body: dict[str, Any], status: int, field: str, why: str
) -> None:
    with pytest.raises(RequestError) as refused:
        answers.predict(served(max_rows=3, max_frames=5), ask(body))
    assert (refused.value.status, refused.value.field) == (status, field), why


def test_nan_inside_a_frame_is_refused() -> None:
    request = RowsOrFrames.model_validate_json('{"frames":[{"channel":"ticker","x":NaN}]}')
    with pytest.raises(RequestError, match=r"frames\[0\].*NaN"):
        answers.predict(served(), request)


def test_features_that_no_one_needs_may_be_absent() -> None:
    body = rows_body(without(row(0.2), "mid", "max_drawdown"))
    assert answers.predict(served(), ask(body)).answers[0].probability == 0.2


def test_frames_give_the_last_closed_bar_of_each_product() -> None:
    answer = answers.predict(served(), ask({"frames": frames(120)}))
    assert len(answer.answers) == 1
    last = answer.answers[0]
    assert last.product_id == "BTC-USD"
    assert last.bar_end_ns == START_NS + 119 * NS_PER_S
    assert last.status == "unknown", "two minutes are no five"


def test_enough_frames_are_scored() -> None:
    answer = answers.predict(served(), ask({"frames": frames(800)}))
    assert answer.answers[0].status == "ok"
    assert answer.answers[0].probability == pytest.approx((0.5 - 0.7) / 1.2)


def test_all_rows_answers_every_bar_that_closed() -> None:
    answer = answers.predict(served(), ask({"frames": frames(120), "all_rows": True}))
    assert len(answer.answers) == answer.frames.bars_closed == 119


def test_text_and_object_frames_give_the_same_answer() -> None:
    objects = frames(800)
    texts = [json.dumps(frame) for frame in objects]
    assert answers.signal(served(), ask({"frames": objects})) == answers.signal(served(), ask({"frames": texts}))


def test_each_request_starts_from_an_empty_state() -> None:
    first, second = frames(800)[:1600], frames(800)[1600:]
    answers.predict(served(), ask({"frames": first}))
    alone = answers.predict(served(), ask({"frames": second}))
    assert alone.answers[0].status == "unknown"


def test_frame_counts_add_up_and_bad_ones_are_named() -> None:
    made: list[Any] = [*frames(60), "no json", {"channel": "candles", "timestamp": "x", "sequence_num": 1}]
    counts = answers.predict(served(), ask({"frames": made})).frames
    assert counts.frames == len(made)
    settled = counts.tickers + counts.heartbeats + counts.other_channels + counts.waiting
    assert settled + sum(counts.rejected.values()) == len(made)
    assert counts.rejected["not_json"] == 1


def test_frames_without_a_closed_bar_give_no_answer_and_say_so() -> None:
    answer = answers.predict(served(), ask({"frames": frames(1)}))
    assert answer.answers == []
    assert answer.frames.bars_closed == 0


@pytest.mark.parametrize(("model", "market"), [(True, False), (False, True)])
def test_simulated_model_or_market_is_said_so(model: bool, market: bool) -> None:
    body = {"frames": frames(120, simulated=market)}
    answer = answers.predict(served(KnownModel(simulated=model)), ask(body))
    assert answer.simulated
    assert answer.note == SIMULATED_WARNING
    assert answers.predict(served(), ask({"frames": frames(120)})).note is None
