"""What a loop of transactions on Kafka has done, whatever it consumes."""

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class LoopCounts:
    """How a consume-transform-produce loop goes.

    Attributes
    ----------
    transactions, aborted : committed, and failed or of unknown outcome, after which the log was rewound.
    rebalances : changes of the assigned partitions.
    lag : records of each assigned partition that are not consumed yet.
    last_commit_s, commit_s : how long the last transaction took, and all of them.
    """

    transactions: int = 0
    aborted: int = 0
    rebalances: int = 0
    lag: dict[int, int] = field(default_factory=dict)
    last_commit_s: float = math.nan
    commit_s: float = 0.0

    def about_commits(self) -> str:
        """A line of a summary."""
        return f"commits     {self.transactions} transactions, {self.aborted} aborted, {self.rebalances} rebalances"
