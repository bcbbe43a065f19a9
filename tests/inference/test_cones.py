"""References of tests of sizes: against simulated projections, known mixtures and known designs."""

import numpy as np
import pandas as pd
import pytest
from patsy import dmatrix
from scipy import integrate, stats
from scipy.optimize import nnls

import nbglm
from nbglm.inference import cones
from nbglm.inference.cones import Ends, Near, SizeTest, cone_tail, covariate_tail

SHARES = {
    2: np.sqrt([0.3, 0.7]),
    3: np.sqrt([0.2, 0.5, 0.3]),
    5: np.sqrt([0.1, 0.3, 0.2, 0.25, 0.15]),
}


@pytest.mark.parametrize("strata", [2, 3, 5])
@pytest.mark.parametrize("pooled", [-1.0, 0.4, 2.5])
def test_tail_is_that_of_simulated_projections(rng, strata, pooled):
    """Projections on the orthant and on the ray, by a general solver for cones."""
    share = SHARES[strata]
    draws = rng.normal(size=(4000, strata))
    draws += np.outer(pooled - draws @ share, share)

    def distance(cone, point):
        return nnls(cone, point)[1] ** 2

    ratios = np.array([distance(share[:, None], z) - distance(np.eye(strata), z) for z in draws])
    for statistic in (0.5, 2.0, 5.0):
        want = np.mean(ratios >= statistic)
        error = np.sqrt(max(want * (1.0 - want), 1e-4) / len(draws))
        found, log_p = cone_tail(statistic, np.array([pooled]), [share], 0)
        assert found == pytest.approx(want, abs=4.0 * error)
        assert log_p == pytest.approx(np.log(found))


@pytest.mark.parametrize("strata", [2, 3, 5])
def test_averaged_over_the_pooled_estimate_it_is_the_binomial_mixture(strata):
    """Against the Poisson itself the orthant has binomial weights, whatever the information is."""
    share, total = SHARES[strata], 6.0

    def integrand(pooled):
        rest = total - max(pooled, 0.0) ** 2
        inside = 1.0 if rest <= 0.0 else cone_tail(rest, np.array([pooled]), [share], 0)[0]
        return stats.norm.pdf(pooled) * inside

    found = integrate.quad(integrand, -8.0, 8.0, points=[0.0, np.sqrt(total)], limit=200)[0]
    weights = stats.binom.pmf(np.arange(strata + 1), strata, 0.5)
    want = sum(w * stats.chi2.sf(total, k) for k, w in enumerate(weights) if k)
    assert found == pytest.approx(want, abs=5e-4)


def test_far_from_the_boundary_it_is_chi_squared():
    for strata, share in SHARES.items():
        for regular in (0, 2):
            df = strata - 1 + regular
            found, log_p = cone_tail(7.0, np.array([40.0]), [share], regular)
            assert found == pytest.approx(stats.chi2.sf(7.0, df))
            near, _ = cone_tail(7.0, np.array([8.0]), [share], regular)
            assert near == pytest.approx(found, rel=2e-2)
            assert log_p == pytest.approx(stats.chi2.logsf(7.0, df))


def test_several_pools_and_the_mean_add_up(rng):
    """Independent parts: their statistics add, and so do their degrees of freedom."""
    shares, pooled = [SHARES[2], SHARES[3]], np.array([0.3, -0.5])
    total = rng.chisquare(1, 300_000)
    for share, s in zip(shares, pooled, strict=True):
        draws = rng.normal(size=(total.size, share.size))
        draws += np.outer(s - draws @ share, share)
        total += (np.maximum(draws, 0.0) ** 2).sum(axis=1) - max(s, 0.0) ** 2
    for statistic in (1.0, 4.0, 9.0):
        found, _ = cone_tail(statistic, pooled, shares, 1)
        assert found == pytest.approx(np.mean(total >= statistic), abs=2.5e-3)


