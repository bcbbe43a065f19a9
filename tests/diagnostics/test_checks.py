"""Tests of fit: their sizes, what they find, and what they say where there is nothing to test."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import nbglm
from nbglm.diagnostics.cells import cells_of_one
from nbglm.diagnostics.moments import Information, dispersion, zeros
from nbglm.simulate.distribution import negbin

TESTS = ["zeros", "dispersion", "uniformity"]


def simulated(rng, cells, genes, mean=2.0, size=2.0):
    x = rng.normal(size=cells)
    mu = mean * np.exp(0.3 * x)[:, None] * np.ones(genes)
    return rng.poisson(mu * rng.gamma(size, 1.0 / size, mu.shape)), pd.DataFrame({"x": x})


def rejected(table, test):
    return (table.xs(test, level="test")["p_value"] < 0.05).mean()


@pytest.mark.slow
def test_true_models_are_rejected_as_often_as_they_should_be(rng):
    counts, obs = simulated(rng, 400, 1500)
    table = nbglm.fit_negbin(counts, "~ x", obs=obs).goodness_of_fit(seed=1)
    for test in TESTS:
        # Three and a half standard errors of a share of 5 % among 1,500.
        assert rejected(table, test) == pytest.approx(0.05, abs=0.02)
        assert (table.xs(test, level="test")["p_adjusted"] < 0.05).sum() <= 2


def test_each_test_finds_what_it_is_for(rng):
    counts, obs = simulated(rng, 600, 40, mean=4.0, size=5.0)
    inflated = counts * (rng.random(counts.shape) > 0.25)
    table = nbglm.fit_negbin(inflated, "~ x", obs=obs).goodness_of_fit()
    assert rejected(table, "zeros") > 0.9
    zeros = table.xs("zeros", level="test")
    assert (zeros["observed"] > zeros["expected"]).mean() > 0.9
    assert rejected(table, "uniformity") > 0.9
    outliers = counts.copy()
    outliers[:3] += 60
    table = nbglm.fit_negbin(outliers, "~ x", obs=obs).goodness_of_fit()
    assert rejected(table, "dispersion") > 0.9


def test_covariances_with_the_scores_are_sums_over_all_counts():
    y, mean, size = np.arange(4000.0), np.array([0.7, 3.0, 12.0]), np.array([0.8, 2.0, 30.0])
    x = np.eye(3)
    fit = nbglm.fit_negbin(np.array([[1], [2], [7], [0]]), "~ 1")
    cells = cells_of_one(fit, 0)
    cells = type(cells)("g", np.array([0.0, 3.0, 12.0]), mean, size, np.ones(3))
    taken_off, variances = {"zeros": 0.0, "dispersion": 0.0}, {"zeros": 0.0, "dispersion": 0.0}
    for mu, r in zip(mean, size, strict=True):
        p = negbin.pmf(y, mu, r)
        step = 1e-5
        slopes = [
            (
                negbin.logpmf(y, mu * np.exp(a), r * np.exp(b))
                - negbin.logpmf(y, mu * np.exp(-a), r * np.exp(-b))
            )
            / (2 * step)
            for a, b in ((step, 0.0), (0.0, step))
        ]
        information = np.array([[p @ (one * two) for two in slopes] for one in slopes])
        moments = {"zeros": y == 0, "dispersion": (y - mu) ** 2 / (mu + mu**2 / r)}
        for name, moment in moments.items():
            c = np.array([p @ (moment * slope) for slope in slopes])
            taken_off[name] += c @ np.linalg.solve(information, c)
            variances[name] += p @ moment**2 - (p @ moment) ** 2
    # Each cell has a mean and a size of its own, in two designs side by side.
    information = Information(cells, x, x, np.eye(6))
    for name, test in (("zeros", zeros), ("dispersion", dispersion)):
        found = test(cells, information)
        left = (found.observed - found.expected) ** 2 / found.statistic
        assert left == pytest.approx(variances[name] - taken_off[name], rel=1e-4)


def test_the_table_has_a_row_for_each_gene_and_test(rng):
    counts, obs = simulated(rng, 80, 5)
    counts[:, 1] = 0
    fit = nbglm.fit_negbin(counts, "~ x", obs=obs)
    table = fit.goodness_of_fit()
    assert table.index.names == ["gene", "test"]
    assert table.index.get_level_values("test")[:3].tolist() == TESTS
    lacking = table.loc["gene_1"]
    assert lacking["status"].tolist() == ["all_zero"] * 3
    assert lacking[["statistic", "p_value", "p_adjusted"]].isna().all(axis=None)
    told = table[table["status"] == "ok"]
    assert told["p_value"].to_numpy() == pytest.approx(
        stats.chi2.sf(told["statistic"], told["df"]), rel=1e-9
    )
    assert np.exp(told["log_p_value"]).to_numpy() == pytest.approx(told["p_value"].to_numpy())
    p = table.xs("zeros", level="test")["p_value"].dropna()
    adjusted = table.xs("zeros", level="test")["p_adjusted"].dropna()
    assert adjusted.to_numpy() == pytest.approx(stats.false_discovery_control(p))
    observed = table.xs("zeros", level="test")["observed"]
    assert observed["gene_0"] == (counts[:, 0] == 0).sum()


def test_some_tests_of_some_genes_are_the_same_numbers(rng):
    counts, obs = simulated(rng, 80, 6)
    fit = nbglm.fit_negbin(counts, "~ x", obs=obs)
    whole = fit.goodness_of_fit(seed=3, n_jobs=2)
    some = fit.goodness_of_fit("uniformity", genes=["gene_4", "gene_2"], seed=3)
    assert some.index.tolist() == ["gene_4", "gene_2"]
    columns = ["statistic", "df", "p_value"]
    theirs = whole.xs("uniformity", level="test").loc[["gene_4", "gene_2"], columns]
    assert np.array_equal(some[columns], theirs)


def test_weights_are_repeated_cells(rng):
    counts, obs = simulated(rng, 60, 3)
    weights = rng.integers(0, 4, 60)
    rows = np.repeat(np.arange(60), weights)
    once = nbglm.fit_negbin(counts, "~ x", obs=obs, weights=weights)
    again = nbglm.fit_negbin(counts[rows], "~ x", obs=obs.iloc[rows].reset_index(drop=True))
    tests = ["zeros", "dispersion"]  # the other one draws a number for each cell
    one, other = (fit.goodness_of_fit(tests)["statistic"].to_numpy() for fit in (once, again))
    assert one == pytest.approx(other, rel=1e-5)


def test_genes_at_limits_are_tested_where_something_is_left(rng):
    group = np.repeat(["a", "b"], 60)
    counts = pd.DataFrame({"silent": rng.poisson(2, 120) * (group == "a"), "one": 0})
    counts.loc[3, "one"] = 1
    counts["even"] = 2
    fit = nbglm.fit_negbin(counts, "~ g", obs=pd.DataFrame({"g": group}))
    table = fit.goodness_of_fit()
    assert set(table.loc["silent", "status"]) == {"ok"}
    # The silent cells are zeros that the fit is certain of.
    assert table.loc[("silent", "zeros"), "observed"] >= 60
    finite = table["statistic"].notna()
    assert (table["status"][~finite] == "not_identified").all()
    assert np.isfinite(table.loc[finite, ["p_value", "log_p_value"]]).all(axis=None)


def test_unknown_words_are_refused(rng):
    counts, obs = simulated(rng, 30, 1)
    fit = nbglm.fit_negbin(counts, "~ x", obs=obs)
    with pytest.raises(nbglm.OptionError, match=r"tests='zero' is not one of.*'zeros'"):
        fit.goodness_of_fit("zero")
    with pytest.raises(nbglm.OptionError, match="method"):
        fit.goodness_of_fit(method="fdr")
