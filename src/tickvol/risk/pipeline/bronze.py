"""Answers of the exchange as rows of the raw table, in batches."""

import hashlib

import polars as pl

from tickvol.exchange.coinbase_rest import CandleAnswer
from tickvol.risk.pipeline.context import RunContext
from tickvol.risk.tables import BRONZE
from tickvol.storage.delta.lake import Lake


class BronzeWriter:
    """Appends answers to the raw table, `batch_size` in one commit; numbers them within the run.

    Parameters
    ----------
    run : the run whose id names the batches.
    """

    def __init__(self, run: RunContext, batch_size: int = 10) -> None:
        self._run = run
        self._batch_size = batch_size
        self._table = run.lake.table(BRONZE.name)
        self._schema = self._table.read(where=pl.lit(False)).schema
        mine = self._table.read(where=pl.col("run_id") == run.log.run_id, columns=["ingestion_batch_id"])
        self._number = len(mine)
        self._waiting: list[dict[str, object]] = []

    def add(self, answer: CandleAnswer, source: str) -> None:
        """Take an answer; the batch is written when it is full."""
        self._number += 1
        parsed = answer.candles
        self._waiting.append(
            {
                "ingestion_batch_id": f"{self._run.log.run_id}/{self._number:06d}",
                "run_id": self._run.log.run_id,
                "source": source,
                "product_id": answer.product_id,
                "granularity_s": answer.granularity_s,
                "window_start_s": answer.window_start_s,
                "window_end_s": answer.window_end_s,
                "requested_at_us": answer.requested_at_us,
                "received_at_us": answer.received_at_us,
                "http_status": answer.http_status,
                "attempts": answer.attempts,
                "outcome": answer.outcome,
                "error": answer.error,
                "records_count": 0 if parsed is None else len(parsed.rows),
                "payload_sha256": hashlib.sha256(answer.body).hexdigest(),
                "raw_payload": answer.body.decode("utf-8", "backslashreplace"),
                "schema_fingerprint": "" if parsed is None else parsed.fingerprint,
            }
        )
        if len(self._waiting) >= self._batch_size:
            self.flush()

    def flush(self) -> int:
        """Write what waits; number of answers that the run has stored."""
        if self._waiting:
            self._table.append(pl.DataFrame(self._waiting, schema=self._schema), run_id=self._run.log.run_id)
            self._waiting = []
        return self._number


def answers_after(lake: Lake, run_id: str | None) -> pl.DataFrame:
    """Answers of all runs after one, or of all runs, in the order of their arrival."""
    wanted = None if run_id is None else pl.col("run_id") > run_id
    return lake.table(BRONZE.name).read(where=wanted).sort("received_at_us", "ingestion_batch_id")
