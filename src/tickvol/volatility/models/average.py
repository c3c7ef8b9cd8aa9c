"""An ensemble: the mean of its members' calibrated log-odds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import SchemaMismatch
from tickvol.volatility.models.detector import Detector
from tickvol.volatility.models.inputs import Input


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of an ensemble member.

    Attributes
    ----------
    name, family : name of the detector, and family of the class that reads `estimator`.
    slope, intercept : its log-odds are slope * margin + intercept (Platt).
    """

    name: str
    family: str
    slope: float
    intercept: float
    estimator: dict[str, Any]


class AverageDetector:
    """Detector with margin = mean over members of (slope * margin of the member + intercept)."""

    family = "average"
    wanted = None
    missing = "as each member treats them"

    def __init__(self, members: Sequence[Member], detectors: Sequence[Detector]) -> None:
        self._members, self._detectors = tuple(members), tuple(detectors)
        self.inputs: tuple[Input, ...] = tuple(dict.fromkeys(item for one in detectors for item in one.inputs))
        place = {item: number for number, item in enumerate(self.inputs)}
        self._columns = [np.array([place[item] for item in one.inputs], np.intp) for one in detectors]

    @classmethod
    def of(cls, named: Mapping[str, tuple[Detector, float, float]]) -> "AverageDetector":
        """Build from detectors with their slope and intercept, by name."""
        members = [
            Member(name=name, family=one.family, slope=slope, intercept=intercept, estimator=one.params())
            for name, (one, slope, intercept) in named.items()
        ]
        return cls(members, [one for one, _, _ in named.values()])

    @classmethod
    def read(
        cls,
        params: Mapping[str, Any],
        files: Mapping[str, bytes],
        build: Callable[[str, Mapping[str, Any], Mapping[str, bytes]], Detector],
    ) -> "AverageDetector":
        """Build from a bundle's parameters and files; `build` makes a member from its family, parameters and files."""
        members = msgspec.convert(params["members"], tuple[Member, ...])
        if any(member.family == cls.family for member in members):
            raise SchemaMismatch("an ensemble within an ensemble: this program makes none; train again")
        detectors = [build(member.family, member.estimator, _own(files, member.name)) for member in members]
        return cls(members, detectors)

    def margin(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) mean log-odds of (n, inputs)."""
        total = np.zeros(len(x))
        for member, detector, columns in zip(self._members, self._detectors, self._columns, strict=True):
            total += member.slope * detector.margin(x[:, columns]) + member.intercept
        return total / len(self._members)

    def contributions(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, inputs) mean of the members' contributions to their log-odds."""
        total = np.zeros(x.shape)
        for member, detector, columns in zip(self._members, self._detectors, self._columns, strict=True):
            total[:, columns] += member.slope * detector.contributions(x[:, columns]) / len(self._members)
        return total

    def params(self) -> dict[str, Any]:
        """Parameters of the members as plain values."""
        return {"members": [msgspec.to_builtins(member) for member in self._members]}

    def files(self) -> dict[str, bytes]:
        """Files of all members, each name prefixed by its member's."""
        return {
            f"{member.name}.{name}": content
            for member, detector in zip(self._members, self._detectors, strict=True)
            for name, content in detector.files().items()
        }


def _own(files: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    return {file.removeprefix(f"{name}."): content for file, content in files.items() if file.startswith(f"{name}.")}
