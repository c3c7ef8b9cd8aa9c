"""`tickvol evaluate`: files, exit codes, the same bytes again, and no report of what cannot be true."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.support import ROOT
from tests.support.datasets import write_dataset
from tests.support.pages import assert_readable
from tests.support.trained import bundles, market
from tickvol.apps.evaluate import main


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    directory = tmp_path_factory.mktemp("artifacts")
    for bundle in bundles():
        bundle.save(directory / bundle.name)
    return directory


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data") / "features.parquet"
    write_dataset(directory, market())
    return directory


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch, artifacts):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TICKVOL_EVALUATION__BOOTSTRAP_SAMPLES", "50")
    monkeypatch.setenv("TICKVOL_MODELS__ARTIFACTS_DIR", str(artifacts))


def test_all_bundles_are_judged_and_both_files_written(features, tmp_path, capsys):
    assert main(["--features", str(features), "--output", str(tmp_path / "new" / "eval.json")]) == 0
    document = json.loads((tmp_path / "new" / "eval.json").read_text())
    assert document["schema_version"] == 2
    assert set(document["detectors"]) == {bundle.name for bundle in bundles()}
    assert document["verdicts"] == {"logistic": document["detectors"]["logistic"]["verdict"]}
    for bundle in bundles():
        assert document["detectors"][bundle.name]["bundle_hash"] == bundle.version
    page = (tmp_path / "new" / "eval.html").read_text()
    assert page.count("data:image/png") == 4
    assert document["config_hash"] in page
    assert "not distinguishable from baseline" in capsys.readouterr().out
    assert_readable(tmp_path / "new" / "eval.html", figures=4, words="not distinguishable from baseline")


def test_same_inputs_give_the_same_bytes(features, tmp_path):
    for name in ("a.json", "b.json"):
        assert main(["--features", str(features), "--output", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_baselines_beside_a_named_bundle_join_and_other_models_do_not(features, artifacts, tmp_path):
    shutil.copytree(artifacts, tmp_path / "a")
    (tmp_path / "a" / "logistic").rename(tmp_path / "a" / "mine")
    shutil.copytree(tmp_path / "a" / "mine", tmp_path / "a" / "other")
    output = tmp_path / "eval.json"
    assert main(["--bundle", str(tmp_path / "a" / "mine"), "--features", str(features), "--output", str(output)]) == 0
    assert set(json.loads(output.read_text())["detectors"]) == {bundle.name for bundle in bundles()}


def test_a_suspected_leak_exits_1_with_the_figures_and_writes_nothing(features, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TICKVOL_EVALUATION__MAX_PR_AUC", "0.01")
    assert main(["--features", str(features), "--output", str(tmp_path / "eval.json")]) == 1
    assert "logistic: PR-AUC 0." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_simulated_rows_put_the_warning_into_both_files_and_onto_the_screen(tmp_path, capsys):
    write_dataset(tmp_path / "features.parquet", market(3, simulated=True))
    output = tmp_path / "eval.json"
    assert main(["--features", str(tmp_path / "features.parquet"), "--output", str(output)]) == 0
    sentence = "simulated market: these figures say nothing about real markets"
    assert json.loads(output.read_text())["warning"] == sentence
    assert sentence in output.with_suffix(".html").read_text()
    assert sentence in capsys.readouterr().out


def test_days_without_a_spike_still_give_a_report(tmp_path):
    table = market(3)
    calm = table.values.copy()
    calm[:, table.names.index("bar_log_return")] *= 1e-6
    write_dataset(tmp_path / "features.parquet", replace(table, values=calm))
    output = tmp_path / "eval.json"
    assert main(["--features", str(tmp_path / "features.parquet"), "--output", str(output)]) == 0
    document = json.loads(output.read_text())
    assert document["sample"]["positives"] == 0
    assert document["detectors"]["logistic"]["pr_auc"] is None


def test_rows_of_which_none_is_known_exit_1_and_say_why(tmp_path, capsys):
    table = market(3)
    write_dataset(tmp_path / "features.parquet", replace(table, values=np.full_like(table.values, np.nan)))
    assert main(["--features", str(tmp_path / "features.parquet"), "--output", str(tmp_path / "e.json")]) == 1
    assert "no row to judge" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["--output", "eval.html"], 2, "must end in .json", id="output is no JSON"),
        pytest.param(["--features", "/nowhere"], 1, "no such dataset directory", id="no dataset"),
        pytest.param(["--bundle", "/nowhere/logistic"], 1, "is no bundle", id="no bundle"),
        pytest.param(["--bundle", "model.pkl"], 2, "pickles are never opened", id="a pickle"),
        pytest.param(["--config", "/nowhere.yaml"], 2, "no such file", id="no configuration"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(features, tmp_path, capsys, arguments, code, message):
    defaults = ["--features", str(features), "--output", str(tmp_path / "eval.json")]
    assert main([*defaults, *arguments]) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert message in said[0]


def test_a_directory_without_bundles_says_how_to_get_some(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TICKVOL_MODELS__ARTIFACTS_DIR", str(tmp_path))
    assert main([]) == 1
    assert "train some by `tickvol train`" in capsys.readouterr().err


def test_a_flipped_bit_in_a_bundle_is_found_before_anything_is_judged(features, artifacts, tmp_path, capsys):
    shutil.copytree(artifacts / "logistic", tmp_path / "logistic")
    manifest = tmp_path / "logistic" / "bundle.json"
    content = bytearray(manifest.read_bytes())
    content[100] ^= 1
    manifest.write_bytes(bytes(content))
    assert main(["--bundle", str(tmp_path / "logistic"), "--features", str(features)]) == 1
    assert "SHA-256" in capsys.readouterr().err


def test_the_script_is_the_same_command():
    script = ROOT / "scripts" / "generate_evaluation_report.py"
    found = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert found.returncode == 0
    assert "tickvol evaluate" in found.stdout
