"""Adjusted dispersions are those of edgeR's definition; without the adjustment all is the fit's."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cases import few_samples_case

import nbglm
from nbglm.dispersions.means import GivenSizes
from nbglm.dispersions.profile import Profile
from nbglm.dispersions.refit import refit

REFERENCES = Path(__file__).parents[2] / "validation" / "references" / "cox_reid.csv"


def _few(rng, genes=120):
    n = int(rng.integers(6, 30))
    obs = pd.DataFrame(
        {
            "g": rng.permutation(np.resize(list("abc"), n)),
            "h": np.repeat([0, 1], [n // 2, n - n // 2]),
            "x": rng.normal(size=n),
            "w": rng.integers(0, 4, n),
        }
    )
    mean, size = rng.lognormal(1, 2, genes), rng.lognormal(1, 1, genes)
    counts = rng.negative_binomial(size * np.ones((n, 1)), size / (size + mean))
    return counts, obs


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize(
    "formula",
    [
        {"mean": "~ h"},
        {"mean": "~ g", "dispersion": "~ h"},
        {"mean": "~ g", "dispersion": "~ g"},
        {"mean": "~ x", "dispersion": "~ x"},
        {"mean": "~ g + h + x + C(g)", "dispersion": "~ h"},
    ],
)
def test_without_the_adjustment_it_is_maximum_likelihood_limits_included(rng, formula, weights):
    counts, obs = _few(rng)
    fit = nbglm.fit_negbin(counts, formula, obs=obs, weights=weights)
    design, problem = fit.design, fit.problem
    again = refit(
        fit.arrays,
        fit.counts,
        design.mean.matrix,
        design.dispersion.matrix,
        design.offset,
        fit.weights,
        aliased=problem.aliased,
        projection=problem.projection,
        adjust=False,
    )
    assert {"ok", "poisson_limit"} <= set(fit.status)
    assert np.array_equal(again.coef_status, fit.arrays.coef_status)
    assert np.array_equal(again.status, fit.arrays.status)
    assert np.allclose(again.llf, fit.arrays.llf, rtol=0, atol=1e-7)
    known = np.isfinite(fit.arrays.coef)
    assert np.allclose(again.coef[known], fit.arrays.coef[known], rtol=1e-6, atol=1e-6)
    before, after = (
        np.sqrt(np.sum(root**2, axis=2))[known] for root in (fit.arrays.root, again.root)
    )
    assert np.allclose(after, before, rtol=1e-4, atol=1e-9)


def test_the_gradient_is_that_of_the_adjusted_profile_likelihood(rng):
    x = np.linalg.qr(np.column_stack([np.ones(12), np.repeat([0, 1], 6)]))[0]
    y = rng.negative_binomial(3, 0.1, size=(20, 12)).astype(float)
    profile = Profile(GivenSizes(y, np.zeros(12), np.ones(12), x), x, np.zeros(12, dtype=bool))
    c = rng.normal(0, 1, (20, 2)) + np.array([4.0, 0.0])
    here = profile.at(c, np.zeros((20, 2)))
    for k in range(2):
        step = 1e-4 * np.eye(2)[k]
        up, down = profile.at(c + step, here.fit.b), profile.at(c - step, here.fit.b)
        assert np.allclose(here.gradient[:, k], (up.value - down.value) / 2e-4, atol=1e-6)


def test_the_maxima_are_those_of_edger():
    case = few_samples_case()
    fit = nbglm.fit_negbin(
        case.counts, case.mean, obs=case.obs, offset=case.offset, dispersion_method="cox_reid"
    )
    stored = pd.read_csv(REFERENCES, index_col="gene")
    found = fit.params["gamma"].loc["Intercept"]
    poisson = np.isposinf(found)
    assert poisson.tolist() == stored["at_the_end"].tolist()
    # edgeR's values are exact to about 1e-6, and its largest difference here is 4e-6.
    assert np.allclose(found[~poisson], stored["log_size"][~poisson.to_numpy()], atol=2e-5)


def test_it_takes_out_the_bias_of_few_samples():
    rng = np.random.default_rng(1)
    mean = rng.lognormal(4, 1, 600)
    counts = rng.negative_binomial(4.0, 4.0 / (4.0 + mean * np.ones((6, 1))))
    obs = pd.DataFrame({"g": np.repeat(["a", "b"], 3)})
    ml = nbglm.fit_negbin(counts, "~ g", obs=obs)
    adjusted = nbglm.fit_negbin(counts, "~ g", obs=obs, dispersion_method="cox_reid")
    medians = [fit.params["gamma"].loc["Intercept"].median() for fit in (ml, adjusted)]
    assert medians[0] - np.log(4.0) > 0.4
    assert abs(medians[1] - np.log(4.0)) < 0.25
    assert (adjusted.llf <= ml.llf + 1e-8).all()


@pytest.fixture
def adjusted(rng):
    counts, obs = _few(rng, 30)
    return nbglm.fit_negbin(
        counts, {"mean": "~ h", "dispersion": "~ h"}, obs=obs, dispersion_method="cox_reid"
    )


def test_genes_are_the_same_bits_in_any_company(rng):
    counts, obs = _few(rng, 40)
    options = {"obs": obs, "dispersion_method": "cox_reid"}
    formula = {"mean": "~ h", "dispersion": "~ h"}
    whole = nbglm.fit_negbin(counts, formula, **options)
    for part in (slice(0, 1), slice(7, 23)):
        some = nbglm.fit_negbin(
            pd.DataFrame(counts, columns=whole.gene_names).iloc[:, part], formula, **options
        )
        for key in ("beta", "gamma"):
            assert some.params[key].equals(whole.params[key].iloc[:, part])
            assert some.bse[key].equals(whole.bse[key].iloc[:, part])


def test_it_is_known_to_files_subsets_and_people(adjusted, tmp_path):
    adjusted.save(tmp_path / "fit.h5ad")
    loaded = nbglm.load(tmp_path / "fit.h5ad")
    some = adjusted[list(adjusted.gene_names[:5])]
    for fit in (loaded, some, adjusted.without_data(), adjusted.with_cov("HC1")):
        assert fit.dispersion_method == "cox_reid"
        assert "by 'cox_reid'" in repr(fit)
    assert loaded.t_test("h").equals(adjusted.t_test("h"))


def test_what_compares_likelihoods_is_refused_and_limits_have_no_p_values(adjusted):
    refused = [
        lambda: nbglm.lr_test(adjusted, adjusted),
        adjusted.anova,
        adjusted.overdispersion_test,
        lambda: adjusted.score_test("~ x"),
        lambda: adjusted.conf_int(method="profile"),
        lambda: adjusted.calibrate(n_genes=1, n_sim=1),
        lambda: adjusted.bootstrap(adjusted.gene_names[0], 2),
        lambda: nbglm.power(adjusted, "h", 0.5, n=10),
        lambda: adjusted.gene(adjusted.gene_names[0]),
    ]
    for call in refused:
        with pytest.raises(nbglm.UnavailableError, match="maximise the likelihood"):
            call()
    infinite = np.isinf(adjusted.params["gamma"].loc["h"])
    assert infinite.any()
    assert adjusted.pvalues["gamma"].loc["h"][infinite].isna().all()
    assert (
        adjusted.wald_test("h", component="dispersion")["p_value"][infinite.to_numpy()].isna().all()
    )
    with pytest.raises(nbglm.OptionError, match="Did you mean 'cox_reid'"):
        nbglm.fit_negbin(np.ones((4, 1)), "~ 1", dispersion_method="REML")
