"""Misuses of formulas: other languages, texts that are none, terms that are not there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import patsy

from abuses.registry import answered, refused
from abuses.small import N, beta, fit, obs, plain, rng
from nbglm.exceptions import (
    FormulaError,
)

# Other languages ----------------------------------------------------------------------------


@refused(FormulaError, "no random effects", "cov_type='cluster'", "1 | batch")
def a_random_intercept_of_lme4() -> None:
    fit("~ x + (1|batch)")


@refused(FormulaError, "no random effects", "x || batch")
def a_random_slope_without_correlation() -> None:
    fit("~ (x || batch)")


@refused(FormulaError, "flag | g", "I(a | b)")
def a_bare_or_of_two_columns() -> None:
    fit("~ flag | g")


@refused(FormulaError, "I(x^2)", "**")
def a_power_with_a_caret() -> None:
    fit("~ I(x^2)")


@refused(FormulaError, "**")
def all_pairs_with_a_caret() -> None:
    fit("~ (x + z + g)^2")


@refused(FormulaError, "I(flag^2)", "**")
def a_caret_that_python_would_calculate() -> None:
    fit("~ I(flag^2)")


@refused(FormulaError, "I(x ** 2)")
def a_power_without_i_which_would_be_the_column_itself() -> None:
    fit("~ x**2")


@answered
def exclusive_or_of_two_conditions_is_python() -> None:
    want = beta("~ I(w)", obs.assign(w=obs["flag"] ^ (obs["z"] > 0)))
    assert beta("~ I(flag ^ (z > 0))") == want


@refused(FormulaError, "offset=", "size_factors=")
def an_offset_in_the_formula() -> None:
    fit("~ x + offset(years)")


@refused(FormulaError, "np.log(...)")
def a_logarithm_without_numpy() -> None:
    fit("~ log(years)")


@refused(FormulaError, "np.exp(...)")
def an_exponential_in_the_dispersion_without_numpy() -> None:
    fit({"mean": "~ x", "dispersion": "~ exp(x)"})


@refused(FormulaError, "np.sqrt(...)")
def a_root_without_numpy() -> None:
    fit("~ sqrt(x)")


@refused(FormulaError, "'lgo'", "Did you mean 'log'")
def a_misspelt_function_of_numpy() -> None:
    fit("~ np.lgo(x)")


@refused(FormulaError, "I(x ** 2)", "bs(x, df=4)")
def polynomials_of_r() -> None:
    fit("~ poly(x, 2)")


@refused(FormulaError, "cr(x, df=4)")
def natural_splines_of_r() -> None:
    fit("~ ns(x, 3)")


@refused(FormulaError, "cr(x, df=4)")
def a_smooth_of_mgcv() -> None:
    fit("~ s(x)")


@refused(FormulaError, "te(cr(x, df=4), cr(z, df=4))")
def a_tensor_of_columns_which_would_be_their_product() -> None:
    fit("~ te(x, z)")


@refused(FormulaError, "te(cr(x, df=4), cr(z, df=4))")
def a_tensor_of_centred_columns() -> None:
    fit("~ te(center(x), center(z))")


@refused(FormulaError, "C(g)")
def factor_of_r() -> None:
    fit("~ factor(k)")


@refused(FormulaError, "as.factor", "C(g)")
def as_factor_of_r() -> None:
    fit("~ as.factor(k)")


@refused(FormulaError, "as.numeric")
def as_numeric_of_r() -> None:
    fit("~ as.numeric(x)")


@answered
def scale_of_r_is_known_to_patsy() -> None:
    assert np.allclose(beta("~ scale(x)")[1], beta("~ x")[1] * obs["x"].std(ddof=0))


@refused(FormulaError, "'ref'", "Treatment('b')")
def a_reference_level_by_keyword() -> None:
    fit("~ C(batch, ref='b3')")


@refused(FormulaError, "'ref'", "Treatment('b')")
def a_keyword_of_treatment_that_it_lacks() -> None:
    fit("~ C(batch, Treatment(ref='b3'))")


@refused(FormulaError, "Treatment('b3')")
def a_level_in_place_of_a_contrast() -> None:
    fit("~ C(batch, 'b3')")


@refused(FormulaError, "no level 'b33'", "Did you mean 'b3'")
def a_reference_level_that_is_not_there() -> None:
    fit("~ C(batch, Treatment('b33'))")


@refused(FormulaError, "'%in%'", "a:b")
def nesting_of_r() -> None:
    fit("~ x %in% g")


@refused(FormulaError, "'%%'")
def remainder_of_r() -> None:
    fit("~ k %% 2")


@refused(FormulaError, "one colon")
def a_double_colon() -> None:
    fit("~ x::z")


@refused(FormulaError, "'$'", "name alone")
def a_column_of_a_frame_of_r() -> None:
    fit("~ obs$x")


@refused(FormulaError, "&", "~")
def python_and_between_columns() -> None:
    fit("~ I(x > 0.5 and z > 0)")


@refused(FormulaError, "joined with +")
def a_list_of_columns() -> None:
    fit("~ ['x', 'z']")


@refused(FormulaError, "joined with +")
def columns_joined_by_commas() -> None:
    fit("~ x, z")


@refused(FormulaError, "joined with +")
def columns_joined_by_nothing() -> None:
    fit("~ x z")


@refused(FormulaError, "without quotes")
def a_quoted_column() -> None:
    fit("~ 'x'")


@refused(FormulaError, "U+02DC", "'~'")
def a_typographic_tilde() -> None:
    fit("\u02dc x")


@refused(FormulaError, "EN DASH", "'-'")
def a_typographic_minus() -> None:
    fit("~ x \u2013 z")


@refused(FormulaError, "SEMICOLON")
def two_statements() -> None:
    fit("~ x; z")


@refused(FormulaError, "U+0000")
def a_null_byte() -> None:
    fit("~ x\0")


# Texts that are no formula ------------------------------------------------------------------


@refused(FormulaError, "cannot be read")
def a_formula_that_breaks_off() -> None:
    fit("~ x +")


@refused(FormulaError, "cannot be read")
def an_open_bracket() -> None:
    fit("~ (x + z")


@refused(FormulaError, "cannot be read")
def an_open_quote() -> None:
    fit("~ x'")


@refused(FormulaError, "is empty", "~ 1")
def an_empty_formula() -> None:
    fit("")


@refused(FormulaError, "is empty", "dispersion")
def an_empty_dispersion() -> None:
    fit({"mean": "~ x", "dispersion": "~ "})


@refused(FormulaError, "more than one '~'")
def two_tildes() -> None:
    fit("~ x ~ z")


@refused(FormulaError, "more than one '~'")
def a_tilde_between_brackets() -> None:
    fit("~ (x) ~ (z)")


@refused(FormulaError, "left-hand side", "'~ x'")
def a_response_where_the_counts_are_it() -> None:
    fit("gene ~ x")


@answered
def tabs_and_newlines_are_spaces() -> None:
    assert beta("~\tx +\n  z\n") == plain()


@answered
def ten_thousand_characters_of_terms() -> None:
    assert beta("~ " + " + ".join(["x", "z"] * 2000)) == plain()


@answered
def five_thousand_brackets() -> None:
    assert beta("~ " + "(" * 5000 + "x + z" + ")" * 5000) == plain()


@refused(FormulaError, "nested too deeply", "20002 characters")
def ten_thousand_summands_of_python() -> None:
    fit("~ I(" + " + ".join(["x"] * 5000) + ")")


@refused(FormulaError, "nested too deeply")
def three_thousand_signs() -> None:
    fit("~ " + "-" * 3000 + "x")


@refused(FormulaError, "terms", "20,000")
def a_power_of_everything() -> None:
    frame = pd.DataFrame(rng.normal(size=(N, 40)), obs.index).add_prefix("v")
    fit("~ (.)**9", frame)


@refused(FormulaError, "string or a dict", "NoneType")
def none_for_a_formula() -> None:
    fit(None)


@refused(FormulaError, "string or a dict", "list")
def a_list_of_formulas() -> None:
    fit(["~ x", "~ 1"])


@refused(FormulaError, "string or a dict", "ModelDesc")
def a_formula_that_patsy_has_read() -> None:
    fit(patsy.ModelDesc.from_formula("~ x"))


@refused(FormulaError, "'dispersion'", "NoneType")
def a_dispersion_of_none() -> None:
    fit({"mean": "~ x", "dispersion": None})


@refused(FormulaError, "'Mean'", "Did you mean 'mean'")
def a_capital_key() -> None:
    fit({"Mean": "~ x"})


@refused(FormulaError, "'disp'", "Did you mean 'dispersion'")
def an_abbreviated_key() -> None:
    fit({"mean": "~ x", "disp": "~ x"})


@refused(FormulaError, "'dispersion_formula'", "Did you mean 'dispersion'")
def a_key_of_another_package() -> None:
    fit({"mean": "~ x", "dispersion_formula": "~ x"})


@refused(FormulaError, "ZeroDivisionError")
def a_division_by_zero() -> None:
    fit("~ I(x * (1 / 0))")


@refused(FormulaError, "not finite", "np.log(x - x)", "cell0")
def a_logarithm_of_zero() -> None:
    fit("~ np.log(x - x)")


@refused(FormulaError, "complex")
def a_complex_covariate() -> None:
    fit("~ I(x * 1j)")


@refused(FormulaError, "'g' holds levels")
def a_spline_of_a_text() -> None:
    fit("~ bs(g, df=4)")


@refused(FormulaError, "1 values", "60 rows")
def a_constant_of_python() -> None:
    fit("~ x + np.pi")


# Terms that are not there -------------------------------------------------------------------


@refused(FormulaError, "'typo'", "not among the terms")
def removing_what_is_nothing() -> None:
    fit("~ . - typo")


@refused(FormulaError, "'bacth'", "Did you mean 'batch'")
def removing_a_misspelt_column() -> None:
    fit("~ . - bacth")


@refused(FormulaError, "'x:z'", "not among the terms")
def removing_an_interaction_that_is_not_there() -> None:
    fit("~ x + z - x:z")


@refused(FormulaError, "'Intercept'", "- 1")
def removing_the_intercept_by_name() -> None:
    fit("~ x - Intercept")


@answered
def removing_an_interaction_that_is_there() -> None:
    assert beta("~ x * z - x:z") == plain()


@answered
def minus_one_and_minus_zero_are_switches() -> None:
    assert beta("~ x + z - 1 - 0") == plain()
    assert len(beta("~ x + z - 1")) == 2


@refused(FormulaError, "'.'", "inside a function")
def a_logarithm_of_everything() -> None:
    fit("~ np.log(.)", obs[["x", "years"]])


@refused(FormulaError, "'xx'", "Did you mean 'x'")
def a_misspelt_column() -> None:
    fit("~ xx")


@refused(FormulaError, "function or a module")
def a_module_for_a_column() -> None:
    fit("~ x + np")


@refused(FormulaError, "is a column, not a function")
def a_method_of_a_column() -> None:
    fit("~ x.clip(0, 1)")


@refused(FormulaError, "takes the name of a column in quotes")
def q_without_quotes() -> None:
    fit("~ Q(x)")


@refused(FormulaError, "'upside_down'", "reindex(obs.index)")
def a_series_of_the_scope_in_another_order() -> None:
    fit("~ upside_down")


@refused(FormulaError, "'masked'", "masked entries")
def a_masked_array_of_the_scope() -> None:
    fit("~ x + masked")


@refused(FormulaError, "~ stop(x)", "StopIteration")
def a_function_of_the_caller_that_fails() -> None:
    fit("~ stop(x)")


@refused(FormulaError, "'secret'", "no values for new rows")
def new_rows_of_an_array_of_the_scope() -> None:
    fit("~ x + secret").predict(obs[::-1])
