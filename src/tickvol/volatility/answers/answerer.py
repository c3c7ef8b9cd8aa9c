"""Answers of the HTTP endpoints as JSON, from one verified and warmed-up bundle."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from tickvol.core.errors import CorruptFile, RequestError, SchemaMismatch, TickvolError, UsageError
from tickvol.volatility.answers import row_answers
from tickvol.volatility.answers.backtest_query import BacktestRules, answer_backtest
from tickvol.volatility.answers.frame_rows import FrameRules, rows_of_frames
from tickvol.volatility.answers.requests import RowsOrFrames
from tickvol.volatility.answers.served import AnomalyRules, Served
from tickvol.volatility.evaluation.report import SIMULATED_WARNING
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.scoring import smoke_test
from tickvol.volatility.scorer.bundle_source import bundle_directory
from tickvol.volatility.settings.profile import VolatilityConfig

logger = logging.getLogger(__name__)

Parameters = Sequence[tuple[str, str]]

_POST = {"predict": row_answers.predict, "anomaly": row_answers.anomaly, "signal": row_answers.signal}


class Answerer:
    """Answers requests about one bundle; safe to call from several threads."""

    def __init__(self, bundle: Bundle, served: Served, backtests: BacktestRules) -> None:
        self._bundle = bundle
        self._served = served
        self._backtests = backtests
        self._one_backtest = threading.Lock()

    def answer(self, name: str, asked: RowsOrFrames | Parameters) -> bytes:
        """Answer of an endpoint as JSON.

        Raises
        ------
        RequestError
            With the HTTP status, when the request is refused.
        """
        try:
            return msgspec.json.encode(self._answer(name, asked))
        except RequestError:
            raise
        except TickvolError as error:
            raise RequestError(_status(error), name, None, " ".join(str(error).split())) from error

    def _answer(self, name: str, asked: RowsOrFrames | Parameters) -> Any:
        if isinstance(asked, RowsOrFrames):
            return _POST[name](self._served, asked)
        if name == "model":
            if asked:
                raise RequestError(422, asked[0][0], asked[0][1], "no such parameter; GET /model takes none")
            return self._model()
        with self._one_backtest:  # each holds all its rows in memory
            return answer_backtest(self._bundle, self._backtests, asked)

    def _model(self) -> dict[str, Any]:
        served = self._served
        return {
            **self._bundle.describe(),
            "note": SIMULATED_WARNING if self._bundle.simulated else None,
            "anomaly": {
                "robust_z_threshold": served.anomaly.robust_z_threshold,
                "vol_zscore_threshold": served.anomaly.vol_zscore_threshold,
            },
            "limits": {"max_rows": served.max_rows, "max_frames": served.max_frames},
        }


def _status(error: TickvolError) -> int:
    if isinstance(error, CorruptFile):
        return 500
    if isinstance(error, SchemaMismatch):
        return 409
    return 422 if isinstance(error, UsageError) else 404


def open_answerer(config: VolatilityConfig) -> Answerer:
    """Load and verify the bundle, and warm up with one request, which compiles the engine and reveals a broken model.

    Raises
    ------
    TickvolError
        When there is no bundle, its bytes do not match their hashes, or it gives no finite probability.
    """
    began = time.perf_counter()
    bundle = Bundle.load(bundle_directory(config))
    served = Served(
        model=bundle,
        frames=FrameRules(
            products=config.products,
            max_line_bytes=config.ingestion.max_line_bytes,
            max_ahead_s=config.ingestion.max_ahead_s,
            trust_bare=config.ingestion.sequence == "trust",
        ),
        anomaly=AnomalyRules(config.serving.robust_z_threshold, config.serving.vol_zscore_threshold),
        max_rows=config.serving.max_rows,
        max_frames=config.serving.max_frames,
    )
    warm_up(bundle, served)
    logger.info("serving %s, bundle %s, after %.1f s", bundle.name, bundle.version, time.perf_counter() - began)
    backtests = BacktestRules(
        config.features.dataset_dir, config.serving.max_backtest_rows, config.evaluation.alarm_cooldown_s
    )
    return Answerer(bundle, served, backtests)


def warm_up(bundle: Bundle, served: Served) -> None:
    """Warm up: one row through the bundle, and two seconds of frames through decoder, tracker and engine.

    Raises
    ------
    WorkError
        When the probability or a contribution is not finite.
    """
    rows_of_frames(_practice_frames(served.frames.products[0]), bundle.spec, served.frames)
    smoke_test(bundle, served.frames.products)


def _practice_frames(product_id: str) -> list[dict[str, Any]]:
    ticker = {"product_id": product_id, "price": "100.0", "best_bid": "99.9", "best_ask": "100.1"}
    return [
        {
            "channel": "ticker",
            "timestamp": f"2026-01-01T00:00:{second:02d}Z",
            "sequence_num": second,
            "events": [{"tickers": [ticker]}],
        }
        for second in range(4)
    ]
