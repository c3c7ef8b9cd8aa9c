"""Gradient-boosted trees (XGBoost), served by the native booster."""

from collections.abc import Collection
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import CorruptFile
from tickvol.volatility.models.fitting import Sample
from tickvol.volatility.models.forecast import log_ratio
from tickvol.volatility.models.inputs import Form, Input, learned_inputs
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.schema.feature_spec import FeatureSpec

BOOSTER_FILE = "booster.ubj"

_THREADS = 1
"""Fixed: the sums of gradients, and so the bytes of the booster, depend on it."""


class BoostedDetector:
    """Log-odds from gradient-boosted trees."""

    family = "boosted"
    missing = "native: each split of each tree has learned which way an unknown input goes"

    def __init__(self, inputs: tuple[Input, ...], booster: bytes) -> None:
        import xgboost

        self.inputs = inputs
        self._bytes = booster
        try:
            self.booster = xgboost.Booster({"nthread": _THREADS}, model_file=bytearray(booster))
        except xgboost.core.XGBoostError as error:
            reason = str(error).splitlines()[-1]
            raise CorruptFile(f"{BOOSTER_FILE}: cannot be read ({reason}); train again") from error
        self.booster.set_param({"nthread": _THREADS})
        split_on = self.booster.get_score(importance_type="weight")
        self.wanted = np.array(sorted(int(name.removeprefix("f")) for name in split_on), np.intp)

    def margin(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) log-odds of (n, inputs)."""
        margin = self.booster.inplace_predict(x, predict_type="margin", validate_features=False)
        return np.asarray(margin, np.float64)

    def contributions(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, inputs) SHAP values of the trees (Lundberg and Lee, 2017), without the constant part."""
        import xgboost

        shares = self.booster.predict(xgboost.DMatrix(x, nthread=_THREADS), pred_contribs=True)
        return np.asarray(shares[:, :-1], np.float64)

    @property
    def rounds(self) -> int:
        """Number of boosting rounds."""
        return int(self.booster.num_boosted_rounds())

    def params(self) -> dict[str, Any]:
        """Parameters: the inputs."""
        return {"inputs": msgspec.to_builtins(self.inputs)}

    def files(self) -> dict[str, bytes]:
        """The booster in XGBoost's binary format."""
        return {BOOSTER_FILE: self._bytes}


def boosted_inputs(spec: FeatureSpec, *, long: bool, leave_out: Collection[str] = ()) -> tuple[Input, ...]:
    """`learned_inputs` without logarithms: trees depend on order only, and a division is cheaper."""
    return tuple(
        msgspec.structs.replace(item, form=Form.VALUE, floor=0.0) if item.form is Form.LOG else item
        for item in learned_inputs(spec, long=long, leave_out=leave_out)
    )


def monotone_constraints(inputs: tuple[Input, ...]) -> str:
    """1 for recent volatility over the reference (it clusters: more never makes a spike less likely), else 0."""
    rising = ("realized_vol_", "parkinson_vol_", "range_", "ewma_vol_")
    signs = [int(item.over is not None and item.column.startswith(rising)) for item in inputs]
    return f"({','.join(str(sign) for sign in signs)})"


def fit_boosted(
    train: Sample, validation: Sample | None, spec: FeatureSpec, training: TrainingSpec, *, rounds: int | None = None
) -> BoostedDetector:
    """Fit a classifier of `rounds` trees, or as many as give the lowest log loss on validation."""
    inputs = boosted_inputs(spec, long=train.is_long, leave_out=training.leave_out)
    rules = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "max_depth": training.xgboost_max_depth,
        "min_child_weight": training.xgboost_min_child_weight,
        "monotone_constraints": monotone_constraints(inputs),
    }
    samples = [train] if validation is None else [train, validation]
    targets = [sample.positive.astype(np.float32) for sample in samples]
    return _boost(rules, inputs, samples, targets, spec, training, rounds)


def fit_boosted_forecast(
    train: Sample, validation: Sample | None, spec: FeatureSpec, training: TrainingSpec, *, rounds: int | None = None
) -> BoostedDetector:
    """Fit a regression of `log_ratio`, the target of `fit_forecast`, up to the lowest squared error on validation."""
    inputs = boosted_inputs(spec, long=train.is_long, leave_out=training.leave_out)
    rules = {
        "objective": "reg:squarederror",
        "eval_metric": "rmse",
        "max_depth": training.forecast_max_depth,
        "min_child_weight": training.forecast_min_child_weight,
    }
    samples = [train] if validation is None else [train, validation]
    return _boost(rules, inputs, samples, [log_ratio(sample) for sample in samples], spec, training, rounds)


def _boost(
    rules: dict[str, Any],
    inputs: tuple[Input, ...],
    samples: list[Sample],
    targets: list[NDArray[Any]],
    spec: FeatureSpec,
    training: TrainingSpec,
    rounds: int | None,
) -> BoostedDetector:
    import xgboost

    data = [
        xgboost.DMatrix(sample.inputs(inputs, spec), label=target, nthread=_THREADS)
        for sample, target in zip(samples, targets, strict=True)
    ]
    booster = xgboost.train(
        rules
        | {
            "tree_method": "hist",
            "learning_rate": training.xgboost_learning_rate,
            "subsample": training.xgboost_row_share,
            "colsample_bytree": training.xgboost_column_share,
            "seed": training.seed,
            "nthread": _THREADS,
        },
        data[0],
        num_boost_round=training.xgboost_max_rounds if rounds is None else rounds,
        evals=[(sample, "validation") for sample in data[1:]],
        early_stopping_rounds=training.xgboost_early_stopping_rounds if data[1:] else None,
        verbose_eval=False,
    )
    if data[1:]:
        booster = booster[: booster.best_iteration + 1]
        booster.set_attr(best_iteration=None, best_score=None)
    return BoostedDetector(inputs, bytes(booster.save_raw("ubj")))
