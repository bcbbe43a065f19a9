"""Genes at an edge: what is infinite is named, and everything else is right."""

import mpmath
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import nbglm

N = 120


@pytest.fixture
def obs(rng):
    return pd.DataFrame({"x": rng.normal(size=N), "g": np.resize(["a", "b", "c"], N)})


def overdispersed(rng, n=N, mean=5.0, size=1.2):
    return rng.poisson(rng.gamma(size, mean / size, n))


def underdispersed(rng, n=N):
    return 2 + rng.binomial(3, 0.5, n)


def fit(y, formula, obs, **options):
    table = pd.DataFrame({"y": y})
    return nbglm.fit_negbin(table, formula, obs=obs, progress=False, **options)


def check_is_poisson(results, y, x):
    poisson = sm.GLM(y, x, family=sm.families.Poisson()).fit(tol=1e-14, maxiter=200)
    np.testing.assert_allclose(results.params["beta"]["y"], poisson.params, atol=1e-9)
    np.testing.assert_allclose(results.bse["beta"]["y"], poisson.bse, rtol=1e-6)
    assert results.llf["y"] == pytest.approx(poisson.llf, rel=1e-12)


def test_poisson_limit_is_the_poisson_fit(rng, obs):
    y = underdispersed(rng)
    results = fit(y, "~ x", obs)
    assert results.status["y"] == "poisson_limit"
    assert results.params["gamma"].loc["Intercept", "y"] == np.inf
    assert np.isnan(results.bse["gamma"].loc["Intercept", "y"])
    assert results.converged["y"]
    check_is_poisson(results, y, results.design.mean.matrix)
    assert np.isinf(results.predict()["dispersion"]).to_numpy().all()


def test_only_the_level_without_overdispersion_diverges(rng, obs):
    b = obs["g"] == "b"
    y = np.where(b, underdispersed(rng), overdispersed(rng))
    results = fit(y, {"mean": "~ g", "dispersion": "~ g"}, obs)
    gamma, status = results.params["gamma"]["y"], results.coef_status["gamma"]["y"]
    assert gamma["g[T.b]"] == np.inf
    assert status.tolist() == ["ok", "poisson_limit", "ok"]
    # the other two levels are as if fitted alone
    for level, size in (("a", gamma["Intercept"]), ("c", gamma["Intercept"] + gamma["g[T.c]"])):
        alone = fit(y[obs["g"] == level], "~ 1", obs[obs["g"] == level])
        assert alone.params["gamma"]["y"].item() == pytest.approx(size, abs=1e-8)
    assert np.isinf(results.predict()["dispersion"]["y"][b]).all()


def test_reference_level_at_the_poisson_limit(rng, obs):
    y = np.where(obs["g"] == "a", underdispersed(rng), overdispersed(rng))
    results = fit(y, {"mean": "~ g", "dispersion": "~ g"}, obs)
    assert results.params["gamma"]["y"].tolist() == [np.inf, -np.inf, -np.inf]
    size = results.predict()["dispersion"]["y"]
    assert np.isinf(size[obs["g"] == "a"]).all()
    assert np.isfinite(size[obs["g"] != "a"]).all()
    alone = fit(y[obs["g"] == "b"], "~ 1", obs[obs["g"] == "b"])
    assert size[obs["g"] == "b"].iloc[0] == pytest.approx(
        np.exp(alone.params["gamma"]["y"].item()), rel=1e-8
    )


def test_silent_level_is_separated_and_the_rest_is_unharmed(rng, obs):
    c = obs["g"] == "c"
    y = np.where(c, 0, overdispersed(rng))
    results = fit(y, {"mean": "~ g + x", "dispersion": "~ 1"}, obs)
    without = fit(y[~c], {"mean": "~ g + x", "dispersion": "~ 1"}, obs[~c])
    assert results.status["y"] == "separated"
    assert results.params["beta"].loc["g[T.c]", "y"] == -np.inf
    for part in ("beta", "gamma"):
        for table in ("params", "bse"):
            rest = getattr(without, table)[part]["y"]
            here = getattr(results, table)[part]["y"][rest.index]
            np.testing.assert_allclose(here, rest, rtol=1e-7, atol=1e-9)
    assert results.llf["y"] == pytest.approx(without.llf["y"], rel=1e-12)
    assert (results.predict()["mean"]["y"][c] == 0).all()
    assert (results.sample(seed=0).X[c.to_numpy()] != 0).sum() == 0


