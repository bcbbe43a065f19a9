"""Tails of counts in logarithms, held to mpmath far below the smallest double."""

import mpmath as mp
import numpy as np
import pytest

from nbglm.simulate.distribution import negbin
from nbglm.simulate.probabilities import log_pmf, log_tail, tail


def exact_log_tail(k, mean, size, *, upper):
    """Logarithm of P(Y > k) or P(Y <= k): the sum itself, term by term, with 400 digits."""
    with mp.workdps(400):
        y, mu = mp.mpf(k + 1 if upper else k), mp.mpf(mean)
        if np.isinf(size):
            first = y * mp.log(mu) - mu - mp.loggamma(y + 1)
            up, down = (lambda j: mu / (j + 1)), (lambda j: j / mu)
        else:
            r = mp.mpf(size)
            p, q = r / (r + mu), mu / (r + mu)
            first = mp.loggamma(y + r) - mp.loggamma(r) - mp.loggamma(y + 1)
            first += r * mp.log(p) + y * mp.log(q)
            up, down = (lambda j: q * (j + r) / (j + 1)), (lambda j: j / (q * (j - 1 + r)))
        term = total = mp.mpf(1)
        while term > total * mp.mpf(10) ** -30 and (upper or y > 0):
            term *= (up if upper else down)(y)
            y += 1 if upper else -1
            total += term
        return float(first + mp.log(total))


@pytest.mark.parametrize("size", [0.1, 1.0, 7.5, 1e4, 1e8, 1e16, 1e150, np.inf])
@pytest.mark.parametrize("upper", [True, False])
def test_tails_below_the_smallest_double_have_their_logarithm(size, upper):
    found = 0
    for mean in (1e-8, 1.0, 37.5, 1e4, 1e6):
        for k in (0.0, 100.0, 3000.0, 20000.0):
            got = log_tail(np.array([k]), np.array([mean]), np.array([size]), upper=upper)[0]
            if got < -650.0:
                assert got == pytest.approx(exact_log_tail(k, mean, size, upper=upper), rel=1e-13)
                found += 1
    assert found >= (3 if upper else 5) or (size < 10.0 and not upper)


def test_logarithms_join_where_tails_become_too_small():
    k = np.arange(100.0, 400.0)
    logarithms = log_tail(k, np.full(k.size, 3.0), np.full(k.size, 50.0), upper=True)
    doubles = tail(k, np.full(k.size, 3.0), np.full(k.size, 50.0), upper=True)
    near = (doubles > 1e-300) & (doubles < 1e-260)
    assert near.sum() > 5
    assert np.log(doubles[near]) == pytest.approx(logarithms[near], rel=1e-13)
    assert (np.diff(logarithms) < 0.0).all()


def test_scipys_distribution_has_the_same_logarithms():
    assert negbin(3.0, np.inf).logsf(9000) == log_tail(
        np.array([9000.0]), np.array([3.0]), np.array([np.inf]), upper=True
    )
    assert negbin(5000.0, np.inf).logcdf(0) == pytest.approx(-5000.0, rel=1e-14)


def test_the_constant_0_has_no_other_count():
    k, mean, size = np.array([0.0, 3.0]), np.array([0.0, 2.0]), np.array([1.0, 0.0])
    assert log_pmf(k, mean, size).tolist() == [0.0, -np.inf]
    assert log_tail(k, mean, size, upper=True).tolist() == [-np.inf, -np.inf]
    assert log_tail(k, mean, size, upper=False).tolist() == [0.0, 0.0]
