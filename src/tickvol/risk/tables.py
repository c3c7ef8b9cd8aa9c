"""Tables of the risk system, from the exchange's raw answers (bronze) over candles (silver) to figures (gold).

Returns, volatilities, drawdowns, VaR and ES are fractions: -0.04 is a loss of 4%. A day is the UTC date on which a
candle opens, as ISO text.
"""

from tickvol.storage.delta.shared_tables import US
from tickvol.storage.delta.spec import Column, TableSpec

S = "s since the epoch, UTC"
DAY = "UTC date"
FRACTION = "fraction"
PRICE = "quote currency"

_SOURCE = Column("source", "text", "origin of the candle: advanced_trade, exchange, file or simulated")
_PRODUCT = Column("product_id", "text", "product, such as BTC-USD")
_GRANULARITY = Column("granularity_s", "int32", "length of a candle", "s")
_DAY = Column("day", "text", "day on which the candle opens", DAY)
_RUN = Column("run_id", "text", "run that wrote the row", is_provenance=True)

BRONZE = TableSpec(
    name="bronze_coinbase_candles_raw",
    about="One request window that ended, well or badly, with the answer exactly as received.",
    columns=(
        Column("ingestion_batch_id", "text", "run id and number of the window in the run"),
        Column("run_id", "text", "run that asked"),
        _SOURCE,
        _PRODUCT,
        _GRANULARITY,
        Column("window_start_s", "int64", "first opening time that was asked for", S),
        Column("window_end_s", "int64", "last opening time that was asked for, inclusive", S),
        Column("requested_at_us", "int64", "start of the last attempt", US),
        Column("received_at_us", "int64", "end of the last attempt", US),
        Column("http_status", "int16", "status of the last response; 0: none"),
        Column("attempts", "int16", "requests sent for this window"),
        Column("outcome", "text", "ok, empty, failed or refused"),
        Column("error", "text", "reason of an outcome other than ok and empty", optional=True),
        Column("records_count", "int32", "candles in the answer"),
        Column("payload_sha256", "text", "SHA-256 of the body"),
        Column("raw_payload", "text", "the body; bytes that are not UTF-8 are escaped"),
        Column("schema_fingerprint", "text", "SHA-256 of the names and JSON types of a candle's fields"),
    ),
    key=("ingestion_batch_id",),
    append_only=True,
)

COVERAGE = TableSpec(
    name="coverage_candles",
    about="What is known of one day of a product: the ledger of gaps.",
    columns=(
        _SOURCE,
        _PRODUCT,
        _GRANULARITY,
        _DAY,
        Column("state", "text", "unasked, known, absent, failed or unfinished"),
        Column("reason", "text", "reason of the state; empty for known days", is_provenance=True),
        Column("attempts", "int32", "windows asked for this day", is_provenance=True),
        Column("absent_answers", "int32", "good answers without this day", is_provenance=True),
        Column("first_absent_us", "int64", "time of the first of them", US, optional=True, is_provenance=True),
        Column("first_run_id", "text", "run that first asked", is_provenance=True),
        Column("last_run_id", "text", "run that last changed the row", is_provenance=True),
        Column("last_asked_us", "int64", "time of the last answer", US, optional=True, is_provenance=True),
        Column(
            "retry_after_us", "int64", "the day is not asked for again before", US, optional=True, is_provenance=True
        ),
    ),
    key=("source", "product_id", "granularity_s", "day"),
    follows_provenance=True,
)

SILVER = TableSpec(
    name="silver_coinbase_candles",
    about="One candle: the latest valid answer for its day.",
    columns=(
        _SOURCE,
        _PRODUCT,
        _GRANULARITY,
        Column("open_time_s", "int64", "time at which the candle opens", S),
        Column("open", "float64", "first price", PRICE),
        Column("high", "float64", "highest price", PRICE),
        Column("low", "float64", "lowest price", PRICE),
        Column("close", "float64", "last price", PRICE),
        Column("volume", "float64", "volume", "base currency"),
        Column("is_final", "bool", "whether the day was over, and settled, when the answer came"),
        Column("revision", "int32", "number of changes after the candle was final", is_provenance=True),
        Column("payload_sha256", "text", "SHA-256 of the answer that won", is_provenance=True),
        Column("ingestion_batch_id", "text", "batch of the answer that won", is_provenance=True),
        Column("received_at_us", "int64", "time of the answer that won", US, is_provenance=True),
        Column("first_seen_us", "int64", "time of the first answer with this candle", US, is_provenance=True),
        Column("changed_us", "int64", "time of the answer that last changed it", US, is_provenance=True),
        Column("_rescued_data", "text", "fields that are not declared, as JSON", optional=True),
    ),
    key=("source", "product_id", "granularity_s", "open_time_s"),
)

