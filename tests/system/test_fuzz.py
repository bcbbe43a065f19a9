"""Random hostile data sets: the checks of validation/fuzz.py on a fixed handful of them."""

import warnings

import pytest
from fuzz import one
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 2**31))
def test_no_violation(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        status, formulas, violation = one(seed, starts=8)
    assert violation is None, f"{status}: {violation} ({formulas})"


SEEDS = (
    *(4, 25, 48, 58, 120, 162, 203, 218, 849, 1311, 3109, 5728),
    *(101625, 102306, 102593, 104424, 106169, 106457, 107394, 108109, 108163, 108629, 108782),
    *(109116, 200532, 208109, 209650, 701421),
)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_once_went_wrong(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        status, formulas, violation = one(seed, starts=20)
    assert violation is None, f"{status}: {violation} ({formulas})"


@pytest.mark.parametrize(("seed", "word"), [(1667, "separated"), (4968, "poisson_limit")])
def test_ascents_lost_on_a_plateau_end_at_the_limit_that_they_cannot_beat(seed, word):
    # A silent cell beside the only one whose size is finite keeps the maximum from infinity, by
    # less of the log-likelihood than any ascent can follow.
    status, _, violation = one(seed, starts=20)
    assert violation is None
    assert status == word
