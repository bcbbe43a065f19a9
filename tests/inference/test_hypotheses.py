"""Contrasts and joint tests, against statsmodels where there is one and by hand at a limit."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

import nbglm

FORMULA = {"mean": "~ x + g", "dispersion": "~ g"}


@pytest.fixture
def fit(rng):
    n = 400
    obs = pd.DataFrame({"x": rng.normal(size=n), "g": np.resize(["a", "b", "c", "d"], n)})
    mean = np.exp(1 + 0.3 * obs["x"] + 0.4 * (obs["g"] == "b"))
    counts = pd.DataFrame(
        {
            "regular": rng.poisson(rng.gamma(2.0, mean / 2.0)),
            "other": rng.poisson(rng.gamma(1.0, mean)),
            "without_c": rng.poisson(rng.gamma(2.0, mean / 2.0)) * (obs["g"] != "c"),
            "without_cd": rng.poisson(rng.gamma(2.0, mean / 2.0)) * obs["g"].isin(["a", "b"]),
            "without_a": rng.poisson(rng.gamma(2.0, mean / 2.0)) * (obs["g"] != "a"),
            "even": rng.binomial(4, 0.4, n),
            "empty": np.zeros(n, dtype=int),
        }
    )
    return nbglm.fit_negbin(counts, FORMULA, obs=obs, progress=False)


def one(fit, gene, hypothesis, component="mean"):
    return fit.t_test(hypothesis, component).loc[gene]


@pytest.mark.parametrize("component", ["mean", "dispersion"])
def test_same_as_statsmodels(fit, component):
    prefix = "" if component == "mean" else "dispersion-"
    peer = fit.gene("regular").t_test(f"{prefix}g[T.b] - 2*{prefix}g[T.d] = 0.3")
    row = one(fit, "regular", "g[T.b] - 2*g[T.d] = 0.3", component)
    assert row.contrast == "g[T.b] - 2 * g[T.d] = 0.3"
    np.testing.assert_allclose(
        [row.estimate, row.std_err, row.z, row.p_value, row.ci_lower, row.ci_upper],
        [peer.effect[0], peer.sd[0, 0], peer.tvalue[0, 0], float(peer.pvalue), *peer.conf_int()[0]],
        rtol=1e-9,
    )
    names = [f"{prefix}g[T.{level}] = 0" for level in "bcd"]
    joint = fit.gene("regular").wald_test(", ".join(names), scalar=True)
    ours = fit.wald_test("g", component).loc["regular"]
    np.testing.assert_allclose([ours.statistic, ours.p_value], [joint.statistic, joint.pvalue])
    assert (ours.df, ours.test) == (3, "wald")


def test_ways_to_write_a_hypothesis(fit):
    assert fit.design.mean.terms[1:3] == ("g[T.b]", "g[T.c]")
    matrix = np.array([[0.0, 1.0, -1.0, 0.0, 0.0]])
    written = fit.t_test("g[T.b] - g[T.c]")
    for other in (matrix, ["g[T.b] - g[T.c]"], {"b over c": matrix}):
        np.testing.assert_array_equal(fit.t_test(other).estimate, written.estimate)
    assert set(fit.t_test({"half": "g[T.b] = 0.5"}).contrast) == {"half"}
    assert set(fit.t_test(["g[T.b] = 0.5"]).contrast) == {"g[T.b] = 0.5"}
    assert set(fit.t_test({"b over c": matrix}).contrast) == {"b over c"}
    assert fit.t_test("g").loc["regular"].index.tolist() == ["g[T.b]", "g[T.c]", "g[T.d]"]


def test_finite_differences_of_infinite_coefficients(fit):
    """With level a silent every coefficient of g is infinite, but b over d is not."""
    assert np.isinf(fit.params["beta"]["without_a"]["g[T.b]"])
    row = one(fit, "without_a", "g[T.b] - g[T.d]")
    assert row.status == "ok"
    keep = fit.counts.obs["g"] != "a"
    alone = nbglm.fit_negbin(
        pd.DataFrame({"y": fit.counts.gene(4)[keep]}),
        FORMULA,
        obs=fit.counts.obs[keep].reset_index(drop=True),
        progress=False,
    )
    peer = one(alone, "y", "g[T.c] - g[T.d]")
    other = one(fit, "without_a", "g[T.c] - g[T.d]")
    np.testing.assert_allclose([other.estimate, other.std_err], [peer.estimate, peer.std_err], 1e-6)


def test_signs_at_infinity(fit):
    falls = one(fit, "without_c", "g[T.c] - g[T.b]")
    assert (falls.estimate, falls.status) == (-np.inf, "separated")
    assert np.isnan(falls.std_err)
    rises = one(fit, "without_c", "g[T.b] - g[T.c]")
    assert rises.estimate == np.inf
    assert falls.p_value == pytest.approx(rises.p_value)
    # c and d are both silent: their sum falls, of their difference the counts say nothing, and
    # neither do they of one fall less twice the other.
    assert one(fit, "without_cd", "g[T.c] + g[T.d]").estimate == -np.inf
    for text in ("g[T.c] - g[T.d]", "2*g[T.c] - g[T.d]"):
        row = one(fit, "without_cd", text)
        assert np.isnan([row.estimate, row.p_value]).all()
        assert row.status == "not_identified"
    assert one(fit, "empty", "Intercept + g[T.b]").estimate == -np.inf
    assert np.isnan(one(fit, "empty", "g[T.b]").estimate)


def test_limits_get_likelihood_ratios(fit):
    """The constrained fit is that of a design without the column."""
    obs = fit.counts.obs.assign(g=fit.counts.obs["g"].replace({"c": "a"}))
    without = nbglm.fit_negbin(
        pd.DataFrame({"y": fit.counts.gene(2)}),
        {"mean": "~ x + g", "dispersion": "~ h"},
        obs=obs.assign(h=fit.counts.obs["g"]),
        progress=False,
    )
    ratio = 2 * (fit.llf["without_c"] - without.llf["y"])
    assert one(fit, "without_c", "g[T.c]").p_value == pytest.approx(stats.chi2.sf(ratio, 1))
    joint = fit.wald_test("g")
    assert joint.test.tolist() == ["wald", "wald", "lr", "lr", "lr", "wald", "none"]
    assert joint.df.tolist() == [3, 3, 3, 3, 3, 3, 0]
    no_effect = nbglm.fit_negbin(
        pd.DataFrame({"y": fit.counts.gene(3)}),
        {"mean": "~ x", "dispersion": "~ g"},
        obs=fit.counts.obs,
        progress=False,
    )
    ratio = 2 * (fit.llf["without_cd"] - no_effect.llf["y"])
    assert joint.statistic["without_cd"] == pytest.approx(ratio, rel=1e-6)


def test_degrees_of_freedom_are_what_the_counts_can_tell(fit):
    """Cells whose mean is 0 tell nothing of their size."""
    sizes = fit.wald_test("g", "dispersion")
    assert sizes.df[["regular", "without_c", "without_cd", "without_a", "empty"]].tolist() == [
        *(3, 2, 1, 2, 0)
    ]
    assert sizes.test["without_c"] in ("lr", "wald")
    assert np.isnan(sizes.p_value["empty"])


def test_multiplicity_is_over_genes(fit):
    table = fit.t_test(["x", "g[T.b]"], method="holm")
    for _, part in table.groupby("contrast"):
        assert len(part) == len(fit.gene_names)
        tested = part.p_value.notna()
        expected = multipletests(part.p_value[tested], method="holm")[1]
        np.testing.assert_allclose(part.p_adjusted[tested], expected)
        assert part.p_adjusted[~tested].isna().all()


def test_aliased_columns(rng):
    obs = pd.DataFrame({"g": np.resize(["a", "b", "c"], 90)})
    obs["h"] = obs["g"].replace({"c": "b"})
    y = pd.DataFrame({"y": rng.negative_binomial(2, 0.3, 90)})
    plain = nbglm.fit_negbin(y, "~ g", obs=obs, progress=False)
    for rule in ("drop", "min_norm"):
        fit = nbglm.fit_negbin(y, "~ h + g", obs=obs, rank_deficient=rule, progress=False)
        assert fit.t_test("g[T.c]").status.item() == "aliased"
        told = fit.t_test("h[T.b] + g[T.c]").iloc[0]
        peer = plain.t_test("g[T.c]").iloc[0]
        np.testing.assert_allclose(
            [told.estimate, told.std_err], [peer.estimate, peer.std_err], 1e-8
        )
    with pytest.raises(nbglm.HypothesisError, match="its columns are aliased"):
        fit.wald_test(["h[T.b]"])
    joint = fit.wald_test(["h[T.b] + g[T.b]", "h[T.b] + g[T.c]"]).iloc[0]
    peer = plain.wald_test("g").iloc[0]
    np.testing.assert_allclose(joint.statistic, peer.statistic, 1e-8)


@pytest.mark.parametrize(
    ("hypothesis", "component", "message"),
    [
        ("g[T.x]", "mean", "Did you mean 'g"),
        ("gg", "mean", "cannot read the hypothesis 'gg'"),
        ([[1.0, 2.0]], "mean", "needs a row for each combination and 5 columns"),
        (np.zeros((1, 5)), "mean", "rows without a coefficient"),
        ("g", "means", "Did you mean 'mean'"),
        ("x", "dispersion", "pass component='mean'"),
    ],
)
def test_misuse(fit, hypothesis, component, message):
    with pytest.raises(ValueError, match=message):
        fit.wald_test(hypothesis, component)
