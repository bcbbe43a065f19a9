"""Residuals: what they are, where they stay finite, and that the truth makes them normal."""

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import nbglm
from nbglm.diagnostics.cells import GeneCells
from nbglm.diagnostics.residuals import (
    deviance_residuals,
    pearson_residuals,
    quantile_residuals,
    uniform_shares,
)
from nbglm.simulate.distribution import negbin
from nbglm.simulate.draws import draw_counts, gene_stream

SIZES = (1e-3, 0.05, 0.7, 4.0, 300.0, 1e9, np.inf)
MEANS = (1e-3, 0.3, 2.0, 90.0, 1e5)


def cells(y, mean, size, name="Pyy"):
    y, mean, size = np.broadcast_arrays(*(np.asarray(part, float) for part in (y, mean, size)))
    return GeneCells(name, y, mean, size, np.ones(y.size))


def shares(count, name="Pyy", seed=0):
    return uniform_shares((seed,), name, count)


@pytest.fixture
def fit(rng):
    """Five genes, one without a count, one without overdispersion, one silent in a group."""
    group = np.repeat(["a", "b", "c"], 100)
    counts = pd.DataFrame(
        {
            "plain": rng.negative_binomial(2, 0.3, 300),
            "poisson": np.tile([1, 2, 3], 100),
            "silent": rng.poisson(2, 300) * (group != "c"),
            "zero": np.zeros(300, dtype=int),
            "gene/ß": rng.negative_binomial(1, 0.1, 300),
        }
    )
    return nbglm.fit_negbin(counts, "~ group", obs=pd.DataFrame({"group": group}))


# Quantile residuals -----------------------------------------------------------------------------


def test_quantile_residuals_are_quantiles_of_the_randomised_distribution_function():
    y = np.arange(40.0)
    share = shares(40)
    for size in (0.2, 3.0, np.inf):
        truth = negbin(7.0, size)
        u = np.where(y > 0, truth.cdf(y - 1), 0.0) + share * truth.pmf(y)
        got = quantile_residuals(cells(y, 7.0, size), share)
        inner = np.abs(got) < 4.0  # where u, near 1, still has the digits
        assert inner.sum() > 10
        assert got[inner] == pytest.approx(stats.norm.ppf(u[inner]), abs=1e-10)


@pytest.mark.parametrize(
    ("y", "mean", "size"),
    [(9000, 3.0, np.inf), (0, 5000.0, np.inf), (400, 2.0, 8.0), (3, 2e4, 500.0), (25, 1e-6, 1.0)],
)
def test_quantile_residuals_far_out_are_those_of_exact_arithmetic(y, mean, size):
    with mp.workdps(60):
        mu, r = mp.mpf(mean), mp.mpf(1e12 if np.isinf(size) else size)

        def pmf(k):
            if np.isinf(size):
                return mp.exp(k * mp.log(mu) - mu - mp.loggamma(k + 1))
            whole = mp.loggamma(k + r) - mp.loggamma(r) - mp.loggamma(k + 1)
            return mp.exp(whole + r * mp.log(r / (r + mu)) + k * mp.log(mu / (r + mu)))

        high = y > mean
        rest = mp.fsum(pmf(k) for k in (range(y + 1, y + 400) if high else range(y)))
        log_u = mp.log(rest + pmf(y) / 2)
        z = mp.findroot(lambda z: mp.log(mp.erfc(z / mp.sqrt(2)) / 2) - log_u, mp.sqrt(-2 * log_u))
    got = quantile_residuals(cells([y], mean, size), np.array([0.5]))[0]
    assert got == pytest.approx(float(z if high else -z), rel=1e-12)
    assert abs(got) > 8.3  # beyond what 1 - u could be told from 1


def test_residuals_of_the_truth_are_standard_normal_for_every_mean_and_size():
    # 35 tests at a seed that never changes: were it drawn anew, the smallest p-value would be
    # below 1e-4 in one of 300 runs.
    smallest = 1.0
    for size in SIZES:
        for mean in MEANS:
            name = f"{size} {mean}"
            mu, r = np.full(4000, mean), np.full(4000, size)
            y = draw_counts(gene_stream((11,), name), mu, r)
            z = quantile_residuals(cells(y, mu, r, name), shares(4000, name, 12))
            assert np.isfinite(z).all()
            smallest = min(smallest, stats.kstest(z, "norm").pvalue)
    assert smallest > 1e-4


def test_residuals_of_a_wrong_size_are_not_normal():
    mu, r = np.full(4000, 2.0), np.full(4000, 4.0)
    y = draw_counts(gene_stream((11,), "wrong"), mu, r)
    z = quantile_residuals(cells(y, mu, np.full(4000, np.inf)), shares(4000))
    assert stats.kstest(z, "norm").pvalue < 1e-6


def test_the_seed_of_a_sample_can_be_used_for_its_residuals(fit):
    again = nbglm.fit_negbin(fit.sample(seed=3), "~ group")
    z = again.residuals(seed=3, genes=["plain", "gene/ß"]).to_numpy()
    y = np.asarray(again.counts.gene(0))
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.01
    # Among cells with equal counts the place within the step has nothing to do with the draw.
    places = uniform_shares((3,), "plain", 300)
    assert abs(stats.spearmanr(places, y).statistic) < 0.15


def test_shares_stay_inside_the_open_interval_and_keep_to_their_key():
    share = shares(100_000)
    assert 0.0 < share.min() < 1e-4
    assert 1.0 - 1e-4 < share.max() < 1.0
    assert stats.kstest(share, "uniform").pvalue > 1e-3
    assert (shares(10) == share[:10]).all()
    assert not np.isin(shares(10, "Gcg"), share).any()


