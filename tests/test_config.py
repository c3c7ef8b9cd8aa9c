"""Configuration: what does not hold is told at once, a line each; the environment overrides by nested names."""

import copy
import os

import pytest
import yaml

from tests.support import ROOT
from tickvol.apps import replay
from tickvol.config import DEFAULT_CONFIG, load_config
from tickvol.core.errors import ConfigError

SHIPPED = yaml.safe_load((ROOT / DEFAULT_CONFIG).read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in list(os.environ):
        if name.upper().startswith("TICKVOL_"):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path):
    """Write the shipped configuration with changes such as `{"features.bar_ms": 7}`; `...` removes a key."""

    def write(changes=()):
        values = copy.deepcopy(SHIPPED)
        for name, value in dict(changes).items():
            *sections, key = name.split(".")
            place = values
            for section in sections:
                place = place[section]
            if value is ...:
                del place[key]
            else:
                place[key] = value
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        return path

    return write


def problems(path, env_file=None):
    with pytest.raises(ConfigError) as caught:
        load_config(path, env_file=env_file)
    return caught.value.problems


def test_the_shipped_file_holds_and_gives_frozen_objects():
    config = load_config(ROOT / DEFAULT_CONFIG, env_file=None)
    assert config.products == ("BTC-USD", "ETH-USD")
    with pytest.raises(ValueError, match="frozen"):
        config.features.grace_ms = 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kafka.topic_ticks", "ingestion.topic"),
        ("kafka.topic_features", "features.topic"),
        ("kafka.topic_predictions", "scoring.topic_predictions"),
        ("kafka.topic_outcomes", "scoring.topic_outcomes"),
        ("kafka.topic_alerts", "alerts.topic"),
    ],
)
def test_a_key_that_moved_is_refused_with_its_new_name(write, monkeypatch, old, new):
    line = f"{old}: 'mine': this key is now {new}; rename it"
    assert line in problems(write({old: "mine"}))
    monkeypatch.setenv(f"TICKVOL_{old.replace('.', '__').upper()}", "mine")
    assert problems(write()) == (line,)


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        pytest.param({"features.bar_mz": 3}, ["features.bar_mz: 3: no such key"], id="unknown key"),
        pytest.param({"featurez": {"a": 1}}, ["featurez: {'a': 1}: no such key"], id="unknown section"),
        pytest.param({"_env_file": "x"}, ["_env_file: 'x': no such key"], id="a name that the reader uses itself"),
        pytest.param({"ingestion.reconnect.jiter": 1}, ["ingestion.reconnect.jiter: 1: no such key"], id="deeper key"),
        pytest.param({"features.grace_ms": ...}, ["features.grace_ms: missing"], id="missing key"),
        pytest.param({"serving": ...}, ["serving: missing"], id="missing section"),
        pytest.param({"serving": None}, ["serving: None: should be a valid dictionary"], id="empty section"),
        pytest.param({"features.grace_ms": "many"}, ["features.grace_ms: 'many': should be a "], id="text"),
        pytest.param({"features.grace_ms": 2.5}, ["features.grace_ms: 2.5: should be a valid integer"], id="fraction"),
        pytest.param({"features.grace_ms": True}, ["features.grace_ms: True: "], id="yes is no number"),
        pytest.param({"features.windows_s": 10}, ["features.windows_s: 10: should be a valid tuple"], id="one window"),
        pytest.param({"features.bar_ms": 0}, ["features.bar_ms: 0: must be positive"], id="no bar"),
        pytest.param(
            {"features.windows_s": [10, 31, 60], "features.bar_ms": 2000},
            ["features.windows_s: 31: must be a multiple of bar_ms (2000)"],
            id="window that is no multiple of the bar",
        ),
        pytest.param({"labels.horizon_s": 7, "features.bar_ms": 2000}, ["labels.horizon_s: 7: must be a multiple"],
                     id="horizon that is no multiple of the bar"),
        pytest.param({"features.windows_s": [60, 10]}, ["features.windows_s: (60, 10): must ascend"], id="disorder"),
        pytest.param({"models.train_share": 0.9, "models.validation_share": 0.2}, ["models: train_share + valid"],
                     id="nothing left for the test"),
        pytest.param({"ingestion.url": "http://x"}, ["ingestion.url: 'http://x': "], id="no WebSocket"),
        pytest.param({"serving.port": 70_000}, ["serving.port: 70000: should be less than"], id="port"),
        pytest.param({"products": ["../x"]}, ["products.0: '../x': "], id="a product that is a path"),
        pytest.param({"products": []}, ["products: "], id="no product"),
        pytest.param({"products": ["BTC-USD", "BTC-USD"]}, ["products: BTC-USD: named twice"], id="product twice"),
        pytest.param({"retrain.drift_off_share": 0.6}, ["retrain.drift_off_share: 0.6: must not be above"],
                     id="an alarm that ends above where it begins"),
        pytest.param({"retrain.cooldown_h": 200}, ["retrain.cooldown_h: 200"], id="cool-down beyond the interval"),
        pytest.param({"retrain.drift_reports": 1}, ["retrain.drift_reports: 1: "], id="one bad report"),
        pytest.param({"alerts.webhook.secret": "s3cr3t"}, ["alerts.webhook.secret: (not shown): must be empty in "],
                     id="a secret in the file"),
        pytest.param({"risk.database_url": "postgresql://me:s3cr3t@host/risk"},
                     ["risk.database_url: (not shown): must have no password in "], id="a password in the file"),
        pytest.param({"alerts.webhook.url": "https://me:pw@host/"}, ["alerts.webhook.url: (not shown): must be like"],
                     id="a password in an address"),
        pytest.param({"alerts.webhook.url": "https://host:99999/"}, ["alerts.webhook.url: (not shown): must be like"],
                     id="an address without a port that exists"),
        pytest.param({"monitoring.input_permutations": 99}, ["monitoring.input_permutations: 99: must be at least 400"],
                     id="deals that are never rare"),
        pytest.param({"monitoring.input_clear_distance": 0.5}, ["monitoring.input_clear_distance: 0.5: must not be "],
                     id="levels in the wrong order"),
        pytest.param({"alerts.quiet_info": "22-7"}, ["alerts.quiet_info: '22-7': must be HH:MM-HH:MM"], id="hours"),
        pytest.param({"alerts.quiet_zone": "Mars/Base"}, ["alerts.quiet_zone: 'Mars/Base': must be"], id="zone"),
        pytest.param({"alerts.topic_severities": ["loud"]}, ["alerts.topic_severities.0: 'loud'"], id="severity"),
        pytest.param({"schedules.drift_cron": "61 * * * *"}, ["schedules.drift_cron: '61 * * * *': minute must be *, "],
                     id="a minute that no hour has"),
        pytest.param({"schedules.retrain_cron": "daily"}, ["schedules.retrain_cron: 'daily': must be five fields"],
                     id="cron in words"),
        pytest.param({"schedules.retrain_cron": "0 0 30 2 1"}, ["schedules.retrain_cron: '0 0 30 2 1': day must be "],
                     id="no such day, whatever the weekday"),
        pytest.param({"schedules.performance_cron": "0 0 31 2 *"}, ["schedules.performance_cron: '0 0 31 2 *': day mu"],
                     id="a day that is never"),
        pytest.param({"schedules.zone": "Mars/Base"}, ["schedules.zone: 'Mars/Base': must be"], id="whose clock"),
        pytest.param({"evaluation.max_pr_auc": float("nan")}, ["evaluation.max_pr_auc: nan: "], id="NaN"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_told_by_field_value_and_rule(write, changes, lines):
    found = problems(write(changes))
    for line in lines:
        assert any(problem.startswith(line) for problem in found), found
    assert all("\n" not in problem and "s3cr3t" not in problem and "pw@" not in problem for problem in found)


def test_all_problems_are_told_at_once(write):
    found = problems(
        write(
            {"features.bar_mz": 3, "featurez": 1, "labels.quantile": 2, "serving.port": "x", "features.grace_ms": True}
        )
    )
    assert sorted(problem.partition(":")[0] for problem in found) == [
        "features.bar_mz",
        "features.grace_ms",
        "featurez",
        "labels.quantile",
        "serving.port",
    ]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        pytest.param(b"", "must be a mapping of sections", id="empty"),
        pytest.param(b"[1, 2]", "must be a mapping of sections", id="a list"),
        pytest.param(b"1: 2", "must be a mapping of sections", id="numbers as keys"),
        pytest.param(b"a: [", "is not YAML", id="torn"),
        pytest.param(b"a:\t- b", "is not YAML", id="tabs"),
        pytest.param(b"\xff\xfe\x00", "cannot be read", id="not UTF-8"),
        pytest.param(b"\x00\x01", "is not YAML", id="binary"),
        pytest.param(b"[" * 5000, "nested too deeply", id="deep nesting"),
        pytest.param(b"products: " + b"[" * 5000, "nested too deeply", id="deep nesting in a section"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_line(tmp_path, content, rule):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    found = problems(path)
    assert len(found) == 1
    assert found[0].startswith(f"--config: {path}: {rule}")


def test_an_absent_file_and_a_directory_are_told(tmp_path):
    assert problems(tmp_path / "none.yaml")[0].startswith(f"--config: {tmp_path / 'none.yaml'}: no such file")
    assert problems(tmp_path)[0].startswith(f"--config: {tmp_path}: cannot be read")


# The environment.


def test_the_environment_overrides_by_nested_names(write, monkeypatch):
    monkeypatch.setenv("TICKVOL_FEATURES__GRACE_MS", "500")
    monkeypatch.setenv("TICKVOL_INGESTION__RECONNECT__JITTER", "0.25")
    monkeypatch.setenv("TICKVOL_PRODUCTS", '["SOL-USD"]')
    config = load_config(write(), env_file=None)
    assert (config.features.grace_ms, config.ingestion.reconnect.jitter) == (500, 0.25)
    assert config.products == ("SOL-USD",)
    assert config.features.bar_ms == SHIPPED["features"]["bar_ms"]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("TICKVOL_FEATURE__BAR_MS", "500", "TICKVOL_FEATURE__BAR_MS: '500': no such section"),
        ("TICKVOL_GRACE_MS", "500", "TICKVOL_GRACE_MS: '500': no such section"),
        ("TICKVOL_ALERT__WEBHOOK__SECRET", "top", "TICKVOL_ALERT__WEBHOOK__SECRET: (not shown): no such section"),
        ("TICKVOL_ALERTS__WEBHOOK__SECRT", "top", "alerts.webhook.secrt: (not shown): no such key"),
        ("TICKVOL_ALERTS__WEBHOOK", "https://host/top", "TICKVOL_ALERTS__WEBHOOK: (not shown): must be JSON"),
        ("TICKVOL_FEATURES__BAR_MZ", "500", "features.bar_mz: '500': no such key"),
        ("TICKVOL_FEATURES__BAR_MS", "fast", "features.bar_ms: 'fast': should be a valid integer"),
        ("TICKVOL_PRODUCTS", "SOL-USD", "TICKVOL_PRODUCTS: 'SOL-USD': must be JSON"),
        ("TICKVOL_FEATURES", "data/x", "TICKVOL_FEATURES: 'data/x': must be JSON"),
        ("TICKVOL_FEATURES__WINDOWS_S", "10,30", "TICKVOL_FEATURES__WINDOWS_S: '10,30': must be JSON"),
        ("TICKVOL_PRODUCTS", "[" * 100_000, "environment: nested too deeply"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(write, monkeypatch, name, value, line):
    monkeypatch.setenv(name, value)
    found = problems(write())
    assert any(problem.startswith(line) for problem in found), found


def test_a_torn_variable_with_a_secret_in_it_is_not_shown(write, monkeypatch):
    monkeypatch.setenv("TICKVOL_ALERTS__WEBHOOK", '{"secret": "s3cr3t"')
    assert "TICKVOL_ALERTS__WEBHOOK: (not shown): must be JSON" in "".join(problems(write()))


def test_variables_of_demo_and_notebook_are_no_configuration(write, monkeypatch):
    monkeypatch.setenv("TICKVOL_DATA", "/recordings")
    monkeypatch.setenv("TICKVOL_NOTEBOOK_FEATURES", "/features")
    load_config(write(), env_file=None)


def test_dotenv_stands_between_file_and_environment(write, tmp_path, monkeypatch):
    env_file = tmp_path / ".env"
    env_file.write_text("# mine\nTICKVOL_FEATURES__GRACE_MS=300\nTICKVOL_SERVING__PORT=4000\nCOMPOSE_PROJECT=x\n")
    monkeypatch.setenv("TICKVOL_SERVING__PORT", "5000")
    config = load_config(write({"features.grace_ms": 100}), env_file=env_file)
    assert (config.features.grace_ms, config.serving.port) == (300, 5000)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param(b"TICKVOL_FEATURE__X=1\n", "TICKVOL_FEATURE__X: '1': no such section", id="unknown section"),
        pytest.param(b"TICKVOL_FEATURES__X=1\n", "features.x: '1': no such key", id="unknown key"),
        pytest.param(b"\xff\xfe=1", "{path}: cannot be read", id="not UTF-8"),
    ],
)
def test_a_wrong_dotenv_is_told(write, tmp_path, content, line):
    env_file = tmp_path / ".env"
    env_file.write_bytes(content)
    found = problems(write(), env_file)
    assert any(problem.startswith(line.format(path=env_file)) for problem in found), found


def test_the_fingerprint_follows_what_decides_and_not_places(write):
    before = load_config(write(), env_file=None).profile().fingerprint()
    assert load_config(write({"features.dataset_dir": "elsewhere"}), env_file=None).profile().fingerprint() == before
    assert load_config(write({"features.grace_ms": 300}), env_file=None).profile().fingerprint() != before


def test_a_command_with_a_wrong_configuration_ends_with_2_and_a_line_each(write, capsys):
    code = replay.main(["--config", str(write({"features.bar_mz": 3, "serving.port": "x"}))])
    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(lines) == 2
    assert all(line.startswith("tickvol replay: ") for line in lines)