_OLD_AND_NEW = tuple(
    Column(f"{name}_{which}", "float64", f"{name}, {which}", "base currency" if name == "volume" else PRICE)
    for name in ("open", "high", "low", "close", "volume")
    for which in ("before", "after")
)

REVISIONS = TableSpec(
    name="silver_candle_revisions",
    about="A change of a candle that was final, with the values before and after it.",
    columns=(
        _SOURCE,
        _PRODUCT,
        _GRANULARITY,
        Column("open_time_s", "int64", "time at which the candle opens", S),
        Column("revision", "int32", "number of the change, from 1"),
        *_OLD_AND_NEW,
        Column("ingestion_batch_id", "text", "batch that brought the new values", is_provenance=True),
        Column("received_at_us", "int64", "time of its answer", US, is_provenance=True),
        _RUN,
    ),
    key=("source", "product_id", "granularity_s", "open_time_s", "revision"),
    append_only=True,
)

SCHEMA_EVENTS = TableSpec(
    name="schema_events",
    about="A field that an answer had and the schema does not declare, or that was missing or of another type.",
    columns=(
        _SOURCE,
        Column("schema_fingerprint", "text", "fingerprint of the answer's fields"),
        Column("field", "text", "name of the field"),
        Column("event", "text", "new, missing or retyped"),
        Column("ingestion_batch_id", "text", "first batch in which it was seen", is_provenance=True),
        _RUN,
    ),
    key=("source", "schema_fingerprint", "field", "event"),
    append_only=True,
)


def _figure(name: str, about: str, unit: str = FRACTION) -> Column:
    return Column(name, "float64", about, unit, optional=True)


RISK = TableSpec(
    name="gold_crypto_risk_metrics_daily",
    about="The risk figures of a product on one complete day; null where unknown.",
    columns=(
        _PRODUCT,
        _DAY,
        _SOURCE,
        _figure("close", "close of the day", PRICE),
        _figure("simple_return", "close over the close of the day before, minus 1"),
        _figure("log_return", "logarithm of the close over the close of the day before"),
        _figure("vol_30", "sample standard deviation of the log returns of the last 30 days", "fraction per day"),
        _figure("vol_30_annual", "vol_30 times the root of 365", "fraction per year"),
        _figure("peak", "highest close so far", PRICE),
        _figure("drawdown", "close below the peak, zero or negative"),
        _figure("max_drawdown", "lowest drawdown so far"),
        _figure("var_95_hist_in_sample", "5% quantile of all log returns up to the last day; the same on each row"),
        _figure("var_95_roll", "5% quantile of the log returns of the 365 days before"),
        _figure("es_95_roll", "mean of those at or below var_95_roll"),
        _figure("var_99_roll", "1% quantile of the log returns of the 365 days before"),
        _figure("var_95_fhs", "filtered historical simulation: quantile of standardised returns times the volatility"),
        _figure("es_95_fhs", "mean of the standardised returns at or below that quantile, times the volatility"),
        _figure("var_95_ewma", "normal quantile times the EWMA volatility"),
        _figure("es_95_ewma", "normal expected shortfall of the EWMA volatility"),
        _figure("var_95_garch", "normal quantile times the GARCH(1,1) volatility"),
        _figure("es_95_garch", "normal expected shortfall of the GARCH(1,1) volatility"),
        Column("exception_roll", "bool", "whether the log return fell below var_95_roll", optional=True),
        Column("exception_fhs", "bool", "whether the log return fell below var_95_fhs", optional=True),
        Column("exception_ewma", "bool", "whether the log return fell below var_95_ewma", optional=True),
        Column("exception_garch", "bool", "whether the log return fell below var_95_garch", optional=True),
        Column("known_returns_30", "int16", "known log returns of the last 30 days"),
        Column("known_returns_365", "int16", "known log returns of the 365 days before"),
        _figure("worst_daily_loss", "lowest simple return so far"),
        Column("reason", "text", "why figures of this row are null; empty where none is"),
        _RUN,
        Column("silver_version", "int64", "version of the silver table", is_provenance=True),
        Column("config_hash", "text", "SHA-256 of the settings that decide the figures", is_provenance=True),
    ),
    key=("product_id", "day"),
)

