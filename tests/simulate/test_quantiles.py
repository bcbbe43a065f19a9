"""Counts with given normal scores, against quantiles by other ways."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr, ndtri

from nbglm.exceptions import OptionError
from nbglm.simulate.distribution import negbin
from nbglm.simulate.quantiles import counts_at


@pytest.fixture(scope="module")
def many():
    """Means and sizes of all magnitudes, with scores from both ends."""
    rng = np.random.default_rng(14)
    n = 4000
    mean, size = 10 ** rng.uniform(-3, 5, n), 10 ** rng.uniform(-3, 12, n)
    size[::7], mean[::11], size[::13] = np.inf, 0.0, 0.0
    return rng.normal(size=n) * rng.choice([1.0, 2.5], n), mean, size


def test_counts_are_the_quantiles_of_their_distribution(many):
    scores, mean, size = many
    upper = negbin.isf(ndtr(-scores), mean, size)
    lower = negbin.ppf(ndtr(scores), mean, size)
    found = counts_at(scores, mean, size)
    wanted = np.where(scores > 0.0, upper, lower)
    # At a step of the distribution function the last bit decides.
    assert (found != wanted).mean() < 1e-3
    assert np.abs(found - wanted).max() <= 1
    assert (found[(mean == 0.0) | (size == 0.0)] == 0).all()


def test_counts_do_not_fall_with_their_scores():
    scores = np.sort(np.concatenate([np.linspace(-9.0, 9.0, 2001), [4.0, -4.0, 37.0, -37.0]]))
    for mean, size in ((0.3, 2.0), (4.0, np.inf), (800.0, 0.2), (1e5, 3.0), (1e9, np.inf)):
        found = counts_at(scores, np.full(scores.size, mean), np.full(scores.size, size))
        assert (np.diff(found) >= 0).all()
        assert found[-1] > found[0]


def test_counts_of_normal_scores_are_draws_of_the_distribution():
    rng = np.random.default_rng(2)
    n = 40_000
    for mean, size in ((0.05, 0.5), (3.0, np.inf), (40.0, 0.1)):
        found = counts_at(rng.standard_normal(n), np.full(n, mean), np.full(n, size))
        edges = np.unique(negbin.ppf(np.linspace(0.0, 1.0, 12)[1:-1], mean, size))
        chances = np.diff([0.0, *negbin.cdf(edges, mean, size), 1.0])
        seen = np.bincount(np.searchsorted(edges, found), minlength=edges.size + 1)
        assert stats.chisquare(seen, n * chances).pvalue > 1e-4


def test_the_far_tails_have_their_own_digits():
    found = counts_at(np.array([9.0, -9.0]), np.full(2, 50.0), np.full(2, np.inf))
    tails = stats.poisson.sf(found[0], 50.0), stats.poisson.sf(found[0] - 1, 50.0)
    assert tails[0] <= ndtr(-9.0) < tails[1]
    assert -ndtri(stats.poisson.cdf(found[1], 50.0)) <= 9.0


def test_a_mean_without_an_end_is_refused():
    with pytest.raises(OptionError, match=r"cannot draw a count with mean inf \(row 7\)"):
        counts_at(np.zeros(2), np.array([1.0, np.inf]), np.ones(2), first=6)
