"""Expected information against exact sums; covariances against statsmodels and each other."""

import mpmath
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.discrete.discrete_model import NegativeBinomial
from statsmodels.genmod.families import NegativeBinomial as Family
from statsmodels.genmod.generalized_linear_model import GLM

import nbglm
from nbglm.kernels.expected import expected_size_information
from nbglm.kernels.likelihood import loglik, score


def exact_information(eta, zeta):
    """Fisher's series in 40 digits, or the integral of its sum where that would take too long."""
    with mpmath.workdps(40):
        mu, r = mpmath.exp(eta), mpmath.exp(zeta)
        q = mu / (r + mu)
        if q > 0.97 and r < 60:

            def integrand(t):
                u = -mpmath.expm1(-t)
                return mpmath.exp(-r * t) * (-mpmath.log1p(-q * u) - q * u) / u

            level = mpmath.log(mu / r)
            breaks = [level, level + 20, level + 60, 5, 1 / r, 10 / r, 60 / r]
            return r * r * mpmath.quad(integrand, [0, *sorted(breaks), mpmath.inf])
        term = q * q / (2 * r * (r + 1))
        total, j = mpmath.mpf(0), 2
        while term > mpmath.mpf(10) ** -25 * total * (1 - q):
            total += term
            term *= q * j * j / ((j + r) * (j + 1))
            j += 1
        return r * r * total


@pytest.mark.parametrize("zeta", [-7.0, -1.0, 0.0, 1.0, 3.0, 8.0, 20.0, 35.0])
@pytest.mark.parametrize("eta", [-18.0, -3.0, 0.0, 2.0, 5.0, 7.0])
def test_expected_information_is_exact(eta, zeta):
    exact = exact_information(eta, zeta)
    assert abs(float(expected_size_information(eta, zeta) / exact) - 1.0) < 1e-13


@settings(deadline=None)
@given(st.floats(-5, 3), st.floats(-3, 5))
def test_expected_information_is_the_mean_of_the_observed(eta, zeta):
    # Enough counts for all but 1e-13 of the distribution.
    mu, r = np.exp(eta), np.exp(zeta)
    y = np.arange(int(60 * (mu + mu / r) + 60))
    terms = np.exp(loglik(y, eta, zeta)) * -score(y, eta, zeta)[:, 4]
    total = terms.sum()
    assert abs(total - expected_size_information(eta, zeta)) <= 1e-9 * np.abs(terms).sum()


def test_expected_information_at_the_limits():
    limits = expected_size_information([0.0, -np.inf, 1.0], [np.inf, 0.0, -700.0])
    assert limits[0] == 0.0
    assert limits[1] == 0.0
    assert 0.0 < limits[2] < 1e-8


@pytest.fixture
def cells(rng):
    n = 600
    obs = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "g": rng.choice(list("abc"), n),
            "donor": rng.choice([f"d{k}" for k in range(12)], n),
        }
    )
    mean = np.exp(1 + 0.4 * obs["x"] + 0.5 * (obs["g"] == "b"))
    return obs, pd.DataFrame({"y": rng.poisson(rng.gamma(2.0, mean / 2.0))})


@pytest.fixture
def fit(cells):
    obs, counts = cells
    return nbglm.fit_negbin(counts, "~ x + g", obs=obs, progress=False)


@pytest.mark.parametrize(
    ("kind", "theirs"), [("oim", "nonrobust"), ("HC0", "HC0"), ("cluster", "cluster")]
)
def test_same_as_statsmodels(cells, fit, kind, theirs):
    obs, counts = cells
    groups = pd.factorize(obs["donor"])[0]
    model = NegativeBinomial(counts["y"].to_numpy(), fit.design.mean.matrix)
    start = model.fit(method="newton", disp=0).params
    options = {"cov_kwds": {"groups": groups}} if kind == "cluster" else {}
    peer = model.fit(start, method="newton", disp=0, cov_type=theirs, **options)
    ours = fit.with_cov(kind, {"groups": "donor"} if kind == "cluster" else None)
    # statsmodels' last parameter is alpha = exp(-gamma).
    scale = np.append(np.ones(4), -peer.params[-1])
    covariance = ours.cov_params("y").to_numpy()
    np.testing.assert_allclose(covariance * np.outer(scale, scale), peer.cov_params(), rtol=1e-6)


