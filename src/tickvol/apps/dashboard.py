"""`tickvol dashboard`: the pages of all systems in the browser."""

import argparse
import logging
import signal
from collections.abc import Sequence
from types import FrameType

from tickvol.command import command_parser, run_command
from tickvol.core.errors import UsageError

_DESCRIPTION = """Serve the pages of all systems: market risk, health of the pipeline.

Prints the address and serves until Ctrl-C or SIGTERM. The pages only read; they have no authentication.
docs/dashboard.md describes them.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol dashboard`."""
    parser = command_parser("dashboard", _DESCRIPTION)
    parser.add_argument("--host", help="IP address to listen on; overrides dashboard.host")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for any free one; overrides dashboard.port")
    return run_command(parser, _serve, argv)


def _serve(options: argparse.Namespace) -> None:
    from tickvol.config import load_config
    from tickvol.dashboard.app import build_app
    from tickvol.dashboard.server import listen, server_of, url_of
    from tickvol.systems import pages

    config = load_config(options.config)
    port = config.dashboard.port if options.port is None else options.port
    if not 0 <= port <= 65535:
        raise UsageError(f"--port: {port}: must be 0 to 65535")
    with listen(options.host or config.dashboard.host, port) as listener:
        app = build_app(config.dashboard, pages(config))
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        print(url_of(listener), flush=True)
        server = server_of(app)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _ignore)  # the server ends at either and raises it again: then nothing is left to do
        server.run(sockets=[listener])


def _ignore(_number: int, _frame: FrameType | None) -> None:
    pass
