"""One text and one hash for each definition."""

import hashlib
import json
from collections.abc import Mapping, Sequence

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


def canonical_json(value: Json) -> str:
    """JSON with sorted names, no spaces, ASCII, floats in full and no negative zero.

    Raises
    ------
    ValueError
        If a float is not finite.

    >>> canonical_json({"b": -0.0, "a": [1, 0.1]})
    '{"a":[1,0.1],"b":0.0}'
    """
    return json.dumps(_without_negative_zero(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_of(value: Json) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def _without_negative_zero(value: Json) -> Json:
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, Mapping):
        return {name: _without_negative_zero(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_negative_zero(item) for item in value]
    return value
