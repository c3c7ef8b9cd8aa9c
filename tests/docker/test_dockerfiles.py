"""The Dockerfiles, by hadolint and by what this project asks of them."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docker.files import DOCKERFILES, ROOT, ignored, stages

MARK = "# ---- equal in all Dockerfiles down to here ----\n"
TEXTS = {path.name.partition(".")[2]: path.read_text(encoding="utf-8") for path in DOCKERFILES}
INGESTOR = TEXTS["ingestor"]

Problems = Iterator[str]


def hadolint(text: str) -> Problems:
    """What hadolint says, hints too."""
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert found, "hadolint is missing: make install-dev"
    done = subprocess.run([found, "--no-color", "-"], input=text, capture_output=True, text=True, check=False)
    yield from (done.stdout + done.stderr).splitlines()


def not_pinned(text: str) -> Problems:
    named = {stage.name for stage in stages(text)}
    for stage in stages(text):
        if stage.base not in named and not re.search(r":\d+\.\d+\.\d+-", stage.base):
            yield f"FROM {stage.base}: must name a whole version"
    if len({stage.base for stage in stages(text)}) > 1:
        yield "FROM: the environment must run on the base that it was made on"


def run_by_root(text: str) -> Problems:
    last = stages(text)[-1]
    kinds = [kind for kind, _ in last.instructions]
    user = last.last("USER")
    if user is None or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        yield f"USER {user}: must be named by number, and not root"
    elif set(kinds[len(kinds) - kinds[::-1].index("USER") :]) & {"RUN", "COPY"}:
        yield "RUN or COPY after USER"


def wasteful(text: str) -> Problems:
    for stage in stages(text):
        yield from (f"ADD {rest}: must be COPY" for rest in stage.of("ADD"))
        for command in stage.of("RUN"):
            if "pip install" in command and command.count("pip install") != command.count("--no-cache-dir"):
                yield f"RUN {command}: pip must not keep its cache"
            if "apt-get" in command and "rm -rf /var/lib/apt/lists/*" not in command:
                yield f"RUN {command}: package lists must not stay"
    if len(stages(text)) < 2 or "--from=build" not in " ".join(stages(text)[-1].of("COPY")):
        yield "must be built in one stage and run in another"


def absent_sources(text: str) -> Problems:
    for stage in stages(text):
        for rest in stage.of("COPY"):
            if rest.startswith("--from="):
                continue
            for source in rest.split()[:-1]:
                if not (ROOT / source).exists():
                    yield f"COPY {source}: no such file"
                elif ignored(source):
                    yield f"COPY {source}: .dockerignore keeps it out"


def shell_forms(text: str) -> Problems:
    last = stages(text)[-1]
    for kind in ("ENTRYPOINT", "CMD"):
        rest = last.last(kind)
        if (rest is None and kind == "ENTRYPOINT") or (rest is not None and not rest.startswith("[")):
            yield f"{kind} {rest}: must be in exec form, or no signal reaches the process"
    health = last.last("HEALTHCHECK")
    if health is None or not re.search(r"--interval=.*--timeout=.*--start-period=.*--retries=.*CMD \[", health):
        yield f"HEALTHCHECK {health}: must have interval, timeout, start period, retries and a command in exec form"


def other_environment(text: str) -> Problems:
    _, _, rest = INGESTOR.partition("#\n")
    common, _, _ = rest.partition(MARK)
    if MARK not in text or text.partition("#\n")[2].partition(MARK)[0] != common:
        yield "is not equal to the others down to the line that says so"


CHECKS = [
    hadolint, not_pinned, run_by_root, wasteful, absent_sources, shell_forms, other_environment,
]  # fmt: skip


@pytest.mark.parametrize("role", TEXTS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_nothing_is_wrong_with_a_dockerfile(check: Callable[[str], Problems], role: str) -> None:
    assert list(check(TEXTS[role])) == []


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (hadolint, "USER 1000:1000", "USER root"),
        (hadolint, 'ENTRYPOINT ["tickvol", "ws-ingest"]', "ENTRYPOINT tickvol ws-ingest"),
        (hadolint, "python:3.11.14-slim-bookworm", "python:latest"),
        (hadolint, "RUN python -m venv", "RUN cd / && python -m venv"),
        (not_pinned, "python:3.11.14-slim-bookworm", "python:latest"),
        (not_pinned, "python:3.11.14-slim-bookworm AS", "python:3.11.13-slim-bookworm AS"),
        (run_by_root, "USER 1000:1000", "USER root"),
        (run_by_root, "USER 1000:1000\n", ""),
        (run_by_root, "USER 1000:1000\n", "USER 1000:1000\nRUN true\n"),
        (wasteful, "COPY src src", "ADD src src"),
        (wasteful, " --no-cache-dir", ""),
        (wasteful, "WORKDIR /app", "RUN apt-get update && apt-get install -y curl"),
        (wasteful, "COPY --from=build /opt/tickvol /opt/tickvol\n", ""),
        (absent_sources, "COPY src src", "COPY source src"),
        (absent_sources, "COPY src src", "COPY tests tests"),
        (shell_forms, 'ENTRYPOINT ["tickvol", "ws-ingest"]', "ENTRYPOINT tickvol ws-ingest"),
        (shell_forms, "HEALTHCHECK --interval=15s", "HEALTHCHECK"),
        (other_environment, "HOME=/tmp", "HOME=/home"),
        (other_environment, MARK, ""),
    ],
)  # fmt: skip
def test_a_check_sees_what_is_wrong(check: Callable[[str], Problems], old: str, new: str) -> None:
    assert old in INGESTOR
    assert list(check(INGESTOR.replace(old, new)))


def test_python_is_one_that_the_package_runs_on() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    base = re.search(r"python:(\d+)\.(\d+)", INGESTOR)
    assert wanted == ">=3.11"
    assert base is not None
    assert (int(base[1]), int(base[2])) == sys.version_info[:2]


@pytest.mark.parametrize(
    "path", [".env", "data/raw/x.ndjson", ".git/config", ".venv/bin/python", "tests/conftest.py", "src/a/__pycache__/b"]
)
def test_nothing_private_or_generated_enters_an_image(path: str) -> None:
    assert ignored(path)


@pytest.mark.parametrize("path", ["src/tickvol/apps/cli.py", "requirements.txt", "docker/is_healthy.py"])
def test_what_an_image_is_made_of_is_not_ignored(path: str) -> None:
    assert not ignored(path)


def test_pins_are_the_requirements_without_the_editable_project() -> None:
    (command,) = (rest for rest in stages(INGESTOR)[0].of("RUN") if rest.startswith("sed"))
    script = command.partition(" > ")[0].replace("requirements.txt", str(ROOT / "requirements.txt"))
    pins = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "-e ."
    assert pins.splitlines() == lines[:-1]
    assert all(re.fullmatch(r"[a-z0-9._-]+==\S+", line) for line in pins.splitlines())


def test_build_stage_copies_what_the_package_is_built_from() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (where,) = project["tool"]["setuptools"]["packages"]["find"]["where"]
    copied = {source for rest in stages(INGESTOR)[0].of("COPY") for source in rest.split()[:-1]}
    assert {"pyproject.toml", project["project"]["readme"], where} <= copied
    assert not [path for path in (ROOT / where).rglob("*.py*") if path.suffix != ".pyc" and ignored(relative(path))]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))
