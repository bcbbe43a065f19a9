"""Deviances, leverage and Cook's distances."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import nbglm


@pytest.fixture
def data(rng):
    obs = pd.DataFrame({"x": rng.normal(size=150), "g": np.tile(["a", "b", "c"], 50)})
    obs["depth"] = np.exp(rng.normal(0.0, 0.3, 150))
    mean = np.exp(1.0 + 0.5 * obs["x"].to_numpy())[:, None] * obs["depth"].to_numpy()[:, None]
    counts = pd.DataFrame(rng.poisson(mean * rng.gamma(2.0, 0.5, (150, 4))), columns=list("abcd"))
    counts["poisson"] = np.tile([1, 2, 3], 50)
    counts["silent"] = rng.poisson(2.0, 150) * (obs["g"] != "c")
    counts["zero"] = 0
    return counts, obs


def glm(counts, design, size, offset):
    family = (
        sm.families.Poisson() if np.isinf(size) else sm.families.NegativeBinomial(alpha=1.0 / size)
    )
    return sm.GLM(counts, design, family=family, offset=offset).fit(tol=1e-12)


def test_deviances_are_those_of_a_glm_with_the_size_given(data):
    counts, obs = data
    fit = nbglm.fit_negbin(counts, "~ x", obs=obs, size_factors="depth")
    for gene in ("a", "b", "c", "d", "poisson"):
        size = np.exp(fit.params["gamma"].loc["Intercept", gene])
        theirs = glm(counts[gene], sm.add_constant(obs["x"]), size, np.log(obs["depth"]))
        assert fit.deviance[gene] == pytest.approx(theirs.deviance, rel=1e-9)
        assert fit.null_deviance[gene] == pytest.approx(theirs.null_deviance, rel=1e-7)
    assert fit.deviance["zero"] == fit.null_deviance["zero"] == 0.0
    assert fit.deviance.index.equals(fit.status.index)
    squares = (fit.residuals("deviance") ** 2).sum()
    assert fit.deviance.to_numpy() == pytest.approx(squares.to_numpy())


def test_without_a_constant_the_null_is_the_offset(data):
    counts, obs = data
    fit = nbglm.fit_negbin(counts[["a"]], "~ x - 1", obs=obs, size_factors="depth")
    size = np.exp(fit.params["gamma"].loc["Intercept", "a"])
    family = sm.families.NegativeBinomial(alpha=1.0 / size)
    expected = family.deviance(counts["a"], obs["depth"])
    assert fit.null_deviance["a"] == pytest.approx(expected, rel=1e-10)


def test_a_constant_alone_is_its_own_null(data):
    counts, obs = data
    fit = nbglm.fit_negbin(counts, "~ 1", obs=obs, size_factors="depth")
    assert fit.null_deviance.to_numpy() == pytest.approx(fit.deviance.to_numpy(), rel=1e-9)
    other = nbglm.fit_negbin(counts, {"mean": "~ g", "dispersion": "~ g"}, obs=obs)
    assert (other.null_deviance >= other.deviance - 1e-9).all()


def test_weights_are_repeated_cells(data, rng):
    counts, obs = data
    weights = rng.integers(0, 3, 150)
    rows = np.repeat(np.arange(150), weights)
    once = nbglm.fit_negbin(counts, "~ x", obs=obs, weights=weights)
    repeated = counts.iloc[rows].reset_index(drop=True)
    again = nbglm.fit_negbin(repeated, "~ x", obs=obs.iloc[rows].reset_index(drop=True))
    for name in ("deviance", "null_deviance"):
        one, other = (getattr(fit, name).to_numpy() for fit in (once, again))
        assert one == pytest.approx(other, rel=1e-7)


def test_influence_is_that_of_statsmodels(data):
    counts, obs = data
    fit = nbglm.fit_negbin(counts, {"mean": "~ x + g", "dispersion": "~ x"}, obs=obs)
    leverage, cooks = fit.leverage(list("abcd")), fit.cooks_distance(list("abcd"))
    for gene in "abcd":
        theirs = fit.gene(gene).get_influence()
        assert leverage[gene].to_numpy() == pytest.approx(theirs.hat_matrix_diag, abs=1e-10)
        assert cooks[gene].to_numpy() == pytest.approx(theirs.cooks_distance[0], rel=1e-7)


def test_distances_are_measured_by_the_observed_information(data):
    counts, obs = data
    plain = nbglm.fit_negbin(counts[["a"]], "~ x", obs=obs)
    assert plain.with_cov("HC0").cooks_distance().equals(plain.cooks_distance())


def test_a_cell_with_a_coefficient_to_itself_has_no_distance(data):
    counts, _ = data
    alone = pd.DataFrame({"own": (np.arange(150) == 7).astype(float)})
    fit = nbglm.fit_negbin(counts[["a"]], "~ own", obs=alone)
    assert fit.leverage()["a"].iloc[7] == pytest.approx(1.0, abs=1e-9)
    missing = fit.cooks_distance()["a"].isna()
    assert missing.to_numpy().nonzero()[0].tolist() == [7]


def test_genes_at_a_limit_have_the_influence_of_what_is_left(data):
    counts, obs = data
    fit = nbglm.fit_negbin(counts, "~ g", obs=obs)
    assert fit.status[["poisson", "silent", "zero"]].tolist() == [
        "poisson_limit",
        fit.status["silent"],
        "all_zero",
    ]
    leverage, cooks = fit.leverage(), fit.cooks_distance()
    assert np.isfinite(leverage.to_numpy()).all()
    assert np.isfinite(cooks.to_numpy()).all()
    theirs = glm(counts["poisson"], pd.get_dummies(obs["g"]).astype(float), np.inf, None)
    hat = theirs.get_influence().hat_matrix_diag
    assert leverage["poisson"].to_numpy() == pytest.approx(hat, rel=1e-8)
    # The silent cells have no say, the others that of a fit without them.
    without = (obs["g"] != "c").to_numpy()
    rest = nbglm.fit_negbin(
        counts.loc[without, ["silent"]].reset_index(drop=True),
        "~ g",
        obs=obs[without].reset_index(drop=True),
    )
    for table, other in ((leverage, rest.leverage()), (cooks, rest.cooks_distance())):
        assert (table.loc[~without, "silent"] == 0.0).all()
        assert (table["zero"] == 0.0).all()
        found = table.loc[without, "silent"].to_numpy()
        assert found == pytest.approx(other["silent"].to_numpy(), rel=1e-6, abs=1e-12)


def test_weights_and_dropped_data_are_refused(data):
    counts, obs = data
    fit = nbglm.fit_negbin(counts, "~ x", obs=obs, weights=np.ones(150))
    for use in (fit.leverage, fit.cooks_distance):
        with pytest.raises(nbglm.UnavailableError, match="knows no weights; repeat the cells"):
            use()
    with pytest.raises(nbglm.UnknownNameError, match="no gene 'e'"):
        fit.leverage("e")
