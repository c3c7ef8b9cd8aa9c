"""`tickvol search`: hyper-parameter search with Optuna on the validation rows of the folds."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tickvol.command import command_parser, run_command

if TYPE_CHECKING:
    import optuna

    from tickvol.volatility.models.training_spec import TrainingSpec
    from tickvol.volatility.workflows.studies import Plan

DESCRIPTION = """Search the hyper-parameters of a candidate.

A trial fits the candidate on the inner train rows of each fold; its value is the mean PR-AUC on the folds' validation
rows. Test rows and the sealed block are not used. Trials below the median after a fold are pruned. Every trial,
including pruned and failed ones, is recorded in the ledger and, nested in one run, in MLflow. The search is seeded,
ends after --minutes or --trials, and resumes when it is started again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol search`."""
    from tickvol.volatility.models.search_space import SPACES

    parser = command_parser("search", DESCRIPTION)
    parser.add_argument("--candidate", choices=sorted(SPACES), required=True, help="candidate to tune")
    parser.add_argument("--source", choices=("ticks", "candles"), default="candles", help="dataset")
    parser.add_argument("--horizon", type=int, metavar="S", help="tick horizon in seconds; default: labels.horizon_s")
    parser.add_argument("--trials", type=int, default=30, metavar="N", help="stop after this many trials of this run")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="M", help="start no new trial after M minutes")
    parser.add_argument("--no-tracking", action="store_true", help="do not log to MLflow; the ledger is still written")
    return run_command(parser, _search, argv)


def _search(options: argparse.Namespace) -> int:
    import optuna

    from tickvol.config import load_config
    from tickvol.core.errors import UsageError
    from tickvol.volatility.registry.search_runs import log_search
    from tickvol.volatility.workflows.studies import one_horizon, planned

    if options.trials < 1 or not options.minutes > 0:
        raise UsageError(f"--trials, --minutes: {options.trials}, {options.minutes}: must be positive")
    config = load_config(options.config)
    (plan,) = planned(config, [options.source], one_horizon(config.labels, options.source, options.horizon))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    objective = Objective(plan, options.candidate)
    for because in objective.left_out:
        print(f"left out    {plan.name} {because}")
    storage = config.mlflow.ledger_dir / "search.db"
    storage.parent.mkdir(parents=True, exist_ok=True)
    provenance = plan.provenance
    study = optuna.create_study(
        study_name=f"{options.candidate} {plan.name} {provenance.data_fingerprint[:12]} {objective.base_hash[:12]}",
        storage=f"sqlite:///{storage}",
        sampler=optuna.samplers.TPESampler(seed=config.models.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        direction="maximize",
        load_if_exists=True,
    )
    if not study.trials:
        study.enqueue_trial(objective.present)
    study.optimize(
        objective, n_trials=options.trials, timeout=options.minutes * 60, catch=(ValueError, ArithmeticError)
    )
    states = [trial.state.name.lower() for trial in study.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    print(f"trials      {len(states)} of {study.study_name}: {counts}")
    if "complete" not in states:
        print("no trial was completed; increase --minutes")
        return 1
    first, best = study.trials[0], study.best_trial
    print(f"present     {_value(first.value)} mean PR-AUC on validation rows")
    print(f"best        {best.value:.4f} by trial {best.number}")
    print("\n".join(f"  {name}: {value:.6g}" for name, value in best.params.items()))
    print("set these values in the section `models` of the configuration, then run `tickvol walk-forward`")
    if not options.no_tracking:
        log_search(config.mlflow, study.study_name, study.trials, provenance)
    return 0


def _value(value: float | None) -> str:
    return "pruned or failed" if value is None else f"{value:.4f}"


class Objective:
    """Mean PR-AUC of a candidate on the validation rows of all folds."""

    def __init__(self, plan: "Plan", candidate: str) -> None:
        from tickvol.volatility.models.search_space import SPACES, base_hash

        self._plan, self._candidate = plan, candidate
        self._space = SPACES[candidate]
        self._training = plan.training
        self.base_hash = base_hash(self._training, candidate)
        self.present = {name: getattr(self._training, name) for name in self._space}
        folds, self.left_out = plan.folds()
        self._inner = [one.inner for one in folds]

    def __call__(self, trial: "optuna.Trial") -> float:
        """Fit and evaluate fold by fold.

        Raises
        ------
        optuna.TrialPruned
            If the mean PR-AUC after a fold is below the median of earlier trials.
        """
        import msgspec
        import optuna

        from tickvol.volatility.models.search_space import suggest

        chosen = suggest(trial, self._space)
        training = msgspec.structs.replace(self._training, **chosen)
        about = self._plan.about | {"search": self._candidate, "numbers": chosen}
        with self._plan.ledger.trial(about, self._plan.provenance, [f"{self._candidate}#{trial.number}"]) as kept:
            found: list[float] = []
            for step, prepared in enumerate(self._inner):
                found.append(self._validation(prepared, training))
                mean = sum(found) / len(found)
                trial.report(mean, step)
                if step + 1 < len(self._inner) and trial.should_prune():
                    kept.scored(mean, pruned=True)
                    break
            else:
                kept.scored(mean)
        if kept.state == "pruned":
            raise optuna.TrialPruned
        return mean

    def _validation(self, prepared: Any, training: "TrainingSpec") -> float:
        from tickvol.volatility.evaluation.metrics import average_precision
        from tickvol.volatility.models.candidates import FitRows, fit_detector
        from tickvol.volatility.models.training import margins

        sample, split = prepared.sample, prepared.split
        rows = FitRows(sample.take(split.train), sample.take(split.validation))
        detector = fit_detector(self._candidate, rows, prepared.table.spec, training)
        value = average_precision(prepared.positive[split.validation], margins(detector, prepared, split.validation))
        return 0.0 if value is None else value