def test_separation_along_a_combination_of_columns(rng):
    # no single column is to blame: counts occur only where u + v = 1
    u, v = rng.integers(0, 2, N), rng.integers(0, 2, N)
    obs = pd.DataFrame({"u": u, "v": v})
    y = np.where(u + v == 1, overdispersed(rng), 0)
    results = fit(y, "~ u * v", obs)
    assert results.status["y"] == "separated"
    mean = results.predict()["mean"]["y"].to_numpy()
    assert (mean[u + v != 1] == 0).all()
    for cell in ((u == 1) & (v == 0), (u == 0) & (v == 1)):
        np.testing.assert_allclose(mean[cell], y[cell].mean(), rtol=1e-9)


def test_separation_by_a_continuous_covariate(rng):
    # counts only at the largest x, where a slope can grow for ever
    x = np.repeat([0.0, 1.0, 2.0], 20)
    y = np.where(x == 2.0, overdispersed(rng, 60), 0)
    results = fit(y, "~ x", pd.DataFrame({"x": x}))
    assert results.params["beta"]["y"].tolist() == [-np.inf, np.inf]
    mean = results.predict()["mean"]["y"]
    np.testing.assert_allclose(mean, np.where(x == 2.0, y[x == 2.0].mean(), 0.0), rtol=1e-9)


def test_silent_level_of_the_dispersion_alone(rng, obs):
    c = obs["g"] == "c"
    y = np.where(c, 0, overdispersed(rng))
    results = fit(y, {"mean": "~ 1", "dispersion": "~ g"}, obs)
    without = fit(y[~c], {"mean": "~ 1", "dispersion": "~ g"}, obs[~c])
    assert results.params["gamma"].loc["g[T.c]", "y"] == -np.inf
    assert results.coef_status["gamma"].loc["g[T.c]", "y"] == "separated"
    assert results.llf["y"] == pytest.approx(without.llf["y"], rel=1e-12)
    assert (results.predict()["dispersion"]["y"][c] == 0).all()


def test_dispersion_of_separated_cells_is_not_identified(rng, obs):
    y = np.where(obs["g"] == "c", 0, overdispersed(rng))
    results = fit(y, {"mean": "~ g", "dispersion": "~ g"}, obs)
    assert results.coef_status["gamma"].loc["g[T.c]", "y"] == "not_identified"
    assert np.isnan(results.params["gamma"].loc["g[T.c]", "y"])
    assert np.isfinite(results.predict()["dispersion"].to_numpy()).all()


def test_all_zero_gene(obs):
    results = fit(np.zeros(N, dtype=int), {"mean": "~ g + x", "dispersion": "~ x"}, obs)
    assert results.status["y"] == "all_zero"
    assert results.llf["y"] == 0.0
    assert results.converged["y"]
    assert (results.predict()["mean"].to_numpy() == 0).all()
    assert results.sample(seed=1).X.sum() == 0
    assert (results.resid_pearson.to_numpy() == 0).all()


@pytest.mark.parametrize("count", [1, 50])
def test_one_positive_count(obs, count):
    y = np.zeros(N, dtype=int)
    y[5] = count
    results = fit(y, "~ 1", obs)
    assert results.params["beta"]["y"].item() == pytest.approx(np.log(count / N), abs=1e-9)
    # (y - mu)^2 - y adds up to more than 0 from a count of 2 on
    assert results.status["y"] == ("poisson_limit" if count == 1 else "ok")


def test_constant_counts(obs):
    results = fit(np.full(N, 7), "~ x", obs)
    assert results.status["y"] == "poisson_limit"
    assert results.params["beta"].loc["Intercept", "y"] == pytest.approx(np.log(7.0), abs=1e-12)


def test_fewer_cells_than_parameters():
    obs = pd.DataFrame({"g": ["a", "b", "c"], "x": [0.1, 0.5, 0.7]}).iloc[[0, 1, 1]]
    results = fit(np.array([3, 1, 1]), "~ g + x", obs.reset_index(drop=True))
    assert results.status["y"] == "poisson_limit"
    assert results.coef_status["beta"].loc["x", "y"] == "aliased"
    np.testing.assert_allclose(results.fittedvalues["y"], [3, 1, 1], rtol=1e-9)


