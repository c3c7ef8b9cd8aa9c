"""What a detector is: inputs, a margin, and what each input adds to it. Baselines and learned models are the same."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.models.inputs import Input


class Detector(Protocol):
    """Ranks rows by how likely a spike is; a higher margin is more likely, its unit is the detector's own."""

    @property
    def family(self) -> str:
        """Which class reads its parameters back: `linear` or `boosted`."""

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What it looks at."""

    @property
    def wanted(self) -> NDArray[np.intp] | None:
        """Indices of the inputs that decide the margin, None for all; the others need not be computed for it."""

    @property
    def missing(self) -> str:
        """How unknown inputs are treated, in words."""

    def margin(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) float64, finite, of inputs (n, inputs) that may be NaN."""

    def contributions(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, inputs) float64, what each input adds to the margin above the detector's constant part."""

    def params(self) -> dict[str, Any]:
        """All of it but the binary files, as plain JSON values."""

    def files(self) -> dict[str, bytes]:
        """Binary files by name."""
