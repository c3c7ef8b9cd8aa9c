"""Bars and windows: the parameters that define every feature, and the look-back that follows from them."""

import hashlib
import math

import msgspec

from tickvol.core.errors import ConfigError
from tickvol.core.times import DAY_S, NS_PER_MS

MAX_WINDOW_BARS = 100_000


class FeatureSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bars, windows and rules for missing data.

    Attributes
    ----------
    bar_ms : bar length; bar k covers the event times [k*bar, (k+1)*bar).
    grace_ms : a bar closes when the highest event time seen is this far beyond its end.
    max_carry_s : how long the last quote is carried forward into bars without ticks.
    max_silence_s : bars within a longer stretch without any record are missing.
    windows_s : window lengths, ascending, multiples of the bar.
    reference_window_s : the window whose realized volatility `vol_zscore` and `typical_vol` are based on; one of
        `windows_s`.
    min_coverage : a window with a smaller known share gives NaN.
    half_lives_s : half-lives of the exponential weights of `ewma_vol` and `tick_intensity`, ascending.
    duplicate_memory_s : how far back a record is recognised as a duplicate rather than late.
    """

    bar_ms: int = 1000
    grace_ms: int = 250
    max_carry_s: int = 30
    max_silence_s: int = 15
    windows_s: tuple[int, ...] = (10, 30, 60, 300, 900)
    reference_window_s: int = 60
    min_coverage: float = 0.8
    half_lives_s: tuple[int, ...] = (10, 60, 300)
    duplicate_memory_s: int = 900

    def __post_init__(self) -> None:
        problems = [f"features.{name}: {value!r}: {rule}" for name, value, rule, holds in self._rules() if not holds]
        if problems:
            raise ConfigError(problems)

    def _rules(self) -> list[tuple[str, object, str, bool]]:
        bar_positive = self.bar_ms > 0
        ascending = list(self.windows_s) == sorted(set(self.windows_s)) and len(self.windows_s) >= 1
        rules: list[tuple[str, object, str, bool]] = [
            (
                "bar_ms",
                self.bar_ms,
                "must be positive and divide 3600000 (one hour)",
                bar_positive and 3_600_000 % self.bar_ms == 0,
            ),
            ("grace_ms", self.grace_ms, "must lie in [0, 60000]", 0 <= self.grace_ms <= 60_000),
            ("max_carry_s", self.max_carry_s, "must lie in [0, 86400]", 0 <= self.max_carry_s <= DAY_S),
            ("max_silence_s", self.max_silence_s, "must lie in [1, 86400]", 0 < self.max_silence_s <= DAY_S),
            ("windows_s", self.windows_s, "must ascend without repeats and hold at least one window", ascending),
            (
                "reference_window_s",
                self.reference_window_s,
                "must be one of features.windows_s",
                self.reference_window_s in self.windows_s,
            ),
            ("min_coverage", self.min_coverage, "must lie in (0, 1]", 0.0 < self.min_coverage <= 1.0),
            (
                "half_lives_s",
                self.half_lives_s,
                "must be positive and ascend without repeats, one at least",
                list(self.half_lives_s) == sorted(set(self.half_lives_s)) and min(self.half_lives_s, default=0) > 0,
            ),
            (
                "duplicate_memory_s",
                self.duplicate_memory_s,
                "must lie in [0, 86400]",
                0 <= self.duplicate_memory_s <= DAY_S,
            ),
        ]
        for window_s in self.windows_s:
            whole = bar_positive and window_s * 1000 % self.bar_ms == 0 and window_s * 1000 >= 2 * self.bar_ms
            whole = whole and window_s * 1000 <= MAX_WINDOW_BARS * self.bar_ms
            rule = f"must be a multiple of bar_ms ({self.bar_ms}), from 2 to {MAX_WINDOW_BARS} bars"
            rules.append(("windows_s", window_s, rule, whole))
        return rules

    @property
    def bar_ns(self) -> int:
        """Bar length in ns."""
        return self.bar_ms * NS_PER_MS

    @property
    def grace_ns(self) -> int:
        """Grace in ns."""
        return self.grace_ms * NS_PER_MS

    @property
    def longest_window_s(self) -> int:
        """The longest window in seconds."""
        return self.windows_s[-1]

    def bars(self, window_s: int) -> int:
        """Number of bars in a window."""
        return window_s * 1000 // self.bar_ms

    @property
    def memory_bars(self) -> int:
        """Bars that a row can depend on: statistics of the reference window look back further than the longest window.

        `vol_zscore` and `typical_vol` use realized volatilities from up to one longest window ago, each covering a
        reference window before that; a bipower term needs two returns, and a return two mids.
        """
        return self.bars(self.longest_window_s) + self.bars(self.reference_window_s) + 3

    @property
    def lookback_s(self) -> int:
        """Seconds of log that a row (or a late record) depends on; starting this much earlier gives identical rows.

        In addition to `memory_bars`, the first bar may carry a quote from `max_carry_s` ago and may end a silence.
        """
        bars_s = math.ceil(self.memory_bars * self.bar_ms / 1000)
        margin_s = math.ceil((self.grace_ms + 2 * self.bar_ms) / 1000)
        return max(bars_s, self.duplicate_memory_s) + self.max_carry_s + self.max_silence_s + margin_s

    def fingerprint(self) -> str:
        """SHA-256 of the spec; rows with different fingerprints must not be mixed."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()
