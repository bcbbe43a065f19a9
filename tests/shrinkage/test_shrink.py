"""Shrunken effects against scipy's optimiser, quadrature, and PyDESeq2."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shrinkage
from scipy.optimize import minimize
from scipy.stats import nbinom, poisson

import nbglm
from nbglm.shrinkage import effects
from nbglm.shrinkage.priors import effect_scale

REFERENCES = Path(__file__).parents[2] / "validation" / "references" / "shrinkage.pydeseq2.csv"
COUNTS = {
    "flat": [3, 2, 1, 5, 2, 4, 4, 2],
    "up": [0, 9, 0, 5, 0, 4, 0, 8],
    "down": [9, 0, 3, 0, 5, 0, 14, 0],
    "noisy": [10, 100, 12, 9, 15, 130, 0, 80],
    "zero": [0] * 8,
    "low": [0, 1, 0, 0, 0, 1, 1, 0],
    "ä/β": [1, 0, 7, 0, 2, 1, 0, 3],
}


@pytest.fixture(scope="module")
def obs():
    time = [0.1, 0.4, 0.2, 0.9, 0.5, 0.3, 0.8, 0.6]
    return pd.DataFrame({"dose": np.arange(8) % 2, "g": list("aabbccab"), "time": time})


@pytest.fixture(scope="module")
def small(obs):
    return nbglm.fit_negbin(pd.DataFrame(COUNTS), "~ dose + time", obs=obs, progress=False)


def log_posterior(theta, y, x, size, prior, scale):
    mean = np.exp(x @ theta)
    if np.isinf(size):
        value = poisson.logpmf(y, mean).sum()
    else:
        value = nbinom.logpmf(y, size, size / (size + mean)).sum()
    ratio = (theta[1] / scale) ** 2
    return value - (np.log1p(ratio) if prior == "cauchy" else ratio / 2)


@pytest.mark.parametrize("prior", ["cauchy", "normal"])
@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_modes_are_the_highest_that_an_optimiser_finds(small, obs, prior, scale):
    x = np.column_stack([np.ones(8), obs["dose"], obs["time"]])
    table = small.shrink("dose", prior, scale=scale)
    sizes = np.exp(small.params["gamma"].loc["Intercept"])
    for gene in ("flat", "up", "down", "noisy", "low", "ä/β"):
        arguments = (np.array(COUNTS[gene]), x, sizes[gene], prior, scale)

        def minus(theta, arguments=arguments):
            return -log_posterior(theta, *arguments)

        found = [
            minimize(minus, [0.0, start, 0.0], method="BFGS", options={"gtol": 1e-8})
            for start in (-4.0, -1.0, 0.0, 1.0, 4.0)
        ]
        best = min(found, key=lambda one: one.fun)
        assert table.loc[gene, "shrunken"] == pytest.approx(best.x[1], abs=2e-5)
        step = 1e-3
        units = np.eye(3) * step
        hessian = [
            [
                (
                    minus(best.x + a + b)
                    - minus(best.x + a - b)
                    - minus(best.x - a + b)
                    + minus(best.x - a - b)
                )
                / (4 * step**2)
                for b in units
            ]
            for a in units
        ]
        error = np.sqrt(np.linalg.inv(hessian)[1, 1])
        assert table.loc[gene, "posterior_sd"] == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("prior", ["cauchy", "normal"])
def test_modes_and_errors_are_near_the_posterior_integrated_over_all_coefficients(prior):
    rng = np.random.default_rng(4)
    obs = pd.DataFrame({"x": np.repeat([0, 1], 10)})
    y = rng.negative_binomial(4, 4 / (4 + np.exp(3.0 + 0.3 * obs["x"])))
    res = nbglm.fit_negbin(y, "~ x", obs=obs, progress=False)
    row = res.shrink("x", prior, scale=0.5).iloc[0]
    size = float(np.exp(res.params["gamma"].iloc[0, 0]))
    levels, effects_ = np.meshgrid(np.linspace(1.5, 4.5, 301), np.linspace(-1.5, 2.0, 351))
    mean = np.exp(levels[..., None] + effects_[..., None] * obs["x"].to_numpy())
    log_density = nbinom.logpmf(y, size, size / (size + mean)).sum(axis=2)
    ratio = (effects_ / 0.5) ** 2
    log_density -= np.log1p(ratio) if prior == "cauchy" else ratio / 2
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    expected = (density * effects_).sum()
    deviation = np.sqrt((density * (effects_ - expected) ** 2).sum())
    assert row["shrunken"] == pytest.approx(expected, abs=0.1 * deviation)
    assert row["posterior_sd"] == pytest.approx(deviation, rel=0.1)
    below = density[np.sign(effects_) != np.sign(row["shrunken"])].sum()
    assert row["false_sign_rate"] == pytest.approx(below, abs=0.03)


def test_modes_are_those_of_pydeseq2_given_its_priors_and_the_same_sizes():
    counts, obs = shrinkage.small()
    res = nbglm.fit_negbin(counts, shrinkage.FORMULA, obs=obs, progress=False)
    references = pd.read_csv(REFERENCES)
    assert len(references) > 100
    sizes = np.exp(res.params["gamma"].loc["Intercept", references["gene"]])
    np.testing.assert_allclose(sizes, references["size"], rtol=1e-6)
    for scale, rows in references.groupby("scale"):
        table = res.shrink("treated", "cauchy", scale=scale, nuisance_scale=15)
        np.testing.assert_allclose(table.loc[rows["gene"], "shrunken"], rows["shrunken"], atol=2e-6)


def test_genes_that_tell_nothing_are_nan_with_a_status(small):
    for term in ("dose", "Intercept"):
        row = small.shrink(term, scale=1.0).loc["zero"]
        assert row["status"] == "all_zero"
        assert row[["shrunken", "posterior_sd", "false_sign_rate", "s_value"]].isna().all()


def test_infinite_estimates_become_finite(small):
    table = small.shrink("dose")
    assert table.loc["up", "estimate"] == np.inf
    assert table.loc["down", "estimate"] == -np.inf
    assert 0.0 < table.loc["up", "shrunken"] < 20.0
    assert -20.0 < table.loc["down", "shrunken"] < 0.0


def test_a_silent_nuisance_level_changes_no_more_than_leaving_its_cells_out(obs):
    y = np.where(obs["g"] == "c", 0, [4, 9, 2, 6, 1, 1, 3, 7])
    there = (obs["g"] != "c").to_numpy()
    whole = nbglm.fit_negbin(y, "~ dose + g", obs=obs, progress=False)
    part = nbglm.fit_negbin(
        y[there], "~ dose + g", obs=obs[there].reset_index(drop=True), progress=False
    )
    columns = ["shrunken", "posterior_sd"]
    one, other = (fit.shrink("dose", scale=0.5)[columns] for fit in (whole, part))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_units_and_coding_change_nothing(small, obs):
    other = obs.assign(dose=1000.0 * obs["dose"], time=1e5 + 1e-3 * obs["time"])
    moved = nbglm.fit_negbin(pd.DataFrame(COUNTS), "~ dose + time", obs=other, progress=False)
    one, two = small.shrink("dose"), moved.shrink("dose")
    for name in ("shrunken", "posterior_sd", "prior_scale"):
        np.testing.assert_allclose(1000.0 * two[name], one[name], rtol=1e-4)
    np.testing.assert_allclose(two["s_value"], one["s_value"], rtol=1e-4)


def test_contrasts_are_shrunken_as_the_coefficient_that_another_coding_makes_of_them(obs):
    fits = [
        nbglm.fit_negbin(
            pd.DataFrame(COUNTS), f"~ C(g, Treatment('{level}'))", obs=obs, progress=False
        )
        for level in "ab"
    ]
    term = "C(g, Treatment('{}'))[T.{}]"
    contrast = f"{term.format('a', 'c')} - {term.format('a', 'b')}"
    one = fits[0].shrink(contrast, scale=0.7)
    other = fits[1].shrink(term.format("b", "c"), scale=0.7)
    for name in ("shrunken", "posterior_sd"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6)
    both = fits[0].shrink(contrast.split(" - "), scale=0.7)
    assert both.index.names == ["gene", "contrast"]
    assert len(both) == 2 * len(COUNTS)


def test_numbers_are_the_same_bits_for_any_block_and_subset(small, monkeypatch):
    whole = small.shrink("dose", scale=0.5)
    monkeypatch.setattr(effects, "_ENTRIES", 1)
    pd.testing.assert_frame_equal(small.shrink("dose", scale=0.5), whole, check_exact=True)
    names = ["low", "up"]
    some = small[names].shrink("dose", scale=0.5).drop(columns="s_value")
    pd.testing.assert_frame_equal(some, whole.loc[names].drop(columns="s_value"), check_exact=True)


def test_the_prior_is_as_wide_as_the_true_effects_which_shrunken_ones_are_nearer_to():
    counts, obs, effect = shrinkage.simulate(1500, 3)
    res = nbglm.fit_negbin(counts, shrinkage.FORMULA, obs=obs, progress=False)
    table = res.shrink("treated", "normal")
    finite = np.isfinite(table["estimate"]).to_numpy()
    assert table["prior_scale"].iloc[0] == pytest.approx(effect.std(), rel=0.15)
    errors = [np.mean((table[name] - effect)[finite] ** 2) for name in ("shrunken", "estimate")]
    assert errors[0] < 0.6 * errors[1]


def test_the_scale_solves_the_equation_of_the_likelihood(rng):
    error = rng.uniform(0.2, 0.6, 300)
    estimate = rng.normal(0.0, np.hypot(0.4, error))
    variance = effect_scale(estimate, error) ** 2
    terms = (estimate**2 - error**2 - variance) / (variance + error**2) ** 2
    assert abs(terms.sum()) < 1e-6 * np.abs(terms).sum()
    assert effect_scale(0.1 * error, error) == pytest.approx(1e-3 * np.median(error))


def test_merged_and_weighted_cells_are_those_of_single_ones(obs):
    y = pd.DataFrame(COUNTS)
    twice = pd.concat([y, y], ignore_index=True)
    long = pd.concat([obs, obs], ignore_index=True)
    one = nbglm.fit_negbin(y, "~ dose", obs=obs, weights=np.full(8, 2.0), progress=False)
    two = nbglm.fit_negbin(twice, "~ dose", obs=long, progress=False)
    columns = ["shrunken", "posterior_sd"]
    tables = (fit.shrink("dose", scale=1.0)[columns] for fit in (one, two))
    np.testing.assert_allclose(*tables, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"term": "dosis"}, nbglm.HypothesisError, "no coefficient"),
        ({"term": "dose = 1"}, nbglm.HypothesisError, "leave its value out"),
        ({"term": "dose", "prior": "apeglm"}, nbglm.OptionError, "Did you mean 'cauchy'"),
        ({"term": "dose", "scale": 0.0}, nbglm.OptionError, "positive"),
        ({"term": "dose", "scale": "1"}, nbglm.InputTypeError, "number"),
        ({"term": "dose - time", "nuisance_scale": 15}, nbglm.OptionError, "combination"),
    ],
)
def test_what_cannot_be_done_is_said(small, arguments, error, words):
    with pytest.raises(error, match=words):
        small.shrink(**arguments)


def test_scales_need_genes_and_posteriors_need_independent_cells(small):
    with pytest.raises(nbglm.OptionError, match="give scale="):
        small["up"].shrink("dose")
    with pytest.raises(nbglm.OptionError, match="cov_type='HC1'"):
        small.with_cov("HC1").shrink("dose")
    with pytest.raises(nbglm.UnavailableError, match="shrink"):
        small.without_data().shrink("dose")


def test_a_size_that_no_count_tells_is_that_of_the_other_cells(obs):
    silent = np.where(obs["dose"] == 1, 0, [5, 0, 1, 0, 9, 0, 2, 0])
    by_dose = nbglm.fit_negbin(
        silent, {"mean": "~ dose", "dispersion": "~ dose"}, obs=obs, progress=False
    )
    constant = nbglm.fit_negbin(silent, "~ dose", obs=obs, progress=False)
    columns = ["shrunken", "posterior_sd"]
    tables = (fit.shrink("dose", scale=1.0)[columns] for fit in (by_dose, constant))
    np.testing.assert_allclose(*tables, rtol=1e-6)
