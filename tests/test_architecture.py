"""What the layout promises: thin scripts, small modules, no drawers for everything, each command in its place."""

import ast
import importlib.util
import subprocess
import sys
import tomllib

import pytest

from tests.support import ROOT
from tickvol.apps.cli import COMMANDS, module_of

FOLDERS = ("features", "models", "serving", "scripts", "notebooks")
SCRIPTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.py"))
MODULES = sorted((ROOT / "src" / "tickvol").rglob("*.py"))
LONGEST_MODULE, LONGEST_SCRIPT = 400, 15
DRAWERS = {"utils", "util", "common", "helpers", "misc", "base"}


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_a_script_is_a_docstring_an_import_and_a_call(path):
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert ast.get_docstring(tree)
    assert len(source.splitlines()) <= LONGEST_SCRIPT
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.If, ast.Assign)
    assert all(isinstance(node, allowed) for node in tree.body)
    ours = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert ours
    assert all(module.startswith("tickvol.") for module in ours)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_script_folder_is_no_package(folder):
    assert not (ROOT / folder / "__init__.py").exists()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_is_no_longer_than_it_may_be_and_says_what_it_is(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= LONGEST_MODULE
    assert ast.get_docstring(ast.parse(source))
    assert path.stem not in DRAWERS


APPS = [path for path in MODULES if path.parent.name == "apps" and path.stem not in ("cli", "__init__")]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_module_of_its_name(name):
    assert importlib.util.find_spec(module_of(name))


def test_every_module_of_apps_is_a_command_with_a_main():
    mains = {
        f"tickvol.apps.{path.stem}"
        for path in APPS
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in ast.parse(path.read_text()).body)
    }
    assert mains == {f"tickvol.apps.{path.stem}" for path in APPS} == {module_of(name) for name in COMMANDS}


def _modules_of(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []


@pytest.mark.parametrize("path", APPS, ids=relative)
def test_no_command_imports_another_command(path):
    imported = [
        name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _modules_of(node)
        if name.startswith("tickvol.apps")
    ]
    assert imported == []


@pytest.mark.parametrize("module", ["tickvol.bus.client", "tickvol.config", "tickvol.systems", "tickvol.apps.risk"])
def test_the_bus_the_settings_and_the_systems_load_no_model_no_table_and_no_page(module):
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = (
        *("numba", "pandas", "pyarrow", "sklearn", "xgboost", "mlflow", "tickvol.volatility.models.bundle"),
        *("polars", "deltalake", "dash", "sqlalchemy", "scipy", "httpx"),
    )
    assert [name for name in heavy if name in loaded] == []


def test_only_commands_print():
    printing = [
        relative(path)
        for path in MODULES
        if path.parent.name != "apps" and path.stem not in ("__main__", "command")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_no_kernel_takes_liberties_with_floating_point():
    assert not [relative(path) for path in MODULES if "fastmath=True" in path.read_text(encoding="utf-8")]


def test_every_test_marker_is_declared():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert "error" in options["filterwarnings"]
    assert any(marker.startswith("slow:") for marker in options["markers"])
