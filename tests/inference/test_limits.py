"""Limits are told from maxima far out by what rises to what, whatever the weights are worth."""

import mpmath
import numpy as np
import pandas as pd
import pytest

import nbglm

# Seven samples and two factors, as in a small bulk experiment; counts whose excess over the Poisson
# is positive, but so small that the best size is exp(10) to exp(18), with a standard error of
# hundreds or thousands.
SAMPLES = pd.DataFrame(
    {
        "condition": ["t", "t", "t", "u", "u", "u", "u"],
        "type": ["s", "p", "p", "s", "s", "p", "p"],
    }
)
FAR_OUT = {
    "10.2": [6, 17, 20, 9, 10, 29, 15],
    "11.8": [68, 38, 26, 95, 75, 44, 30],
    "12.3": [59, 37, 28, 35, 49, 36, 36],
    "13.0": [2, 10, 12, 11, 11, 7, 11],
    "18.0": [10401, 14342, 14079, 16041, 15730, 21859, 21610],
}


@pytest.fixture(scope="module")
def far_out():
    return nbglm.fit_negbin(
        pd.DataFrame(FAR_OUT), "~ condition + type", obs=SAMPLES, progress=False
    )


def exact_maximum(y, x, start):
    """Newton's method in 60 digits: the maximum, the covariance, and the lead over the Poisson."""
    mpmath.mp.dps = 60
    rows = [[mpmath.mpf(float(value)) for value in row] for row in x]
    k = len(start)

    def mean_part(theta, row):
        return mpmath.exp(mpmath.fdot(row, theta[:-1]))

    def loglik(*theta):
        r = mpmath.exp(theta[-1])
        total = mpmath.mpf(0)
        for count, row in zip(y, rows, strict=True):
            mu = mean_part(theta, row)
            total += mpmath.loggamma(count + r) - mpmath.loggamma(r) - mpmath.loggamma(count + 1)
            total += r * mpmath.log(r / (r + mu)) + count * mpmath.log(mu / (r + mu))
        return total

    theta = [mpmath.mpf(float(value)) for value in start]
    for _ in range(20):
        axes = [tuple(int(i == j) for j in range(k)) for i in range(k)]
        gradient = mpmath.matrix([mpmath.diff(loglik, tuple(theta), axis) for axis in axes])
        hessian = mpmath.matrix(k, k)
        for i in range(k):
            for j in range(k):
                order = tuple(a + b for a, b in zip(axes[i], axes[j], strict=True))
                hessian[i, j] = mpmath.diff(loglik, tuple(theta), order)
        step = mpmath.lu_solve(-hessian, gradient)
        theta = [value + change for value, change in zip(theta, step, strict=True)]
        if max(abs(change) for change in step) < mpmath.mpf(10) ** -25:
            break
    return theta, mpmath.inverse(-hessian)


@pytest.mark.parametrize("gene", FAR_OUT)
def test_a_maximum_far_out_is_reported_with_its_standard_error(far_out, gene):
    assert far_out.status[gene] == "ok"
    x = far_out.design.mean.matrix
    start = far_out.arrays.coef[far_out.gene_names.get_loc(gene)]
    exact, covariance = exact_maximum(FAR_OUT[gene], x, start)
    std_err = [float(mpmath.sqrt(covariance[j, j])) for j in range(4)]
    assert start[-1] == pytest.approx(float(gene), abs=0.05)
    assert np.abs(start - np.array(exact, dtype=float)).max() < 1e-10 * std_err[-1]
    ours = np.concatenate([far_out.bse["beta"][gene], far_out.bse["gamma"][gene]])
    np.testing.assert_allclose(ours, std_err, rtol=1e-6)


def poisson_means(y, x):
    """Means of the Poisson fit, by Newton's method."""
    beta = np.linalg.lstsq(x, np.log(y + 0.5), rcond=None)[0]
    for _ in range(50):
        mu = np.exp(x @ beta)
        beta += np.linalg.solve(x.T @ (x * mu[:, None]), x.T @ (y - mu))
    return np.exp(x @ beta)


