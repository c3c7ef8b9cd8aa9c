"""`tickvol open-sealed`: evaluate on the sealed hold-out block; every opening is recorded."""

import argparse
from collections.abc import Sequence
from typing import Any

import msgspec

from tickvol.command import agreed, command_parser, run_command

DESCRIPTION = """Evaluate on the sealed block: train on all rows before walk_forward.*.sealed_from, as for a fold, and
evaluate on the rows from there on. The ledger records the opening before anything is computed, and the bundle hash and
result before they are shown.

A block can be opened any number of times; every report states the number of openings. If the models were changed after
an opening, the next opening is weaker evidence. Bundles are written to models.artifacts_dir/sealed/
(candles.artifacts_dir/sealed/)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol open-sealed`."""
    parser = command_parser("open-sealed", DESCRIPTION)
    parser.add_argument("--source", choices=("ticks", "candles"), required=True, help="dataset with the block to open")
    parser.add_argument("--horizon", type=int, metavar="S", help="tick horizon in seconds; default: labels.horizon_s")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    return run_command(parser, _open_sealed, argv)


def _open_sealed(options: argparse.Namespace) -> int:
    from tickvol.config import load_config
    from tickvol.core.errors import SuspectedLeak
    from tickvol.volatility.models.walk_forward import prepare_sealed
    from tickvol.volatility.workflows.studies import named_candidates, one_horizon, planned

    config = load_config(options.config)
    (plan,) = planned(config, [options.source], one_horizon(config.labels, options.source, options.horizon))
    ledger = plan.ledger
    print(f"sealed      {plan.name}: opened {len(ledger.openings(plan.source))} times before")
    if not options.yes and not agreed("open it and record the opening?"):
        print("not opened")
        return 1
    opening = ledger.opened(plan.about)
    sealed = prepare_sealed(plan.table, plan.label, config.walk_forward.rules(plan.source), plan.training)
    result = plan.run(sealed, named_candidates(None))
    bundle = result.bundles[result.selected]
    made = {"detector": bundle.name, "bundle_hash": bundle.version, **msgspec.to_builtins(plan.provenance)}
    try:
        document, _, _ = plan.judged([result])
    except SuspectedLeak as error:
        ledger.sealed_result(opening, made | {"refused": str(error)})
        raise
    ledger.sealed_result(opening, made | _result(document))
    artifacts = plan.profile.models.artifacts_dir / "sealed"
    for name, fitted in result.bundles.items():
        fitted.save(artifacts / name)
    document["sealed"]["openings"] = ledger.openings(plan.source)
    print("\n".join(plan.table_of(document)))
    print(f"bundles     {artifacts}/<detector>")
    return 0


def _result(document: dict[str, Any]) -> dict[str, Any]:
    chosen = document["detectors"]["selected"]
    return {
        "rows": chosen["rows"],
        "prevalence": chosen["prevalence"],
        "pr_auc": chosen["pr_auc"],
        "best_baseline": document["best_baseline"],
        "lead": chosen["lead"],
        "lead_low": chosen["lead_interval"]["low"],
        "lead_high": chosen["lead_interval"]["high"],
        "calibration_error": chosen["calibration_error"]["value"],
    }
