"""Why a row is not scored, in words."""

from tickvol.core.feature_table import FeatureTable

COVERAGE_COLUMNS = ("coverage_60", "coverage_300")


def unknown_reasons(table: FeatureTable) -> list[str | None]:
    """(n,) None where the row is scorable, else what is missing from its past."""
    full, long = table.column("coverage_60"), table.column("coverage_300")
    reasons: list[str | None] = []
    for short, far in zip(full.tolist(), long.tolist(), strict=True):
        if not short >= 1.0:
            reasons.append(
                f"not scorable: coverage_60 is {_share(short)}, must be 1: the last minute is not fully known"
            )
        elif not far >= 0.8:
            reasons.append(f"not scorable: coverage_300 is {_share(far)}, must be at least 0.8")
        else:
            reasons.append(None)
    return reasons


def _share(coverage: float) -> str:
    return "unknown" if coverage != coverage else f"{coverage:.3f}"
