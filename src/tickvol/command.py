"""Common parts of all commands: `--config`, help with defaults, exit codes 0, 1 (the work failed), 2 (wrong use), 3."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tickvol.core.errors import TablesBusy, TickvolError, UsageError

logger = logging.getLogger(__name__)

EXIT_TABLES_BUSY = 3
"""Exit code when another process is writing to the Delta tables: it is worth trying again."""


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str | None:
        """Omit `(default: None)`: such options name the configuration key that they override."""
        return action.help if action.default is None or action.default is False else super()._get_help_string(action)


def command_parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser for `tickvol NAME` with the options that every command takes.

    The help of options whose default is None names the configuration key that they override.
    """
    parser = argparse.ArgumentParser(prog=f"tickvol {name}", description=description, formatter_class=_Formatter)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="configuration file (YAML)")
    parser.add_argument("--verbose", action="store_true", help="log at debug level")
    return parser


def agreed(question: str) -> bool:
    """Ask on the terminal; the end of the input is a no."""
    try:
        answer = input(f"{question} [yes/no] ")
    except EOFError:
        print()
        return False
    return answer.strip().lower() in ("yes", "y")


def print_json(content: object) -> None:
    """Print what msgspec can encode as indented JSON."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())


def run_command(
    parser: argparse.ArgumentParser, work: Callable[[argparse.Namespace], int | None], argv: Sequence[str] | None
) -> int:
    """Parse, work, and turn each error into one clear line and an exit code."""
    options = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    if not options.verbose:
        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it logs each retry; our own lines report each outage
    try:
        code = work(options) or 0
        sys.stdout.flush()
        return code
    except UsageError as error:
        for problem in error.problems:
            print(f"{parser.prog}: {problem}", file=sys.stderr)
        return 2
    except TickvolError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return EXIT_TABLES_BUSY if isinstance(error, TablesBusy) else 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return handle_closed_stdout()
    except OSError as error:
        print(f"{parser.prog}: {error.filename or 'input/output'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except Exception as error:  # a bug of ours: users get one line, and with --verbose the traceback
        logger.debug("unexpected error", exc_info=True)
        about = f": {str(error).splitlines()[0]}" if str(error) else ""
        print(f"{parser.prog}: unexpected {type(error).__name__}{about}; --verbose shows where", file=sys.stderr)
        return 1


def handle_closed_stdout() -> int:
    """Handle a closed standard output (`tickvol ... | head`): print nothing, exit 1."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
