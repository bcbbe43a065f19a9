"""Random hostile data sets: the checks of validation/fuzz.py on a fixed handful of them."""

import warnings

import pytest
from fuzz import one
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 2**31))
def test_no_violation(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        status, formulas, violation = one(seed, starts=8)
    assert violation is None, f"{status}: {violation} ({formulas})"


@pytest.mark.parametrize("seed", [4, 25, 48, 58, 120, 162, 203, 218, 849, 1311])
def test_what_once_went_wrong(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        status, formulas, violation = one(seed, starts=20)
    assert violation is None, f"{status}: {violation} ({formulas})"
