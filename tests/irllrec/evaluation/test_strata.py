"""Groups of users by training items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irllrec.errors import ConfigurationError
from irllrec.evaluation.strata import strata_of

DEGREES = np.array([1, 2, 3, 5, 5, 9, 10, 40])


def sizes(groups, degrees=DEGREES):
    return {stratum.label: int(stratum.holds(degrees).sum()) for stratum in strata_of(degrees, groups)}


def test_published_groups_have_their_bounds():
    assert sizes("published") == {"0-4": 3, "5-9": 3, "10-19": 1, "≥20": 1}


def test_own_bounds_hold_everybody_with_or_without_zero():
    assert sizes("0,3,10") == sizes("3,10") == {"0-2": 2, "3-9": 4, "≥10": 2}


def test_quartiles_of_distinct_degrees_are_equal_in_size():
    """1..8 has quartiles 2.75, 4.5, 6.25: groups 1-2, 3-4, 5-6, ≥7."""
    assert sizes("quantiles", np.arange(1, 9)) == {"1-2": 2, "3-4": 2, "5-6": 2, "≥7": 2}


def test_equal_quartiles_are_merged():
    assert sizes("quantiles", np.array([3, 3, 3, 3, 3, 3, 3, 9])) == {"≥3": 8}


OWN_BOUNDS = st.lists(st.integers(0, 60), min_size=1, max_size=6, unique=True).map(
    lambda bounds: ",".join(str(bound) for bound in sorted(bounds))
)


@given(
    degrees=st.lists(st.integers(0, 80), min_size=1, max_size=60).map(np.array),
    groups=st.one_of(st.sampled_from(["published", "quantiles"]), OWN_BOUNDS),
)
def test_every_user_is_in_exactly_one_group_and_groups_rise(degrees, groups):
    strata = strata_of(degrees, groups)
    held = np.stack([stratum.holds(degrees) for stratum in strata])
    assert (held.sum(axis=0) == 1).all()
    assert (np.diff(held.argmax(axis=0)[np.argsort(degrees, kind="stable")]) >= 0).all()
    if groups == "quantiles":
        assert held.any(axis=1).all()


def test_no_user_at_all_still_has_groups():
    assert sizes("quantiles", np.zeros(0, dtype=np.int64)) == {"≥0": 0}


@pytest.mark.parametrize("groups", ["quartiles", "5,5", "9,3", "-1,4", "", "0,1.5"])
def test_unreadable_groups_are_refused_with_an_example(groups):
    with pytest.raises(ConfigurationError, match="0,5,10,20"):
        strata_of(DEGREES, groups)
