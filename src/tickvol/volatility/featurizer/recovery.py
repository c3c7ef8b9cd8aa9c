"""Recovery of a featurizer: the committed offset, and how far before it the log is re-read without producing.

A note is committed with each offset (`bus/offset_note.py`). The rewind begins `lookback_s` before the earliest bar that
was still open or row that the dataset lacks. Rows computed up to the committed offset are in the topic already and go
only to the dataset.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tickvol.bus.consume import Partition
from tickvol.bus.offset_note import ALL, Note
from tickvol.core.errors import LogLost, SchemaMismatch, UsageError
from tickvol.core.times import NS_PER_MS, NS_PER_S
from tickvol.volatility.dataset import dataset_files, read_hour
from tickvol.volatility.schema.feature_spec import FeatureSpec

logger = logging.getLogger(__name__)

CHOICES = (
    "`tickvol kafka rebuild` recreates the topics from the archive; `tickvol featurize --start earliest --out DIR`"
    " accepts the gap and continues from the beginning of the log, into a new dataset"
)


@dataclass(frozen=True, slots=True)
class Resume:
    """Position at which a partition resumes.

    Attributes
    ----------
    start : offset to read from.
    committed : offset at which new messages begin.
    known_until_ns : by product, an event time that the log had reached before `start`.
    simulated : True if earlier heartbeats were simulated.
    """

    start: int
    committed: int
    known_until_ns: dict[str, int]
    simulated: bool = False


def last_rows(root: Path, spec: FeatureSpec, products: Sequence[str]) -> dict[str, int]:
    """The last `bar_end_ns` on disk, by product.

    Raises
    ------
    SchemaMismatch
        When the dataset was made by another spec.
    CorruptFile
        When its newest file cannot be read.
    """
    if not root.is_dir():
        return {}
    newest = {product_id: path for product_id, _, path in dataset_files(root, products)}
    found = {}
    for product_id, path in newest.items():
        made_by, bar_end_ns, _, _ = read_hour(path)
        if made_by != spec:
            raise SchemaMismatch(f"{path}: made with other feature settings; choose another --out or replay it")
        found[product_id] = int(bar_end_ns[-1])
    return found


class Recovery:
    """Decides the offsets at which partitions resume.

    Parameters
    ----------
    margin_ns : extra time before the look-back, for the effect of an ambiguous first record.
    offset_at : the first offset of a partition at or after a time in ms.
    holds_rows : True if the features of a partition hold any row.
    accept_gap : continue from the beginning of the log despite a loss.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        topic: str,
        *,
        margin_ns: int,
        offset_at: Callable[[int, int], int | None],
        holds_rows: Callable[[int], bool],
        accept_gap: bool,
    ) -> None:
        self._spec = spec
        self._topic = topic
        self._margin_ns = margin_ns
        self._offset_at = offset_at
        self._holds_rows = holds_rows
        self._accept_gap = accept_gap

    def resume(self, partition: Partition, products: Sequence[str], on_disk: Mapping[str, int]) -> Resume:
        """Resume position of a partition that holds these products.

        Raises
        ------
        LogLost
            When the log no longer holds what it did, and the loss was not accepted.
        SchemaMismatch
            When the offsets were committed with other feature settings.
        """
        own = {name: end for name, end in on_disk.items() if name in products}
        lost = self._loss(partition, own) if products or partition.committed is not None else None
        if lost is not None:
            self._accept(lost, own)
            return Resume(partition.begin, partition.begin, {})
        if partition.committed is None:
            return Resume(partition.begin, partition.begin, {})
        note = self._note(partition)
        if note is None:
            return Resume(partition.begin, partition.committed, {})
        return self._rewind(partition, note, products, own)

    def _loss(self, partition: Partition, on_disk: Mapping[str, int]) -> str | None:
        where = f"{self._topic}-{partition.number}"
        if partition.committed is None:
            if on_disk or self._holds_rows(partition.number):
                of = f"the dataset holds rows of {', '.join(on_disk)}" if on_disk else "its features are written"
                return f"{where}: no offset is committed although {of}: the log was made anew, or the group is another"
            return None
        return partition.loss(self._topic)

    def _accept(self, lost: str, on_disk: Mapping[str, int]) -> None:
        if not self._accept_gap:
            raise LogLost(f"{lost}. {CHOICES}")
        if on_disk:
            raise UsageError("--start: earliest: the dataset holds rows of the lost log already; name a new --out")
        logger.warning("%s; continuing from the beginning of the log, as requested", lost)

    def _note(self, partition: Partition) -> Note | None:
        try:
            note = msgspec.json.decode(partition.note, type=Note)
        except msgspec.DecodeError:
            logger.warning(
                "%s-%d: committed without a note of ours, so the whole log is re-read", self._topic, partition.number
            )
            return None
        if note.features != self._spec.fingerprint():
            raise SchemaMismatch(
                f"{self._topic}-{partition.number}: was consumed with other feature settings; use a new"
                " features.group_id with new topics, or recreate the topics by `tickvol kafka rebuild`"
            )
        return note

    def _rewind(self, partition: Partition, note: Note, products: Sequence[str], on_disk: Mapping[str, int]) -> Resume:
        assert partition.committed is not None
        everything = Resume(partition.begin, partition.committed, {}, note.simulated)
        seen = [name for name in products if name in note.open_since_ns or ALL in note.open_since_ns]
        if any(name not in on_disk for name in seen):
            return everything
        earliest = [*note.open_since_ns.values(), *(on_disk[name] for name in seen)]
        since_ms = note.held_since_ms
        if earliest:
            since_ns = min(earliest) - self._spec.lookback_s * NS_PER_S - self._margin_ns
            since_ms = since_ns // NS_PER_MS if since_ms is None else min(since_ms, since_ns // NS_PER_MS)
        if since_ms is None:
            return Resume(partition.committed, partition.committed, {}, note.simulated)
        start = self._offset_at(partition.number, since_ms)
        if start is None or start <= partition.begin:
            if partition.begin > 0:
                logger.warning(
                    "%s-%d: the log begins at offset %d and may be too short to compute the first rows as before",
                    self._topic,
                    partition.number,
                    partition.begin,
                )
            return everything
        known = dict.fromkeys(seen, since_ms * NS_PER_MS)
        return Resume(min(start, partition.committed), partition.committed, known, note.simulated)
