"""The compose file against the Compose Specification, and against what this project asks of it."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.docker.files import DOCKERFILES, ROOT, argv, broker_properties, compose, environment, image
from tickvol.apps.cli import COMMANDS
from tickvol.broker.files import broker_settings
from tickvol.broker.jars import KAFKA_VERSION
from tickvol.config import ENV_PREFIX, load_config
from tickvol.core.errors import ConfigError

SCHEMA = json.loads((Path(__file__).parent / "fixtures" / "compose-spec.json").read_text(encoding="utf-8"))
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
ROLES = {"kafka", "mlflow", "ingestor", "featurizer", "scorer", "serving"}
ONE_SHOT = {"topics"}
SECRET = re.compile(r"password|secret|token|api_?key|credential", re.I)
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}

Document = dict[str, Any]
Problems = Iterator[str]


def not_by_the_specification(document: Document) -> Problems:
    for error in Draft202012Validator(SCHEMA).iter_errors(document):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


def not_every_role(document: Document) -> Problems:
    yield from (f"services.{name}: missing" for name in sorted((ROLES | ONE_SHOT) - document["services"].keys()))


def wrong_dependencies(document: Document) -> Problems:
    services = document["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            if needed not in services:
                yield f"{name}.depends_on.{needed}: no such service"
            elif how["condition"] not in CONDITIONS:
                yield f"{name}.depends_on.{needed}: {how['condition']}: no such condition"
            elif (how["condition"] == "service_completed_successfully") is not (needed in ONE_SHOT):
                yield f"{name}.depends_on.{needed}: {how['condition']}: is waited for in vain"
            elif not set(service.get("profiles", [])) >= set(services[needed].get("profiles", [])):
                yield f"{name}.depends_on.{needed}: is in another profile"


def undeclared(document: Document) -> Problems:
    """Volumes and networks that are used and not declared, or the other way round."""
    used: dict[str, set[str]] = {"volumes": set(), "networks": set()}
    for service in document["services"].values():
        used["networks"] |= set(service.get("networks", []))
        sources = {volume.split(":")[0] for volume in service.get("volumes", [])}
        used["volumes"] |= {source for source in sources if not source.startswith(".")}
    for kind, names in used.items():
        yield from (f"{kind}.{name}: used or declared only" for name in names ^ document.get(kind, {}).keys())


def missing_mounts(document: Document) -> Problems:
    """Files that are mounted must exist; a volume's place must be made in the image, or it belongs to root."""
    for name, service in document["services"].items():
        built = image(service)
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            if source.startswith("."):
                if not (ROOT / "docker" / source).is_file():
                    yield f"{name}.volumes: {source}: no such file"
            elif built and not re.search(
                rf"install -d -o tickvol [^&]*{re.escape(target)}\b", " ".join(built.of("RUN"))
            ):
                yield f"{name}.volumes: {target}: is not made for the user in the Dockerfile"


def unhealthy(document: Document) -> Problems:
    for name, service in document["services"].items():
        own, built = service.get("healthcheck"), image(service)
        if name in ONE_SHOT:
            if own != {"disable": True} or service.get("restart") != "no":
                yield f"{name}: ends by itself: must have no health check and no restart"
        elif own is None:
            if built is None or built.health() is None:
                yield f"{name}.healthcheck: missing, in the Dockerfile too"
        elif not {"test", "interval", "timeout", "retries", "start_period"} <= own.keys():
            yield f"{name}.healthcheck: must have test, interval, timeout, retries and start_period"


def not_pinned(document: Document) -> Problems:
    for name, service in document["services"].items():
        tag = service["image"].partition(":")[2]
        if not re.match(r"\d+\.\d+\.\d+", tag):
            yield f"{name}.image: {service['image']}: must name a whole version"
        if "build" in service and tag != VERSION:
            yield f"{name}.image: {tag}: must be the project's version {VERSION}"


def too_powerful(document: Document) -> Problems:
    for name, service in document["services"].items():
        if re.match(r"^(root|0)?(:|$)", service.get("user", "")):
            yield f"{name}.user: {service.get('user')}: must be named, and not root"
        if service.get("privileged") or service.get("network_mode") or service.get("cap_add"):
            yield f"{name}: must not be privileged, in the host's network or given capabilities"
        if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name}: must drop all capabilities and gain no new ones"
        if "build" in service and not (service.get("read_only") and service.get("tmpfs") == ["/tmp"]):
            yield f"{name}: must have a read-only root and /tmp in memory"


