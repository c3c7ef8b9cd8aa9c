"""`tickvol champion`: the champion's history, from the verified ledger."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tickvol.command import command_parser, run_command
from tickvol.volatility.workflows.flags import add_candles, profile_of

if TYPE_CHECKING:
    from tickvol.storage.journal import Entry

_DESCRIPTION = """Print the champion and the ledger: every promotion, rollback and refusal with its time and reason.

Each line's hash is verified against its content, the previous line, the ledger's head and the hash recorded in MLflow.
Exit code 1 if a line fails, or if the registry's champion is not the ledger's.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol champion`."""
    parser = command_parser("champion", _DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="print the entries as JSON lines")
    add_candles(parser)
    return run_command(parser, _champion, argv)


def _champion(options: argparse.Namespace) -> int:
    import json

    from tickvol.config import load_config
    from tickvol.core.errors import LedgerBroken
    from tickvol.volatility.registry.champions import champions_ledger, require_anchored, served_by_ledger
    from tickvol.volatility.registry.versions import CHAMPION, aliases

    settings = profile_of(load_config(options.config), options).mlflow
    ledger = champions_ledger(settings)
    reading = ledger.read()
    for entry in reading.entries:
        print(json.dumps({"kind": entry.kind, **entry.content}) if options.json else _line(entry))
    if reading.problem is not None:
        raise LedgerBroken(f"{reading.problem}; this and later entries are not shown")
    require_anchored(settings, reading.entries)
    served, named = aliases(settings).get(CHAMPION), served_by_ledger(reading.entries)
    if served != named:
        print(
            f"tickvol champion: the registry says version {served}, the ledger {named}: the alias was changed by other "
            "means, or a change was interrupted; promote or roll back to resolve this",
            file=sys.stderr,
        )
        return 1
    if not options.json:
        print(f"serves      {f'version {served}' if served else 'nobody'}; {len(reading.entries)} entries, all hold")
    return 0


def _line(entry: "Entry") -> str:
    content = entry.content
    return f"{content.get('at', '')}  {entry.kind:<11} {_told(entry.kind, content)}  [{entry.sha256[:12]}]"


def _told(kind: str, content: Mapping[str, Any]) -> str:
    from tickvol.volatility.registry.champions import PROMOTED

    shut = [gate["name"] for gate in content.get("gates", []) if not gate["passed"]]
    who = content.get("version") or content.get("candidate")
    why = content.get("reason") or f"by {content.get('by')}"
    if content.get("forced"):
        why += f", forced past {', '.join(shut)}: {content['forced']}"
    elif kind != PROMOTED and shut:
        why += f", failed: {', '.join(shut)}"
    elif content.get("gates"):
        why += f", {len(content['gates'])} gates passed"
    before = f" instead of {content['served_before']}" if content.get("served_before") else ""
    return f"version {who}{before}: {why}"
