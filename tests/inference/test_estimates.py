"""Means, sizes and ratios on scales that people read, against statsmodels and plain formulas."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import nbglm

FORMULA = {"mean": "~ x + g * h", "dispersion": "~ g"}


@pytest.fixture
def fit(rng):
    n = 500
    obs = pd.DataFrame(
        {
            "x": rng.normal(2.0, 1.0, n),
            "g": np.resize(["a", "b", "c"], n),
            "h": rng.random(n) < 0.4,
        }
    )
    mean = np.exp(1 + 0.3 * obs["x"] + 0.4 * (obs["g"] == "b") - 0.5 * obs["h"])
    counts = pd.DataFrame(
        {
            "regular": rng.poisson(rng.gamma(2.0, mean / 2.0)),
            "without_c": rng.poisson(rng.gamma(2.0, mean / 2.0)) * (obs["g"] != "c"),
            "even": rng.binomial(4, 0.4, n),
        }
    )
    return nbglm.fit_negbin(counts, FORMULA, obs=obs, progress=False)


def rows_of(fit, obs):
    return fit.design.mean.rebuild(obs), fit.design.dispersion.rebuild(obs)


def test_contrasts_are_ratios_on_the_response_scale(fit):
    log = fit.estimate("g[T.b]").iloc[0]
    ratio = fit.estimate("g[T.b]", scale="response").iloc[0]
    np.testing.assert_allclose(ratio.estimate, np.exp(log.estimate))
    np.testing.assert_allclose(ratio.std_err, np.exp(log.estimate) * log.std_err)
    np.testing.assert_allclose(
        [ratio.ci_lower, ratio.ci_upper], np.exp([log.ci_lower, log.ci_upper])
    )
    size = fit.estimate("g[T.b]", "dispersion").iloc[0]
    alpha = fit.estimate("g[T.b]", "dispersion", scale="alpha").iloc[0]
    np.testing.assert_allclose(alpha.estimate, np.exp(-size.estimate))
    np.testing.assert_allclose(
        [alpha.ci_lower, alpha.ci_upper], np.exp([-size.ci_upper, -size.ci_lower])
    )


@pytest.mark.parametrize("scale", ["response", "alpha", "cv2", "var", "log"])
def test_delta_method(fit, scale):
    """Against numerical derivatives of the formula on the page."""
    obs = fit.counts.obs.iloc[[3, 7]]
    x, z = rows_of(fit, obs)
    theta = np.concatenate([fit.params[part]["regular"] for part in ("beta", "gamma")])
    covariance = fit.cov_params("regular").to_numpy()
    quantity = {
        "response": lambda mu, r: mu,
        "log": lambda mu, r: np.log(mu),
        "alpha": lambda mu, r: 1 / r,
        "cv2": lambda mu, r: 1 / mu + 1 / r,
        "var": lambda mu, r: mu + mu**2 / r,
    }[scale]

    def value(theta):
        return quantity(np.exp(x @ theta[:7]), np.exp(z @ theta[7:]))

    steps = 1e-5 * np.eye(theta.size)
    slope = np.array([(value(theta + h) - value(theta - h)) / 2e-5 for h in steps])
    error = np.sqrt(np.einsum("kr,kl,lr->r", slope, covariance, slope))
    table = fit.estimate(obs, scale=scale)
    table = table.loc["regular"]
    assert table.index.tolist() == [3, 7]
    np.testing.assert_allclose(table.estimate, value(theta), rtol=1e-10)
    np.testing.assert_allclose(table.std_err, error, rtol=1e-6)
    if scale != "log":
        half = 1.959963984540054 * error / value(theta)
        np.testing.assert_allclose(table.ci_upper, value(theta) * np.exp(half), rtol=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_sizes_beyond_all_floats_are_at_a_limit_but_their_logarithms_are_not(rng, sign):
    obs = pd.DataFrame({"x": np.linspace(-1.0, 1.0, 400)})
    counts = rng.negative_binomial(np.exp(1.0 + obs["x"]), 0.3)
    fit = nbglm.fit_negbin(
        pd.DataFrame({"y": counts}), {"mean": "~ x", "dispersion": "~ x"}, obs=obs, progress=False
    )
    far = pd.DataFrame({"x": [sign * 2000.0]})
    tables = {
        scale: fit.estimate(far, "dispersion", scale=scale).iloc[0]
        for scale in ("log", "response", "alpha")
    }
    assert tables["log"].status == "ok"
    assert sign * tables["log"].estimate > 710.0
    infinite, vanishing = ("response", "alpha") if sign > 0 else ("alpha", "response")
    assert tables[infinite].estimate == np.inf
    assert tables[infinite].status == ("poisson_limit" if sign > 0 else "separated")
    assert np.isnan(tables[infinite].std_err)
    assert tables[vanishing].estimate == 0.0


@pytest.mark.parametrize("at", [-1800.0, -2000.0])
@pytest.mark.parametrize("scale", ["var", "cv2"])
def test_variances_beyond_all_floats_are_at_a_limit(rng, scale, at):
    """Also where the size, a number below the smallest normal one, is not 0 yet."""
    obs = pd.DataFrame({"x": np.linspace(-1.0, 1.0, 400)})
    counts = rng.negative_binomial(np.exp(1.0 + obs["x"]), 0.3)
    fit = nbglm.fit_negbin(
        pd.DataFrame({"y": counts}), {"mean": "~ 1", "dispersion": "~ x"}, obs=obs, progress=False
    )
    slope = fit.params["gamma"].loc["x", "y"]
    far = pd.DataFrame({"x": [at * 0.4 / slope]})  # log sizes of about -720 and -800
    table = fit.estimate(far, scale=scale).iloc[0]
    assert table.estimate == np.inf
    assert table.status == "separated"
    assert np.isnan(table.std_err)


def test_marginal_means_by_hand(fit):
    grid = pd.DataFrame(
        {"x": fit.counts.obs["x"].mean(), "g": list("aabbcc"), "h": [False, True] * 3}
    )
    x, _ = rows_of(fit, grid)
    rows = x.reshape(3, 2, -1).mean(axis=1)
    covariance = fit.cov_params("regular").to_numpy()[:7, :7]
    table = fit.marginal_means("g", scale="log").loc["regular"]
    assert table.index.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(table.estimate, rows @ fit.params["beta"]["regular"])
    np.testing.assert_allclose(
        table.std_err, np.sqrt(np.einsum("rk,kl,rl->r", rows, covariance, rows))
    )
    pairs = fit.marginal_means("g", pairwise=True).loc["regular"]
    assert pairs.index.tolist() == ["a / b", "a / c", "b / c"]
    means = fit.marginal_means("g").estimate[:3].to_numpy()
    np.testing.assert_allclose(pairs.estimate, means[[0, 0, 1]] / means[[1, 2, 2]])
    difference = (rows[0] - rows[1]) @ fit.params["beta"]["regular"]
    error = np.sqrt((rows[0] - rows[1]) @ covariance @ (rows[0] - rows[1]))
    assert pairs.z.iloc[0] == pytest.approx(difference / error)
    assert pairs.p_value.iloc[0] == pytest.approx(2 * stats.norm.sf(abs(difference / error)))


def test_reference_grid_can_be_moved(fit):
    both = fit.marginal_means(["x", "h"], at={"x": [0, 1]}, scale="log").loc["regular"]
    assert both.index.to_frame().to_numpy().tolist() == [
        [0, False],
        [0, True],
        [1, False],
        [1, True],
    ]
    slope = fit.params["beta"]["regular"]["x"]
    np.testing.assert_allclose(np.diff(both.estimate)[[1]] + np.diff(both.estimate)[0], slope)
    sizes = fit.marginal_means("g", "dispersion").iloc[:3]
    gamma = fit.params["gamma"]["regular"].to_numpy()
    np.testing.assert_allclose(sizes.estimate, np.exp(gamma[0] + [0, gamma[1], gamma[2]]))


def test_limits(fit):
    means = fit.marginal_means("g")
    silent = means.loc[("without_c", "c")]
    assert (silent.estimate, silent.status) == (0.0, "separated")
    assert np.isnan([silent.std_err, silent.ci_lower, silent.ci_upper]).all()
    assert means.loc[("without_c", "b")].status == "ok"
    sizes = fit.marginal_means("g", "dispersion", scale="alpha")
    assert sizes.loc[("even", "a")].estimate == 0.0
    assert sizes.loc[("without_c", "c")].status == "not_identified"
    variance = fit.marginal_means("g", scale="var")
    assert variance.loc[("without_c", "c")].estimate == 0.0
    assert variance.loc[("even", "a")].estimate == means.loc[("even", "a")].estimate


def test_predict_with_intervals(fit):
    rows = fit.counts.obs.iloc[:50]
    plain = fit.predict(rows)
    tables = fit.predict(rows, interval=0.9)
    pd.testing.assert_frame_equal(tables["mean"], plain["mean"])
    for part, component in (("mean", "mean"), ("dispersion", "dispersion")):
        table = fit.estimate(rows, component, scale="response", alpha=0.1)
        for gene in fit.gene_names:
            told = table.loc[gene]
            for end in ("lower", "upper"):
                np.testing.assert_allclose(
                    tables[f"{part}_{end}"][gene], told[f"ci_{end}"], rtol=1e-9
                )
    assert tables["mean_lower"]["without_c"].isna().sum() == (rows["g"] == "c").sum()
    peer = fit.gene("regular")
    covariance = fit.cov_params("regular").to_numpy()[:7, :7]
    x, _ = rows_of(fit, rows)
    error = np.sqrt(np.einsum("rk,kl,rl->r", x, covariance, x))
    np.testing.assert_allclose(
        tables["mean_upper"]["regular"],
        peer.predict(rows) * np.exp(stats.norm.isf(0.05) * error),
    )
    with pytest.raises(ValueError, match="interval is a confidence level, between 0 and 1; got 95"):
        fit.predict(rows, interval=95)


def test_offsets(rng):
    obs = pd.DataFrame({"g": np.resize(["a", "b"], 100), "depth": rng.uniform(0.5, 2, 100)})
    y = rng.negative_binomial(2, 0.3, 100)
    fit = nbglm.fit_negbin(y, "~ g", obs=obs, size_factors="depth", progress=False)
    rows = pd.DataFrame({"g": ["b"], "depth": [3.0]})
    one = fit.estimate(rows, scale="response").estimate.item()
    assert one == pytest.approx(3 * fit.marginal_means("g").estimate.iloc[1])
    fit = nbglm.fit_negbin(y, "~ g", obs=obs, size_factors=obs["depth"], progress=False)
    with pytest.raises(nbglm.AlignmentError, match="new rows need their own"):
        fit.estimate(rows)
    assert fit.estimate(rows, size_factors=[3.0], scale="response").estimate.item() == (
        pytest.approx(one)
    )
    assert fit.estimate(rows, "dispersion").status.item() == "ok"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fit: fit.estimate("x", scale="cv2"), "needs rows of obs"),
        (lambda fit: fit.estimate("x", scale="alpha"), "component='dispersion'"),
        (lambda fit: fit.estimate("x", scale="reponse"), "Did you mean 'response'"),
        (lambda fit: fit.marginal_means("gg"), "Did you mean 'g'"),
        (lambda fit: fit.marginal_means("x", "dispersion"), "does not use the column 'x'"),
        (lambda fit: fit.marginal_means("g", at={"y": 1}), "at names 'y'"),
        (lambda fit: fit.marginal_means("g", at={"g": "z"}), "levels that the fit has not seen"),
        (lambda fit: fit.marginal_means("g", scale="var", pairwise=True), "no pairwise"),
        (lambda fit: fit.marginal_means("g", alpha=5), "significance level"),
    ],
)
def test_misuse(fit, call, message):
    with pytest.raises(ValueError, match=message):
        call(fit)