def test_a_gene_is_at_the_poisson_limit_if_and_only_if_it_has_no_excess():
    rng = np.random.default_rng(11)
    genes = 1500
    log_mean = rng.uniform(2, 10, genes)
    condition, kind = (
        np.outer(SAMPLES[name] == level, rng.normal(0, 0.3, genes))
        for name, level in (("condition", "t"), ("type", "p"))
    )
    alpha = 1e-12 + (rng.random(genes) < 0.5) * np.exp(rng.normal(-3, 1, genes) - log_mean / 2 + 2)
    mu = np.exp(log_mean + condition + kind)
    y = rng.poisson(rng.gamma(1 / alpha, mu * alpha))
    results = nbglm.fit_negbin(y, "~ condition + type", obs=SAMPLES, progress=False)
    x = results.design.mean.matrix
    means = np.array([poisson_means(counts, x) for counts in y.T]).T
    excess = ((y - means) ** 2 - y).sum(axis=0)
    np.testing.assert_array_equal(results.status == "ok", excess > 0)
    assert 500 < (excess > 0).sum() < 1000


def test_explain_never_shows_an_excess_beside_a_limit_of_all_sizes(far_out):
    limit = nbglm.fit_negbin(
        pd.DataFrame({"y": [9, 10, 11, 10, 9, 10, 11]}), "~ type", obs=SAMPLES, progress=False
    )
    assert "where sum((y - mu)^2 - y) is -" in limit.explain("y")
    assert "does better than the Poisson" in limit.explain("y")
    for gene in FAR_OUT:
        assert "Poisson" not in far_out.explain(gene)


def test_explain_weighs_the_excess():
    y, weights = np.array([5, 3, 4, 6, 4, 5, 7]), np.array([1, 2, 1, 3, 1, 2, 1])
    weighted = nbglm.fit_negbin(
        pd.DataFrame({"y": y}), "~ type", obs=SAMPLES, weights=weights, progress=False
    )
    repeated = nbglm.fit_negbin(
        pd.DataFrame({"y": np.repeat(y, weights)}),
        "~ type",
        obs=SAMPLES.loc[np.repeat(np.arange(7), weights)].reset_index(drop=True),
        progress=False,
    )
    ours, theirs = (
        result.explain("y").partition("(y - mu)^2 - y) is ")[2].split()[0].rstrip(".")
        for result in (weighted, repeated)
    )
    assert float(ours) == pytest.approx(float(theirs), rel=1e-3)


# Weights ---------------------------------------------------------------------------------------


def weighted_data(rng):
    obs = pd.DataFrame({"x": rng.normal(size=60), "g": np.resize(["a", "b", "c"], 60)})
    mu = np.exp(1.0 + 0.4 * obs["x"].to_numpy())
    silent = np.where(obs["g"] == "c", 0, 1)
    return obs, pd.DataFrame(
        {
            "overdispersed": rng.poisson(rng.gamma(1.0, mu)),
            "underdispersed": 2 + rng.binomial(3, 0.5, 60),
            "separated": rng.poisson(rng.gamma(1.0, mu)) * silent,
            "silent": np.zeros(60, dtype=int),
            "mixed": np.where(
                obs["g"] == "b", 2 + rng.binomial(3, 0.5, 60), rng.poisson(rng.gamma(1.0, mu))
            ),
        }
    )


