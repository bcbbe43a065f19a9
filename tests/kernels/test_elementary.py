"""Exponential and logarithm against mpmath."""

import math
import platform
import re

import mpmath
import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nbglm.kernels import elementary
from nbglm.kernels.compiled import entry
from nbglm.search.objective import _row_terms


@entry
def exp(x):
    return elementary.exp(x)


@entry
def log(x):
    return elementary.log(x)


@entry
def ratio_terms(x):
    return elementary.ratio_terms(x)


@settings(max_examples=1000, deadline=None)
@given(st.floats(-707.9, 708.9))
def test_exp_is_right_to_the_last_bit_but_one(x):
    with mpmath.workdps(40):
        assert abs(exp(x) / mpmath.exp(x) - 1) <= 2.3e-16


@pytest.mark.parametrize("x", [-1e300, -800.0, -math.inf])
def test_exp_stays_positive(x):
    assert 0.0 < exp(x) < 1e-300


@pytest.mark.parametrize("x", [709.1, 800.0, 1e300, math.inf])
def test_exp_overflows(x):
    assert exp(x) == math.inf


@settings(max_examples=1000, deadline=None)
@given(st.floats(1e-300, 1e300))
def test_log_is_right_relative_to_its_parts(x):
    with mpmath.workdps(40):
        assert abs(log(x) - mpmath.log(x)) <= 3e-16 * max(abs(mpmath.log(x)), 0.1)


@settings(max_examples=1500, deadline=None)
@example(0.0)
@given(st.one_of(st.floats(1e-280, 2.0), st.floats(-280.0, 300.0).map(lambda e: 10.0**e)))
def test_ratio_terms_keep_their_relative_accuracy(x):
    p, q, share, gap = ratio_terms(x)
    with mpmath.workdps(700):
        exact = mpmath.mpf(x)
        if x == 0.0:
            assert (p, q, share, gap) == (1.0, 0.0, 1.0, 0.0)
            return
        logarithm = mpmath.log1p(exact)
        truths = (
            1 / (1 + exact),
            exact / (1 + exact),
            logarithm / exact,
            (exact / (1 + exact) - logarithm) / exact,
        )
        for value, truth in zip((p, q, share, gap), truths, strict=True):
            assert abs(value / truth - 1) <= 4e-15


@pytest.mark.skipif(platform.machine() != "x86_64", reason="looks for x86 registers")
def test_loops_over_them_run_in_vector_registers():
    again = numba.njit(error_model="numpy", fastmath={"contract"})(_row_terms.py_func)
    again(*[np.ones(8)] * 11)
    [text] = again.inspect_asm().values()
    assert "ymm" in text or "zmm" in text
    # Nothing is called, of a mathematical library least of all, but for what Python needs.
    assert not re.search(r"(exp|log1?p?)\b", text.split("cpython")[0])
