"""Counts drawn from a fit and fitted again: calibration and bootstrap."""

import numpy as np
import pandas as pd
import pytest

import nbglm
from nbglm.trials.donors import donor_variance, size_within

COLUMNS = ["component", "term", "coverage", "mc_error", "size", "power", "bias", "rmse", "n_fits"]


def counts_of(mean, size, genes, seed):
    rng = np.random.default_rng(seed)
    y = rng.poisson(rng.gamma(size, np.tile(mean[:, None] / size, genes)))
    return pd.DataFrame(y, columns=[f"g{k}" for k in range(genes)])


@pytest.fixture(scope="module")
def fit():
    obs = pd.DataFrame({"x": np.tile([0.0, 1.0], 60), "donor": np.repeat(np.arange(20), 6)})
    y = counts_of(np.exp(1.0 + 0.3 * obs["x"].to_numpy()), 2.0, 4, 1)
    y["zero"] = 0
    return nbglm.fit_negbin(y, "~ x", obs=obs, progress=False)


def test_intervals_of_a_true_model_hold_and_tests_have_their_size(fit):
    table = fit.calibrate(n_sim=250, seed=3)
    assert list(table) == COLUMNS
    assert table["term"].tolist() == ["Intercept", "x", "Intercept"]
    assert (table["n_fits"] == 1000).all()  # none of the gene without counts
    beta = table[table["component"] == "mean"]
    # 120 cells: the normal approximation costs a little.
    assert beta["coverage"].between(0.92, 0.97).all()
    assert 0.03 < table.loc[1, "size"] < 0.08
    assert table["size"].isna().tolist() == [True, False, True]
    assert table.loc[0, "power"] > 0.99
    assert table.attrs["genes"] == ["g0", "g1", "g2", "g3"]
    assert "independent" in table.attrs["simulated"]
    np.testing.assert_allclose(
        table["mc_error"], np.sqrt(table["coverage"] * (1 - table["coverage"]) / 1000)
    )


def test_calibration_is_the_same_for_any_workers_and_blocks(fit, monkeypatch):
    one = fit.calibrate(n_sim=6, seed=4)
    pd.testing.assert_frame_equal(one, fit.calibrate(n_sim=6, seed=4, n_jobs=2), check_exact=True)
    monkeypatch.setattr("nbglm.trials.repeats._ENTRIES", 1000)
    pd.testing.assert_frame_equal(one, fit.calibrate(n_sim=6, seed=4), check_exact=True)
    assert not one.equals(fit.calibrate(n_sim=6, seed=5))
    assert fit.calibrate(n_genes=2, n_sim=2, seed=4, size=False)["size"].isna().all()


@pytest.mark.filterwarnings("ignore:'arm' varies only between:UserWarning")
def test_observed_information_falls_short_where_donors_differ_and_clusters_do_better():
    rng = np.random.default_rng(5)
    donor = np.repeat(np.arange(40), 25)
    obs = pd.DataFrame({"arm": (donor % 2).astype(float), "donor": [f"d{k}" for k in donor]})
    effect = np.exp(rng.normal(-0.045, 0.3, (40, 3)))[donor]
    y = pd.DataFrame(rng.poisson(rng.gamma(3.0, 5.0 * effect / 3.0)), columns=list("abc"))
    fit = nbglm.fit_negbin(y, "~ arm", obs=obs, progress=False)
    naive = fit.calibrate(n_sim=60, seed=1, groups="donor").set_index(["component", "term"])
    robust = fit.with_cov("cluster", {"groups": "donor"}).calibrate(n_sim=60, seed=1)
    assert naive.loc[("mean", "arm"), "coverage"] < 0.8
    assert naive.loc[("mean", "arm"), "size"] > 0.2
    assert robust.loc[1, "coverage"] > 0.88
    assert "40 donors" in robust.attrs["simulated"]
    without = fit.calibrate(n_sim=60, seed=1, size=False)
    assert without.loc[1, "coverage"] > 0.9


def test_donors_in_the_formula_leave_no_difference():
    rng = np.random.default_rng(6)
    donor = np.repeat(np.arange(6), 30)
    mean = rng.gamma(4.0, 1.0, 6)[donor]
    y = rng.poisson(mean)
    design = np.eye(6)[donor]
    fitted = np.array([y[donor == k].mean() for k in range(6)])[donor]
    assert donor_variance(y, fitted, donor, design) == 0.0
    assert donor_variance(y, np.full(180, y.mean()), donor, np.ones((180, 1))) > 0.02


def test_donors_share_no_more_than_there_is():
    size, share = size_within(np.array([4.0, np.inf]), 0.5)
    assert share == 0.0
    assert size.tolist() == [4.0, np.inf]
    size, share = size_within(np.array([4.0, 2.0]), 0.5)
    assert share == 0.25
    assert size[0] == np.inf
    np.testing.assert_allclose((1 + 1 / size) * (1 + share), [1.25, 1.5])


