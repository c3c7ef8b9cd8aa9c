"""Measure the hot paths, print a table, write `reports/bench.json`; a goal that is not met is shown, not an error."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from decoding import frames_to_rows
from inference import inference
from kafka_ingest import kafka_ingest
from kafka_live import kafka_live
from kafka_stream import kafka_stream
from market_risk import market_risk
from memory import replay_memory
from outcome import Outcome, machine, on_one_core
from product_cost import product_cost
from rolling_pandas import against_pandas
from rolling_river import against_river
from stream import ROOT, recordings

from tickvol.config import Config, load_config
from tickvol.core.memory import collect_garbage_rarely

MEASURES = (
    "decoding",
    "river",
    "pandas",
    "products",
    "inference",
    "memory",
    "risk",
    "kafka-stream",
    "kafka-ingest",
    "kafka-live",
)
QUICK_FRAMES = 20_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measures that were asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small inputs: a look, not a figure to quote")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=MEASURES, help="default: all")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="timed turns; default: %(default)s")
    parser.add_argument("--memory-frames", type=int, metavar="N", help="the shorter replay; the longer has ten times")
    parser.add_argument("--output", type=Path, default=ROOT / "reports" / "bench.json", metavar="F")
    options = parser.parse_args(argv)
    if options.repeats < 1:
        parser.error(f"--repeats: {options.repeats}: must be at least 1")
    on_one_core()
    outcomes: list[Outcome] = []
    chosen = measures(load_config(ROOT / "config.yaml"), options)
    collect_garbage_rarely()
    for name, measure in chosen.items():
        if name in options.only:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            outcomes += measure()
    print("\n".join(table(outcomes)))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    lines = [outcome.as_json(machine()) for outcome in outcomes]
    options.output.write_text(json.dumps(lines, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    print(f"report      {options.output}")
    return 0


def measures(config: Config, options: argparse.Namespace) -> dict[str, Callable[[], list[Outcome]]]:
    """Measures by name, ready to run."""
    quick, repeats = options.quick, options.repeats
    found = recordings(config, QUICK_FRAMES if quick else sys.maxsize)
    memory_frames = options.memory_frames or (100_000 if quick else 1_000_000)
    return {
        "decoding": lambda: frames_to_rows(config, found, repeats),
        "river": lambda: against_river(config, found, repeats),
        "pandas": lambda: against_pandas(config, found, repeats),
        "products": lambda: product_cost(config, repeats, stretch_s=5 if quick else 20),
        "inference": lambda: inference(config, hours=3),
        "memory": lambda: replay_memory(config, memory_frames, min(repeats, 3)),
        "risk": lambda: market_risk(config, quick=quick, repeats=repeats),
        "kafka-stream": lambda: kafka_stream(config, 20_000 if quick else 300_000, min(repeats, 3)),
        "kafka-ingest": lambda: kafka_ingest(config, 0.5 if quick else 12.0, min(repeats, 3)),
        "kafka-live": lambda: kafka_live(config, 5.0 if quick else 60.0),
    }


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """The outcomes for readers, then machine and inputs."""
    lines = [f"{'measure':<38}{'value':>14} {'unit':<10}{'yardstick':>14}{'ratio':>9}  goal"]
    for outcome in outcomes:
        goal = "none" if outcome.goal is None else f"{outcome.goal}: {'met' if outcome.met else 'NOT met'}"
        lines.append(
            f"{outcome.name:<38}{_number(outcome.value):>14} {outcome.unit:<10}{_number(outcome.yardstick_value):>14}"
            f"{outcome.ratio:>9.3f}  {goal}"
        )
    lines += ["", "measure: yardstick; input"]
    lines += [f"{outcome.name}: {outcome.yardstick}; {outcome.input}" for outcome in outcomes]
    return [*lines, f"machine: {machine()}"]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
