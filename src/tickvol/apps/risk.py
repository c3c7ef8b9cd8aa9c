"""`tickvol risk`: daily market risk, from the exchange's candles to figures and backtests."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tickvol.command import command_parser, print_json, run_command
from tickvol.core.errors import UsageError

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.risk.pipeline.session import Reports, RunEnd
    from tickvol.risk.views.view import View
    from tickvol.storage.delta.lake import Lake
    from tickvol.storage.delta.run_log import LoggedStep

DESCRIPTION = """Daily market risk of crypto assets (docs/risk.md).

{actions}

`tickvol risk ACTION --help` lists the options of an action. Exit codes: 0 done, 1 failed in part or whole, 2 wrong use,
3 another process is writing to the tables."""

_AT_LEAST = {"top": 1, "limit": 1, "min_days": 2}


@dataclass(frozen=True, slots=True)
class Action:
    """An action of the command: its summary, its options, and its work, which returns the exit code."""

    about: str
    options: Callable[[argparse.ArgumentParser], None]
    work: "Callable[[argparse.Namespace, Config], int]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol risk ACTION`."""
    words = list(sys.argv[1:] if argv is None else argv)
    action = ACTIONS.get(words[0]) if words else None
    if action is None:
        listed = "\n".join(f"  {name:<10} {action.about}" for name, action in ACTIONS.items())
        parser = command_parser("risk", DESCRIPTION.format(actions=listed))
        parser.add_argument("action", choices=tuple(ACTIONS), metavar="ACTION", help="one of those above")
        return run_command(parser, lambda _: 2, words)
    parser = command_parser(f"risk {words[0]}", f"{action.about[0].upper()}{action.about[1:]}.")
    action.options(parser)
    return run_command(parser, lambda options: _work(action, options), words[1:])


def _work(action: Action, options: argparse.Namespace) -> int:
    from tickvol.config import load_config

    if problems := _misused(options):
        raise UsageError(problems)
    return action.work(options, load_config(options.config))


def _misused(options: argparse.Namespace) -> list[str]:
    values = {name: getattr(options, name, least) for name, least in _AT_LEAST.items()}
    return [
        f"--{name.replace('_', '-')}: {value}: must be at least {_AT_LEAST[name]}"
        for name, value in values.items()
        if value < _AT_LEAST[name]
    ]


def _run(options: argparse.Namespace, config: "Config") -> int:
    from tickvol.risk.pipeline.ingest import Asked
    from tickvol.risk.pipeline.session import run_all, run_only

    if options.no_fetch and options.product:
        raise UsageError("--product: must not be given with --no-fetch, which computes the figures of all products")
    asked = Asked(_products(options, config))
    if options.only is not None:
        if options.no_fetch or options.simulate:
            raise UsageError(
                f"--only: {options.only}: is a step of a run that fetches: not with --no-fetch, --simulate"
            )
        end = run_only(config, options.only, asked, _reports(options))
        _finish(options, end)
        return 1 if end.is_blocked else 0
    if options.no_fetch and options.simulate:
        raise UsageError("--no-fetch, --simulate: must not be given together")
    return _finish(
        options,
        run_all(config, None if options.no_fetch else asked, _reports(options), simulate=options.simulate),
    )


