"""Normal scores behind counts, against draws and against sums by other ways."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr, ndtri

import nbglm
from nbglm.copula.scores import expected_series, interval_scores, scores_of


@pytest.mark.parametrize("size", [0.3, 2.0, 1e6])
@pytest.mark.parametrize("mean", [0.05, 1.0, 30.0])
def test_means_are_those_of_the_scores_that_give_the_count(mean, size):
    rng = np.random.default_rng(3)
    y = np.repeat(stats.nbinom.ppf([0.1, 0.5, 0.99], size, size / (size + mean)), 20_000)
    shares = rng.random(y.size)
    means, points = interval_scores(y, np.full(y.size, mean), np.full(y.size, size), shares)
    for value in np.unique(y):
        part = y == value
        assert np.ptp(means[part]) == 0.0
        assert abs(points[part].mean() - means[part][0]) < 5 * points[part].std() / np.sqrt(20_000)
        low, high = stats.nbinom.cdf([value - 1, value], size, size / (size + mean))
        assert points[part].min() >= ndtri(low) - 1e-6
        assert points[part].max() <= ndtri(high) + 1e-6


def test_random_scores_of_the_true_model_are_standard_normal():
    rng = np.random.default_rng(4)
    y = rng.negative_binomial(2.0, 0.2, 20_000).astype(float)
    _, points = interval_scores(y, np.full(y.size, 8.0), np.full(y.size, 2.0), rng.random(y.size))
    assert stats.kstest(points, "norm").pvalue > 1e-3


@pytest.mark.parametrize("size", [0.1, 1.5, np.inf])
@pytest.mark.parametrize("mean", [0.02, 0.7, 12.0, 5e3])
def test_information_is_the_variance_of_the_means(mean, size):
    rng = np.random.default_rng(5)
    n = 100_000
    rate = mean if np.isinf(size) else rng.gamma(size, mean / size, n)
    y = rng.poisson(rate, n).astype(float)
    means, _ = interval_scores(y, np.full(n, mean), np.full(n, size), np.full(n, 0.5))
    found = expected_series(np.array([mean]), np.array([size]))[:, 0]
    assert abs(found[0] - means.var()) < 0.01 + 5.0 * np.std(means**2) / np.sqrt(n)


@pytest.mark.parametrize("mean", [0.1, 0.8, 20.0])
def test_the_series_says_how_means_of_two_genes_covary(mean):
    rng = np.random.default_rng(6)
    n, rho = 100_000, 0.7
    one = rng.standard_normal(n)
    other = rho * one + np.sqrt(1.0 - rho**2) * rng.standard_normal(n)
    full, half = np.full(n, mean), np.full(n, 0.5)
    means = [
        interval_scores(stats.poisson.ppf(ndtr(z), mean), full, np.full(n, np.inf), half)[0]
        for z in (one, other)
    ]
    terms = expected_series(np.array([mean]), np.array([np.inf]))[:, 0] ** 2
    wanted = (terms * [rho, rho**2, rho**3]).sum()
    found = means[0] * means[1]
    assert abs(found.mean() - wanted) < 0.02 + 5.0 * found.std() / np.sqrt(n)


def test_a_count_that_is_hopelessly_far_out_has_a_finite_score():
    y, mean = np.array([9e6, 0.0]), np.array([1.0, 1e5])
    for found in interval_scores(y, mean, np.full(2, np.inf), np.full(2, 0.5)):
        assert found.tolist() == [5.0, -5.0]


def test_genes_without_a_count_say_nothing():
    counts = np.column_stack([np.zeros(50), np.random.default_rng(6).poisson(2.0, 50)])
    fit = nbglm.fit_negbin(counts, "~ 1", progress=False)
    scores = scores_of(fit, np.arange(50), (0,))
    assert scores.information[0] == scores.series[0, 0] == 0.0
    assert not scores.means[0].any()
    assert scores.information[1] > 0.5
    assert scores.series[1, 0] == pytest.approx(scores.information[1])  # of a constant mean
