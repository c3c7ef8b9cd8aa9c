"""The evaluation page: self-contained, escaped, with every figure, also where there is nothing to show."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from tests.volatility.evaluation.samples import RULES, detector, judged_rows
from tickvol.volatility.evaluation.judge import judge
from tickvol.volatility.reports.evaluation_figures import (
    calibration_figure,
    lead_figure,
    png,
    pr_figure,
    timeline_figure,
)
from tickvol.volatility.reports.evaluation_html import render

ROWS = judged_rows(hours=1.0)
DETECTORS = [detector(ROWS, "xgboost", 1.5), detector(ROWS, "har", 1.0, baseline=True)]


def _report(rows=ROWS, detectors=DETECTORS):
    judgement = judge(rows, detectors, RULES)
    for figures in judgement["detectors"].values():
        figures["bundle_hash"] = "a" * 64
    return {
        "warning": None,
        "config_hash": "b" * 64,
        "features": {"fingerprint": "c" * 64},
        "rows": {"scope": "test split", "from": "2026-04-05T00:00:00", "to": "2026-04-05T01:00:00"},
        "verdicts": {n: f["verdict"] for n, f in judgement["detectors"].items() if not f["baseline"]},
        **judgement,
    }


def _figures(rows, detectors, report):
    bins = {name: figures["calibration_bins"] for name, figures in report["detectors"].items()}
    return [
        pr_figure(rows, detectors, report["best_baseline"]),
        calibration_figure(bins, detectors, report["best_baseline"]),
        lead_figure(report["detectors"], report["best_baseline"]),
        timeline_figure(rows, detectors[0], horizon_s=60, cooldown_s=60),
    ]


def test_page_loads_nothing_from_elsewhere_and_holds_its_figures():
    report = _report()
    images = [(f"figure {n}", png(figure)) for n, figure in enumerate(_figures(ROWS, DETECTORS, report))]
    page = render(report, images)
    assert page.count("data:image/png;base64,") == 4
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "<script" not in page


def test_page_says_verdict_hashes_and_why_there_is_no_interval():
    page = render(_report(), [])
    assert "not distinguishable from baseline" in page
    assert "blocks, at least 20 needed" in page
    for digest in ("a", "b", "c"):
        assert digest * 64 in page


def test_page_of_simulated_data_carries_the_warning_and_others_do_not():
    warning = "simulated market: these figures say nothing about real markets"
    assert warning in render(_report() | {"warning": warning}, [])
    assert warning not in render(_report(), [])


def test_names_are_escaped():
    odd = replace(DETECTORS[0], name="<b>x&y</b>")
    page = render(_report(detectors=[odd, DETECTORS[1]]), [])
    assert "<b>x" not in page
    assert "&lt;b&gt;x&amp;y&lt;/b&gt;" in page


def test_numbers_of_the_table_are_those_of_the_report():
    report = _report()
    page = render(report, [])
    for figures in report["detectors"].values():
        assert f"<td>{figures['pr_auc']:.3f}</td>" in page
        assert f"<td>{figures['events']['caught']} of {figures['events']['events']}</td>" in page


@pytest.mark.parametrize("spikes", ["none", "all", "one row"])
def test_rows_of_one_class_or_one_row_still_give_a_page(spikes):
    rows = replace(ROWS, positive=np.full(len(ROWS), spikes == "all"))
    detectors = DETECTORS
    if spikes == "one row":
        rows = replace(
            ROWS, product=ROWS.product[:1], bar_end_ns=ROWS.bar_end_ns[:1], positive=ROWS.positive[:1],
            regime=ROWS.regime[:1], axis=type(ROWS.axis).of(ROWS.bar_end_ns[:1], ROWS.bar_ns),
        )  # fmt: skip
        detectors = [replace(one, margin=one.margin[:1], probability=one.probability[:1]) for one in DETECTORS]
    report = _report(rows, detectors)
    assert "–" in render(report, [("f", png(figure)) for figure in _figures(rows, detectors, report)])
    json.dumps(report, allow_nan=False)


def test_same_figure_same_bytes():
    first, second = (_figures(ROWS, DETECTORS, _report()) for _ in range(2))
    assert [png(figure) for figure in first] == [png(figure) for figure in second]