@pytest.mark.parametrize("factor", [1e-90, 1e-12, 1e-9, 1e-3, 0.1, 7.0, 1e4, 1e9, 1e12, 1e90])
@pytest.mark.parametrize("size", ["~ 1", "~ g", "~ x"])
def test_a_common_factor_of_the_weights_changes_nothing(rng, factor, size):
    obs, counts = weighted_data(rng)
    formula = {"mean": "~ g + x", "dispersion": size}
    weights = rng.integers(1, 4, 60).astype(float)
    plain, scaled = (
        nbglm.fit_negbin(counts, formula, obs=obs, weights=weights * by, progress=False)
        for by in (1.0, factor)
    )
    assert plain.status.tolist() == scaled.status.tolist()
    assert set(plain.status) >= {"ok", "separated", "all_zero"}
    np.testing.assert_allclose(scaled.llf / factor, plain.llf, rtol=1e-12)
    for part in ("beta", "gamma"):
        assert plain.coef_status[part].equals(scaled.coef_status[part])
        np.testing.assert_allclose(scaled.params[part], plain.params[part], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(scaled.bse[part] * np.sqrt(factor), plain.bse[part], rtol=1e-7)


def test_profiles_scale_with_the_weights(rng):
    obs, counts = weighted_data(rng)
    weights = np.full(60, 1e-9)
    fit = nbglm.fit_negbin(
        counts[["overdispersed"]], "~ x", obs=obs, weights=weights, progress=False
    )
    # 1e-9 of a cell excludes no value of a slope but those at which means overflow.
    interval = fit.gene("overdispersed").conf_int(method="profile").loc["x"]
    assert interval[0] < fit.params["beta"].loc["x", "overdispersed"] - 10.0
    many = nbglm.fit_negbin(
        counts[["overdispersed"]], "~ x", obs=obs, weights=weights * 1e15, progress=False
    )
    lower, upper = many.gene("overdispersed").conf_int(method="profile").loc["x"]
    wald = many.conf_int()["beta"]["overdispersed"].loc["x"]
    np.testing.assert_allclose([lower, upper], wald, rtol=1e-3)


# Coefficients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["~ 1", "~ g", "~ w + copy"])
def test_an_infinite_coefficient_says_why_in_every_convention(rng, size):
    obs = pd.DataFrame(
        {"g": np.resize(["a", "b", "c"], 60), "w": np.resize([0.0, 1.0, 1.0, 0.0], 60)}
    )
    obs["copy"] = 3 * obs["w"] - 1
    counts = pd.DataFrame(
        {
            "silent": np.where(obs["w"] == 1.0, 0, rng.poisson(3.0, 60)),
            "even": 2 + rng.binomial(3, 0.5, 60),
        }
    )
    for convention in ("drop", "min_norm"):
        results = nbglm.fit_negbin(
            counts,
            {"mean": "~ w + copy", "dispersion": size},
            obs=obs,
            rank_deficient=convention,
            progress=False,
        )
        for part in ("beta", "gamma"):
            limits = results.coef_status[part].isin(["separated", "poisson_limit"])
            pd.testing.assert_frame_equal(np.isinf(results.params[part]), limits)
        assert np.isinf(results.params["beta"]["silent"]).sum() == (
            1 if convention == "drop" else 3
        )


@pytest.mark.parametrize("shift", [0.0, 1e5])
def test_rows_that_hardly_move_beside_their_covariate_are_at_the_limit(shift):
    # The covariate varies in its last digits alone: its terms cancel but for one in 1e11.
    x = shift + 1e-6 * np.array([-2.0, -1.0, -1.0, 0.0, 1.0, 1.0, 2.0, 3.0] * 3)
    obs = pd.DataFrame({"x": x, "g": list("abc") * 8})
    counts = pd.DataFrame({"y": np.where(x == x.max(), 3, 0), "z": 1 + np.arange(24) % 3})
    fit = nbglm.fit_negbin(counts, "~ x", obs=obs, progress=False)
    assert fit.coef_status["beta"].loc["x", "y"] == "separated"
    mean = fit.predict()["mean"]["y"].to_numpy()
    np.testing.assert_array_equal(mean == 0.0, x < x.max())
    np.testing.assert_allclose(mean[x == x.max()], 3.0, rtol=1e-6)
    test = fit.t_test("x").loc["y"]
    assert test["status"] == "separated"
    assert np.isposinf(test["estimate"])
    assert "on 21 of 24 cells" in fit.explain("y")
