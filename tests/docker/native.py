"""A container without an engine: the argv, environment and files of a service, as a process of this machine.

Places of the image become directories below `place`, names of other services and ports become loopback addresses.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from tests.docker.files import ROOT, argv, compose, environment, image

BIN = Path(sys.executable).parent
HEALTHY_S = 120.0
OWN_VARIABLES = ("PATH", "XDG_CACHE_HOME")
"""Taken from this machine: its environment, and its kernels, which are compiled already."""


class Container:
    """A service of the compose file.

    Parameters
    ----------
    name : of the service
    place : its file system
    hosts : loopback addresses of the services that it asks, such as {"mlflow:5000": "127.0.0.1:40123"}
    ports : free ports for those that it listens on, such as {"5000": "40123"}
    variables : what a test sets besides
    """

    def __init__(
        self,
        name: str,
        place: Path,
        *,
        hosts: dict[str, str] | None = None,
        ports: dict[str, str] | None = None,
        variables: dict[str, str] | None = None,
    ) -> None:
        self.service: dict[str, Any] = compose()["services"][name]
        self.place = place
        self.app = place / "app"
        self._hosts = hosts or {}
        self._ports = ports or {}
        self._log = place.parent / f"{place.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lay_out()
        self.environment = self._environment() | (variables or {})
        self._before = self._files()

    def _lay_out(self) -> None:
        """What the image's last stage copies, and empty volumes."""
        built = image(self.service)
        assert built is not None
        assert built.of("WORKDIR") == ["/app"]
        for place in (self.app, self.place / "tmp", *self._volumes()):
            place.mkdir(parents=True, exist_ok=True)
        for rest in built.of("COPY"):
            if not rest.startswith("--from="):
                *sources, target = rest.split()
                assert target == "./"
                for source in sources:
                    shutil.copy(ROOT / source, self.app / Path(source).name)

    def _volumes(self, *, writable: bool = False) -> list[Path]:
        """Where named volumes are mounted."""
        mounts = [volume.split(":") for volume in self.service.get("volumes", []) if not volume.startswith(".")]
        return [self.place / mount[1].lstrip("/") for mount in mounts if not (writable and mount[2:] == ["ro"])]

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TICKVOL_", "MLFLOW_"))}
        clean |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(self.place / "tmp")}
        clean.setdefault("XDG_CACHE_HOME", str(Path("~/.cache").expanduser()))
        given = {name: value for name, value in environment(self.service).items() if name not in OWN_VARIABLES}
        return clean | {name: self._address(self._path(value)) for name, value in given.items()}

    def _path(self, text: str) -> str:
        return re.sub(r"(?<![\w.])/(tmp|mlflow|app)(?=/|$)", rf"{self.place}/\1", text) if "://" not in text else text

    def _address(self, text: str) -> str:
        for name, address in {**self._hosts, "0.0.0.0": "127.0.0.1"}.items():
            text = text.replace(name, address)
        return text

    def _words(self, words: list[str]) -> list[str]:
        """Hosts stay: an argument that names some says whom to let in."""
        swapped = {**self._ports, "0.0.0.0": "127.0.0.1"}
        database = "sqlite:////"
        return [
            database + self._path(f"/{word.removeprefix(database)}").lstrip("/")
            if word.startswith(database)
            else swapped.get(word, self._path(word))
            for word in words
        ]

    def argv(self) -> list[str]:
        return self._words(argv(self.service))

    def run(self, *more: str, entrypoint: str | None = None) -> "subprocess.CompletedProcess[str]":
        """To its end, as `docker compose run` does: with further arguments, or with another command."""
        command = [*([entrypoint] if entrypoint else self.argv()), *more]
        return subprocess.run(command, cwd=self.app, env=self.environment, capture_output=True, text=True, check=False)

    def __enter__(self) -> "Container":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self.argv(), cwd=self.app, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        for process in self._family():
            process.kill()
        self._process.wait()

    def _family(self) -> list[psutil.Process]:
        """The process, all that come from it, and those of its session whose parent has gone."""
        assert self._process is not None
        ours = set()
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if os.getsid(process.pid) == self._process.pid:
                    ours |= {process, *process.children(recursive=True)}
        return sorted(ours, key=lambda process: process.pid)

    def resident_mb(self) -> float:
        return sum(process.memory_info().rss for process in self._family()) / 1e6

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def health(self) -> int:
        """Exit code of the image's own health check."""
        built = image(self.service)
        health = built.health() if built else None
        assert health is not None
        command = self._words(health[1])
        return subprocess.run(command, cwd=self.app, env=self.environment, capture_output=True, check=False).returncode

    def wait_until_healthy(self) -> None:
        assert self._process is not None
        end = time.monotonic() + HEALTHY_S
        while time.monotonic() < end and self._process.poll() is None:
            if self.health() == 0:
                return
            time.sleep(0.2)
        raise AssertionError(f"{self.argv()}: not healthy:\n{self.log()}")

    def stop(self) -> int:
        """Exit code after SIGTERM; later than `stop_grace_period` an engine would kill it."""
        assert self._process is not None
        family = self._family()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(float(self.service["stop_grace_period"].removesuffix("s")))
        assert psutil.wait_procs(family, timeout=5)[1] == [], f"left behind:\n{self.log()}"
        return code

    def strays(self) -> list[str]:
        """What it wrote, or changed, that a read-only root with its volumes and /tmp would have refused."""
        allowed = [self.place / "tmp", *self._volumes(writable=True)]
        return [
            str(path.relative_to(self.place))
            for path, seen in self._files().items()
            if self._before.get(path) != seen and not any(place in path.parents for place in allowed)
        ]

    def _files(self) -> dict[Path, tuple[int, int]]:
        return {
            path: (path.stat().st_mtime_ns, path.stat().st_size) for path in self.place.rglob("*") if path.is_file()
        }