def reachable_from_outside(document: Document) -> Problems:
    for name, service in document["services"].items():
        for port in service.get("ports", []):
            if not re.fullmatch(r"127\.0\.0\.1:(\d+):\1", str(port)):
                yield f"{name}.ports: {port}: must be 127.0.0.1:PORT:PORT, as config.yaml and the host know it"


def without_bounds(document: Document) -> Problems:
    for name, service in document["services"].items():
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        if not {"memory", "pids"} <= limits.keys():
            yield f"{name}.deploy: must limit memory and pids"
        if "stop_grace_period" not in service:
            yield f"{name}.stop_grace_period: missing"
        if name not in ONE_SHOT and service.get("restart") != "unless-stopped":
            yield f"{name}.restart: {service.get('restart')}: must be unless-stopped"
        if not {"max-size", "max-file"} <= service.get("logging", {}).get("options", {}).keys():
            yield f"{name}.logging: must be bounded"


def secrets(document: Document) -> Problems:
    for name, service in document["services"].items():
        for variable, value in environment(service).items():
            if SECRET.search(variable) and value:
                yield f"{name}.environment.{variable}: secrets belong into the environment of the one who starts it"


def wrong_settings(document: Document) -> Problems:
    """TICKVOL_* must be keys of the configuration, with values that it takes."""
    for name, service in document["services"].items():
        ours = {key: value for key, value in environment(service).items() if key.startswith(ENV_PREFIX)}
        with pytest.MonkeyPatch.context() as patch:
            for key, value in ours.items():
                patch.setenv(key, value)
            try:
                load_config(ROOT / "config.yaml", env_file=None)
            except ConfigError as error:
                yield from (f"{name}: {problem}" for problem in error.problems)
        for key, value in ours.items():
            place: Any = CONFIG
            for part in key.removeprefix(ENV_PREFIX).lower().split("__"):
                place = place[part] if isinstance(place, dict) and part in place else None
            if place is not None and str(place) == value:
                yield f"{name}: {key}: {value} is what config.yaml says already"


