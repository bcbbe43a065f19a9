"""Misuses of profile intervals, and of tests whose sizes may be infinite."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd

import nbglm
from abuses.registry import answered, refused
from nbglm.exceptions import (
    HypothesisError,
    InputTypeError,
    NbglmWarning,
    OptionError,
    UnavailableError,
    UnknownNameError,
)

N = 90
rng = np.random.default_rng(3)
obs = pd.DataFrame(
    {"g": np.resize(["a", "b", "c"], N), "x": rng.normal(size=N), "w": rng.uniform(size=N)},
    index=[f"cell{i}" for i in range(N)],
)
IN_C = (obs["g"] == "c").to_numpy()


def varied(mean: float, size: float) -> np.ndarray:
    """Overdispersed counts."""
    return rng.poisson(rng.gamma(size, mean / size, N))


counts = pd.DataFrame(
    {
        "regular": varied(4.0, 1.5),
        "even": 2 + rng.binomial(3, 0.5, N),
        "silent": np.where(IN_C, 0, varied(4.0, 1.5)),
        "half": np.where(IN_C, 2 + rng.binomial(3, 0.5, N), varied(4.0, 0.8)),
        "empty": 0,
        "single": np.where(np.arange(N) == 5, 3, 0),
    },
    index=obs.index,
)
GENES = list(counts)


@cache
def fit(mean: str = "~ g", dispersion: str = "~ g", **options: object) -> nbglm.NegBinResults:
    """A small fit."""
    formula = {"mean": mean, "dispersion": dispersion}
    return nbglm.fit_negbin(counts, formula, obs=obs, progress=False, **options)


def profiles(results: nbglm.NegBinResults, part: str, **options: object) -> pd.DataFrame:
    """A table of profile intervals."""
    return results.conf_int(method="profile", progress=False, **options)[part]


def ends(table: pd.DataFrame, end: str) -> np.ndarray:
    """All lower or upper limits of a table."""
    return table.xs(end, axis=1, level="limit").to_numpy()


# Profile intervals --------------------------------------------------------------------------------


@refused(OptionError, "alpha=0.95", "alpha=0.05")
def a_profile_of_95_where_5_is_meant() -> None:
    fit().conf_int(0.95, method="profile")


@refused(OptionError, "between 0 and 1", "got 5")
def a_profile_in_per_cent() -> None:
    fit().conf_int(5, method="profile")


@refused(OptionError, "method='lr'", "'wald', 'profile'")
def a_profile_called_a_likelihood_ratio() -> None:
    fit().conf_int(method="lr")


@refused(UnknownNameError, "Did you mean 'regular'?")
def a_profile_of_a_misspelt_gene() -> None:
    fit().conf_int(method="profile", genes="regulr")


@refused(OptionError, "no term 'g[T.d]'")
def a_profile_of_a_level_that_is_not_there() -> None:
    fit().conf_int(method="profile", terms="g[T.d]")


@refused(OptionError, "n_jobs=0")
def profiles_by_nobody() -> None:
    fit().conf_int(method="profile", n_jobs=0)


@refused(UnavailableError, "without_data()")
def profiles_of_a_fit_without_data() -> None:
    fit().without_data().conf_int(method="profile")


@answered
def profiles_of_no_gene_and_of_no_term() -> None:
    assert profiles(fit(), "gamma", genes=[]).shape == (3, 0)
    assert profiles(fit(), "gamma", terms=[]).shape == (0, 12)


@answered
def profiles_hold_their_estimates_at_every_edge() -> None:
    """Of a gene with a single count some ends are lost, and it is named."""
    for results in (fit(), fit("~ x", "~ x"), fit("~ g", "~ x"), fit("~ 1", "~ w")):
        for part in ("beta", "gamma"):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                table = profiles(results, part)
            estimate = results.params[part].to_numpy()
            lower, upper = ends(table, "lower"), ends(table, "upper")
            assert not (lower > estimate).any()
            assert not (upper < estimate).any()
            missing = (np.isnan(lower) | np.isnan(upper)).any(axis=0)
            lost = {gene for gene, is_lost in zip(GENES, missing, strict=True) if is_lost}
            assert lost <= {"single"}
            assert all("'single'" in str(entry.message) for entry in said)
            assert bool(said) >= bool(lost)


@answered
def profiles_of_what_the_counts_do_not_tell_are_the_whole_line() -> None:
    for part in ("beta", "gamma"):
        table = profiles(fit(), part, genes="empty")
        assert (ends(table, "lower") == -np.inf).all()
        assert (ends(table, "upper") == np.inf).all()


@answered
def the_size_of_a_gene_without_overdispersion_is_bounded_below_alone() -> None:
    lower, upper = profiles(fit("~ g", "~ 1"), "gamma", genes="even").iloc[0]
    assert np.isfinite(lower)
    assert upper == np.inf


@answered
def stricter_levels_give_wider_profiles() -> None:
    wide, narrow = (
        profiles(fit("~ x", "~ x"), "gamma", alpha=alpha, genes="regular") for alpha in (1e-9, 0.3)
    )
    assert (ends(wide, "lower") < ends(narrow, "lower")).all()
    assert (ends(wide, "upper") > ends(narrow, "upper")).all()


@answered
def a_profile_has_nothing_to_do_with_the_covariance() -> None:
    plain, robust = (
        profiles(results, "beta", genes="regular", terms="x")
        for results in (fit("~ x"), fit("~ x").with_cov("HC0"))
    )
    pd.testing.assert_frame_equal(plain, robust)


@answered
def a_profile_of_an_aliased_column_is_missing() -> None:
    results = nbglm.fit_negbin(
        counts[["regular"]],
        {"mean": "~ g", "dispersion": "~ x + twice"},
        obs=obs.assign(twice=2.0 * obs["x"]),
        progress=False,
    )
    table = profiles(results, "gamma")
    assert table.loc["twice"].isna().all()
    assert np.isfinite(table.loc["x"]).all()


@answered
def a_shifted_covariate_shifts_no_profile() -> None:
    """Also in units that the size changes by in the tenth digit."""
    plain = profiles(fit("~ 1", "~ x"), "gamma", genes="regular", terms="x").iloc[0]
    other = nbglm.fit_negbin(
        counts[["regular"]],
        {"mean": "~ 1", "dispersion": "~ x"},
        obs=obs.assign(x=1e6 + 1e3 * obs["x"]),
        progress=False,
    )
    np.testing.assert_allclose(1e3 * profiles(other, "gamma", terms="x").iloc[0], plain, rtol=1e-5)


@answered
def profiles_of_fewer_cells_than_coefficients() -> None:
    few = obs.iloc[:4]
    results = nbglm.fit_negbin(
        counts.iloc[:4], {"mean": "~ x", "dispersion": "~ w"}, obs=few, progress=False
    )
    for part in ("beta", "gamma"):
        table = profiles(results, part)
        assert (ends(table, "lower") <= ends(table, "upper")).all()


@answered
def profiles_of_one_gene_and_of_many_are_the_same() -> None:
    every = profiles(fit("~ x", "~ x"), "gamma")
    for gene in ("regular", "half"):
        one = profiles(fit("~ x", "~ x").subset([gene]), "gamma")
        pd.testing.assert_frame_equal(one, every[[gene]])


@answered
def a_fit_that_missed_its_maximum_is_named() -> None:
    from dataclasses import replace

    results = fit("~ x", "~ x").subset(["regular"])
    arrays = replace(results.arrays, llf=results.arrays.llf - 1.0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        table = profiles(replace(results, arrays=arrays), "gamma")
    assert [entry.category for entry in said] == [NbglmWarning]
    assert "'regular'" in str(said[0].message)
    np.testing.assert_allclose(table, profiles(results, "gamma"), atol=1e-5)


# Tests of sizes -----------------------------------------------------------------------------------


@refused(HypothesisError, "Swap the two: lr_test(larger, smaller)")
def a_smaller_dispersion_formula_first() -> None:
    nbglm.lr_test(fit("~ g", "~ 1"), fit())


@refused(HypothesisError, "the same", "nothing is left")
def one_dispersion_in_two_codings() -> None:
    nbglm.lr_test(fit(), fit("~ g", "~ 0 + g"))


@refused(HypothesisError, "cannot make up", "'dispersion x'")
def dispersions_of_different_columns() -> None:
    nbglm.lr_test(fit(), fit("~ g", "~ x"))


@refused(InputTypeError, "fit_negbin")
def a_likelihood_ratio_against_a_log_likelihood() -> None:
    nbglm.lr_test(fit(), fit("~ g", "~ 1").llf)


@answered
def references_are_decided_by_the_formulas() -> None:
    """Whatever limits the genes are at."""
    null = fit("~ g", "~ 1")
    for larger, smaller, word in (
        (fit(), null, "mixture"),
        (fit("~ g", "~ x"), null, "bound"),
        (null, fit("~ 1", "~ 1"), "chi2"),
    ):
        assert set(nbglm.lr_test(larger, smaller)["reference"]) == {word}


@answered
def nothing_between_two_poisson_limits_has_a_p_value_of_1() -> None:
    for size in ("~ g", "~ x"):
        table = nbglm.lr_test(fit("~ g", size), fit("~ g", "~ 1"))
        assert table.loc["even", ["statistic", "p_value"]].tolist() == [0.0, 1.0]


@answered
def tests_of_sizes_at_every_edge_have_probabilities_or_say_why_not() -> None:
    for size in ("~ g", "~ x", "~ g + x", "~ g * x"):
        full = fit("~ g", size)
        for table in (
            nbglm.lr_test(full, fit("~ g", "~ 1")),
            full.anova(),
            full.wald_test(size[2:].split(" ")[0], component="dispersion"),
        ):
            told = table["p_value"].notna()
            assert table["p_value"][told].between(0.0, 1.0).all()
            assert (table["log_p_value"][told] <= 0.0).all()
            assert table["status"][~told].isin(["not_identified", "all_zero"]).all()


@answered
def one_hypothesis_has_one_p_value_where_a_level_is_poisson() -> None:
    ratio = nbglm.lr_test(fit(), fit("~ g", "~ 1")).loc["half"]
    wald = fit().wald_test("g", component="dispersion").loc["half"]
    assert wald["test"] == "lr"
    np.testing.assert_allclose(wald["log_p_value"], ratio["log_p_value"], rtol=1e-3)


@answered
def constants_of_the_hypothesis_are_heeded_at_a_limit() -> None:
    """A size of exp(3) is not a size of 1."""
    one, other = (
        fit("~ g", "~ 1").wald_test(text, component="dispersion").loc["even"]
        for text in ("Intercept = 0", "Intercept = 3")
    )
    assert one["statistic"] > other["statistic"] > 0.0
    assert one["p_value"] < other["p_value"]


@refused(UnavailableError, "without_data()")
def an_overdispersion_test_of_a_fit_without_data() -> None:
    fit().without_data().overdispersion_test()


@refused(InputTypeError, "n_jobs", "'all'")
def an_overdispersion_test_by_all() -> None:
    fit().overdispersion_test(n_jobs="all")


@answered
def overdispersion_does_not_depend_on_the_dispersion_formula() -> None:
    """It tests one common size, whatever sizes the fit has."""
    tables = [fit("~ g", size).overdispersion_test() for size in ("~ 1", "~ g", "~ x")]
    for table in tables[1:]:
        np.testing.assert_allclose(
            table[["score", "lr"]].to_numpy(), tables[0][["score", "lr"]].to_numpy(), atol=1e-6
        )


@answered
def no_overdispersion_at_all_has_a_p_value_of_1() -> None:
    table = fit().overdispersion_test()
    assert table.loc["even", ["lr", "lr_pvalue"]].tolist() == [0.0, 1.0]
    assert table.loc["empty", ["score_pvalue", "lr_pvalue"]].isna().all()
    assert table.loc["empty", "status"] == "all_zero"
