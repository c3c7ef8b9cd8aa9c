"""`tickvol rollback`: restore the previous champion."""

import argparse
from collections.abc import Sequence

from tickvol.command import command_parser, run_command
from tickvol.core.times import now_iso
from tickvol.volatility.workflows.flags import add_candles, profile_of

_DESCRIPTION = """Restore the previous champion immediately, without gates. A running service uses it after its next
restart. Only one rollback is possible: the version before the previous champion is not recorded."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol rollback`."""
    parser = command_parser("rollback", _DESCRIPTION)
    parser.add_argument("--reason", default="not said", metavar="TEXT", help="reason, recorded in the ledger")
    add_candles(parser)
    return run_command(parser, _rollback, argv)


def _rollback(options: argparse.Namespace) -> int:
    from tickvol.config import load_config
    from tickvol.volatility.registry.champions import roll_back

    profile = profile_of(load_config(options.config), options)
    content = roll_back(profile.mlflow, at=now_iso(), reason=options.reason).content
    print(f"rolled back version {content['version']} is champion again, version {content['served_before']} was")
    return 0
