"""The kernels against mpmath, finite differences and the properties of the distribution."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from nbglm.kernels.likelihood import loglik, score

counts = st.one_of(st.integers(0, 40), st.integers(0, 3000), st.integers(0, 1_000_000))
etas = st.floats(math.log(1e-8), math.log(1e8))
zetas = st.floats(-10.0, 35.0)


def exact(y, eta, zeta):
    """The textbook formulas in 60 digits: loglik, d eta, d zeta, and second derivatives."""
    with mpmath.workdps(60):
        y, eta, zeta = mpmath.mpf(y), mpmath.mpf(eta), mpmath.mpf(zeta)
        mu, r = mpmath.exp(eta), mpmath.exp(zeta)
        s = r + mu
        first = mpmath.digamma(y + r) - mpmath.digamma(r)
        second = mpmath.psi(1, y + r) - mpmath.psi(1, r)
        value = mpmath.loggamma(y + r) - mpmath.loggamma(r) - mpmath.loggamma(y + 1)
        value += -r * mpmath.log1p(mu / r) + y * (eta - zeta - mpmath.log1p(mu / r))
        by_zeta = r * (first - mpmath.log1p(mu / r) + (mu - y) / s)
        curvature = by_zeta + r * r * (second + mu / (r * s) + (y - mu) / s**2)
        return [
            float(number)
            for number in (
                value,
                r * (y - mu) / s,
                by_zeta,
                -mu * r * (r + y) / s**2,
                r * mu * (y - mu) / s**2,
                curvature,
            )
        ]


def magnitude(y, eta, zeta):
    """Size of the parts that the log-likelihood is the small difference of."""
    mu, r = math.exp(eta), math.exp(zeta)
    parts = y * (abs(eta) + math.log1p(y)) + y * math.log1p(y / r) + r * math.log1p(mu / r)
    return parts + y * math.log1p(mu / r) + 1e-300


@settings(max_examples=1500, deadline=None)
@given(counts, etas, zetas)
def test_log_likelihood_is_exact(y, eta, zeta):
    error = abs(float(loglik(y, eta, zeta)) - exact(y, eta, zeta)[0])
    assert error <= 4e-15 * magnitude(y, eta, zeta)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(counts, etas, zetas)
@example(1, -15.0, -6.0)
def test_derivatives_are_exact(y, eta, zeta):
    got = score(float(y), eta, zeta)
    want = exact(y, eta, zeta)[1:]
    # Where y, mu and their difference all but cancel, rounding is relative to the parts: the sum
    # of r / (r + j) over j < y, at most 1 + r log(1 + y / r) and at most y, and r log1p(mu / r).
    mu, r = math.exp(eta), math.exp(zeta)
    parts = min(y, 1 + r * math.log1p(y / r)) + min(mu, r * math.log1p(mu / r))
    sizes = [y + mu, parts, 0.0, y + mu, parts]
    for value, truth, size in zip(got, want, sizes, strict=True):
        assert abs(value - truth) <= 3e-13 * abs(truth) + 2e-15 * size


@pytest.mark.parametrize("zeta", [-9.0, -1.0, 0.0, 2.7, 3.0, 8.0, 18.4, 30.0])
@pytest.mark.parametrize(
    ("y", "mu"), [(0, 0.3), (1, 2.5), (7, 5.0), (16, 3.0), (17, 90.0), (900, 800.0)]
)
def test_score_has_no_wrong_digits_where_digammas_lose_all(y, mu, zeta):
    got = score(float(y), math.log(mu), zeta)
    want = exact(y, math.log(mu), zeta)[1:]
    np.testing.assert_allclose(got, want, rtol=5e-12)


@pytest.mark.parametrize("y", [0.0, 1.0, 6.0, 40.0, 3000.0])
@pytest.mark.parametrize(("eta", "zeta"), [(0.5, -2.0), (2.0, 1.0), (7.0, 0.3), (3.0, 6.0)])
def test_derivatives_match_finite_differences(y, eta, zeta):
    h = 1e-4
    value = loglik(y, eta + np.array([-h, h, 0, 0]), zeta + np.array([0, 0, -h, h]))
    got = score(y, eta, zeta)
    scale = 1.0 + abs(float(loglik(y, eta, zeta)))
    assert abs((value[1] - value[0]) / (2 * h) - got[0]) < 1e-6 * scale
    assert abs((value[3] - value[2]) / (2 * h) - got[1]) < 1e-6 * scale
    up, down = score(y, eta, zeta + h), score(y, eta, zeta - h)
    np.testing.assert_allclose((up[:2] - down[:2]) / (2 * h), got[3:], rtol=1e-5, atol=1e-6)
    up, down = score(y, eta + h, zeta), score(y, eta - h, zeta)
    np.testing.assert_allclose((up[:2] - down[:2]) / (2 * h), got[2:4], rtol=1e-5, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.floats(-3.0, 4.0), st.floats(-1.5, 6.0))
def test_probabilities_add_up_and_scores_average_to_zero(eta, zeta):
    mu, r = math.exp(eta), math.exp(zeta)
    y = np.arange(int(60 + 60 * math.sqrt(mu + mu * mu / r) + 40 * mu / min(r, 1.0)))
    p = np.exp(loglik(y, eta, zeta))
    factors = score(y.astype(float), eta, zeta)
    assert abs(p.sum() - 1.0) < 1e-10
    assert np.abs(p @ factors[:, :2]).max() < 1e-8 * (1 + mu)
    assert abs(p @ factors[:, 3]) < 1e-8 * (1 + mu)  # mean and size are orthogonal
    information = -(p @ factors[:, 4])
    assert information > 0
    assert abs(information - p @ factors[:, 1] ** 2) < 1e-6 * information + 1e-9


@pytest.mark.parametrize("y", [0, 1, 5, 70])
def test_infinite_size_is_the_poisson(y):
    assert loglik(y, 1.2, np.inf) == pytest.approx(
        stats.poisson.logpmf(y, math.exp(1.2)), rel=1e-13
    )
    mu = math.exp(1.2)
    np.testing.assert_allclose(
        score(float(y), 1.2, np.inf), [y - mu, 0.0, -mu, 0.0, 0.0], rtol=1e-14, atol=0
    )


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 500), st.floats(-5.0, 6.0), st.floats(-5.0, 14.0))
def test_the_poisson_is_approached_from_below_or_above_smoothly(y, eta, zeta):
    # To first order in 1/r the difference from the Poisson is ((y - mu)^2 - y) / (2 r).
    mu, r = math.exp(eta), math.exp(zeta + 14.0)
    gap = float(loglik(y, eta, zeta + 14.0) - loglik(y, eta, np.inf))
    first = ((y - mu) ** 2 - y) / (2 * r)
    bound = (1 + y + mu) ** 3 / r**2 + 4e-15 * magnitude(y, eta, zeta + 14.0)
    assert abs(gap - first) <= bound
