"""Misuses of hypotheses: words, matrices and mappings that are none, or could be two."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abuses.registry import answered, refused
from abuses.tested import aliased, fit, full, obs, small
from nbglm.exceptions import HypothesisError, InputTypeError, OptionError

ROW = np.array([0.0, 1.0, -1.0, 0.0, 0.0])  # b less c

# Words --------------------------------------------------------------------------------------


@refused(HypothesisError, "is empty", "'Intercept'")
def an_empty_hypothesis() -> None:
    full().t_test("")


@refused(HypothesisError, "is empty")
def a_blank_hypothesis() -> None:
    full().wald_test("  \n")


@refused(HypothesisError, "None is no hypothesis", "name a coefficient")
def no_hypothesis() -> None:
    full().t_test(None)


@refused(HypothesisError, "3 is no hypothesis")
def the_number_of_a_coefficient() -> None:
    full().t_test(3)


@refused(HypothesisError, "is no hypothesis", "a list of such names")
def a_set_which_has_no_order() -> None:
    full().t_test({"x", "flag"})


@refused(HypothesisError, "b'x' is no hypothesis")
def bytes_for_a_name() -> None:
    full().t_test(b"x")


@refused(HypothesisError, "Did you mean 'x'?")
def a_coefficient_in_another_case() -> None:
    full().t_test("X")


@refused(HypothesisError, "Did you mean 'Intercept'?")
def the_intercept_as_in_r() -> None:
    full().t_test("intercept")


@refused(HypothesisError, "Did you mean 'g[T.b]'?")
def a_level_as_r_names_it() -> None:
    full().t_test("gb - gc")


@refused(HypothesisError, "Did you mean 'g[T.b]'?")
def a_level_alone() -> None:
    full().t_test("b")


@refused(HypothesisError, "'g[T.z]' is no coefficient", "Did you mean 'g[T.")
def a_level_that_is_not_there() -> None:
    full().t_test("g[T.b] - g[T.z]")


@refused(HypothesisError, "'flag' is a term", "'flag[T.True]'")
def a_term_within_an_equation() -> None:
    full().t_test("x + flag")


@refused(HypothesisError, "pass 'x' with component='dispersion'")
def a_coefficient_as_the_results_of_one_gene_name_it() -> None:
    full().t_test("dispersion-x")


@refused(HypothesisError, "pass 'g[T.b]' with component='dispersion'")
def such_a_coefficient_in_an_equation() -> None:
    full().wald_test("dispersion-g[T.b] = 1")


@refused(HypothesisError, "'x' is in the mean", "component='mean'")
def a_coefficient_of_the_other_component() -> None:
    full().t_test("x", "dispersion")


@refused(HypothesisError, "it is a formula", "'g'")
def a_formula_for_a_hypothesis() -> None:
    full().wald_test("~ g")


@refused(HypothesisError, "'one' has no coefficient", "one level")
def a_factor_with_one_level() -> None:
    fit("~ one + x", obs=obs.assign(one="a")).wald_test("one")


@refused(HypothesisError, "of equations", "'x = 0'")
def a_one_sided_hypothesis() -> None:
    full().t_test("x > 0")


@refused(HypothesisError, "of equations")
def an_inequality() -> None:
    full().t_test("x != 0")


@refused(HypothesisError, "one '='")
def an_equation_as_in_python() -> None:
    full().t_test("x == 0")


@refused(HypothesisError, "multiply one variable by another")
def a_product_of_coefficients() -> None:
    full().t_test("x * g[T.b]")


@refused(HypothesisError, "no variables")
def an_equation_of_numbers() -> None:
    full().t_test("x - x")


@refused(HypothesisError, "not finite")
def a_division_by_zero() -> None:
    full().t_test("x / 0")


@refused(HypothesisError, "not finite")
def an_infinite_value() -> None:
    full().t_test("x = 1e400")


@refused(HypothesisError, "too long", "a matrix of weights")
def an_equation_of_two_thousand_terms() -> None:
    full().t_test(" + ".join(["x"] * 2000))


@refused(HypothesisError, "cannot read", "...")
def a_word_of_a_hundred_thousand_letters() -> None:
    full().t_test("y" * 100_000)


@refused(HypothesisError, "'x = 0'", "'x = 1'", "contradict")
def equations_that_contradict_each_other() -> None:
    full().wald_test("x = 0, x = 1")


@refused(HypothesisError, "contradict")
def equations_that_contradict_each_other_in_other_units() -> None:
    full().wald_test(["g[T.b] - g[T.c] = 1", "2*g[T.c] - 2*g[T.b] = 2"])


@answered
def one_equation_twice_is_one_equation() -> None:
    twice, once = (full().wald_test(text) for text in ("x, 2*x = 0", "x"))
    pd.testing.assert_frame_equal(twice, once)


# Mappings, frames, matrices -----------------------------------------------------------------


@refused(HypothesisError, "two ways", "'g[T.b] - g[T.c]'", "['g[T.b] = 1', 'g[T.c] = -1']")
def weights_in_a_dict() -> None:
    full().t_test({"g[T.b]": 1, "g[T.c]": -1})


@refused(HypothesisError, "two ways", "'0.5 * x'", "['x = 0.5']")
def a_number_by_name_for_all_together() -> None:
    full().wald_test({"x": np.float64(0.5)})


@refused(HypothesisError, "two ways")
def weights_in_a_named_dict() -> None:
    full().t_test({"b over c": {"g[T.b]": 1, "g[T.c]": -1}})


@refused(HypothesisError, "is empty")
def an_empty_dict() -> None:
    full().t_test({})


@answered
def a_frame_of_weights_is_read_by_its_columns() -> None:
    weights = pd.DataFrame({"g[T.c]": [-1.0], "g[T.b]": [1.0]}, index=["b over c"])
    table, written = full().t_test(weights), full().t_test("g[T.b] - g[T.c]")
    assert table["contrast"].tolist() == ["b over c"] * 5
    assert table["estimate"].equals(written["estimate"])
    row = full().t_test(weights.loc["b over c"])
    assert row["estimate"].equals(written["estimate"])


@refused(HypothesisError, "a column 'g[T.z]'")
def a_frame_with_a_column_of_no_coefficient() -> None:
    full().t_test(pd.DataFrame({"g[T.z]": [1.0]}))


@refused(HypothesisError, "several columns of one name")
def a_frame_with_a_column_twice() -> None:
    full().t_test(pd.DataFrame([[1.0, 2.0]], columns=["x", "x"]))


@answered
def a_matrix_with_values_is_read_as_in_statsmodels() -> None:
    pair = full().t_test((ROW[None], [0.5]))
    pd.testing.assert_frame_equal(pair, full().t_test("g[T.b] - g[T.c] = 0.5"))


@refused(HypothesisError, "2 combinations", "one value for each")
def a_matrix_with_too_many_values() -> None:
    full().t_test((np.eye(5)[:2], [0.0, 1.0, 2.0]))


@answered
def names_and_rows_in_one_list() -> None:
    labels = full().t_test(["x", ROW]).index.get_level_values("contrast").unique()
    assert labels.tolist() == ["x", "g[T.b] - g[T.c]"]


@answered
def names_in_a_series_an_index_and_an_array() -> None:
    want = full().t_test(["x", "g[T.b]"])
    for written in (("x", "g[T.b]"), pd.Series(["x", "g[T.b]"]), np.array(["x", "g[T.b]"])):
        pd.testing.assert_frame_equal(full().t_test(written), want)


@refused(HypothesisError, "shape (1, 8)", "5 columns", "one component at a time")
def a_row_over_all_coefficients() -> None:
    full().t_test(np.ones(8))


@refused(HypothesisError, "shape (1, 2)", "5 columns")
def a_row_that_is_too_short() -> None:
    full().t_test([1.0, -1.0])


@refused(HypothesisError, "a row for each combination")
def a_matrix_without_rows() -> None:
    full().t_test(np.zeros((0, 5)))


@refused(HypothesisError, "shape (1, 1, 5)")
def a_matrix_of_three_dimensions() -> None:
    full().t_test(ROW[None, None])


@refused(HypothesisError, "not finite")
def a_matrix_with_nan() -> None:
    full().t_test(np.where(ROW == 0.0, np.nan, ROW))


@refused(HypothesisError, "rows without a coefficient")
def a_row_of_zeros() -> None:
    full().wald_test(np.vstack([ROW, 0 * ROW]))


@refused(HypothesisError, "real numbers")
def a_complex_matrix() -> None:
    full().t_test(ROW.astype(complex))


@refused(HypothesisError, "rows of one length")
def rows_of_two_lengths() -> None:
    full().t_test([[1.0, 0.0], [1.0]])


@refused(HypothesisError, "real numbers")
def a_matrix_with_a_word() -> None:
    full().t_test([[0, 1, 0, 0, "x"]])


# Components, levels, methods ----------------------------------------------------------------


@refused(OptionError, "component='gamma'", "Did you mean 'dispersion'?")
def the_key_of_params_for_a_component() -> None:
    full().t_test("g", "gamma")


@refused(OptionError, "component='mu'", "Did you mean 'mean'?")
def another_word_for_the_mean() -> None:
    full().score_test("~ batch", "mu")


@refused(OptionError, "component=None")
def no_component() -> None:
    full().wald_test("g", None)


@refused(OptionError, "5 % intervals", "alpha=0.05 gives 95 % intervals")
def a_confidence_level_for_alpha() -> None:
    full().t_test("x", alpha=0.95)


@refused(OptionError, "between 0 and 1", "alpha=0.05")
def per_cent_for_alpha() -> None:
    full().estimate("x", alpha=5)


@refused(InputTypeError, "a number between 0 and 1", "str")
def text_for_alpha() -> None:
    full().marginal_means("g", alpha="0.05")


@refused(InputTypeError, "True (bool)")
def a_condition_for_alpha() -> None:
    full().to_frame(alpha=True)


@refused(OptionError, "between 0 and 1; got nan")
def nan_for_alpha() -> None:
    full().to_frame(float("nan"))


@refused(OptionError, "'fdr_bh'", "multipletests")
def benjamini_and_hochberg_as_in_r() -> None:
    full().t_test("x", method="BH")


@refused(OptionError, "p_value is what it is without")
def no_adjustment_as_in_r() -> None:
    full().wald_test("g", method="none")


@refused(OptionError, "Did you mean 'holm'?")
def a_misspelt_adjustment() -> None:
    full().t_test("x", method="hollm")


@refused(OptionError, "does not adjust")
def local_rates_which_are_no_p_values() -> None:
    full().t_test("x", method="lfdr")


# What cannot be tested ----------------------------------------------------------------------


@refused(HypothesisError, "'twice'", "aliased")
def a_joint_test_of_an_aliased_column() -> None:
    aliased().wald_test("twice")


@answered
def a_test_of_an_aliased_column_says_so_for_each_gene() -> None:
    table = aliased().t_test("twice")
    assert (table["status"] == "aliased").all()
    assert table.drop(columns=["status", "contrast"]).isna().all(axis=None)


@answered
def what_a_gene_cannot_tell_has_a_status() -> None:
    table = full().t_test("g[T.c]", "dispersion")
    assert table.loc["Silent", "status"] == table.loc["Zero", "status"] == "not_identified"
    joint = full().wald_test("g", "dispersion").loc["Zero"]
    assert (joint["test"], joint["status"]) == ("none", "all_zero")


@answered
def a_term_that_patsy_names_otherwise_is_found() -> None:
    pd.testing.assert_frame_equal(
        small().t_test("(x)").drop(columns="contrast"), small().t_test("x").drop(columns="contrast")
    )


# The results of one gene --------------------------------------------------------------------


@answered
def a_component_names_coefficients_of_one_gene_as_of_all() -> None:
    one, all_ = full().gene("Pyy"), full().t_test("g", "dispersion").loc["Pyy"]
    for test in (one.t_test("g", component="dispersion"), one.t_test("dispersion-g")):
        np.testing.assert_allclose(test.effect, all_["estimate"], rtol=1e-12)
        np.testing.assert_allclose(test.pvalue, all_["p_value"], rtol=1e-9)
    joint = one.wald_test("g", component="dispersion").pvalue
    assert np.isclose(float(joint), full().wald_test("g", "dispersion").loc["Pyy", "p_value"])


@refused(HypothesisError, "'x' is in the mean", "component='mean'")
def a_coefficient_of_the_other_component_of_one_gene() -> None:
    full().gene("Pyy").t_test("x", component="dispersion")


@refused(HypothesisError, "two ways", "'x - dispersion-Intercept'")
def weights_in_a_dict_for_one_gene() -> None:
    full().gene("Pyy").t_test({"x": 1, "dispersion-Intercept": -1})


@refused(OptionError, "cov_params().loc")
def a_name_for_the_covariance_of_one_gene() -> None:
    full().gene("Pyy").cov_params("x")


@answered
def a_dict_is_a_row_for_one_gene_as_in_statsmodels() -> None:
    row = {"x": 0.5, "g": "b", "flag": True}
    want = full().predict(pd.DataFrame([row]))["mean"]["Pyy"].item()
    assert np.isclose(full().gene("Pyy").predict(row).item(), want)