def test_aliased_columns_three_ways(rng, obs):
    obs = obs.assign(twice=2 * obs["x"] + 1)
    y = overdispersed(rng)
    plain = fit(y, "~ x", obs)
    drop = fit(y, "~ x + twice", obs)
    even = fit(y, "~ x + twice", obs, rank_deficient="min_norm")
    assert np.isnan(drop.params["beta"].loc["twice", "y"])
    assert drop.coef_status["beta"]["y"].tolist() == ["ok", "ok", "aliased"]
    assert drop.status["y"] == "ok"
    np.testing.assert_allclose(drop.params["beta"]["y"].iloc[:2], plain.params["beta"]["y"])
    for results in (drop, even):
        assert results.llf["y"] == pytest.approx(plain.llf["y"], rel=1e-13)
        np.testing.assert_allclose(results.fittedvalues, plain.fittedvalues, rtol=1e-9)
    # the smallest of all coefficient vectors with these predictions
    design = drop.design.mean.matrix
    want = np.linalg.pinv(design) @ design @ drop.arrays.finite[0, :3]
    np.testing.assert_allclose(even.params["beta"]["y"], want, rtol=1e-8)
    assert np.isfinite(even.bse["beta"]["y"]).all()
    with pytest.raises(nbglm.RankError, match="twice"):
        fit(y, "~ x + twice", obs, rank_deficient="raise")


@pytest.mark.parametrize(("shift", "scale"), [(0, 1e6), (0, 1e-6), (1e5, 1.0)])
def test_units_of_a_covariate_do_not_matter(rng, obs, shift, scale):
    y = overdispersed(rng, mean=np.exp(1 + 0.5 * obs["x"].to_numpy()))
    formula = {"mean": "~ x", "dispersion": "~ x"}
    plain = fit(y, formula, obs)
    other = fit(y, formula, obs.assign(x=shift + scale * obs["x"]))
    assert other.llf["y"] == pytest.approx(plain.llf["y"], rel=1e-11)
    for part in ("beta", "gamma"):
        for table in ("params", "bse"):
            ours, theirs = (getattr(r, table)[part].loc["x", "y"] for r in (plain, other))
            assert theirs * scale == pytest.approx(ours, rel=1e-7)
    assert other.n_iter["y"] <= plain.n_iter["y"] + 5


def distance_in_standard_errors(results, y):
    """Newton decrement in 50 digits: how far the estimate is from the maximum."""
    mpmath.mp.dps = 50
    x, z = results.design.mean.matrix, results.design.dispersion.matrix
    p = x.shape[1]

    def loglik(*theta):
        total = mpmath.mpf(0)
        for count, x_row, z_row, shift in zip(y, x, z, results.design.offset, strict=True):
            mu = mpmath.exp(shift + mpmath.fdot(x_row, theta[:p]))
            r = mpmath.exp(mpmath.fdot(z_row, theta[p:]))
            total += mpmath.loggamma(count + r) - mpmath.loggamma(r)
            total += r * mpmath.log(r / (r + mu)) + count * mpmath.log(mu / (r + mu))
        return total

    theta = tuple(mpmath.mpf(value) for value in results.arrays.coef[0])
    axes = np.eye(len(theta), dtype=int)
    score = np.array([float(mpmath.diff(loglik, theta, tuple(map(int, axis)))) for axis in axes])
    return np.sqrt(score @ results.covariance_of(0) @ score)


@pytest.mark.parametrize(
    ("mean", "size", "spread"),
    [(2e6, 1.0, 0.0), (5.0, 1e-3, 0.0), (300.0, 0.05, 0.0), (2.0, 1.5, 7.0), (1e7, 1e4, 0.0)],
    ids=["counts to 1e7", "r = 0.001", "r = 0.05", "offsets to 1000-fold", "nearly Poisson"],
)
def test_extreme_scales_reach_the_maximum(rng, obs, mean, size, spread):
    offset = rng.uniform(-spread, spread, N)
    mu = mean * np.exp(offset)
    y = rng.poisson(rng.gamma(size, mu / size))
    y[:3] += 2  # some counts even where r is 0.001
    results = fit(y, {"mean": "~ x", "dispersion": "~ x"}, obs, offset=offset)
    assert results.status["y"] == "ok"
    assert distance_in_standard_errors(results, y) < 1e-6


