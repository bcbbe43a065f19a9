"""Misuses of the formula of one response, and of the columns that its options name."""

from __future__ import annotations

import numpy as np

from abuses.registry import answered, refused
from abuses.small import df, model
from nbglm.exceptions import (
    AlignmentError,
    FormulaError,
    InputTypeError,
    UnknownNameError,
)


@answered
def everything_but_the_response() -> None:
    want = model("y ~ x + z", df[["x", "z", "y"]], "~ x + z").tolist()
    few = df[["y", "x", "z"]]
    for formula in ("y ~ .", "np.round(y) ~ .", "`y` ~ . - y", "I(y) ~ . + x"):
        assert model(formula, few, "~ .").tolist() == want, formula


@refused(FormulaError, "'y'", "response itself")
def the_response_as_a_covariate() -> None:
    model("y ~ x + y")


@refused(FormulaError, "'y'", "response itself", "dispersion")
def the_response_as_a_covariate_of_its_dispersion() -> None:
    model("y ~ x", df, "~ y")


@refused(FormulaError, "no columns besides the response")
def everything_where_there_is_only_the_response() -> None:
    model("y ~ .", df[["y"]])


@refused(FormulaError, "y + k", "fit_negbin")
def two_responses() -> None:
    model("y + k ~ 1")


@refused(FormulaError, "y - 1", "I(y - 1)")
def arithmetic_of_the_response_without_i() -> None:
    model("y - 1 ~ x")


@refused(FormulaError, "2 columns", "fit_negbin")
def a_response_of_two_columns() -> None:
    model("np.column_stack([y, k]) ~ x")


@refused(FormulaError, "'cbind'", "fit_negbin")
def two_responses_as_in_r() -> None:
    model("cbind(y, k) ~ x")


@refused(FormulaError, "'g'", "levels", "astype(int)")
def a_response_of_texts() -> None:
    model("g ~ x")


@refused(FormulaError, "'flag'", "True and False", "astype(int)")
def a_response_of_true_and_false() -> None:
    model("flag ~ x")


@refused(FormulaError, "y > 3", "astype(int)")
def a_response_that_is_a_condition() -> None:
    model("y > 3 ~ x")


@refused(FormulaError, "no response", "y ~ ...")
def no_response() -> None:
    model("~ x")


@refused(FormulaError, "'yy'", "Did you mean 'y'")
def a_misspelt_response() -> None:
    model("yy ~ x")


@refused(FormulaError, "formula must be a string", "dict")
def a_dict_of_formulas_for_one_response() -> None:
    model({"mean": "y ~ x", "dispersion": "~ x"})


@refused(FormulaError, "dispersion must be a string")
def no_dispersion_for_one_response() -> None:
    model("y ~ x", df, None)


@refused(UnknownNameError, "exposure='yeers'", "Did you mean 'years'")
def a_misspelt_exposure() -> None:
    model("y ~ x", exposure="yeers")


@refused(UnknownNameError, "weights='year'", "Did you mean 'years'")
def misspelt_weights() -> None:
    model("y ~ x", weights="year")


@refused(UnknownNameError, "offset='Z'", "Did you mean 'z'")
def an_offset_in_capitals() -> None:
    model("y ~ x", offset="Z", missing="none")


@refused(AlignmentError, "exposure must be positive", "cell")
def a_negative_exposure() -> None:
    model("y ~ x", exposure="z")


@refused(InputTypeError, "DataFrame or a dict", "NoneType")
def no_data() -> None:
    model("y ~ x", None)


@refused(AlignmentError, "no rows")
def data_without_rows() -> None:
    model("y ~ x", df.iloc[:0])


@refused(AlignmentError, "all 60 rows lack a value", "'x'")
def a_column_without_a_value() -> None:
    model("y ~ x", df.assign(x=np.nan))


@refused(AlignmentError, "query('x > 0.5')")
def a_subset_in_words() -> None:
    model("y ~ x", subset="x > 0.5")


@refused(AlignmentError, "more than once", "astype(bool)")
def a_mask_of_zeros_and_ones() -> None:
    model("y ~ x", df.reset_index(), subset=(df["x"] > 0.5).astype(int).to_numpy())


@refused(AlignmentError, "leaves none")
def a_mask_without_a_row() -> None:
    model("y ~ x", subset=df["x"] > 9)


@refused(AlignmentError, "does not fit the 60 rows")
def a_short_mask() -> None:
    model("y ~ x", subset=[True, False])