def _backfill(options: argparse.Namespace, config: "Config") -> int:
    from tickvol.risk.pipeline.ingest import Asked
    from tickvol.risk.pipeline.session import run_all
    from tickvol.risk.views.arguments import parse_first_day

    first_day = parse_first_day("--from", options.from_day, today=int(time.time()) // 86_400)
    asked = Asked(_products(options, config), first_day, again=not options.resume)
    return _finish(options, run_all(config, asked, _reports(options), simulate=options.simulate))


def _load(options: argparse.Namespace, config: "Config") -> int:
    from tickvol.risk.pipeline.load import parse_candle_file
    from tickvol.risk.pipeline.session import Reports, load

    loaded: list[str] = []
    reports = _reports(options)

    def step(end: "LoggedStep") -> None:
        if end.status != "failed":  # the error itself is printed
            reports.step(end)

    def line(text: str) -> None:
        loaded.append(text)
        if not options.json:
            print(text, flush=True)

    files = [parse_candle_file(text) for text in options.files]
    end = load(config, files, Reports(step, line))
    if not options.json:
        print("`tickvol risk run --no-fetch` computes the figures")
    return _finish(options, end, files=loaded)


def _gaps(options: argparse.Namespace, config: "Config") -> int:
    from tickvol.risk.pipeline.ingest import Asked
    from tickvol.risk.pipeline.session import run_all
    from tickvol.risk.views.gaps import gaps

    code = 0
    if options.retry:
        asked = Asked(_products(options, config), retry=True)
        code = 0 if run_all(config, asked, _reports(options)).has_succeeded else 1
    return _print(options, gaps(_lake(config), _named(options))) or code


def _export(options: argparse.Namespace, config: "Config") -> int:
    from tickvol.risk.views.exporting import export_all

    return _print(options, export_all(_lake(config), config.risk, options.dir or config.risk.export_dir))


def _view(name: str, *arguments: str) -> "Callable[[argparse.Namespace, Config], int]":
    """Work of an action that shows something: `module.function`, which takes the tables and these options."""

    def work(options: argparse.Namespace, config: "Config") -> int:
        from importlib import import_module

        module, _, function = name.partition(".")
        answer = getattr(import_module(f"tickvol.risk.views.{module}"), function)
        values = {argument: getattr(options, argument) for argument in arguments if argument != "products"}
        if "products" in arguments:
            values["products"] = _named(options)
        return _print(options, answer(_lake(config), **values))

    return work


def _explain(options: argparse.Namespace, config: "Config") -> int:
    from tickvol.risk.views.arguments import parse_day, parse_products
    from tickvol.risk.views.explain import explain

    product, *_ = parse_products("PRODUCT", [options.product])
    return _print(options, explain(_lake(config), product, parse_day("DAY", options.day)))


def _sql(options: argparse.Namespace, config: "Config") -> int:
    from tickvol.risk.views.sql import sql
    from tickvol.storage.delta.lake import Lake
    from tickvol.systems import all_tables

    return _print(options, sql(Lake(config.lake.dir, all_tables()), options.query))


def _allocate(options: argparse.Namespace, config: "Config") -> int:
    from tickvol.risk.views.allocating import allocate

    products = _named(options)
    if products is not None and len(products) < 2:
        raise UsageError(f"--product: {products[0]}: must be given for at least two products")
    view = allocate(
        _lake(config),
        products,
        allow_short=options.short,
        min_days=options.min_days,
        year_days=config.risk.year_days,
    )
    return _print(options, view)


def _lake(config: "Config") -> "Lake":
    from tickvol.risk.pipeline.session import open_lake

    return open_lake(config.lake)


def _products(options: argparse.Namespace, config: "Config") -> tuple[str, ...]:
    return _named(options) or config.risk.products


def _named(options: argparse.Namespace) -> tuple[str, ...] | None:
    """Products of `--product`, which may be repeated and may hold several; None: all."""
    from tickvol.risk.views.arguments import parse_products

    return None if options.product is None else parse_products("--product", options.product)


def _reports(options: argparse.Namespace) -> "Reports":
    from tickvol.risk.pipeline.session import Reports

    def step(end: "LoggedStep") -> None:
        if not options.json:
            print(f"{end.step:<14}{end.status:<9}{end.duration_s:>7.1f} s  {end.message}", flush=True)

    def line(text: str) -> None:
        print(f"tickvol risk: {text}", file=sys.stderr, flush=True)

    return Reports(step, line)


def _finish(options: argparse.Namespace, end: "RunEnd", **more: object) -> int:
    if options.json:
        steps = [step._asdict() for step in end.steps]
        print_json({"run_id": end.run_id, "steps": steps, **more})
    return 0 if end.has_succeeded else 1


def _print(options: argparse.Namespace, view: "View") -> int:
    if options.json:
        print_json(view.data)
    else:
        print("\n".join(view.lines))
    return 0 if view.is_known else 1


def _run_options(parser: argparse.ArgumentParser) -> None:
    _fetch_options(parser)
    parser.add_argument("--no-fetch", action="store_true", help="compute from what is stored")
    parser.add_argument(
        "--only",
        choices=("ingest", "silver", "gold", "anomalies", "audit", "star", "finish"),
        metavar="STEP",
        help="run one step, for schedulers: ingest begins a run; silver, gold, anomalies, audit and star continue it;"
        " finish ends it",
    )


def _backfill_options(parser: argparse.ArgumentParser) -> None:
    _fetch_options(parser)
    parser.add_argument("--from", dest="from_day", required=True, metavar="DAY", help="first day, such as 2015-07-20")
    parser.add_argument("--resume", action="store_true", help="fetch only days that are not known yet")


def _fetch_options(parser: argparse.ArgumentParser) -> None:
    _json_option(parser)
    _product_option(parser, "risk.products")
    parser.add_argument("--simulate", action="store_true", help="fetch from a simulated exchange, without a network")


def _load_options(parser: argparse.ArgumentParser) -> None:
    _json_option(parser)
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="candles of a day or less (CSV, feather or Parquet), named like BTCUSDT_1d.csv, or PRODUCT=FILE",
    )


