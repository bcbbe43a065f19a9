"""The distribution of a count against 60-digit arithmetic, for sizes from 0 to infinity."""

import mpmath
import numpy as np
import pytest
from scipy import stats

import nbglm
from nbglm.kernels.likelihood import score
from nbglm.simulate.distribution import negbin


def beta_fraction(a, b, x):
    """Continued fraction of the incomplete beta function, by Lentz' method."""
    c, d = mpmath.mpf(1), 1 / (1 - (a + b) * x / (a + 1))
    h, m = d, 0
    while True:
        m += 1
        even = m * (b - m) * x / ((a - 1 + 2 * m) * (a + 2 * m))
        d, c = 1 / (1 + even * d), 1 + even / c
        h *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 1 + 2 * m))
        d, c = 1 / (1 + odd * d), 1 + odd / c
        h *= d * c
        if abs(d * c - 1) < mpmath.mpf(10) ** -28:
            return h


def exact_tails(k, mean, size):
    """P(Y <= k) and P(Y > k), in so many digits that differences from 1 may be taken."""
    digits = 60 + int(abs(np.log10(size)))
    with mpmath.workdps(digits):
        k, mu, r = mpmath.mpf(k), mpmath.mpf(mean), mpmath.mpf(size)
        p, q = r / (r + mu), mu / (r + mu)
        front = mpmath.exp(
            mpmath.loggamma(k + 1 + r)
            - mpmath.loggamma(k + 1)
            - mpmath.loggamma(r)
            + (k + 1) * mpmath.log(q)
            + r * mpmath.log(p)
        )
        if q < (k + 2) / (k + 3 + r):
            upper = front * beta_fraction(k + 1, r, q) / (k + 1)
            return 1 - upper, upper
        lower = front * beta_fraction(r, k + 1, p) / r
        return lower, 1 - lower


def test_the_reference_is_the_sum_of_the_probabilities():
    with mpmath.workdps(40):
        mu, r = mpmath.mpf(2.5), mpmath.mpf(0.3)
        p = r / (r + mu)
        masses = [mpmath.binomial(k + r - 1, k) * p**r * (1 - p) ** k for k in range(8)]
        lower, upper = exact_tails(7, 2.5, 0.3)
        assert abs(lower - sum(masses)) < mpmath.mpf(10) ** -25
        assert abs(lower + upper - 1) < mpmath.mpf(10) ** -25


def cases(rng, n, log_sizes, log_means):
    """Sizes, means, and counts near nothing, within four deviations, and far from the mean."""
    size = np.exp(rng.uniform(*log_sizes, n))
    mean = 10.0 ** rng.uniform(*log_means, n)
    deviation = np.sqrt(mean) * np.sqrt(1.0 + np.minimum(mean / size, 1e200))
    near = np.maximum(mean + rng.normal(0.0, 2.0, n) * deviation, 0.0)
    kinds = [rng.integers(0, 20, n), near, mean * np.exp(rng.normal(0.0, 0.5, n))]
    k = np.floor(np.choose(rng.integers(0, 3, n), kinds))
    possible = k < 1e12
    return size[possible], mean[possible], k[possible]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("log_sizes", "log_means"),
    [((-10, 40), (-3, 9)), ((-690, -10), (-3, 10)), ((40, 690), (-3, 8))],
)
def test_tails_are_exact(rng, log_sizes, log_means):
    size, mean, k = cases(rng, 250, log_sizes, log_means)
    distribution = negbin(mean, size)
    computed = np.stack([distribution.cdf(k), distribution.sf(k)], axis=1)
    for values, *point in zip(computed, k, mean, size, strict=True):
        for value, exact in zip(values, exact_tails(*point), strict=True):
            if exact > 1e-300:
                assert abs(value / exact - 1) < 1e-10, point


@pytest.mark.parametrize("size", [1e14, 1e16, 1e17, 1e40, 1e150, 1e300, np.inf])
def test_large_sizes_go_over_into_the_poisson(size):
    distribution = negbin(5.0, size)
    poisson = stats.poisson(5.0)
    k = np.arange(25)
    np.testing.assert_allclose(distribution.cdf(k), poisson.cdf(k), rtol=1e-10)
    np.testing.assert_allclose(distribution.sf(k), poisson.sf(k), rtol=1e-10)
    np.testing.assert_allclose(distribution.pmf(k), poisson.pmf(k), rtol=1e-10)
    np.testing.assert_array_equal(distribution.ppf([0.01, 0.5, 0.99]), [1, 5, 11])
    assert negbin(2.53, size).median() == 2.0
    np.testing.assert_allclose(distribution.stats("mvsk"), poisson.stats("mvsk"), rtol=1e-10)


