"""BentoML entry: `bentoml serve serving.service:Tickvol` from the project's root. The usual way is `tickvol serve`."""

from tickvol.serving.bento import Tickvol

__all__ = ["Tickvol"]
