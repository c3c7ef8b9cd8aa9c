"""`tickvol reproduce`: repeat a recorded training from the same data, configuration and program, and compare."""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tickvol.command import command_parser, run_command
from tickvol.volatility.workflows.flags import add_candles, profile_of

if TYPE_CHECKING:
    from tickvol.volatility.models.bundle import Bundle
    from tickvol.volatility.models.training_spec import ModelType
    from tickvol.volatility.schema.feature_table import FeatureTable
    from tickvol.volatility.settings.profile import MarketProfile

_DESCRIPTION = """Repeat a recorded training and compare the bytes of the bundles and the metrics; each line says equal
or differs.

RUN is an MLflow run (a training, or one of its detectors), the bundle hash that reports state, or a bundle directory.
Data, configuration and program must match the run; if one differs, it is reported and nothing is trained. Seed and
label kind are taken from the run. Exit code 1 when anything differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recorded:
    """Bundles of a run by detector: directories and logged metrics (None for a bundle directory)."""

    directories: Mapping[str, Path]
    metrics: Mapping[str, Mapping[str, float] | None]
    products: tuple[str, ...] | None
    model_type: str | None


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol reproduce`."""
    parser = command_parser("reproduce", _DESCRIPTION)
    parser.add_argument("run", metavar="RUN", help="MLflow run id, bundle hash, or bundle directory")
    parser.add_argument("--features", type=Path, metavar="DIR", help="the run's dataset; default: features.dataset_dir")
    parser.add_argument("--products", nargs="+", metavar="P", help="the run's products; default: as recorded, or all")
    add_candles(parser)
    return run_command(parser, _reproduce, argv)


def _reproduce(options: argparse.Namespace) -> int:
    from tickvol.config import load_config
    from tickvol.volatility.dataset import read_features
    from tickvol.volatility.models.bundle import Bundle

    profile = profile_of(load_config(options.config), options)
    recorded = _find(profile, options.run)
    bundles = {name: Bundle.load(directory) for name, directory in recorded.directories.items()}
    products = options.products or recorded.products
    features = options.features or profile.dataset_dir
    first = next(iter(bundles.values()))
    table = read_features(features, products=products, to_ns=first.manifest.split.last_ns + 1)
    lines = _origins(profile, table, first)
    print("\n".join(lines))
    if any(line.startswith("differs") for line in lines):
        print("nothing was trained: use the run's own data, configuration and program")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        _train_again(profile, recorded, first, features, products, Path(scratch))
        compared = _compare(recorded, bundles, table, Path(scratch))
    print("\n".join(compared))
    differing = sum(line.startswith("differs") for line in compared)
    print(f"reproduced  {len(compared) - differing} of {len(compared)} equal")
    return 1 if differing else 0


def _find(profile: "MarketProfile", run: str) -> _Recorded:
    from tickvol.volatility.models.bundle import Bundle
    from tickvol.volatility.registry.versions import detector_runs, directory_of, run_of_bundle, training_params

    if Path(run).is_dir():
        name = Bundle.load(Path(run)).name
        return _Recorded(directories={name: Path(run)}, metrics={name: None}, products=None, model_type=None)
    run_id = run_of_bundle(profile.mlflow, run) if len(run) == 64 else run
    found = detector_runs(profile.mlflow, run_id)
    params = training_params(profile.mlflow, run_id)
    return _Recorded(
        directories={detector.name: directory_of(detector.source, f"run {detector.run_id}") for detector in found},
        metrics={detector.name: detector.metrics for detector in found},
        products=tuple(params["products"].split(",")) if "products" in params else None,
        model_type=params.get("models.model_type"),
    )


def _origins(profile: "MarketProfile", table: "FeatureTable", bundle: "Bundle") -> list[str]:
    """Compare the current data, configuration and program with the bundle's."""
    from tickvol import __version__
    from tickvol.volatility.schema.feature_table import table_fingerprint
    from tickvol.volatility.workflows.terms import Overrides, overridden

    of_run = Overrides(label=bundle.label.kind.value, seed=bundle.manifest.seed)
    made = bundle.manifest.provenance
    return [
        _line("data", made.data_fingerprint, table_fingerprint(table)),
        _line("config", made.config_hash, overridden(profile, of_run).fingerprint()),
        _line("code", made.code_version, __version__),
    ]


def _train_again(
    profile: "MarketProfile",
    recorded: _Recorded,
    bundle: "Bundle",
    features: Path,
    products: Sequence[str] | None,
    scratch: Path,
) -> None:
    """Train like `tickvol train`, without its output and without MLflow."""
    from tickvol.core.errors import InputError, TickvolError
    from tickvol.volatility.models.candidates import model_type_of
    from tickvol.volatility.workflows.flags import training_rows
    from tickvol.volatility.workflows.terms import Overrides, overridden
    from tickvol.volatility.workflows.train import train

    of_run = Overrides(
        label=bundle.label.kind.value,
        seed=bundle.manifest.seed,
        model_type=cast("ModelType", recorded.model_type or model_type_of(bundle.name)),
        artifacts_dir=scratch,
    )
    until_ns = bundle.manifest.split.last_ns  # the dataset may have grown since
    try:
        table = training_rows(profile, features, products, until_ns)
        train(overridden(profile, of_run), table, track=False, tell=lambda _: None)
    except TickvolError as error:
        raise InputError(f"the training could not be repeated: {error}") from error


def _compare(recorded: _Recorded, bundles: "Mapping[str, Bundle]", table: "FeatureTable", scratch: Path) -> list[str]:
    from tickvol.volatility.evaluation.selection import select
    from tickvol.volatility.models.bundle import Bundle
    from tickvol.volatility.models.bundle_files import MANIFEST
    from tickvol.volatility.workflows.training_run import logged_metrics

    trained = {path.parent.name: Bundle.load(path.parent) for path in sorted(scratch.glob(f"*/{MANIFEST}"))}
    again = logged_metrics(select(table, list(trained.values())))
    lines = []
    for name, directory in recorded.directories.items():
        if name not in trained:
            lines.append(f"differs  {name}: is no longer trained")
            continue
        for path in sorted(directory.iterdir()):
            other = scratch / name / path.name
            lines.append(_line(f"{name}/{path.name}", _sha256(path), _sha256(other)))
        logged = recorded.metrics[name]
        figures = _flat(bundles[name]) if logged is None else logged
        lines += [_line(f"{name} {figure}", value, again[name].get(figure)) for figure, value in figures.items()]
    return lines


def _flat(bundle: "Bundle") -> dict[str, float]:
    parts = bundle.manifest.metrics.items()
    return {
        f"{part}.{name}": float(value)
        for part, figures in parts
        for name, value in figures.items()
        if value is not None
    }


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"


def _line(what: str, recorded: str | float, now: str | float | None) -> str:
    if recorded == now:
        return f"equal    {what}: {_short(recorded)}"
    return f"differs  {what}: {_short(recorded)} recorded, {_short(now)} now"


def _short(value: str | float | None) -> str:
    if isinstance(value, str):
        return value[:12]
    return "absent" if value is None else f"{value:.10g}"
