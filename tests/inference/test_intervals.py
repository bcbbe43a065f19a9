"""Profile intervals, likelihood-ratio p-values and tests of overdispersion."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from cases import small_cases
from scipy import stats
from scipy.optimize import brentq, minimize

import nbglm

REFERENCES = Path(__file__).resolve().parents[2] / "validation" / "references"
CUT = stats.chi2.ppf(0.95, 1) / 2
N = 120


@pytest.fixture
def obs(rng):
    return pd.DataFrame({"x": rng.normal(size=N), "g": np.resize(["a", "b", "c"], N)})


def overdispersed(rng, n=N, mean=5.0, size=1.2):
    return rng.poisson(rng.gamma(size, mean / size, n))


def fit(y, formula, obs, **options):
    return nbglm.fit_negbin(pd.DataFrame({"y": y}), formula, obs=obs, progress=False, **options)


def limits(results, part, term, **options):
    table = results.conf_int(method="profile", genes="y", terms=term, **options)[part]
    return table.loc[term, "y"].tolist()


def loglik(y, mu, r):
    return stats.nbinom.logpmf(y, r, r / (r + mu)).sum()


@pytest.mark.parametrize(
    "case",
    [case for case in small_cases() if case.name in ("slope", "factor", "mixed", "offset")],
    ids=lambda case: case.name,
)
def test_profiles_agree_with_glmmtmb(case):
    formula = {"mean": case.mean, "dispersion": case.dispersion}
    results = nbglm.fit_negbin(
        case.counts, formula, obs=case.obs, offset=case.offset, progress=False
    )
    tables = results.conf_int(method="profile")
    reference = pd.read_csv(REFERENCES / f"{case.name}.profile.csv")
    assert len(reference) == sum(table.shape[0] * 3 for table in tables.values())
    for row in reference.itertuples():
        table = tables["beta" if row.component == "mean" else "gamma"]
        ours = table.loc[row.term, row.gene].tolist()
        np.testing.assert_allclose(ours, [row.lower, row.upper], atol=1e-7)


def test_lower_limit_of_an_infinite_size(rng, obs):
    # with one mean for all cells the estimate of it is the average for every size
    y = 2 + rng.binomial(3, 0.5, N)
    results = fit(y, "~ 1", obs)
    mean = y.mean()
    top = stats.poisson.logpmf(y, mean).sum()
    want = brentq(lambda zeta: top - CUT - loglik(y, mean, np.exp(zeta)), 1.0, 12.0, xtol=1e-12)
    assert limits(results, "gamma", "Intercept") == [pytest.approx(want, abs=1e-6), np.inf]


def test_upper_limit_of_a_separated_level(rng):
    g = np.repeat(["a", "b"], 30)
    y = np.where(g == "b", 0, overdispersed(rng, 60))
    results = fit(y, "~ g", pd.DataFrame({"g": g}))
    assert results.params["beta"].loc["g[T.b]", "y"] == -np.inf

    def held(effect):
        def negative(theta):
            mu = np.exp(theta[0] + effect * (g == "b"))
            return -loglik(y, mu, np.exp(theta[1]))

        start = [np.log(y[:30].mean()), 0.0]
        options = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000}
        return -minimize(negative, start, method="Nelder-Mead", options=options).fun

    want = brentq(lambda effect: results.llf["y"] - CUT - held(effect), -12.0, 0.0, xtol=1e-9)
    lower, upper = limits(results, "beta", "g[T.b]")
    assert lower == -np.inf
    assert upper == pytest.approx(want, abs=1e-6)


def test_limits_of_the_other_coefficients_do_not_suffer(rng, obs):
    c = (obs["g"] == "c").to_numpy()
    y = np.where(c, 0, overdispersed(rng))
    whole, part = fit(y, "~ g + x", obs), fit(y[~c], "~ g + x", obs[~c])
    for component, term in (("beta", "x"), ("beta", "g[T.b]"), ("gamma", "Intercept")):
        ours, theirs = (limits(results, component, term) for results in (whole, part))
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_units_of_a_covariate_scale_the_limits(rng, obs):
    y = overdispersed(rng)
    formula = {"mean": "~ x", "dispersion": "~ x"}
    plain = fit(y, formula, obs)
    other = fit(y, formula, obs.assign(x=1e5 + 1e-3 * obs["x"]))
    for part in ("beta", "gamma"):
        ours, theirs = (np.array(limits(results, part, "x")) for results in (plain, other))
        np.testing.assert_allclose(theirs * 1e-3, ours, rtol=1e-5)
        assert ours[0] < plain.params[part].loc["x", "y"] < ours[1]


def test_limits_of_what_is_not_known(rng, obs):
    obs = obs.assign(twice=2 * obs["x"])
    y = np.where(obs["g"] == "c", 0, overdispersed(rng))
    results = fit(y, {"mean": "~ g + x + twice", "dispersion": "~ g"}, obs)
    assert limits(results, "gamma", "g[T.c]") == [-np.inf, np.inf]
    assert np.isnan(limits(results, "beta", "twice")).all()
    even = fit(y, {"mean": "~ g + x + twice", "dispersion": "~ g"}, obs, rank_deficient="min_norm")
    # x + 2 twice is what the data know; the smallest norm gives a fifth of it to x
    np.testing.assert_allclose(
        5 * np.array(limits(even, "beta", "x")), limits(results, "beta", "x"), atol=1e-6
    )


def test_wald_limits_at_infinity_are_nan_and_said_once(rng, obs):
    results = fit(np.where(obs["g"] == "c", 0, overdispersed(rng)), "~ g", obs)
    with pytest.warns(nbglm.NbglmWarning, match=r"1 coefficients of 1 genes .*method='profile'"):
        table = results.conf_int()["beta"]
    assert table.loc["g[T.c]"].isna().all()
    assert table.drop(index="g[T.c]").notna().all(axis=None)
    results.conf_int()  # silent, or the warning would be an error here


def test_likelihood_ratio_pvalues_at_a_limit(rng, obs):
    ab = obs[obs["g"] != "c"]
    y = np.where(ab["g"] == "b", 0, overdispersed(rng, len(ab)))
    results, null = fit(y, "~ g", ab), fit(y, "~ 1", ab)
    want = stats.chi2.sf(2 * (results.llf["y"] - null.llf["y"]), 1)
    assert results.pvalues["beta"].loc["g[T.b]", "y"] == pytest.approx(want, rel=1e-7)
    gene = results.gene("y")
    assert gene.pvalues["g[T.b]"] == pytest.approx(want, rel=1e-7)
    assert "likelihood-ratio" in str(gene.summary())
    table = results.to_frame().set_index("term")
    assert table.loc["g[T.b]", "p_value"] == pytest.approx(want, rel=1e-7)
    wald = 2 * stats.norm.sf(abs(results.tvalues["beta"].loc["Intercept", "y"]))
    assert results.pvalues["beta"].loc["Intercept", "y"] == pytest.approx(wald)


def test_profile_of_one_gene(rng, obs):
    results = fit(2 + rng.binomial(3, 0.5, N), "~ x", obs)
    table = results.gene("y").conf_int(method="profile")
    assert np.asarray(table)[2, 1] == np.inf
    assert np.asarray(table)[:2].tolist() == [
        limits(results, "beta", t) for t in ("Intercept", "x")
    ]


def test_what_is_misspelt_is_named(rng, obs):
    results = fit(overdispersed(rng), "~ g", obs)
    with pytest.raises(ValueError, match=r"no term 'g\[T.d\]'"):
        results.conf_int(terms="g[T.d]")
    with pytest.raises(KeyError, match="no gene 'Y'"):
        results.conf_int(genes=["Y"])
    with pytest.raises(ValueError, match="profil"):
        results.conf_int(method="profil")


def test_overdispersion_against_statsmodels(rng, obs):
    y = overdispersed(rng)
    results = fit(y, {"mean": "~ g + x", "dispersion": "~ x"}, obs)
    x = results.design.mean.matrix
    poisson = sm.GLM(y, x, family=sm.families.Poisson()).fit(tol=1e-12)
    constant = sm.NegativeBinomial(y, x).fit(method="newton", tol=1e-10, disp=0)
    row = results.overdispersion_test().loc["y"]
    ratio = 2 * (constant.llf - poisson.llf)
    assert row["lr"] == pytest.approx(ratio, rel=1e-8)
    assert row["lr_pvalue"] == pytest.approx(stats.chi2.sf(ratio, 1) / 2, rel=1e-6)
    score = ((y - poisson.mu) ** 2 - y).sum() / np.sqrt(2 * (poisson.mu**2).sum())
    assert row["score"] == pytest.approx(score, rel=1e-9)
    assert row["score_pvalue"] == pytest.approx(stats.norm.sf(score))


def test_overdispersion_at_the_edges(rng, obs):
    c = (obs["g"] == "c").to_numpy()
    table = pd.DataFrame({"poisson": 2 + rng.binomial(3, 0.5, N), "zero": 0})
    table["silent"] = np.where(c, 0, overdispersed(rng))
    results = nbglm.fit_negbin(table, "~ g", obs=obs, progress=False)
    tests = results.overdispersion_test()
    assert tests.loc["poisson", ["lr", "lr_pvalue"]].tolist() == [0.0, 1.0]
    assert tests.loc["poisson", "score_pvalue"] > 0.99
    assert tests.loc["zero"].drop("status").isna().all()
    assert tests.status.tolist() == ["poisson_limit", "all_zero", "separated"]
    part = nbglm.fit_negbin(table[["silent"]][~c], "~ g", obs=obs[~c], progress=False)
    ours, theirs = (
        table.loc["silent"].drop("status") for table in (tests, part.overdispersion_test())
    )
    np.testing.assert_allclose(ours.astype(float), theirs.astype(float))


def test_cells_without_weight_take_no_part_in_tests_of_overdispersion(rng, obs):
    """Along a separated covariate the fit sends the mean of such a cell to infinity."""
    y = np.zeros(N, dtype=int)
    y[:40] = rng.poisson(2.0, 40)
    far = obs.assign(h=np.r_[np.zeros(40), np.ones(N - 41), -1.0])
    weights = np.r_[np.ones(N - 1), 0.0]
    ours = fit(y, "~ h", far, weights=weights).overdispersion_test().loc["y"].drop("status")
    theirs = fit(y[:-1], "~ h", far[:-1]).overdispersion_test().loc["y"].drop("status")
    np.testing.assert_allclose(ours.astype(float), theirs.astype(float), rtol=1e-9)


def test_overdispersion_of_poisson_counts_has_its_size(rng):
    counts = rng.poisson(4.0, size=(250, 600))
    results = nbglm.fit_negbin(counts, "~ 1", progress=False)
    tests = results.overdispersion_test()
    assert stats.binomtest((tests["lr"] == 0).sum(), 600, 0.5).pvalue > 1e-3
    for name in ("lr_pvalue", "score_pvalue"):
        assert stats.binomtest((tests[name] < 0.05).sum(), 600, 0.05).pvalue > 1e-3
