"""Misuses of columns in formulas: odd names, odd values, rows that are not those of the fit."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pandas as pd
import patsy

from abuses.registry import answered, refused
from abuses.small import N, beta, fit, obs, plain, spline, with_name
from nbglm.design.design import build_design
from nbglm.exceptions import (
    FormulaError,
    RankError,
)

# Names --------------------------------------------------------------------------------------


@answered
def names_of_patsy_and_python_are_columns() -> None:
    for name in ("C", "Q", "np", "bs", "I", "center", "te", "Treatment", "print", "__import__"):
        assert with_name(name) == plain() == with_name(name, f"~ x + {name}"), name


@answered
def keywords_are_columns() -> None:
    for name in ("class", "lambda", "None", "not", "in"):
        assert with_name(name) == plain() == with_name(name, f"~ x + Q('{name}')"), name


@answered
def names_that_no_formula_could_spell_are_columns() -> None:
    names = ["", " ", "  a b ", "new\nline", "tab\t", "it's", 'say "x"', "both ' and \"", "tick`"]
    for name in [*names, "\\", "\\n", "%s", "#", "~", ".", "x:z", "x + z", "a]", "(", "0", "3.5"]:
        assert with_name(name) == plain(), name


@answered
def numbers_and_tuples_are_columns() -> None:
    for name in (7, 1.5, ("a", "b"), None):
        assert with_name(name) == plain(), name


@answered
def names_in_other_scripts_are_columns() -> None:
    for name in ("é", "变量", "A\u030a", "\ufb01"):
        assert with_name(name) == plain() == with_name(name, f"~ x + {name}"), name


@answered
def a_ligature_is_not_its_letters() -> None:
    frame = obs[["x", "z"]].set_axis(["\ufb01", "fi"], axis=1)
    assert beta("~ \ufb01", frame) == beta("~ x")


@answered
def names_that_the_package_uses_inside_are_columns() -> None:
    for name in ("nbglm_column_0_", "nbglm_column_1_", "nbglm_column_12345_"):
        assert with_name(name) == plain(), name
    frame = obs[["x", "z"]].set_axis(["a b", "nbglm_column_0_"], axis=1)
    results = fit("~ `a b` + nbglm_column_0_", frame)
    assert results.params["beta"]["gene"].tolist() == plain()
    assert results.design.mean.terms == ("Intercept", "a b", "nbglm_column_0_")


@answered
def a_level_that_looks_like_a_name_inside_keeps_its_label() -> None:
    levels = np.resize(["nbglm_column_0_", "b"], N)
    frame = pd.DataFrame({"cell type": levels}, obs.index)
    assert fit("~ 0 + `cell type`", frame).design.mean.terms[1] == "cell type[nbglm_column_0_]"


@answered
def a_function_and_a_column_of_one_name() -> None:
    frame = obs.assign(double=obs["z"])
    assert beta("~ I(double(x) / 2) + double", frame) == plain()


@answered
def a_keyword_argument_and_a_column_of_one_name() -> None:
    frame = obs.assign(df=obs["z"], knots=obs["z"])
    assert beta("~ bs(x, df=4) + df", frame) == beta("~ bs(x, df=4) + z")


@answered
def a_name_that_ends_in_a_space_is_another_name() -> None:
    assert beta("~ x + z", obs[["x", "z"]].assign(**{"x ": 0.0, "z ": 0.0})) == plain()


@answered
def true_is_not_the_column_of_that_name() -> None:
    frame = obs.assign(**{"True": obs["z"] > 0})
    assert beta("~ I(flag == True)", frame) == beta("~ flag")


@refused(FormulaError, "'Intercept'", "rename")
def a_column_called_intercept_beside_one() -> None:
    with_name("Intercept")


@answered
def a_column_called_intercept_by_itself() -> None:
    frame = obs[["x"]].assign(Intercept=1.0)
    assert sorted(beta("~ 0 + Intercept + x", frame)) == sorted(beta("~ x"))


@refused(FormulaError, "'x:z'", "rename")
def a_column_called_like_an_interaction() -> None:
    fit("~ x * z + `x:z`", obs[["x", "z"]].assign(**{"x:z": obs["years"]}))


@refused(FormulaError, "'x'", "2 columns of that name")
def two_columns_of_one_name() -> None:
    fit("~ x", pd.concat([obs[["x"]], -obs[["x"]]], axis=1))


@refused(FormulaError, "'1'", "2 columns of that name")
def a_number_and_its_text_as_names() -> None:
    fit("~ .", pd.DataFrame({1: obs["x"], "1": obs["z"]}))


# Columns ------------------------------------------------------------------------------------


@refused(FormulaError, "'q'", "int, str", "read '1'")
def categories_that_read_the_same() -> None:
    fit("~ q", obs.assign(q=pd.Categorical(np.resize(np.array([1, "1", 2], object), N))))


@refused(FormulaError, "'q'", "astype('category')")
def a_column_of_mixed_types() -> None:
    fit("~ q", obs.assign(q=np.resize(np.array([1, "1", 2.5], object), N)))


@refused(FormulaError, "'q'", "1 missing", "cell0")
def an_integer_column_with_na() -> None:
    fit("~ q", obs.assign(q=pd.array([None, *range(N - 1)], dtype="Int64")))


@answered
def nullable_and_sparse_columns_are_numbers() -> None:
    boolean = obs.assign(flag=pd.array(obs["flag"], dtype="boolean"))
    assert beta("~ flag", boolean) == beta("~ flag")
    assert beta("~ k", obs.assign(k=pd.array(obs["k"], dtype="Int64"))) == beta("~ k")
    assert beta("~ k", obs.assign(k=pd.arrays.SparseArray(obs["k"]))) == beta("~ k")
    assert beta("~ g", obs.assign(g=obs["g"].astype("string"))) == beta("~ g")


@refused(FormulaError, "'q'", "datetime64", "days since")
def a_column_of_dates() -> None:
    fit("~ q", obs.assign(q=pd.date_range("2020-01-01", periods=N)))


@refused(FormulaError, "'q'", "Period", "astype('category')")
def a_column_of_periods() -> None:
    fit("~ q", obs.assign(q=pd.period_range("2020-01-01", periods=N)))


@answered
def intervals_as_categories() -> None:
    terms = fit("~ q", obs.assign(q=pd.cut(obs["x"], [0.0, 0.5, 1.0]))).design.mean.terms
    assert terms == ("Intercept", "q[T.(0.5, 1.0]]")


@refused(FormulaError, "not finite", "(inf)", "'q'")
def a_column_with_infinities() -> None:
    fit("~ q", obs.assign(q=np.where(obs["x"] > 0.5, np.inf, 1.0)))


@answered
def a_category_without_a_cell() -> None:
    frame = obs.assign(g=pd.Categorical(obs["g"], ["none", "a", "b", "c", "neither"]))
    assert beta("~ g", frame) == beta("~ g")


@answered
def a_level_called_nan() -> None:
    frame = obs.assign(g=obs["g"].replace({"b": "nan", "c": "z"}))
    results = fit("~ g", frame)
    assert results.design.mean.terms == ("Intercept", "g[T.nan]", "g[T.z]")
    assert results.predict(frame.iloc[:9])["mean"].equals(results.fittedvalues.iloc[:9])


@refused(FormulaError, "different level in each of the 60 cells")
def names_of_cells_as_a_factor() -> None:
    fit("~ name", obs.assign(name=obs.index))


@refused(FormulaError, "'C(x)'", "different level in each of the 60 cells")
def a_number_as_a_factor() -> None:
    fit("~ C(x)")


@answered
def levels_of_integers_are_labelled_as_patsy_does() -> None:
    want = patsy.dmatrix("C(k) + C(half)", obs.assign(half=obs["k"] / 2)).design_info.column_names
    results = fit("~ C(k) + C(half)", obs.assign(half=obs["k"] / 2))
    assert list(results.design.mean.terms) == want


# Rows ---------------------------------------------------------------------------------------


@answered
def no_rows_have_no_predictions() -> None:
    for frame in (obs.iloc[:0], pd.DataFrame({name: [] for name in obs})):
        for results in (spline(), fit("~ x")):
            tables = results.predict(frame, interval=0.9)
            assert all(table.shape == (0, 1) for table in tables.values())


@refused(FormulaError, "needs the column 'g'")
def no_rows_and_not_the_columns_either() -> None:
    spline().predict(pd.DataFrame({"x": [], "z": []}))


@answered
def a_part_of_the_rows_with_all_categories() -> None:
    frame = obs.assign(g=obs["g"].astype("category"))
    part = frame[frame["g"] != "a"]
    results = fit("~ x + g", part)
    assert results.design.mean.terms == ("Intercept", "g[T.c]", "x")


@answered
def an_index_of_several_levels() -> None:
    frame = obs.set_index(["batch", "k"], append=True)
    assert beta("~ x + z", frame) == plain()


@answered
def numbers_as_categories_are_matched_by_value() -> None:
    frame = obs.assign(k=pd.Categorical(obs["k"]))
    results = fit("~ k", frame)
    want = results.fittedvalues
    for values in (obs["k"].astype(float), obs["k"], obs["k"].astype(str)):
        new = obs.assign(k=pd.Categorical(values))
        assert results.predict(new)["mean"].equals(want), values.dtype


@answered
def integers_at_the_fit_and_floats_afterwards() -> None:
    results = fit("~ k + C(k)")
    new = obs.assign(k=obs["k"].astype(np.float32))
    assert results.predict(new)["mean"].equals(results.fittedvalues)


@refused(FormulaError, "the value 9.0 is no level", "1.0, 2.0")
def a_number_that_is_no_level() -> None:
    spline().predict(obs.assign(k=9))


@refused(FormulaError, "'x'", "2 columns of that name")
def new_rows_with_two_columns_of_one_name() -> None:
    fit("~ x").predict(pd.concat([obs, obs[["x"]]], axis=1))


# Aliased columns ----------------------------------------------------------------------------


@answered
def aliased_columns_are_named() -> None:
    frame = obs.assign(twin=obs["g"].str.upper(), three=3.0, sum=obs["x"] - 2 * obs["z"])
    formula = {"mean": "~ x + z + sum + three", "dispersion": "~ g + twin"}
    said = repr(fit(formula, frame))
    assert "2 of 5 mean columns aliased" in said
    assert "sum = x - 2 z" in said
    assert "three = 3" in said
    assert "2 of 5 dispersion columns aliased" in said
    assert "twin[T.B] = g[T.b]" in said


@answered
def a_factor_with_one_level_is_named() -> None:
    results = fit("~ x + one", obs.assign(one="only"))
    assert results.params["beta"]["gene"].tolist() == beta("~ x")
    assert "factors with one level: mean one" in repr(results)
    assert "mean one: no column" in results.explain("gene")


@refused(RankError, "'three'")
def aliased_columns_where_none_may_be() -> None:
    fit("~ x + three", obs.assign(three=3.0), rank_deficient="raise")


def build_where_little_is_free(formula: str, **columns: object) -> None:
    """A design on a machine with a GiB to spare."""
    with mock.patch("nbglm.design.factors.available_memory", return_value=2**30):
        build_design(formula, pd.DataFrame(columns))


@refused(FormulaError, "'g'", "10,000 levels", "1.1 GB")
def more_levels_than_fit_into_memory() -> None:
    build_where_little_is_free("~ g", g=np.resize(np.arange(10**4), 2 * 10**4).astype(str))


@refused(FormulaError, "'C(k)'", "10,000 levels", "1.1 GB")
def more_numbers_as_levels_than_fit_into_memory() -> None:
    build_where_little_is_free("~ C(k)", k=np.resize(np.arange(10**4), 2 * 10**4))


@refused(FormulaError, "'g:h'", "200 x 200 levels", "merge levels")
def an_interaction_that_does_not_fit_into_memory() -> None:
    levels = np.resize(np.arange(200), 10**4).astype(str)
    build_where_little_is_free("~ g:h", g=levels, h=levels[::-1])


@refused(FormulaError, "'cell-name'", "~ . - `cell-name`")
def advice_that_can_be_followed() -> None:
    fit("~ .", obs[["x"]].assign(**{"cell-name": obs.index}))
