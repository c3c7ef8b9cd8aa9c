"""The notebook runs from top to bottom on a small dataset, says when it is simulated, and has no outputs."""

import asyncio

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support import ROOT
from tests.support.synthetic import synthetic_table
from tickvol.volatility.dataset import DatasetWriter

NOTEBOOK = ROOT / "notebooks" / "eda.ipynb"
DAY_NS = 86_400 * 10**9
START_NS = 1_775_347_200 * 10**9


def _write(directory, tables, *, simulated):
    for table in tables:
        writer = DatasetWriter(directory, table.spec, table.products)
        writer.append(table.product, table.bar_end_ns, table.values)
        writer.flush(simulated=simulated)


def _run(directory, monkeypatch):
    monkeypatch.setenv("TICKVOL_NOTEBOOK_FEATURES", str(directory))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "stream"] == [], "the notebook warned or printed"
    return "\n".join(output.get("data", {}).get("text/markdown", "") for output in outputs)


def test_notebook_runs_on_two_days_and_warns_of_a_simulated_market(tmp_path, monkeypatch):
    tables = [
        synthetic_table(seed, hours=1.0, products=("BTC-USD", "ETH-USD"), start_ns=START_NS + seed * DAY_NS)
        for seed in range(2)
    ]
    _write(tmp_path / "features.parquet", tables, simulated=True)
    said = _run(tmp_path / "features.parquet", monkeypatch)
    assert "simulated market: these figures say nothing about real markets" in said
    assert "absolute**, wanted rate 0.10" in said


def test_notebook_runs_on_three_minutes_of_which_nothing_is_trainable(tmp_path, monkeypatch):
    _write(tmp_path / "features.parquet", [synthetic_table(hours=0.05, gaps=())], simulated=False)
    assert "simulated market" not in _run(tmp_path / "features.parquet", monkeypatch)


@pytest.mark.slow
def test_notebook_runs_on_the_recorded_days(monkeypatch):
    recorded = NOTEBOOK.parents[1] / "data" / "processed" / "features.parquet"
    if not recorded.is_dir():
        pytest.skip(f"{recorded} is absent; `tickvol replay` makes it of the recorded days")
    _run(recorded, monkeypatch)


def test_notebook_is_committed_without_outputs():
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
