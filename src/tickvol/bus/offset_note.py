"""Note that featurizer and scorer commit with an offset: how far before it the topic must be re-read.

As it is committed::

    {"features":"5f0c...","open_since_ns":{"BTC-USD":1775427314000000000},"held_since_ms":null,"simulated":false}
"""

import msgspec

MAX_NOTE_BYTES = 3500
"""Brokers refuse notes above 4096 bytes."""
ALL = "*"


class Note(msgspec.Struct, frozen=True):
    """Metadata of a committed offset; for a partition with very many products `open_since_ns` has the one key ALL.

    Attributes
    ----------
    features : fingerprint of the feature spec.
    open_since_ns : by product, the earliest time not done: the start of an open bar, a row without an outcome.
    held_since_ms : timestamp of the earliest record that waits for its confirmation.
    simulated : as stated by the heartbeats.
    """

    features: str
    open_since_ns: dict[str, int]
    held_since_ms: int | None = None
    simulated: bool = False

    def encode(self) -> str:
        """Text to commit."""
        text = msgspec.json.encode(self).decode()
        if len(text) > MAX_NOTE_BYTES:
            earliest = msgspec.structs.replace(self, open_since_ns={ALL: min(self.open_since_ns.values())})
            text = msgspec.json.encode(earliest).decode()
        return text
