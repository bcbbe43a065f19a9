"""Which number reproduces which package: a test for every line of docs/parity.md."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cases import small_cases
from scipy import stats
from statsmodels.discrete.discrete_model import NegativeBinomial

import nbglm
from nbglm.kernels.likelihood import score

REFERENCES = Path(__file__).parents[2] / "validation" / "references"
CASES = {case.name: case for case in small_cases()}


def read(name):
    return pd.read_csv(REFERENCES / f"{name}.csv")


def fit(name, dispersion=None, **options):
    case = CASES[name]
    formula = {"mean": case.mean, "dispersion": dispersion or case.dispersion}
    return nbglm.fit_negbin(
        case.counts, formula, obs=case.obs, offset=case.offset, progress=False, **options
    )


def column(results, gene, table):
    """Our numbers in the order of a reference."""
    parts = {"mean": "beta", "dispersion": "gamma"}
    return np.array(
        [table[parts[row.component]].loc[row.term, gene] for row in results.itertuples()]
    )


@pytest.mark.parametrize("name", ["slope", "factor", "mixed", "interaction", "offset", "spline"])
def test_oim_is_glmmtmb(name):
    results = fit(name)
    for gene, part in read(f"{name}.glmmtmb").groupby("gene"):
        coef, error = column(part, gene, results.params), column(part, gene, results.bse)
        np.testing.assert_allclose(coef, part["coef"], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(error, part["std_err"], rtol=1e-6)
        assert results.llf[gene] == pytest.approx(part["llf"].iloc[0], rel=1e-9)


@pytest.mark.parametrize("name", ["factor", "no_intercept"])
def test_eim_is_vgam(name):
    results = fit(name, cov_type="eim")
    table = read("inference.vgam").query("case == @name")
    for gene, part in table.groupby("gene"):
        coef, error = column(part, gene, results.params), column(part, gene, results.bse)
        np.testing.assert_allclose(coef, part["coef"], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(error, part["std_err"], rtol=1e-6)
        assert results.llf[gene] == pytest.approx(part["llf"].iloc[0], rel=1e-9)


@pytest.mark.parametrize("name", ["slope", "mixed", "small_r"])
def test_eim_beta_is_glm_nb(name):
    results = fit(name, "~ 1", cov_type="eim")
    part = read("inference.mass").query("case == @name")
    gene = part["gene"].iloc[0]
    terms = [_python_name(term) for term in part["term"]]
    np.testing.assert_allclose(results.params["beta"].loc[terms, gene], part["coef"], rtol=1e-6)
    np.testing.assert_allclose(results.bse["beta"].loc[terms, gene], part["std_err"], rtol=1e-6)
    theta = np.exp(results.params["gamma"].loc["Intercept", gene])
    assert theta == pytest.approx(part["theta"].iloc[0], rel=1e-6)


def _python_name(term):
    return {"(Intercept)": "Intercept", "gb": "g[T.b]", "gc": "g[T.c]"}.get(term, term)


@pytest.mark.parametrize("name", ["slope", "mixed", "small_r"])
def test_sandwich_of_glm_nb_takes_theta_as_known(name):
    """It is made of the beta block alone, with the expected information as its bread."""
    results = fit(name, "~ 1")
    part = read("inference.mass").query("case == @name")
    gene = part["gene"].iloc[0]
    terms = list(results.design.mean.terms)
    bread = results.with_cov("eim").cov_params(gene).loc["mean", "mean"].to_numpy()
    x = results.design.mean.matrix
    zeta = results.params["gamma"].loc["Intercept", gene]
    by_eta = score(CASES[name].counts[gene], x @ results.params["beta"][gene], zeta)[:, 0]
    rows = by_eta[:, None] * x
    robust = np.sqrt(np.diag(bread @ rows.T @ rows @ bread))
    order = [terms.index(_python_name(term)) for term in part["term"]]
    np.testing.assert_allclose(robust[order], part["sandwich"], rtol=1e-6)


@pytest.mark.parametrize("kind", ["oim", "HC0", "HC1", "cluster", "cluster_uncorrected"])
@pytest.mark.parametrize("name", ["slope", "mixed", "offset"])
def test_robust_covariances_are_those_of_r_sandwich(name, kind):
    part = read("inference.sandwich").query("case == @name and kind == @kind")
    gene = part["gene"].iloc[0]
    options = None
    if kind.startswith("cluster"):
        n = len(CASES[name].counts)
        options = {"groups": np.arange(n) % 11, "use_correction": kind == "cluster"}
    results = fit(name, cov_type=kind.removesuffix("_uncorrected"), cov_kwds=options)
    np.testing.assert_allclose(column(part, gene, results.bse), part["std_err"], rtol=1e-6)


def test_stata_robust_is_a_factor_from_hc0():
    """Stata's vce(robust) multiplies HC0 by n / (n - 1); its vce(cluster) by G / (G - 1)."""
    results = fit("mixed")
    n, groups = results.nobs, np.arange(200) % 11
    gene = results.gene_names[0]
    plain = results.with_cov("HC0").cov_params(gene)
    k = results.n_params
    np.testing.assert_allclose(
        results.with_cov("HC1").cov_params(gene) * (n - k) / (n - 1), plain * n / (n - 1)
    )
    one = results.with_cov("cluster", {"groups": groups, "use_correction": False})
    other = results.with_cov("cluster", {"groups": groups})
    np.testing.assert_allclose(
        other.cov_params(gene), one.cov_params(gene) * 11 / 10 * (n - 1) / (n - k)
    )