def test_expected_is_that_of_a_glm_with_known_size(cells, fit):
    _, counts = cells
    alpha = np.exp(-fit.params["gamma"].iloc[0, 0])
    peer = GLM(counts["y"], fit.design.mean.matrix, family=Family(alpha=alpha)).fit(tol=1e-14)
    expected = fit.with_cov("eim").cov_params("y")
    np.testing.assert_allclose(
        expected.loc["mean", "mean"], peer.cov_params().to_numpy(), rtol=1e-7
    )
    assert (expected.loc["mean", "dispersion"] == 0.0).to_numpy().all() or np.abs(
        expected.loc["mean", "dispersion"]
    ).to_numpy().max() < 1e-12


def test_sandwiches_are_sums_of_scores(cells):
    """Size covariates, weights, offset, and a gene with a silent level: against plain sums."""
    obs, counts = cells
    counts = counts.assign(silent=np.where(obs["g"] == "c", 0, counts["y"]))
    weights = np.resize([1, 2, 0, 1], len(obs))
    fit = nbglm.fit_negbin(
        counts,
        {"mean": "~ x + g", "dispersion": "~ x"},
        obs=obs,
        weights=weights,
        offset=np.linspace(-1, 1, len(obs)),
        progress=False,
    )
    x, z = fit.design.mean.matrix, fit.design.dispersion.matrix
    clusters = pd.factorize(obs["donor"])[0]
    for gene in ("y", "silent"):
        mean = fit.fittedvalues[gene].to_numpy()
        size = fit.predict(offset=np.linspace(-1, 1, len(obs)))["dispersion"][gene].to_numpy()
        with np.errstate(divide="ignore"):
            factors = score(counts[gene], np.log(mean), np.log(size))
        rows = np.hstack([factors[:, [0]] * x, factors[:, [1]] * z])
        bread = fit.cov_params(gene).to_numpy()
        known = np.isfinite(bread[0])
        assert known.sum() == (6 if gene == "y" else 5)
        bread, rows = bread[np.ix_(known, known)], rows[:, known]
        sums = np.zeros((12, known.sum()))
        np.add.at(sums, clusters, weights[:, None] * rows)
        n, k = weights.sum(), 6
        expected = {
            "HC0": bread @ (rows.T * weights) @ rows @ bread,
            "HC1": n / (n - k) * bread @ (rows.T * weights) @ rows @ bread,
            "cluster": 12 / 11 * (n - 1) / (n - k) * bread @ sums.T @ sums @ bread,
        }
        for kind, covariance in expected.items():
            options = {"groups": obs["donor"]} if kind == "cluster" else None
            ours = fit.with_cov(kind, options).cov_params(gene).to_numpy()
            assert np.isnan(ours[~known]).all()
            np.testing.assert_allclose(ours[np.ix_(known, known)], covariance, rtol=1e-9)


def test_nothing_is_fitted_again(fit):
    robust = fit.with_cov("HC0")
    assert robust.arrays is fit.arrays
    assert robust.cov_type == "HC0"
    assert fit.cov_type == "oim"
    assert robust.gene("y").cov_type == "HC0"
    np.testing.assert_array_equal(robust.gene("y").bse[:4], robust.bse["beta"]["y"])


@pytest.mark.parametrize(
    ("cov_type", "options", "message"),
    [
        ("hc0", None, "Did you mean 'HC0'"),
        ("cluster", None, "needs cov_kwds={'groups'"),
        ("cluster", {"groups": "doner"}, "Did you mean 'donor'"),
        ("cluster", {"groups": np.zeros(600)}, "two clusters or more"),
        ("cluster", {"groups": [1, 2]}, "must have 600 values"),
        ("cluster", {"groups": [None] + ["a", "b"] * 299 + ["a"]}, "none is given for '0'"),
        ("cluster", {"group": "donor"}, "Did you mean 'groups'"),
        ("HC0", {"groups": "donor"}, "takes no cov_kwds"),
    ],
)
def test_misuse(cells, cov_type, options, message):
    obs, counts = cells
    with pytest.raises(ValueError, match=message):
        nbglm.fit_negbin(counts, "~ x", obs=obs, cov_type=cov_type, cov_kwds=options)
