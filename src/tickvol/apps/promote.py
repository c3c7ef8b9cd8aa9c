"""`tickvol promote`: promote the challenger to champion if it passes every gate."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickvol.command import agreed, command_parser, run_command
from tickvol.core.times import now_iso
from tickvol.volatility.workflows.flags import add_candles, profile_of

if TYPE_CHECKING:
    from tickvol.volatility.settings.profile import MarketProfile
    from tickvol.volatility.workflows.promote import GateDecision

_DESCRIPTION = """Compare the challenger with the champion on rows that neither was trained on, and promote it to
champion if it passes every gate (docs/promotion.md). The former champion keeps the alias `previous`.

The decision is recorded in the ledger either way. If a gate fails, nothing changes and the exit code is 1."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol promote`."""
    parser = command_parser("promote", _DESCRIPTION)
    parser.add_argument(
        "--candidate",
        default="challenger",
        metavar="ALIAS_OR_VERSION",
        help="alias or number of the version to promote",
    )
    parser.add_argument("--features", type=Path, metavar="DIR", help="rows to judge on; default: features.dataset_dir")
    parser.add_argument(
        "--log",
        type=Path,
        nargs="+",
        metavar="F",
        help="recorded frames; their features must equal the dataset's; default: not compared",
    )
    parser.add_argument("--ask", action="store_true", help="show the gates and ask before promoting")
    parser.add_argument("--dry-run", action="store_true", help="show the gates without changing or writing anything")
    parser.add_argument("--force", metavar="REASON", help="promote despite failed gates; default: never")
    add_candles(parser)
    return run_command(parser, _promote, argv)


def _promote(options: argparse.Namespace) -> int:
    from tickvol.config import load_config
    from tickvol.volatility.dataset import read_features
    from tickvol.volatility.workflows.leakcheck_log import LogFiles
    from tickvol.volatility.workflows.promote import failed_in_words, gate_lines, judge_candidate, settle

    _check(options)
    config = load_config(options.config)
    profile = profile_of(config, options)
    table = read_features(options.features or profile.dataset_dir)
    log = None
    if options.log is not None:
        log = LogFiles(paths=tuple(options.log), ingestion=config.ingestion, batch_size=config.features.batch_size)
    judged = judge_candidate(profile, options.candidate, table, log, config.products)
    if judged is None:
        print(f"{options.candidate} is already champion: nothing to do")
        return 0
    print("\n".join(gate_lines(judged)))
    if options.dry_run:
        outcome = "promoted" if judged.passed or options.force else "refused"
        print(f"dry run     would be {outcome}; nothing was changed")
        return 0 if judged.passed else 1
    if options.ask and (judged.passed or options.force) and not _agreed(profile, judged):
        return 1
    by = "promote --ask" if options.ask else "promote"
    if settle(profile, judged, at=now_iso(), by=by, force=options.force):
        print(f"promoted    version {judged.candidate.number} is champion; `tickvol rollback` undoes it")
        return 0
    print(f"tickvol promote: refused, nothing was changed: {failed_in_words(judged)}", file=sys.stderr)
    return 1


def _check(options: argparse.Namespace) -> None:
    from tickvol.core.errors import UsageError

    if options.force is not None and not options.force.strip():
        raise UsageError(f"--force: {options.force!r}: must be the reason, as text")
    if options.ask and not sys.stdin.isatty():
        raise UsageError("--ask: standard input is no terminal; omit it to let the gates decide")


def _agreed(profile: "MarketProfile", judged: "GateDecision") -> bool:
    """Ask on the terminal; record a refusal in the ledger."""
    from tickvol.volatility.registry.champions import DECLINED, note

    if agreed(f"promote version {judged.candidate.number}?"):
        return True
    note(profile.mlflow, DECLINED, {"at": now_iso(), "by": "promote --ask", **judged.document()})
    print("declined    nothing was changed")
    return False