def test_nested_annotations(rng, obs):
    # each fine level lies in one coarse level, so half of the columns are aliased
    obs = pd.DataFrame({"coarse": obs["g"].map({"a": "A", "b": "B", "c": "B"}), "fine": obs["g"]})
    y = overdispersed(rng)
    nested = fit(y, {"mean": "~ .", "dispersion": "~ ."}, obs)
    plain = fit(y, {"mean": "~ fine", "dispersion": "~ fine"}, obs)
    assert nested.coef_status["beta"]["y"].tolist() == ["ok", "ok", "aliased", "ok"] or (
        nested.coef_status["beta"]["y"].tolist() == ["ok", "ok", "ok", "aliased"]
    )
    assert nested.status["y"] == "ok"
    assert nested.llf["y"] == pytest.approx(plain.llf["y"], rel=1e-13)
    for part in ("mean", "dispersion"):
        np.testing.assert_allclose(nested.predict()[part], plain.predict()[part], rtol=1e-8)


def test_columns_aliased_on_the_informative_cells_alone(rng):
    # u and v differ only in level c, which has no counts
    g = np.resize(["a", "b", "c"], N)
    u = rng.normal(size=N)
    obs = pd.DataFrame({"g": g, "u": u, "v": np.where(g == "c", rng.normal(size=N), u)})
    y = np.where(g == "c", 0, overdispersed(rng))
    results = fit(y, "~ g + u + v", obs)
    kept = g != "c"
    part = fit(y[kept], "~ g + u", obs[kept])
    assert results.coef_status["beta"].loc[["u", "v"], "y"].tolist() == [
        "not_identified",
        "not_identified",
    ]
    assert results.llf["y"] == pytest.approx(part.llf["y"], rel=1e-12)
    np.testing.assert_allclose(
        results.fittedvalues["y"][kept], part.fittedvalues["y"].to_numpy(), rtol=1e-8
    )
    assert "u = v on 80 of 120 cells (g = 'a' or 'b')" in results.explain("y")


def test_explain_names_the_coefficient(rng, obs):
    y = np.where(obs["g"] == "c", 0, overdispersed(rng))
    text = fit(y, "~ g", obs).explain("y")
    assert text.startswith("y: separated. ")
    assert "mean g[T.c] = -inf: separated." in text
    assert "along -g[T.c]: on 40 of 120 cells (g = 'c'), whose counts are all 0." in text


def test_explain_names_what_moves(rng, obs):
    obs = obs.assign(h=np.resize(["u", "v"], N), twice=1 + 2 * obs["x"])
    pair = ((obs["g"] == "b") & (obs["h"] == "v")).to_numpy()
    y = overdispersed(rng)
    text = fit(np.where(pair, 0, y), "~ g * h", obs).explain("y")
    assert "on 20 of 120 cells (g = 'b' and h = 'v')" in text
    text = fit(
        np.where(obs["g"] == "b", underdispersed(rng), y), {"mean": "~ g", "dispersion": "~ g"}, obs
    ).explain("y")
    assert "dispersion g[T.b] = +inf: poisson_limit." in text
    assert "on 40 of 120 cells (g = 'b'), where sum((y - mu)^2 - y) is -" in text
    text = fit(y, "~ x + twice", obs).explain("y")
    assert "mean twice: twice = Intercept + 2 x on all cells." in text
    ramp = pd.DataFrame({"t": np.repeat([0.0, 1.0, 2.0], 40)})
    text = fit(np.where(ramp["t"] == 2.0, y, 0), "~ t", ramp).explain("y")
    assert "on 80 of 120 cells (t <= 1), whose counts are all 0." in text
    text = fit(np.zeros(N, dtype=int), "~ g", obs).explain("y")
    assert text.startswith("y: all_zero. Every count is zero")


@pytest.mark.parametrize("seed", range(4))
def test_a_single_count_among_many_cells_comes_to_an_end(seed):
    # The slope of the limit's Poisson part is steep: hundreds of steps of bounded length away.
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(size=600))
    y = np.zeros(600, dtype=int)
    y[rng.integers(50, 550)] = 1
    formula = {"mean": "~ t", "dispersion": "~ t"}
    fit = nbglm.fit_negbin(y, formula, obs={"t": t}, progress=False)
    assert fit.status.iloc[0] != "not_converged"
    assert -np.log(600) - 1.0 - 1e-6 <= fit.llf.iloc[0] <= 0.0
