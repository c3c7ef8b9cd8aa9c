"""What all commands share: `--config`, help with defaults, exit codes 0, 1 (the work failed) and 2 (wrong use)."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tickvol.core.errors import TickvolError, UsageError


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str | None:
        """Without `(default: None)`, which says nothing: such options name the configuration key they override."""
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def command_parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser for `tickvol NAME` with the options that every command takes.

    Options whose default is None say in their help which configuration key they override.
    """
    parser = argparse.ArgumentParser(prog=f"tickvol {name}", description=description, formatter_class=_Formatter)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="configuration file (YAML)")
    parser.add_argument("--verbose", action="store_true", help="log at debug level")
    return parser


def run_command(
    parser: argparse.ArgumentParser, work: Callable[[argparse.Namespace], int | None], argv: Sequence[str] | None
) -> int:
    """Parse, work, and turn what goes wrong into one clear line each and an exit code."""
    options = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    try:
        return work(options) or 0
    except UsageError as error:
        for problem in error.problems:
            print(f"{parser.prog}: {problem}", file=sys.stderr)
        return 2
    except TickvolError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"{parser.prog}: {error.filename or 'input/output'}: {error.strerror or error}", file=sys.stderr)
        return 1