def test_directions_are_enough(monkeypatch):
    share = SHARES[5]
    points = [(t, s) for t in (0.5, 3.0, 9.0, 30.0) for s in (-1.0, 0.0, 1.0, 3.0)]
    coarse = [cone_tail(t, np.array([s]), [share], 1)[0] for t, s in points]
    monkeypatch.setattr(cones, "_DIRECTIONS", 1 << 15)
    cones._directions.cache_clear()
    fine = [cone_tail(t, np.array([s]), [share], 1)[0] for t, s in points]
    cones._directions.cache_clear()
    np.testing.assert_allclose(coarse, fine, atol=1e-3)
    np.testing.assert_allclose(coarse, fine, rtol=0.2)  # in the far tail


def test_no_statistic_and_a_huge_one():
    share = [SHARES[3]]
    assert cone_tail(0.0, np.array([-2.0]), share, 0) == (1.0, 0.0)
    p, log_p = cone_tail(5000.0, np.array([1.0]), share, 0)
    assert p == 0.0
    assert -np.inf < log_p < -2000.0
    slope = Ends(1, 1, 1)
    assert covariate_tail(0.0, Near(0.0, 10, 0.1), slope, 1, 0) == (1.0, 0.0)
    p, log_p = covariate_tail(5000.0, Near(0.0, 10, 0.1), slope, 1, 0)
    assert (p, round(log_p)) == (0.0, -2499)


def test_bound_falls_to_chi_squared():
    """Far from the Poisson, and where all cells that share a size have many counts."""
    far = covariate_tail(5.0, Near(200.0, 50, 0.1), Ends(1, 1, 1), 1, 0)[0]
    many = covariate_tail(5.0, Near(0.0, 50, 100.0), Ends(1, 2, 1), 1, 0)[0]
    assert far == pytest.approx(stats.chi2.sf(5.0, 1))
    assert many == pytest.approx(stats.chi2.sf(5.0, 1))
    near = covariate_tail(5.0, Near(0.0, 50, 0.1), Ends(1, 1, 1), 1, 0)[0]
    assert near == pytest.approx(stats.chi2.sf(5.0, 1) + 2.0 * np.exp(-2.5))


DESIGNS = [
    ("g", "1", True, None),
    ("g * h", "g", True, None),
    ("0 + g:h", "0 + h", True, None),
    ("x", "1", False, Ends(1, 1, 1)),
    ("x + w", "1", False, Ends(1, 2, 1)),
    ("g + x", "g", False, Ends(3, 1, 1)),
    ("g * x", "g", False, Ends(3, 3, 3)),
    ("bs(x, df=4)", "1", False, Ends(1, 4, 1)),
    ("g * h", "g + h", False, None),
]


@pytest.mark.parametrize(("full", "null", "is_cone", "ends"), DESIGNS)
def test_designs_are_told_apart(rng, full, null, is_cone, ends):
    levels = {"g": np.resize(["a", "b", "c"], 120), "h": np.resize(["u", "v"], 120)}
    data = pd.DataFrame({**levels, "x": rng.normal(size=120), "w": rng.normal(size=120)})
    rows, smaller = (np.asarray(dmatrix(text, data)) for text in (full, null))
    test = SizeTest(rows, smaller, np.zeros(120))
    assert test.is_cone == is_cone
    if ends is not None:
        assert test.ends == ends


@pytest.fixture
def near_poisson(rng):
    """Genes of which some levels look Poisson."""
    obs = pd.DataFrame({"g": np.resize(["a", "b"], 300), "x": rng.normal(size=300)})
    counts = rng.poisson(rng.gamma(20.0, 2.0 / 20.0, size=(300, 40)))
    return pd.DataFrame(counts, columns=[f"y{k}" for k in range(40)]), obs


def fit(data, dispersion, **options):
    counts, obs = data
    formula = {"mean": "~ g", "dispersion": dispersion}
    return nbglm.fit_negbin(counts, formula, obs=obs, progress=False, **options)


