"""Counters of a transactional loop on Kafka, whatever it consumes."""

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class LoopCounts:
    """Counters of a consume-transform-produce loop.

    Attributes
    ----------
    transactions, aborted : committed ones; failed ones or of unknown outcome, after which the log was rewound.
    rebalances : changes of the assigned partitions.
    lag : by assigned partition, records not consumed yet.
    last_commit_s, commit_s : duration of the last transaction, and of all of them.
    """

    transactions: int = 0
    aborted: int = 0
    rebalances: int = 0
    lag: dict[int, int] = field(default_factory=dict)
    last_commit_s: float = math.nan
    commit_s: float = 0.0

    def about_commits(self) -> str:
        """Summary line."""
        return f"commits     {self.transactions} transactions, {self.aborted} aborted, {self.rebalances} rebalances"
