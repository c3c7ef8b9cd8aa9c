"""What all commands promise: help at once with defaults, exit codes 0, 1 and 2, a line a problem, no traceback."""

import argparse
import importlib
import os
import re
import resource
import subprocess
import sys

import pytest

from tests.support import ROOT
from tickvol.apps import cli
from tickvol.command import command_parser, run_command
from tickvol.core import errors

MODULES = {name: cli.module_of(name) for name in cli.COMMANDS}
SCRIPTS = sorted(path for folder in ("scripts", "features", "models") for path in (ROOT / folder).glob("*.py"))


def run(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, **options)


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_of_a_command_comes_at_once(name):
    before = children_seconds()
    found = run("-c", f"import sys; from {MODULES[name]} import main; sys.exit(main(['--help']))")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(f"usage: tickvol {name}")
    assert children_seconds() - before < 0.5, "an import of a heavy library at the head of the module?"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_help_of_a_script_is_that_of_its_command(script):
    found = run(script, "--help")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("usage: tickvol ")


@pytest.fixture
def parser_of(monkeypatch):
    def parser_of(name):
        module = importlib.import_module(MODULES[name])
        caught = []
        monkeypatch.setattr(module, "run_command", lambda parser, *_: caught.append(parser) or 0)
        module.main([])
        return caught[0]

    return parser_of


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_option_says_its_default_or_the_key_it_overrides(parser_of, name):
    parser = parser_of(name)
    text = parser.format_help()
    assert "--config" in text
    for action in parser._actions:
        if not action.option_strings or action.nargs == 0:
            continue
        told = parser.formatter_class(parser.prog)._expand_help(action)
        assert action.required or re.search("default|None: |overrides ", told), f"{action.option_strings[0]}: {told}"


# The front door.


def test_no_command_is_wrong_use_and_help_is_not(capsys):
    assert cli.main([]) == 2
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert [name for name in cli.COMMANDS if name not in out] == []


def test_an_unknown_command_names_those_that_exist(capsys):
    assert cli.main(["repaly"]) == 2
    assert "'repaly': no such command; one of ws-ingest" in capsys.readouterr().err


def test_the_version_is_told(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tickvol ")


@pytest.mark.parametrize("arguments", [["--help"], ["replay", "--help"]])
def test_a_reader_that_went_away_gives_no_traceback(arguments):
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from tickvol.apps.cli import main; sys.exit(main())"
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(write)
    assert "Traceback" not in found.stderr
    assert "Exception ignored" not in found.stderr


# How work ends.


def finish(work, *arguments):
    return run_command(command_parser("test", "A test."), work, list(arguments))


def raising(error):
    def work(_: argparse.Namespace) -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (errors.UsageError("a: 1: must be 2"), 2, ["tickvol test: a: 1: must be 2"]),
        (errors.ConfigError(["a: x", "b: y"]), 2, ["tickvol test: a: x", "tickvol test: b: y"]),
        (errors.WorkError("no"), 1, ["tickvol test: no"]),
        (errors.InputError("f: torn"), 1, ["tickvol test: f: torn"]),
        (errors.CorruptFile("f: flipped"), 1, ["tickvol test: f: flipped"]),
        (errors.SchemaMismatch("v1"), 1, ["tickvol test: v1"]),
        (errors.NotEnoughData("3 spikes"), 1, ["tickvol test: 3 spikes"]),
        (errors.SuspectedLeak("0.99"), 1, ["tickvol test: 0.99"]),
        (errors.TrackingUnavailable("down"), 1, ["tickvol test: down"]),
        (FileNotFoundError(2, "No such file or directory", "x"), 1, ["tickvol test: x: No such file or directory"]),
        (OSError(28, "No space left on device"), 1, ["tickvol test: input/output: No space left on device"]),
        (KeyboardInterrupt(), 130, ["tickvol test: interrupted"]),
        (MemoryError(), 1, ["tickvol test: unexpected MemoryError; --verbose shows where"]),
        (
            KeyError("two\nlines"),
            1,
            ["tickvol test: unexpected KeyError: 'two\\nlines'; --verbose shows where"],
        ),
        (ValueError("a\nb"), 1, ["tickvol test: unexpected ValueError: a; --verbose shows where"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_error_has_its_exit_code_and_its_lines(capsys, error, code, lines):
    assert finish(raising(error)) == code
    assert capsys.readouterr().err.splitlines() == lines


def test_every_error_of_the_tree_is_wrong_use_or_failed_work():
    tree = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TickvolError)]
    for kind in tree:
        if kind not in (errors.TickvolError, errors.RequestError):
            assert issubclass(kind, errors.UsageError) != issubclass(kind, errors.WorkError), kind


def test_verbose_shows_where_an_unexpected_error_came_from():
    code = (
        "import sys; from tickvol.command import *\n"
        "sys.exit(run_command(command_parser('test', ''), lambda options: 1 / 0, sys.argv[1:]))"
    )
    quiet, verbose = run("-c", code), run("-c", code, "--verbose")
    assert (quiet.returncode, verbose.returncode) == (1, 1)
    assert "Traceback" not in quiet.stderr
    assert "ZeroDivisionError" in verbose.stderr
    assert "Traceback" in verbose.stderr


@pytest.mark.parametrize(("given", "code"), [(None, 0), (0, 0), (3, 3)])
def test_work_that_returns_decides_the_exit_code(given, code):
    assert finish(lambda _: given) == code


def test_a_default_of_zero_is_told():
    parser = command_parser("test", "A test.")
    parser.add_argument("--skip", type=int, default=0, help="rows to skip")
    assert "rows to skip (default: 0)" in parser.format_help()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["scripts/replay.py", "--data-file", "none.ndjson"], 1, "no such file"),
        (["scripts/replay.py", "--batch-size", "0", "--data-file", "README.md"], 2, "must be at least 1"),
        (["scripts/replay.py", "--config", "none.yaml"], 2, "no such file"),
        (["features/featurizer.py", "--source", "archive", "--raw-dir", "none"], 1, "no such directory"),
    ],
)
def test_a_script_in_a_process_of_its_own_ends_with_one_line(arguments, code, told):
    found = run(*arguments)
    lines = found.stderr.splitlines()
    assert (found.returncode, len(lines), told in found.stderr) == (code, 1, True), found.stderr