def test_quantiles_undo_the_tails(rng):
    for log_sizes, log_means in (((-10, 40), (-3, 10)), ((-600, 690), (-3, 6))):
        size, mean, k = cases(rng, 1000, log_sizes, log_means)
        distribution = negbin(mean, size)
        mass = distribution.pmf(k)
        for tail, quantile in (
            (distribution.cdf(k), distribution.ppf),
            (distribution.sf(k), distribution.isf),
        ):
            # Where one count more or less changes the double that stands for the tail.
            tells = (mass > 1e-12 * tail) & (tail < 1.0) & (tail > 1e-300)
            assert tells.sum() > 200
            np.testing.assert_array_equal(quantile(tail)[tells], k[tells])


@pytest.mark.parametrize(("mean", "size"), [(0.0, 2.0), (0.0, np.inf), (3.0, 0.0), (np.inf, 0.0)])
def test_no_mean_or_no_size_leaves_a_point_mass(mean, size):
    distribution = negbin(mean, size)
    np.testing.assert_array_equal(distribution.pmf([0, 1, 5]), [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(distribution.logpmf([0, 1]), [0.0, -np.inf])
    np.testing.assert_array_equal(distribution.cdf([-1, 0, 5]), [0.0, 1.0, 1.0])
    np.testing.assert_array_equal(distribution.sf([-1, 0, 5]), [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(distribution.ppf([1e-300, 0.5, 1 - 1e-16]), [0.0, 0.0, 0.0])
    assert (distribution.mean(), distribution.var(), distribution.median()) == (0.0, 0.0, 0.0)


def test_a_size_of_nearly_nothing_keeps_its_digits():
    """P(Y = k) tends to r / k, however small r is."""
    distribution = negbin(1e10, 1e-300)
    np.testing.assert_allclose(
        distribution.pmf([1, 2, 7]), 1e-300 / np.array([1, 2, 7]), rtol=1e-12
    )
    assert distribution.pmf(0) == distribution.cdf(0) == 1.0
    # P(Y > 0) = 1 - exp(-r log(1 + mu / r))
    np.testing.assert_allclose(distribution.sf(0), 1e-300 * 310 * np.log(10.0), rtol=1e-10)


def test_moments_are_those_of_scipy(rng):
    size, mean = np.exp(rng.uniform(-3, 8, 50)), np.exp(rng.uniform(-3, 5, 50))
    peer = stats.nbinom(size, size / (size + mean))
    distribution = negbin(mean, size)
    np.testing.assert_allclose(distribution.stats("mvsk"), peer.stats("mvsk"), rtol=1e-8)
    for order in (1, 2, 3, 4):
        np.testing.assert_allclose(
            [negbin(m, r).moment(order) for m, r in zip(mean[:5], size[:5], strict=True)],
            [
                stats.nbinom(r, r / (r + m)).moment(order)
                for m, r in zip(mean[:5], size[:5], strict=True)
            ],
            rtol=1e-8,
        )
    np.testing.assert_allclose(negbin(3.0, 2.0).entropy(), stats.nbinom(2.0, 0.4).entropy())
    np.testing.assert_allclose(negbin(3.0, 2.0).expect(np.sqrt), 1.4, atol=0.1)


def test_draws_have_any_shape(rng):
    distribution = negbin(np.array([[3.0], [50.0]]), np.array([0.5, 1e17, np.inf]))
    assert distribution.rvs(random_state=1).shape == (2, 3)
    draws = distribution.rvs(size=(20_000, 2, 3), random_state=rng)
    np.testing.assert_allclose(draws.mean(axis=0), distribution.mean() * np.ones((2, 3)), rtol=0.06)
    np.testing.assert_allclose(draws.var(axis=0), distribution.var(), rtol=0.1)
    assert distribution.cdf(np.zeros((4, 1, 1))).shape == (4, 2, 3)
    assert np.isscalar(negbin(3.0, 2.0).rvs(random_state=0))


@pytest.mark.parametrize(("mean", "size"), [(np.inf, 2.0), (1e19, np.inf), (1e18, 0.01)])
def test_counts_beyond_64_bits_are_not_drawn(mean, size):
    with pytest.raises(nbglm.exceptions.OptionError, match=r"cannot draw|64-bit"):
        negbin(mean, size).rvs(size=(100, 2), random_state=0)


def test_probabilities_are_exact(rng):
    """To what the last bits of the logarithms of mean and size leave open."""
    size, mean, k = cases(rng, 300, (-10, 40), (-3, 10))
    slopes = np.abs(score(k, np.log(mean), np.log(size))[:, :2])
    scale = (slopes * np.abs(np.log([mean, size])).T).sum(axis=1)
    values = negbin(mean, size).logpmf(k)
    for value, last, *point in zip(values, scale, k, mean, size, strict=True):
        with mpmath.workdps(80):
            y, mu, r = map(mpmath.mpf, point)
            exact = (
                mpmath.loggamma(y + r)
                - mpmath.loggamma(r)
                - mpmath.loggamma(y + 1)
                + r * mpmath.log(r / (r + mu))
                + y * mpmath.log(mu / (r + mu))
            )
            assert abs(value - exact) < 1e-11 + 1e-14 * abs(exact) + 4e-16 * last, point
