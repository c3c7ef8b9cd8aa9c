"""Gradient-boosted trees (XGBoost), served by the native booster."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import CorruptFile
from tickvol.core.windows import FeatureSpec
from tickvol.models.fitting import Sample
from tickvol.models.inputs import Form, Input, learned_inputs
from tickvol.models.training_spec import TrainingSpec

BOOSTER_FILE = "booster.ubj"

_THREADS = 1
"""Fixed: sums of gradients, and with them the bytes of the booster, depend on it."""


class BoostedDetector:
    """Log-odds of trees."""

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

    def params(self) -> dict[str, Any]:
        """The inputs."""
        return {"inputs": msgspec.to_builtins(self.inputs)}

    def files(self) -> dict[str, bytes]:
        """The booster in XGBoost's own binary form."""
        return {BOOSTER_FILE: self._bytes}


def boosted_inputs(spec: FeatureSpec) -> tuple[Input, ...]:
    """`learned_inputs` without their logarithms: trees ask for order only, and a division costs less."""
    return tuple(
        msgspec.structs.replace(item, form=Form.VALUE, floor=0.0) if item.form is Form.LOG else item
        for item in learned_inputs(spec)
    )


def fit_boosted(train: Sample, validation: Sample, spec: FeatureSpec, training: TrainingSpec) -> BoostedDetector:
    """Trees up to the round after which the log loss on validation no longer fell."""
    import xgboost

    inputs = boosted_inputs(spec)
    data = [
        xgboost.DMatrix(sample.inputs(inputs, spec), label=sample.positive.astype(np.float32), nthread=_THREADS)
        for sample in (train, validation)
    ]
    rules = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "max_depth": training.xgboost_max_depth,
        "learning_rate": training.xgboost_learning_rate,
        "min_child_weight": 10.0,
        "subsample": 0.7,
        "colsample_bytree": 0.7,
        "seed": training.seed,
        "nthread": _THREADS,
    }
    booster = xgboost.train(
        rules,
        data[0],
        num_boost_round=training.xgboost_max_rounds,
        evals=[(data[1], "validation")],
        early_stopping_rounds=training.xgboost_early_stopping_rounds,
        verbose_eval=False,
    )
    best = booster[: booster.best_iteration + 1]
    best.set_attr(best_iteration=None, best_score=None)
    return BoostedDetector(inputs, bytes(best.save_raw("ubj")))