def test_whole_weights_are_cells_and_others_are_refused(fit):
    obs = fit.counts.obs
    y = pd.DataFrame({"g0": fit.counts.gene(0), "g1": fit.counts.gene(1)})
    weights = np.tile([2.0, 0.0, 1.0], 40)
    heavy = nbglm.fit_negbin(y, "~ x", obs=obs, weights=weights, progress=False)
    rows = np.repeat(np.arange(120), weights.astype(int))
    again = nbglm.fit_negbin(
        y.iloc[rows].reset_index(drop=True),
        "~ x",
        obs=obs.iloc[rows].reset_index(drop=True),
        progress=False,
    )
    one, two = heavy.calibrate(n_sim=5, seed=1), again.calibrate(n_sim=5, seed=1)
    pd.testing.assert_frame_equal(one, two, rtol=1e-5)
    odd = nbglm.fit_negbin(y, "~ x", obs=obs, weights=0.5 + weights, progress=False)
    with pytest.raises(nbglm.OptionError, match="no whole numbers"):
        odd.calibrate(n_sim=1)


def test_planted_effects_have_the_power_that_is_reported(fit):
    strong = fit.edit("x", fit.status == "ok", to_null=True).edit("x", fit.status == "ok", add=1.5)
    table = strong.calibrate(n_sim=20, seed=1, size=False)
    assert table.loc[1, "power"] > 0.95
    null = fit.edit("x", fit.status == "ok", to_null=True).calibrate(n_sim=200, seed=1, size=False)
    assert 0.03 < null.loc[1, "power"] < 0.09


@pytest.mark.parametrize("kind", ["parametric", "cases", "clusters"])
def test_draws_spread_as_standard_errors_say(fit, kind):
    boot = fit.bootstrap("g1", 300, kind, seed=2, groups="donor" if kind == "clusters" else None)
    assert boot.draws.shape == (300, 3)
    assert boot.estimate.index.equals(fit.coef_names)
    cov = ("cluster", {"groups": "donor"}) if kind == "clusters" else ("oim",)
    bse = fit.with_cov(*cov).gene("g1").bse.to_numpy()
    assert ((boot.bse / bse).between(0.7, 1.4)).all()
    for method in ("percentile", "basic", "normal", "bc"):
        limits = boot.conf_int(method=method)
        assert (limits["lower"] < boot.estimate).all()
        assert (limits["upper"] > boot.estimate).all()
        wide = boot.conf_int(0.01, method)
        assert (wide["lower"] <= limits["lower"]).all()
    again = fit.bootstrap(
        "g1", 300, kind, seed=2, groups="donor" if kind == "clusters" else None, n_jobs=2
    )
    pd.testing.assert_frame_equal(boot.draws, again.draws, check_exact=True)


def test_draws_at_a_limit_are_infinite_and_limits_are_draws():
    rng = np.random.default_rng(1)
    y = pd.DataFrame({"few": rng.binomial(4, 0.5, 80)})
    fit = nbglm.fit_negbin(y, "~ 1", progress=False)
    assert fit.status["few"] == "poisson_limit"
    boot = fit.bootstrap("few", 60, seed=1)
    size = boot.draws[("dispersion", "Intercept")]
    assert np.isinf(size).mean() > 0.3
    assert boot.conf_int().loc[("dispersion", "Intercept"), "upper"] == np.inf
    assert not boot.conf_int().isna().to_numpy().any()


def test_what_cannot_be_drawn_is_refused_in_a_sentence(fit):
    with pytest.raises(nbglm.OptionError, match="kind='rows'"):
        fit.bootstrap("g0", 5, "rows")
    with pytest.raises(nbglm.OptionError, match="needs groups="):
        fit.bootstrap("g0", 5, "clusters")
    with pytest.raises(nbglm.UnavailableError, match="'zero' is 'all_zero'"):
        fit.bootstrap("zero", 5)
    with pytest.raises(KeyError, match="no gene 'g9'"):
        fit.bootstrap("g9", 5)
    with pytest.raises(nbglm.OptionError, match="n_sim must be at least 1"):
        fit.calibrate(n_sim=0)
    with pytest.raises(nbglm.OptionError, match="no gene of this fit"):
        fit["zero"].calibrate(n_sim=1)
    edited = fit.edit("x", "g0", add=1.0)
    with pytest.raises(nbglm.UnavailableError, match="planted"):
        edited.bootstrap("g0", 5, "cases")
    assert edited.bootstrap("g0", 5, seed=1).draws.shape == (5, 3)


def test_one_response_is_put_to_the_same_test(fit):
    one, whole = fit.gene("g1"), fit["g1"]
    pd.testing.assert_frame_equal(one.calibrate(20, seed=1), whole.calibrate(1, 20, seed=1))
    boot = one.bootstrap(5, "cases", seed=1)
    pd.testing.assert_frame_equal(boot.draws, fit.bootstrap("g1", 5, "cases", seed=1).draws)
    one.remove_data()
    for ask in (one.calibrate, one.bootstrap):
        with pytest.raises(nbglm.UnavailableError, match=r"(calibrate|bootstrap)\(\) needs"):
            ask(2)