def test_a_cell_whose_mean_is_0_says_nothing():
    share = shares(3)
    z = quantile_residuals(cells([0, 0, 0], [0.0, 5.0, 0.0], [1.0, 0.0, np.inf]), share)
    assert z == pytest.approx(stats.norm.ppf(share), abs=1e-12)


def test_impossible_counts_have_infinite_residuals():
    z = quantile_residuals(cells([2, 2], [0.0, np.inf], [1.0, 1.0]), shares(2))
    assert z.tolist() == [np.inf, -np.inf]


# The others -------------------------------------------------------------------------------------


def test_deviance_residuals_are_those_of_the_textbook():
    y = np.array([0.0, 1.0, 5.0, 80.0, 3.0])
    for mean in (0.5, 3.0, 50.0):
        for size in (0.1, 2.0, 500.0):
            with np.errstate(divide="ignore", invalid="ignore"):
                log = np.where(y > 0, y * np.log(y / mean), 0.0)
            half = log - (y + size) * np.log((y + size) / (mean + size))
            got = deviance_residuals(cells(y, mean, size))
            assert got**2 == pytest.approx(2.0 * half, rel=1e-9, abs=1e-12)
            assert (np.sign(got) == np.sign(y - mean)).all()


def test_deviance_residuals_add_up_to_statsmodels_deviance():
    import statsmodels.api as sm

    rng = np.random.default_rng(4)
    y = rng.poisson(rng.gamma(2.0, 3.0, 200)).astype(float)
    mean = np.linspace(2.0, 11.0, 200)
    squares = (deviance_residuals(cells(y, mean, 2.0)) ** 2).sum()
    assert squares == pytest.approx(sm.families.NegativeBinomial(alpha=0.5).deviance(y, mean))
    squares = (deviance_residuals(cells(y, mean, np.inf)) ** 2).sum()
    assert squares == pytest.approx(sm.families.Poisson().deviance(y, mean))


def test_deviance_residuals_have_their_limits():
    y, mean, size = [0, 0, 7, 2, 0], [0.0, 4.0, 7.0, 0.0, 2.0], [1.0, 0.0, 3.0, 1.0, np.inf]
    assert deviance_residuals(cells(y, mean, size)).tolist() == [0.0, 0.0, 0.0, np.inf, -2.0]
    assert deviance_residuals(cells([10**6 + 1], 1e6, 1e9))[0] == pytest.approx(
        1.0 / np.sqrt(1e6 + 1e3), rel=1e-5
    )


def test_pearson_residuals_have_their_limits():
    y, mean, size = [0, 3, 1], [0.0, 3.0, np.inf], [1.0, np.inf, 4.0]
    assert pearson_residuals(cells(y, mean, size)).tolist() == [0.0, 0.0, -2.0]


# Of a fit ---------------------------------------------------------------------------------------


def test_residuals_of_a_fit_are_cells_by_genes_and_finite(fit):
    for kind in ("quantile", "pearson", "deviance", "response"):
        table = fit.residuals(kind, seed=1)
        assert table.shape == (300, 5)
        assert table.columns.equals(fit.gene_names)
        assert table.index.equals(fit.counts.cells)
        assert np.isfinite(table.to_numpy()).all()
    predicted = fit.predict()
    y = np.column_stack([fit.counts.gene(g) for g in range(5)])
    assert np.array_equal(fit.residuals("response"), y - predicted["mean"])
    assert fit.residuals("pearson").equals(fit.resid_pearson)


def test_a_seed_gives_the_same_residuals_for_any_genes_and_workers(fit):
    whole = fit.residuals(seed=5)
    assert fit.residuals(seed=5, n_jobs=2).equals(whole)
    assert fit.residuals(seed=5, genes=["zero", "plain"]).equals(whole[["zero", "plain"]])
    assert fit.subset(["gene/ß"]).residuals(seed=5).equals(whole[["gene/ß"]])
    assert not fit.residuals(seed=6).equals(whole)
    assert not fit.residuals().equals(fit.residuals())


def test_one_response_has_the_same_residuals(fit):
    for kind in ("quantile", "pearson", "deviance", "response"):
        one = fit.gene("gene/ß").residuals(kind, seed=5)
        pd.testing.assert_series_equal(one, fit.residuals(kind, seed=5)["gene/ß"])
    one = fit.gene("gene/ß")
    assert np.array_equal(one.residuals("pearson"), one.resid_pearson)
    assert np.array_equal(one.residuals("response"), one.resid_response)


def test_a_model_of_one_response_has_residuals(rng):
    frame = pd.DataFrame({"x": rng.normal(size=200)}, index=[f"r{i}" for i in range(200)])
    frame["visits"] = rng.poisson(np.exp(frame["x"]))
    results = nbglm.NegBinModel.from_formula("visits ~ x", frame).fit()
    z = results.residuals(seed=1)
    assert z.name == "visits"
    assert z.index.equals(frame.index)
    many = nbglm.fit_negbin(frame[["visits"]], "~ x", obs=frame)
    assert z.to_numpy() == pytest.approx(many.residuals(seed=1)["visits"].to_numpy(), abs=1e-9)


def test_what_cannot_be_answered_is_said(fit):
    with pytest.raises(nbglm.OptionError, match="Did you mean 'quantile'"):
        fit.residuals("randomized")
    with pytest.raises(nbglm.UnknownNameError, match="Did you mean 'plain'"):
        fit.residuals(genes="plian")
    with pytest.raises(nbglm.UnavailableError, match="counts or the cells"):
        fit.without_data(limit_tests=False).residuals()
    with pytest.raises(nbglm.InputTypeError, match="seed must be a whole number"):
        fit.residuals(seed=0.5)
    one = fit.gene("plain")
    one.remove_data()
    with pytest.raises(nbglm.UnavailableError, match="removed"):
        one.residuals()
