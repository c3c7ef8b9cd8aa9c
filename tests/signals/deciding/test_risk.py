"""Risk profiles: bands without holes, more room for more conviction, barriers clipped."""

import copy
import math

import numpy as np
import pytest

from tests.signals.deciding.strategies import RISK
from tickvol.core.errors import UsageError
from tickvol.signals.deciding.risk import parse_profiles

ROW = {
    "code": "P",
    "tp_min": 0.001,
    "tp_max": 0.2,
    "sl_min": 0.001,
    "sl_max": 0.1,
    "bands": [
        {"edge_from": 1, "edge_to": 3, "tp_atr": 1, "sl_atr": 0.5, "lookahead_bars": 6},
        {"edge_from": 3, "tp_atr": 2, "sl_atr": 1, "lookahead_bars": 12},
    ],
}


def changed(band=None, **changes):
    row = copy.deepcopy(ROW)
    if band is None:
        return {**row, **changes}
    row["bands"][band] |= changes
    return row


def test_rows_become_the_profile():
    (profile,) = parse_profiles([ROW])
    assert (profile.bands, profile.definition_hash) == (RISK.bands, RISK.definition_hash)
    assert profile.definition_hash == "eda416a278b3736e6b642efab68d0a3592823213bfa2f6300649e02afa7cb561"


BARRIERS = {
    "weak_band": (1.0, 1.0, (0.01, 0.005, 6)),
    "last_edge_below_the_strong_band": (np.nextafter(3.0, 0), 1.0, (0.01, 0.005, 6)),
    "strong_band_begins_at_its_edge": (3.0, 1.0, (0.02, 0.01, 12)),
    "below_the_first_band": (0.99, 1.0, (math.nan, math.nan, 0)),
    "unknown_atr": (2.0, math.nan, (math.nan, math.nan, 0)),
    "clipped_from_below": (2.0, 0.01, (0.001, 0.001, 6)),
    "clipped_from_above": (3.0, 50.0, (0.2, 0.1, 12)),
}


@pytest.mark.parametrize("case", BARRIERS)
def test_barriers_are_multiples_of_the_atr_by_band(case):
    edge, atr, expected = BARRIERS[case]
    found = RISK.barriers(np.array([edge]), np.array([atr]), np.array([100.0]))
    np.testing.assert_array_equal([found.tp_frac[0], found.sl_frac[0], found.lookahead_bars[0]], expected)


REFUSED = {
    "hole": (changed(0, edge_to=2.5), "bands[1].edge_to: 2.5: must be the next edge_from, 3"),
    "overlap": (changed(0, edge_to=3.5), "bands[1].edge_to: 3.5: must be the next edge_from, 3"),
    "empty_band": (changed(0, edge_to=1), "bands[1].edge_to: 1.0: must be above edge_from, 1: no edge is in it"),
    "closed_end": (changed(1, edge_to=9), "bands[2].edge_to: 9.0: must be absent"),
    "narrower_target": (changed(1, tp_atr=0.9), "bands[2].tp_atr: 0.9: must not be below that of the weaker band, 1"),
    "tighter_stop": (changed(1, sl_atr=0.4), "bands[2].sl_atr: 0.4: must not be below"),
    "shorter_window": (changed(1, lookahead_bars=5), "bands[2].lookahead_bars: 5: must not be below"),
    "no_bands": (changed(bands=[]), "bands: None: missing: needs at least one band"),
    "bands_as_text": (changed(bands="x"), "bands: x: must be a list of mappings"),
    "part_of_a_bar": (changed(0, lookahead_bars=1.5), "bands[1].lookahead_bars: 1.5: must be a whole number"),
    "no_target": (changed(0, tp_atr=0), "bands[1].tp_atr: 0: must be in [0.001, 100]"),
    "limits_reversed": (changed(tp_min=0.3), "tp_min: 0.3: must be above 0 and below tp_max, 0.2"),
    "stop_at_zero_price": (changed(sl_max=1.0), "sl_max: 1.0: must be in [0, 0.99]"),
    "unknown_key": (changed(1, tp=1), "bands[2].tp: 1: unknown key"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_broken_profile_names_band_key_and_value(case):
    row, expected = REFUSED[case]
    with pytest.raises(UsageError) as caught:
        parse_profiles([row])
    assert any(expected in problem and problem.startswith("row 1 (P)") for problem in caught.value.problems)
