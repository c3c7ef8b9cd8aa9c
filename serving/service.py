"""BentoML entry, for `bentoml serve serving.service:Tickvol` from the project's root; `tickvol serve` is the usual way."""

from tickvol.serving.bento import Tickvol

__all__ = ["Tickvol"]