def test_one_hypothesis_has_one_p_value(near_poisson):
    """By two fits, by rows of an analysis of deviance, and by what stands in for Wald tests."""
    full, null = fit(near_poisson, "~ g"), fit(near_poisson, "~ 1")
    table = nbglm.lr_test(full, null)
    rows = full.anova().query("component == 'dispersion'")
    np.testing.assert_allclose(rows["p_value"], table["p_value"], rtol=1e-6)
    wald = full.wald_test("g", component="dispersion")
    at_limit = (wald["test"] == "lr").to_numpy()
    assert 3 < at_limit.sum() < 37
    np.testing.assert_allclose(
        wald["p_value"][at_limit], table["p_value"][at_limit], rtol=1e-4, atol=1e-6
    )
    single = full.t_test("g[T.b]", component="dispersion")
    infinite = np.isinf(single["estimate"]).to_numpy()
    assert infinite.any()
    np.testing.assert_allclose(
        single["p_value"][infinite], table["p_value"][infinite], rtol=1e-4, atol=1e-6
    )
    pvalues = full.pvalues["gamma"].loc["g[T.b]"].to_numpy()
    np.testing.assert_allclose(pvalues[infinite], table["p_value"][infinite], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_weights_are_duplicated_rows(near_poisson):
    counts, obs = near_poisson
    weights = np.resize([1, 2, 3], 300)
    index = np.repeat(np.arange(300), weights)
    whole = counts.iloc[index].reset_index(drop=True), obs.iloc[index].reset_index(drop=True)
    for dispersion in ("~ g", "~ x"):
        pvalues = [
            nbglm.lr_test(fit(data, dispersion, **options), fit(data, "~ 1", **options))["p_value"]
            for data, options in ((near_poisson, {"weights": weights}), (whole, {}))
        ]
        np.testing.assert_allclose(*pvalues, rtol=1e-5, atol=1e-6)


def test_a_reference_says_what_it_is(near_poisson):
    null = fit(near_poisson, "~ 1")
    assert set(nbglm.lr_test(fit(near_poisson, "~ g"), null)["reference"]) == {"mixture"}
    assert set(nbglm.lr_test(fit(near_poisson, "~ x"), null)["reference"]) == {"bound"}
    counts, obs = near_poisson
    smaller = nbglm.fit_negbin(counts, "~ 1", obs=obs, progress=False)
    assert set(nbglm.lr_test(null, smaller)["reference"]) == {"chi2"}


@pytest.mark.slow
def test_slopes_of_the_size_are_not_found_in_poisson_counts(rng):
    """Chi-squared would reject about a fifth of them."""
    obs = pd.DataFrame({"x": rng.uniform(size=300)})
    counts = rng.poisson(0.8, size=(300, 300))
    fits = [
        nbglm.fit_negbin(counts, {"mean": "~ 1", "dispersion": size}, obs=obs, progress=False)
        for size in ("~ x", "~ 1")
    ]
    table = nbglm.lr_test(*fits)
    assert np.mean(stats.chi2.sf(table["statistic"], 1) < 0.05) > 0.1
    assert np.mean(table["p_value"] < 0.05) < 0.05 + 3.0 * np.sqrt(0.05 * 0.95 / 300)


def test_infinite_size_in_all_cells_takes_no_part(rng):
    """The hypothesis that a size is 1 is away from the boundary."""
    obs = pd.DataFrame({"g": np.resize(["a", "b"], 200)})
    counts = pd.DataFrame({"y": 2 + rng.binomial(3, 0.5, 200)})
    results = nbglm.fit_negbin(counts, "~ g", obs=obs, progress=False)
    test = results.wald_test("Intercept", component="dispersion").loc["y"]
    assert test["test"] == "lr"
    assert test["log_p_value"] == pytest.approx(stats.chi2.logsf(test["statistic"], 1))
