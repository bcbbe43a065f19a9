"""Likelihood-ratio and score tests, analysis of deviance, and tables of models."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.discrete.discrete_model import NegativeBinomialP

import nbglm


@pytest.fixture
def data(rng):
    n = 360
    obs = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "g": np.resize(["a", "b", "c"], n),
            "batch": rng.choice(["p", "q"], n),
            "donor": rng.choice(list("ABCDEFGHIJKL"), n),
        }
    )
    mean = np.exp(1 + 0.2 * obs["x"] + 0.3 * (obs["g"] == "b"))
    size = np.where(obs["g"] == "c", 0.7, 2.0)
    counts = pd.DataFrame(
        {
            "regular": rng.poisson(rng.gamma(size, mean / size)),
            "other": rng.poisson(rng.gamma(2.0, mean / 2.0)),
            "without_c": rng.poisson(rng.gamma(2.0, mean / 2.0)) * (obs["g"] != "c"),
            "even": rng.binomial(4, 0.4, n),
            "empty": np.zeros(n, dtype=int),
        }
    )
    return counts, obs


def fit(data, mean, dispersion="~ 1", **options):
    counts, obs = data
    formula = {"mean": mean, "dispersion": dispersion}
    return nbglm.fit_negbin(counts, formula, obs=obs, progress=False, **options)


def test_likelihood_ratio(data, rng):
    full, reduced = fit(data, "~ x + g", "~ g"), fit(data, "~ x", "~ 1")
    table = nbglm.lr_test(full, reduced)
    difference = 2 * (full.llf - reduced.llf)
    np.testing.assert_allclose(table.statistic[:4], difference[:4])
    # Of the silent level the mean is informed, the size is not.
    assert table.df.tolist() == [4, 4, 3, 4, 0]
    np.testing.assert_allclose(table.p_value["regular"], stats.chi2.sf(difference["regular"], 4))
    np.testing.assert_allclose(
        table.p_value["without_c"], stats.chi2.sf(difference["without_c"], 3)
    )
    assert set(table.reference) == {"mixture"}
    # Less than Poisson in all levels: what the sizes add is known given what they add together.
    y, levels = data[0]["even"].to_numpy(), data[1]["g"].to_numpy()
    mean = reduced.predict()["mean"]["even"].to_numpy()
    excess, information = (
        pd.Series(values).groupby(levels).sum().to_numpy()
        for values in ((y - mean) ** 2 - y, 2.0 * mean**2)
    )
    draws = rng.normal(size=(400_000, 3))
    root = np.sqrt(information / information.sum())
    draws += np.outer(excess.sum() / np.sqrt(information.sum()) - draws @ root, root)
    beside = (np.maximum(draws, 0.0) ** 2).sum(axis=1) + rng.chisquare(2, len(draws))
    share = np.mean(beside >= difference["even"])
    assert excess.sum() < 0.0
    assert table.p_value["even"] == pytest.approx(share, abs=0.004)
    assert table.status.tolist() == full.status.tolist()
    assert table.log_p_value.dropna().tolist() == pytest.approx(np.log(table.p_value.dropna()))


def test_nestedness_is_of_spaces(data):
    coarse = fit((data[0], data[1].assign(h=data[1]["g"].replace({"c": "b"}))), "~ h")
    assert nbglm.lr_test(fit(data, "~ 0 + g"), coarse).df["regular"] == 1
    aliased = fit((data[0], data[1].assign(h=data[1]["g"].replace({"c": "b"}))), "~ h + g")
    assert nbglm.lr_test(aliased, coarse).df["regular"] == 1
    with pytest.raises(nbglm.NbglmError, match=r"cannot make up 'mean g\[T.b\]'.*Swap the two"):
        nbglm.lr_test(coarse, fit(data, "~ g"))
    with pytest.raises(nbglm.NbglmError, match=r"'dispersion x' of the smaller one\.$"):
        nbglm.lr_test(fit(data, "~ g", "~ g"), fit(data, "~ g", "~ x"))


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (lambda data: fit((data[0] + 1, data[1]), "~ 1"), "counts"),
        (lambda data: fit((data[0].iloc[:, :2], data[1]), "~ 1"), "genes"),
        (lambda data: fit(data, "~ 1", offset=np.ones(360)), "offsets"),
        (lambda data: fit(data, "~ 1", weights=np.full(360, 2)), "weights"),
        (lambda data: fit((data[0].iloc[:300], data[1].iloc[:300]), "~ 1"), "cells"),
    ],
)
def test_models_of_other_data(data, other, what):
    with pytest.raises(nbglm.AlignmentError, match=f"different {what}"):
        nbglm.lr_test(fit(data, "~ x"), other(data))


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 0.02, 1.0])
def test_mixture_has_its_size(rng, shared):
    """Sizes by stratum against one size, of Poisson counts and of more variable ones."""
    obs = pd.DataFrame({"g": np.repeat(["a", "b", "c"], 400)})
    factor = rng.gamma(1.0 / shared, shared, size=(1200, 2000)) if shared else 1.0
    counts = rng.poisson(5.0 * factor, size=(1200, 2000))
    full = nbglm.fit_negbin(counts, {"mean": "~ g", "dispersion": "~ g"}, obs=obs, progress=False)
    reduced = nbglm.fit_negbin(counts, "~ g", obs=obs, progress=False)
    pvalues = nbglm.lr_test(full, reduced).p_value
    for level in (0.01, 0.05, 0.2):
        error = np.sqrt(level * (1.0 - level) / len(pvalues))
        assert np.mean(pvalues < level) == pytest.approx(level, abs=3.5 * error)


def test_score_test_is_that_of_statsmodels(data):
    counts, obs = data
    results = fit(data, "~ x")
    extra = np.column_stack([obs["g"] == "b", obs["g"] == "c"]).astype(float)
    model = NegativeBinomialP(counts["regular"].to_numpy(), results.design.mean.matrix)
    peer = model.fit(method="newton", disp=0, maxiter=100)
    expected = np.ravel(peer.score_test(exog_extra=(extra, None))[:2])
    ours = results.score_test("~ g", observed=True).loc["regular"]
    np.testing.assert_allclose([ours.statistic, ours.p_value], expected, rtol=1e-6)
    assert ours.df == 2


def test_score_tests_are_near_likelihood_ratios(data):
    small = fit(data, "~ x")
    for component, full in (
        ("mean", fit(data, "~ x + batch")),
        ("dispersion", fit(data, "~ x", "~ batch")),
    ):
        ratio = nbglm.lr_test(full, small)
        for results in (small, small.with_cov("HC0")):
            score = results.score_test("~ batch", component)
            for gene in ("regular", "other"):
                assert score.statistic[gene] == pytest.approx(
                    ratio.statistic[gene], rel=0.3, abs=0.5
                )
        assert score.df.tolist() == [1, 1, 1, *((1, 0) if component == "mean" else (0, 0))]


def test_robust_score_test_by_hand(data):
    """The sum of cleared scores over its clustered variance."""
    counts, obs = data
    results = fit(data, "~ x").with_cov("cluster", {"groups": "donor"})
    x, z = results.design.mean.matrix, np.ones((360, 1))
    eta = x @ results.params["beta"]["regular"]
    zeta = results.params["gamma"]["regular"].iloc[0]
    factors = nbglm.kernels.likelihood.score(counts["regular"], eta, np.full(360, zeta))
    new = (obs["batch"] == "q").to_numpy(dtype=float)
    old = np.hstack([factors[:, [0]] * x, factors[:, [1]] * z])
    bread = fit(data, "~ x").cov_params("regular").to_numpy()
    across = -np.concatenate([(new * factors[:, 2]) @ x, (new * factors[:, 3]) @ z])
    cleared = new * factors[:, 0] - old @ bread @ across
    sums = pd.Series(cleared).groupby(obs["donor"]).sum()
    expected = sums.sum() ** 2 / (sums**2).sum()
    assert results.score_test("~ batch").statistic["regular"] == pytest.approx(expected)


def test_score_test_misuse(data):
    results = fit(data, "~ x")
    with pytest.raises(nbglm.HypothesisError, match="has all these terms already"):
        results.score_test("~ x")
    with pytest.raises(nbglm.FormulaError, match="Did you mean 'batch'"):
        results.score_test("~ batsh")
    with pytest.raises(ValueError, match="Did you mean 'mean'"):
        results.score_test("~ batch", "meen")


def test_anova(data):
    results = fit(data, "~ x * g", "~ g + x")
    second = results.anova()
    assert second.loc["regular"].index.tolist() == [
        *(("mean", "g"), ("mean", "x"), ("mean", "x:g")),
        *(("dispersion", "g"), ("dispersion", "x")),
    ]
    without = fit(data, "~ x", "~ g + x")
    main = fit(data, "~ x + g", "~ g + x")
    for gene in ("regular", "without_c"):
        row = second.loc[(gene, "mean", "g")]
        assert row.statistic == pytest.approx(2 * (main.llf[gene] - without.llf[gene]), abs=1e-6)
        row = second.loc[(gene, "mean", "x:g")]
        assert row.statistic == pytest.approx(2 * (results.llf[gene] - main.llf[gene]), abs=1e-6)
        assert row.df == 2
    first = results.anova(typ=1)
    null, g = fit(data, "~ 1"), fit(data, "~ g")
    for gene in ("regular", "other"):
        row = first.loc[(gene, "mean", "g")]
        assert row.statistic == pytest.approx(2 * (g.llf[gene] - null.llf[gene]), abs=1e-6)
    steps = first.loc["regular"].statistic.sum()
    assert steps == pytest.approx(2 * (results.llf["regular"] - null.llf["regular"]), abs=1e-5)
    third = results.anova(typ=3)
    row, wald = third.loc[("regular", "dispersion", "x")], results.wald_test("x", "dispersion")
    assert row.statistic == pytest.approx(wald.statistic["regular"], rel=0.3, abs=0.5)
    with pytest.raises(ValueError, match="not one of 1, 2, 3"):
        results.anova(4)


def test_compare(data):
    models = {
        "const": fit(data, "~ x"),
        "by g": fit(data, "~ x", "~ g"),
        "by x": fit(data, "~ x", "~ x"),
    }
    table = nbglm.compare(models)
    part = table.loc["regular"]
    assert part.index.tolist() == list(models)
    np.testing.assert_allclose(part.aic, [fit.aic["regular"] for fit in models.values()])
    assert part.delta_aic.min() == 0.0
    ratio = nbglm.lr_test(models["by g"], models["const"])
    assert part.lr["by g"] == ratio.statistic["regular"]
    assert part.lr_pvalue["by g"] == ratio.p_value["regular"]
    assert np.isnan(part.lr["by x"])  # not nested in the model before
    assert part.lr_status.tolist() == ["first", "ok", "not_nested"]
