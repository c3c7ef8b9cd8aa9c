"""Seen numbers of many streams, one bit each, in bounded memory."""

from collections.abc import Hashable

_BITS = 12
_SIZE = 1 << _BITS
MAX_CHUNKS = 1 << 16
"""Maximum number of chunks, of 4,096 numbers each: about 45 MB when all are in use."""


class SeenNumbers:
    """Sets of non-negative numbers, one for each stream.

    When there are too many chunks of 4,096 numbers, the oldest is forgotten; its numbers then count as new, and
    `reliable_from` gives the number up to which a stream has forgotten.
    """

    def __init__(self, max_chunks: int = MAX_CHUNKS) -> None:
        self.forgotten_chunks = 0
        self._max_chunks = max_chunks
        self._chunks: dict[tuple[Hashable, int], bytearray] = {}
        self._reliable_from: dict[Hashable, int] = {}

    def add(self, stream: Hashable, number: int) -> bool:
        """Add a number; True if it is new."""
        key = (stream, number >> _BITS)
        chunk = self._chunks.get(key)
        if chunk is None:
            chunk = self._chunks[key] = bytearray(_SIZE // 8)
            if len(self._chunks) > self._max_chunks:
                self._forget()
        place, bit = (number & (_SIZE - 1)) >> 3, 1 << (number & 7)
        if chunk[place] & bit:
            return False
        chunk[place] |= bit
        return True

    def reliable_from(self, stream: Hashable) -> int:
        """The lowest number from which nothing of a stream was forgotten."""
        return self._reliable_from.get(stream, 0)

    def count(self, stream: Hashable, low: int, high: int) -> int:
        """Number of seen numbers from `low` to `high`, both included."""
        indices = range(low >> _BITS, (high >> _BITS) + 1)
        if len(indices) > len(self._chunks):  # few chunks in a wide range
            found = [index for owner, index in self._chunks if owner == stream and index in indices]
        else:
            found = [index for index in indices if (stream, index) in self._chunks]
        total = 0
        for index in found:
            start = index << _BITS
            bits = int.from_bytes(self._chunks[stream, index], "little")
            first, last = max(low - start, 0), min(high - start, _SIZE - 1)
            total += (bits >> first & ((1 << (last - first + 1)) - 1)).bit_count()
        return total

    def _forget(self) -> None:
        stream, index = key = next(iter(self._chunks))
        del self._chunks[key]
        self.forgotten_chunks += 1
        known = self._reliable_from.pop(stream, 0)
        self._reliable_from[stream] = max(known, (index + 1) << _BITS)
        if len(self._reliable_from) > self._max_chunks:
            del self._reliable_from[next(iter(self._reliable_from))]
