"""What README and docs name exists: links, files, make targets, commands with their flags, configuration keys."""

import contextlib
import importlib
import io
import re
import shlex
from functools import cache

import pytest
import yaml

from tests.support import ROOT
from tickvol.apps.cli import COMMANDS, module_of
from tickvol.config import ENV_PREFIX, NOT_CONFIGURATION

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
EXAMPLE_OF_A_WRONG_NAME = "TICKVOL_FOO__X"

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.M | re.S)
INDENTED = re.compile(r"^ {4}(\S.*)$", re.M)
CODE = re.compile(r"`([^`\n]+)`")
SOURCE = re.compile(r"(?<![\w/.-])((?:\w+/)+\w+\.(?:py|ipynb))\b")
MAKE = re.compile(r"^make ([a-z-]+)")
KEY = re.compile(rf"^({'|'.join(CONFIG)})\.([a-z0-9_]+(?:\.[a-z0-9_]+)*)$")
VARIABLE = re.compile(rf"\b{ENV_PREFIX}[A-Z0-9_]+")
FILE_ENDINGS = ("parquet", "deadletters", "py")


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page, text):
    dead = []
    for link in LINK.findall(FENCE.sub("", text)):
        place, _, anchor = link.partition("#")
        target = page if not place else page.parent / place
        missing = "://" not in link and not target.exists()
        if missing or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)
    return dead


def absent_sources(text):
    """Paths of source files, relative to the project or to the package."""
    places = (ROOT, ROOT / "src" / "tickvol")
    return [path for path in SOURCE.findall(text) if not any((place / path).exists() for place in places)]


def command_lines(text):
    """Lines of code blocks, and code within sentences, that begin like a command."""
    blocks = "\n".join(FENCE.findall(text)).replace("\\\n", " ")
    candidates = [*blocks.splitlines(), *INDENTED.findall(FENCE.sub("", text)), *CODE.findall(FENCE.sub("", text))]
    starts = re.compile(r"^(?:[A-Z_]+=(?:'[^']*'|\S*) )*(?:make [a-z]|tickvol [a-z]|python \w+/\S+\.py)")
    return [line.strip() for line in candidates if starts.match(line.strip())]


def actions_of(command):
    """Actions of a command whose options differ from action to action."""
    return getattr(importlib.import_module(module_of(command)), "ACTIONS", ()) if command in COMMANDS else ()


@cache
def flags_of(command, *action):
    """All that `tickvol COMMAND [ACTION] --help` names; None where there is no such command."""
    if command not in COMMANDS:
        return None
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit):
        importlib.import_module(module_of(command)).main([*action, "--help"])
    return set(re.findall(r"--[a-z][a-z-]*", said.getvalue())) | {"-h"}


def command_of_script(path):
    if not (ROOT / path).exists():
        return f"no script {path}"
    found = re.search(r"from tickvol\.apps\.(\w+) import main", (ROOT / path).read_text(encoding="utf-8"))
    return found[1].replace("_", "-") if found else None


def wrong_commands(text):
    """Commands, scripts, targets and flags that do not exist, with their line."""
    wrong = []
    for line in command_lines(text):
        if target := MAKE.match(re.sub(r"^(?:[A-Z_]+=\S* )*", "", line)):
            wrong += [] if target[1] in TARGETS else [(target[1], line)]
            continue
        words = [word for word in shlex.split(line, comments=True) if word != "&"]
        while re.match(r"^[A-Z_]+=", words[0]):
            words.pop(0)
        first = words.pop(0)
        command = words.pop(0) if first == "tickvol" else command_of_script(words.pop(0))
        if words and f"{command} {words[0]}" in COMMANDS:
            command = f"{command} {words.pop(0)}"
        if command is None:
            continue
        action = words[:1] if words and words[0] in actions_of(command) else []
        known = flags_of(command, *action)
        if known is None:
            wrong.append((command, line))
            continue
        flags = [flag for word in words for flag in re.findall(r"^\[?(--[a-z][a-z-]*)", word)]
        wrong += [(flag, line) for flag in flags if flag not in known]
    return wrong


def exists_in_config(keys):
    place = CONFIG
    for key in keys:
        if not isinstance(place, dict) or key not in place:
            return False
        place = place[key]
    return True


def wrong_keys(text):
    named = [match for code in CODE.findall(FENCE.sub("", text)) if (match := KEY.match(code))]
    wrong = [
        match[0]
        for match in named
        if match[2].rpartition(".")[2] not in FILE_ENDINGS and not exists_in_config([match[1], *match[2].split(".")])
    ]
    for variable in VARIABLE.findall(text):
        keys = variable.removeprefix(ENV_PREFIX).lower().split("__")
        if variable not in (*NOT_CONFIGURATION, EXAMPLE_OF_A_WRONG_NAME, ENV_PREFIX) and not exists_in_config(keys):
            wrong.append(variable)
    return wrong


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_leads_somewhere(page):
    assert dead_links(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_source_file_that_is_named_exists(page):
    assert absent_sources(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_command_that_is_named_takes_its_flags(page):
    assert wrong_commands(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_configuration_key_that_is_named_exists(page):
    assert wrong_keys(page.read_text(encoding="utf-8")) == []


def test_readme_links_every_page_of_the_docs():
    linked = {(ROOT / link).resolve() for link in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    pages = {page.resolve() for page in (ROOT / "docs").glob("*.md")}
    assert {relative(page) for page in pages - linked} == set()


def test_readme_names_every_command_of_the_command_line():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"tickvol {name}" not in text and f"make {name}" not in text] == []


def test_decisions_are_numbered_without_a_hole_and_have_three_parts():
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]}: ")
        assert re.findall(r"^## (\w+)$", text, re.M) == ["Context", "Choice", "Consequence"]


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (lambda text: dead_links(ROOT / "README.md", text), "see [it](docs/nothing.md)"),
        (lambda text: dead_links(ROOT / "README.md", text), "see [it](docs/evaluation.md#nothing)"),
        (absent_sources, "`core/nothing.py` does it"),
        (wrong_commands, "```\nmake nothing\n```"),
        (wrong_commands, "call `tickvol nothing`"),
        (wrong_commands, "```\nA=1 tickvol replay --nothing  # why\n```"),
        (wrong_commands, "```\npython scripts/replay.py --nothing\n```"),
        (wrong_commands, "```\npython scripts/nothing.py\n```"),
        (wrong_commands, "so:\n\n    tickvol serve --nothing 3\n"),
        (wrong_keys, "`features.nothing` and `features.grace_ms`"),
        (wrong_keys, "`ingestion.reconnect.nothing`"),
        (wrong_keys, "TICKVOL_FEATURES__NOTHING=1"),
    ],
)
def test_the_checks_see_what_is_wrong(check, text):
    assert len(check(text)) == 1