def unknown_names(document: Document) -> Problems:
    """Hosts in addresses must be services, and their ports those that the service listens on there."""
    known = {
        ("kafka", document["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split("://kafka:")[1][:5]),
        ("mlflow", str(CONFIG["mlflow"]["port"])),
    }
    for name, service in document["services"].items():
        for key, value in environment(service).items():
            for host, port in re.findall(r"\b([a-z]+):(\d{4,5})\b", value) if key.startswith(ENV_PREFIX) else []:
                if (host, port) not in known:
                    yield f"{name}.{key}: {host}:{port}: nobody listens there"


def wrong_commands(document: Document) -> Problems:
    for name, service in document["services"].items():
        if image(service) is None:
            continue
        first, second, *_ = argv(service)
        if first not in ("tickvol", "mlflow") or (first == "tickvol" and second not in COMMANDS):
            yield f"{name}: {first} {second}: no such command"


CHECKS = [
    not_by_the_specification, not_every_role, wrong_dependencies, undeclared, missing_mounts, unhealthy, not_pinned,
    too_powerful, reachable_from_outside, without_bounds, secrets, wrong_settings, unknown_names, wrong_commands,
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_nothing_is_wrong_with_the_compose_file(check: Callable[[Document], Problems]) -> None:
    assert list(check(compose())) == []


def spoilt(path: str, value: Any) -> Document:
    """The compose file with one value replaced, or with a key taken away (None)."""
    document = compose()
    *parents, last = path.split("/")
    place = document
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize(
    ("check", "path", "value"),
    [
        (not_by_the_specification, "services/kafka/restartt", "no"),
        (not_by_the_specification, "services/kafka/ports", 9092),
        (not_every_role, "services/serving", None),
        (wrong_dependencies, "services/serving/depends_on", {"nobody": {"condition": "service_healthy"}}),
        (wrong_dependencies, "services/serving/depends_on", {"mlflow": {"condition": "healthy"}}),
        (wrong_dependencies, "services/ingestor/depends_on", {"topics": {"condition": "service_healthy"}}),
        (wrong_dependencies, "services/serving/depends_on", {"ingestor": {"condition": "service_healthy"}}),
        (undeclared, "volumes/data", None),
        (undeclared, "volumes/more", {}),
        (undeclared, "networks/kafka-network", None),
        (missing_mounts, "services/kafka/volumes", ["./nothing.sh:/x:ro"]),
        (missing_mounts, "services/serving/volumes", ["data:/app/nothing"]),
        (unhealthy, "services/kafka/healthcheck", None),
        (unhealthy, "services/kafka/healthcheck/start_period", None),
        (unhealthy, "services/topics/restart", "always"),
        (not_pinned, "services/kafka/image", "apache/kafka:latest"),
        (not_pinned, "services/kafka/image", "apache/kafka"),
        (not_pinned, "services/mlflow/image", "crypto-mlflow:9.9.9"),
        (too_powerful, "services/kafka/user", None),
        (too_powerful, "services/kafka/user", "0:0"),
        (too_powerful, "services/kafka/privileged", True),
        (too_powerful, "services/kafka/cap_drop", None),
        (too_powerful, "services/mlflow/read_only", None),
        (reachable_from_outside, "services/kafka/ports", ["9092:9092"]),
        (reachable_from_outside, "services/kafka/ports", ["127.0.0.1:9092:19092"]),
        (without_bounds, "services/kafka/deploy", None),
        (without_bounds, "services/kafka/stop_grace_period", None),
        (without_bounds, "services/kafka/restart", "no"),
        (without_bounds, "services/kafka/logging", None),
        (secrets, "services/serving/environment", {"TICKVOL_KAFKA__SASL_PASSWORD": "x"}),
        (wrong_settings, "services/serving/environment", {"TICKVOL_SERVING__HOST": "localhost"}),
        (wrong_settings, "services/serving/environment", {"TICKVOL_SERVING__HOSTT": "0.0.0.0"}),
        (wrong_settings, "services/serving/environment", {"TICKVOL_SERVING__PORT": "3000"}),
        (unknown_names, "services/ingestor/environment", {"TICKVOL_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092"}),
        (wrong_commands, "services/topics/entrypoint", ["tickvol", "nothing"]),
    ],
)  # fmt: skip
def test_a_check_sees_what_is_wrong(check: Callable[[Document], Problems], path: str, value: Any) -> None:
    assert list(check(spoilt(path, value)))


def test_kafka_and_mlflow_start_by_default_and_the_rest_on_request() -> None:
    services = compose()["services"]
    default = {name for name, service in services.items() if not service.get("profiles")}
    assert default == {"kafka", "mlflow", "topics"}


def test_ports_are_those_of_the_configuration() -> None:
    services = compose()["services"]
    published = {name: service["ports"][0].split(":")[1] for name, service in services.items() if "ports" in service}
    own_host_port = CONFIG["kafka"]["bootstrap_servers"].partition(":")[2]
    assert published == {
        "kafka": own_host_port,
        "mlflow": str(CONFIG["mlflow"]["port"]),
        "serving": str(CONFIG["serving"]["port"]),
    }


def test_health_checks_ask_where_the_process_answers() -> None:
    services = compose()["services"]
    asked = {}
    for name in ("ingestor", "featurizer", "scorer", "serving", "mlflow"):
        built = image(services[name])
        health = built.health() if built else None
        assert health is not None
        asked[name] = int(health[1][-2])
    assert asked == {
        "ingestor": CONFIG["ingestion"]["metrics_port"],
        "featurizer": CONFIG["features"]["metrics_port"],
        "scorer": CONFIG["scoring"]["metrics_port"],
        "serving": CONFIG["serving"]["port"],
        "mlflow": CONFIG["mlflow"]["port"],
    }


def test_every_dockerfile_has_a_service() -> None:
    named = {service["build"]["dockerfile"] for service in compose()["services"].values() if "build" in service}
    assert named == {f"docker/{path.name}" for path in DOCKERFILES}


def test_network_has_the_name_that_the_readme_gives_it() -> None:
    name = compose()["networks"]["kafka-network"]["name"]
    assert f"--network {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_broker_is_set_as_the_one_that_runs_without_containers() -> None:
    native = broker_settings(Path("data"), "127.0.0.1", 9092, 9093, "PLAINTEXT", {})
    ours = broker_properties(compose()["services"]["kafka"]["environment"])
    places = {name for name in native if "listener" in name} | {"log.dirs"}
    assert {name: value for name, value in ours.items() if name not in places} == {
        name: value for name, value in native.items() if name not in places
    }
    assert places <= ours.keys()


def test_broker_is_of_the_version_that_runs_without_containers() -> None:
    assert compose()["services"]["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