def test_statsmodels_dispersion_is_alpha():
    """``alpha = exp(-gamma)``, its error by the delta method; HC1 there is HC0."""
    results = fit("slope")
    gene = results.gene_names[0]
    model = NegativeBinomial(CASES["slope"].counts[gene], results.design.mean.matrix)
    start = model.fit(method="newton", disp=0).params
    for kind, theirs in (("oim", "nonrobust"), ("HC0", "HC0"), ("HC0", "HC1")):
        peer = model.fit(start, method="newton", disp=0, cov_type=theirs)
        ours = results.with_cov(kind)
        alpha = ours.estimate("Intercept", "dispersion", scale="alpha")
        alpha = alpha.loc[gene]
        assert alpha.estimate == pytest.approx(peer.params.iloc[-1], rel=1e-6)
        assert alpha.std_err == pytest.approx(peer.bse.iloc[-1], rel=1e-6)
        np.testing.assert_allclose(ours.bse["beta"][gene], peer.bse.iloc[:2], rtol=1e-6)
    assert results.llf[gene] == pytest.approx(peer.llf, rel=1e-9)


def test_gnbreg_lnalpha_is_minus_gamma():
    """Stata's alpha and ours describe the same variance."""
    results = fit("mixed")
    gene = results.gene_names[0]
    lnalpha = -results.design.dispersion.matrix @ results.params["gamma"][gene]
    mean, size = (table[gene] for table in results.predict(offset=np.zeros(200)).values())
    np.testing.assert_allclose(mean + np.exp(lnalpha) * mean**2, mean + mean**2 / size)
    y = CASES["mixed"].counts[gene]
    llf = stats.nbinom.logpmf(y, np.exp(-lnalpha), 1 / (1 + mean * np.exp(lnalpha))).sum()
    assert results.llf[gene] == pytest.approx(llf, rel=1e-9)


def test_marginal_means_are_those_of_emmeans():
    results = fit("mixed", "~ 1", cov_type="eim")
    table = read("inference.emmeans")
    for kind, options in (("mean", {}), ("ratio", {"pairwise": True})):
        ours = results.marginal_means("g", **options).loc[results.gene_names[0]]
        peer = table[table["kind"] == kind]
        assert ours.index.tolist() == peer["label"].tolist()
        for mine, its in (
            ("estimate", "estimate"),
            ("std_err", "std_err"),
            ("ci_lower", "lower"),
            ("ci_upper", "upper"),
        ):
            np.testing.assert_allclose(ours[mine], peer[its], rtol=1e-6)
