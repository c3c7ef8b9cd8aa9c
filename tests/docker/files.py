"""The Docker files as objects: the compose file's services and, by stage, the instructions of each Dockerfile."""

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.support import ROOT

COMPOSE = ROOT / "docker" / "compose.yaml"
DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile.*"))


def compose() -> dict[str, Any]:
    """A fresh copy each time, so that a test may spoil it."""
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return document


@dataclass
class Stage:
    """What lies between one FROM and the next."""

    base: str
    name: str = ""
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def of(self, kind: str) -> list[str]:
        return [rest for found, rest in self.instructions if found == kind]

    def last(self, kind: str) -> str | None:
        return (self.of(kind) or [None])[-1]

    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for rest in self.of("ENV") for pair in shlex.split(rest))

    def argv(self, kind: str) -> list[str]:
        """ENTRYPOINT or CMD in exec form."""
        text = self.last(kind)
        return list(json.loads(text)) if text else []

    def health(self) -> tuple[dict[str, str], list[str]] | None:
        text = self.last("HEALTHCHECK")
        if text is None:
            return None
        options, _, command = text.partition("CMD ")
        return dict(re.findall(r"--([a-z-]+)=(\S+)", options)), list(json.loads(command))


def stages(text: str) -> list[Stage]:
    """Stages of a Dockerfile; comment lines are dropped and continued lines joined, as Docker does."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found: list[Stage] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        kind, _, rest = line.strip().partition(" ")
        if kind == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(base, name))
        else:
            found[-1].instructions.append((kind, " ".join(rest.split())))
    return found


def image(service: dict[str, Any]) -> Stage | None:
    """Last stage of the Dockerfile that a service is built from; None for a foreign image."""
    if "build" not in service:
        return None
    return stages((ROOT / service["build"]["dockerfile"]).read_text(encoding="utf-8"))[-1]


def environment(service: dict[str, Any]) -> dict[str, str]:
    """Of the image, overridden by the compose file."""
    built = image(service)
    return (built.environment() if built else {}) | service.get("environment", {})


def argv(service: dict[str, Any]) -> list[str]:
    """Entrypoint and command; an overridden entrypoint drops the image's command, as Docker does."""
    built = image(service)
    assert built is not None
    if "entrypoint" in service:
        return [*service["entrypoint"], *service.get("command", [])]
    return [*built.argv("ENTRYPOINT"), *service.get("command", built.argv("CMD"))]


def ignored(path: str) -> bool:
    """Whether `.dockerignore` keeps a path of the project out of the build; the last pattern that fits decides."""
    verdict = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        keeps = pattern.startswith("!")
        if _fits(pattern.removeprefix("!"), path):
            verdict = not keeps
    return verdict


def _fits(pattern: str, path: str) -> bool:
    """A pattern fits what it names and all below; `**` is any number of folders."""
    expression = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return re.fullmatch(f"{expression}(?:/.*)?", path) is not None


def broker_properties(variables: dict[str, str]) -> dict[str, str]:
    """KAFKA_* as the image reads them: KAFKA_A_B is a.b; those of its start script are none of the broker's."""
    return {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in variables.items()
        if name.startswith("KAFKA_") and name not in ("KAFKA_HEAP_OPTS", "KAFKA_OPTS")
    }