ANOMALIES = TableSpec(
    name="gold_crypto_anomalies",
    about="The robust z-score of a product's log return on one complete day.",
    columns=(
        _PRODUCT,
        _DAY,
        _figure("log_return", "log return of the day"),
        _figure("z_trailing", "robust z against the 365 days before: never changes later", ""),
        _figure("z_full", "robust z against all days: changes as days are added", ""),
        _figure("median_365", "median of the log returns of the 365 days before"),
        _figure("mad_365", "median absolute deviation of them"),
        Column("is_anomaly", "bool", "whether |z_trailing| exceeds the threshold", optional=True),
        Column("is_anomaly_full", "bool", "whether |z_full| exceeds the threshold", optional=True),
        Column("direction", "text", "up or down; null where it is no anomaly", optional=True),
        Column("severity", "text", "moderate (|z| to 5), strong (to 8) or extreme; null: no anomaly", optional=True),
        Column("scored_at_run", "text", "run that scored the day", is_provenance=True),
    ),
    key=("product_id", "day"),
)

BACKTEST = TableSpec(
    name="gold_var_backtest",
    about="A VaR method judged by all days up to one: exceptions, tests and traffic light.",
    columns=(
        _PRODUCT,
        Column("method", "text", "roll, fhs, ewma or garch"),
        Column("level", "float64", "probability of an exception", "probability"),
        Column("as_of_day", "text", "last day that was judged", DAY),
        Column("n", "int32", "days with a forecast and a known return"),
        Column("exceptions", "int32", "days whose log return fell below the VaR"),
        Column("expected", "float64", "level times n", "days"),
        _figure("rate", "exceptions over n", "probability"),
        _figure("lr_pof", "likelihood ratio of Kupiec's test of the rate", ""),
        _figure("p_pof", "its p-value", "probability"),
        _figure("lr_ind", "likelihood ratio of Christoffersen's test of independence", ""),
        _figure("p_ind", "its p-value", "probability"),
        _figure("lr_cc", "sum of both ratios", ""),
        _figure("p_cc", "its p-value", "probability"),
        _figure("es_z1", "Acerbi and Szekely's first test of ES; negative: losses are worse than ES", ""),
        _figure("es_z2", "their second test", ""),
        Column("last_250_exceptions", "int32", "exceptions among the last 250 judged days"),
        Column("light", "text", "green, yellow or red; unknown below 250 days"),
        Column("verdict", "text", "ok, too_few, too_many, clustered or not_enough_days"),
        _RUN,
    ),
    key=("product_id", "method", "level", "as_of_day"),
)

CORRELATION = TableSpec(
    name="gold_correlation_daily",
    about="Correlation of the log returns of two products, up to one day.",
    columns=(
        Column("product_a", "text", "first product"),
        Column("product_b", "text", "second product, later in the alphabet"),
        _DAY,
        _figure("corr_30", "Pearson correlation over the last 30 common days", ""),
        _figure("corr_full", "Pearson correlation over all common days up to this one", ""),
        Column("pairs", "int32", "days up to this one on which both returns are known"),
        _RUN,
    ),
    key=("product_a", "product_b", "day"),
)

EPISODES = TableSpec(
    name="gold_drawdown_episodes",
    about="A fall from a peak until the close reaches it again.",
    columns=(
        _PRODUCT,
        Column("peak_day", "text", "day of the peak", DAY),
        Column("trough_day", "text", "day of the lowest close", DAY),
        Column("recovery_day", "text", "first day at or above the peak; null: not yet", DAY, optional=True),
        Column("depth", "float64", "drawdown at the trough", FRACTION),
        Column("days_down", "int32", "days from peak to trough", "days"),
        Column("days_up", "int32", "days from trough to recovery; null: not yet", "days", optional=True),
        _RUN,
    ),
    key=("product_id", "peak_day"),
)

RISK_TABLES = (
    BRONZE,
    COVERAGE,
    SILVER,
    REVISIONS,
    SCHEMA_EVENTS,
    RISK,
    ANOMALIES,
    BACKTEST,
    CORRELATION,
    EPISODES,
)
