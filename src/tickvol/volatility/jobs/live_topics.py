"""Check for live predictions to evaluate: without live scoring there is no performance, but also no failure."""

from tickvol.bus.reading import TopicReader
from tickvol.core.errors import TopicMismatch
from tickvol.volatility.settings.profile import VolatilityConfig

_CLIENT_ID = "tickvol-schedule"


def why_nothing_to_judge(config: VolatilityConfig) -> str | None:
    """Reason why there is nothing to evaluate; None if there are predictions and a topic of outcomes.

    Raises
    ------
    BrokerUnavailable
        When no broker answers: the state is unknown then.
    """
    kafka = config.kafka
    try:
        with TopicReader(kafka, config.scoring.topic_predictions, client_id=_CLIENT_ID) as predictions:
            empty = predictions.first == predictions.end
        with TopicReader(kafka, config.scoring.topic_outcomes, client_id=_CLIENT_ID):
            pass
    except TopicMismatch as error:
        return str(error)
    return f"{config.scoring.topic_predictions}: holds no prediction yet; `tickvol score` makes them" if empty else None
