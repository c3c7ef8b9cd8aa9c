"""Status line of the live path, from the metrics of its processes."""

import time

from prometheus_client.parser import text_string_to_metric_families

from tickvol.core.errors import RequestFailed
from tickvol.exchange.http import HttpClient, HttpRules

TIMEOUT_S = 3.0

Samples = dict[str, float]
"""Sum over the labels of each metric, and the number of its samples under `NAME#`."""


def fetch(url: str) -> str | None:
    """Fetch the text of a page; None if there is no response, or one with a status other than 2xx."""
    try:
        with HttpClient(HttpRules.one_attempt(TIMEOUT_S)) as client:
            response = client.request("GET", url)
    except RequestFailed:
        return None
    return response.body.decode() if 200 <= response.status < 300 else None


def scraped(port: int) -> Samples | None:
    """The metrics of a process; None if it does not answer."""
    text = fetch(f"http://127.0.0.1:{port}/metrics")
    if text is None:
        return None
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
            found[f"{sample.name}#"] = found.get(f"{sample.name}#", 0.0) + 1
    return found


class StatusLine:
    """Status lines, with rates since the previous line."""

    def __init__(self, ingestor_port: int, featurizer_port: int, scorer_port: int) -> None:
        self._ports = {
            "tickvol_ingestor_": ingestor_port,
            "tickvol_featurizer_": featurizer_port,
            "tickvol_scorer_": scorer_port,
        }
        self._before: dict[str, tuple[float, float]] = {}

    def text(self) -> str:
        """The current status line."""
        return f"{self._ingestor()} | {self._featurizer()} | {self._scorer()}"

    def _ingestor(self) -> str:
        prefix = "tickvol_ingestor_"
        found = scraped(self._ports[prefix])
        if found is None:
            return "ingestor: no answer"
        connected = found.get(prefix + "publisher_connected", 0.0)
        return (
            f"ticks {self._rate(found, prefix + 'ticks_total')}"
            f" | last frame {found[prefix + 'last_frame_age_seconds']:.1f} s ago"
            f" | gaps {found.get(prefix + 'gaps_total', 0):,.0f}"
            f" | spool {found.get(prefix + 'spool_lines', 0):,.0f} lines{'' if connected else ', BROKER AWAY'}"
        )

    def _featurizer(self) -> str:
        prefix = "tickvol_featurizer_"
        found = scraped(self._ports[prefix])
        if found is None:
            return "featurizer: no answer"
        return (
            f"rows {self._rate(found, prefix + 'rows_total')}"
            f" | lag {found.get(prefix + 'lag_records', 0):,.0f} records"
            f" | late {found[prefix + 'late_ticks_total']:,.0f}"
        )

    def _scorer(self) -> str:
        prefix = "tickvol_scorer_"
        found = scraped(self._ports[prefix])
        if found is None:
            return "scorer: no answer"
        if not found[prefix + "bundle_loaded"]:
            return "scorer waits for a champion"
        return (
            f"predictions {self._rate(found, prefix + 'predictions_total')}"
            f" | graded {found[prefix + 'graded_total']:,.0f}"
        )

    def _rate(self, found: Samples, name: str) -> str:
        """Total and rate of a counter, which restarts at 0 with its process."""
        now, total = time.monotonic(), found.get(name, 0.0)
        before, then = self._before.get(name, (0.0, 0.0))
        self._before[name] = (total, now)
        rate = f" ({(total - before) / (now - then):.1f}/s)" if then and total >= before else ""
        return f"{total:,.0f}{rate}"
