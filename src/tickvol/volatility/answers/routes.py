"""HTTP endpoints of the volatility system; docs/serving.md shows each of them."""

from tickvol.system import Route
from tickvol.volatility.answers.requests import AnomalyRequest, PredictRequest, SignalRequest

ROUTES = (
    Route(
        "predict",
        "Calibrated probability of a volatility spike, for feature rows or raw exchange frames.",
        PredictRequest,
    ),
    Route("anomaly", "Whether what has just happened is abnormal, and by which rule.", AnomalyRequest),
    Route("signal", "CALM, WATCH or ALERT, with the features that moved the score most.", SignalRequest),
    Route("backtest", "Alarms against spikes of stored feature rows."),
    Route("model", "The served bundle, its rules and its limits."),
)