def _show_options(parser: argparse.ArgumentParser) -> None:
    _json_option(parser)
    _product_option(parser, "all that are stored")


def _product_option(parser: argparse.ArgumentParser, default: str) -> None:
    about = f"product, such as BTC-USD; may be repeated; default: {default}"
    parser.add_argument("--product", action="append", metavar="PRODUCT", help=about)


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _and(*adders: Callable[[argparse.ArgumentParser], None]) -> Callable[[argparse.ArgumentParser], None]:
    def add(parser: argparse.ArgumentParser) -> None:
        for adder in adders:
            adder(parser)

    return add


def _option(*names: str, **settings: object) -> Callable[[argparse.ArgumentParser], None]:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(*names, **settings)  # type: ignore[arg-type]

    return add


_TOP = _option("--top", type=int, default=20, metavar="N", help="number of days")
_METHOD = _option("--method", metavar="METHOD", help="fhs, roll, ewma or garch; all by default")
_LIMIT = _option("--limit", type=int, default=20, metavar="N", help="number of runs")
_FAILED = _option("--failed", action="store_true", help="only failed runs")
_RETRY = _option("--retry", action="store_true", help="first fetch the unknown days again, without waiting")
_SHORT = _option("--short", action="store_true", help="allow negative weights (closed form)")
_MIN_DAYS = _option("--min-days", type=int, default=250, metavar="N", help="fewest common days of returns")
_DAY = _option("day", metavar="DAY", help="UTC date, such as 2025-03-03")
_DIR = _option("--dir", type=Path, metavar="DIR", help="directory; overrides risk.export_dir")

ACTIONS = {
    "run": Action("fetch what is missing and compute all figures", _run_options, _run),
    "backfill": Action("fetch the days since a date and compute all figures", _backfill_options, _backfill),
    "load": Action("store candles from files, for `tickvol risk run --no-fetch`", _load_options, _load),
    "show": Action("show the figures of the last complete day", _show_options, _view("figures.show", "products")),
    "shocks": Action(
        "list the most extreme days", _and(_show_options, _TOP), _view("extremes.shocks", "top", "products")
    ),
    "worst": Action("show the worst daily loss of each asset", _show_options, _view("extremes.worst", "products")),
    "backtest": Action(
        "backtest the VaR methods",
        _and(_show_options, _METHOD),
        _view("judgement.backtest", "method", "products"),
    ),
    "gaps": Action("list unknown days with their reasons", _and(_show_options, _RETRY), _gaps),
    "runs": Action(
        "list the runs with their steps", _and(_json_option, _FAILED, _LIMIT), _view("runs.runs", "failed", "limit")
    ),
    "health": Action("show durations, volumes and warnings of each step", _json_option, _view("health.health")),
    "allocate": Action("compute minimum-variance weights", _and(_show_options, _SHORT, _MIN_DAYS), _allocate),
    "explain": Action(
        "trace a day's figures back to the exchange's answer",
        _and(_json_option, _option("product", metavar="PRODUCT", help="such as BTC-USD"), _DAY),
        _explain,
    ),
    "sql": Action(
        "query the tables by SQL, read-only",
        _and(_json_option, _option("query", metavar="SQL", help="a SELECT")),
        _sql,
    ),
    "export": Action("export the tables as Parquet and CSV files", _and(_json_option, _DIR), _export),
}
