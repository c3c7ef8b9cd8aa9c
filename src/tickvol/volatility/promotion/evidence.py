"""Evidence on a challenger: metrics and identities without judgement, which is up to the gates."""

from collections.abc import Mapping
from dataclasses import dataclass

from tickvol.volatility.evaluation.bootstrap import Interval
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.label_spec import LabelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Identity and origin of a bundle; `data_until_ns` is the end of the newest bar among its rows."""

    name: str
    bundle_hash: str
    config_hash: str
    data_fingerprint: str
    data_until_ns: int
    schema_version: int
    spec_fingerprint: str
    label: LabelSpec
    simulated: bool

    @classmethod
    def of(cls, bundle: Bundle) -> "Identity":
        """The identity of a bundle."""
        made = bundle.manifest.provenance
        return cls(
            name=bundle.name,
            bundle_hash=bundle.version,
            config_hash=made.config_hash,
            data_fingerprint=made.data_fingerprint,
            data_until_ns=bundle.manifest.split.last_ns,
            schema_version=bundle.schema_version,
            spec_fingerprint=bundle.spec.fingerprint(),
            label=bundle.label,
            simulated=bundle.simulated,
        )

    def why_not_comparable(self, other: "Identity") -> str | None:
        """Reason why both cannot be evaluated on the same rows; None if they can."""
        if (self.schema_version, self.spec_fingerprint) != (other.schema_version, other.spec_fingerprint):
            return "the champion reads other features"
        return None if self.label == other.label else "the champion foretells something else"


@dataclass(frozen=True, slots=True)
class Lead:
    """PR-AUC of the challenger minus another detector's; `value` is None where either is undefined."""

    over: str
    value: float | None
    interval: Interval


@dataclass(frozen=True, slots=True)
class Pair:
    """A metric of the challenger and of the champion; None where undefined."""

    challenger: float | None
    champion: float | None

    @property
    def difference(self) -> float | None:
        """Challenger minus champion."""
        return None if self.challenger is None or self.champion is None else self.challenger - self.champion


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstChampion:
    """Challenger against champion on the same rows; the regimes come from the challenger's train rows."""

    lead: Lead
    calibration_error: Pair
    regimes: Mapping[str, Pair]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Results on the evaluated rows.

    Attributes
    ----------
    rows, positives, events, days : of the evaluated rows; days as ISO dates, UTC.
    pr_auc : of every evaluated detector.
    baseline_lead : over the best baseline; None without any baseline.
    against_champion : the comparison, or the reason why there is none; None where there is no champion.
    """

    rows: int
    positives: int
    events: int
    days: tuple[str, ...]
    pr_auc: Mapping[str, float | None]
    challenger_pr_auc: float | None
    baseline_lead: Lead | None
    against_champion: AgainstChampion | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Rows whose answers or features differ when computed another way; there should be none.

    Attributes
    ----------
    rows, differing : answers by table against answers by matrix, in a batch and one by one.
    replayed, replayed_differing : rows of a log that was replayed through the engine, against the dataset; None
        without a log.
    """

    rows: int
    differing: int
    replayed: int | None = None
    replayed_differing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakCheck:
    """Failed and unchecked items of the leak check, and the data, configuration and bundles it covered.

    Attributes
    ----------
    bundles : hash by detector.
    rules_equal : True if its limits equal the configuration's.
    """

    data_fingerprint: str
    config_hash: str
    bundles: Mapping[str, str]
    rules_equal: bool
    passed: bool
    failed: tuple[str, ...]
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All evidence that the gates use.

    Attributes
    ----------
    champion : None where there is none; the reason, where it cannot be read.
    leakcheck : the reason, where there is none.
    candles : True if the challenger's rows are closed candles.
    rolled_back : reason and time of an earlier rollback of this version; None without one.
    """

    challenger: Identity
    champion: Identity | str | None
    comparison: Comparison
    p99_us: float
    parity: Parity
    leakcheck: LeakCheck | str
    candles: bool = False
    rolled_back: str | None = None
