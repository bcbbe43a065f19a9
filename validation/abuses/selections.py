"""Misuses of selections, scales, grids and rows; and what is done to tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abuses.registry import answered, refused
from abuses.tested import counts, full, obs, small
from nbglm.exceptions import (
    AlignmentError,
    FormulaError,
    HypothesisError,
    InputTypeError,
    OptionError,
    UnknownNameError,
)

# Genes --------------------------------------------------------------------------------------


@refused(UnknownNameError, "no gene 'pyy'", "Did you mean 'Pyy'?")
def a_gene_in_another_case() -> None:
    full().gene("pyy")


@refused(UnknownNameError, "the one at position 3 is 'Silent'")
def the_number_of_a_gene() -> None:
    full().gene(3)


@refused(UnknownNameError, "no gene 99")
def the_number_of_no_gene() -> None:
    full().explain(99)


@refused(InputTypeError, "chosen by its name", "['Pyy']")
def a_list_of_one_gene() -> None:
    full().gene(["Pyy"])


@refused(InputTypeError, "chosen by its name", "True (bool)")
def a_condition_for_a_gene() -> None:
    full().cov_params(True)


@refused(UnknownNameError, "Did you mean 'Gcg'?")
def a_misspelt_gene_to_explain() -> None:
    full().explain("Gccg")


@refused(UnknownNameError, "Did you mean 'Silent'?")
def a_misspelt_gene_among_others() -> None:
    full().conf_int(genes=["Pyy", "Silnet"])


@refused(OptionError, "'Pyy' more than once")
def a_gene_twice() -> None:
    full().conf_int(genes=["Pyy", "Gcg", "Pyy"])


@refused(UnknownNameError, "Genes are chosen by name")
def numbers_of_genes() -> None:
    full().conf_int(genes=[0, 1])


@refused(InputTypeError, "slice")
def a_slice_of_genes() -> None:
    full().conf_int(genes=slice(0, 2))


@refused(InputTypeError, "DataFrame")
def a_table_for_genes() -> None:
    full().conf_int(genes=counts)


@answered
def masks_choose_genes() -> None:
    ok = full().status == "ok"
    want = full().conf_int(genes=ok.index[ok].tolist())["beta"]
    assert 0 < want.shape[1] < 10
    for mask in (ok, ok.to_numpy(), ok.tolist(), ok[::-1]):
        pd.testing.assert_frame_equal(full().conf_int(genes=mask)["beta"], want)


@refused(AlignmentError, "shape (3,)", "5 genes")
def a_mask_of_another_length() -> None:
    full().conf_int(genes=np.array([True, False, True]))


@refused(AlignmentError, "index it by them")
def a_mask_of_other_genes() -> None:
    full().conf_int(genes=pd.Series(True, index=list("abcde")))


@answered
def no_gene_is_an_empty_table() -> None:
    assert full().conf_int(genes=[])["beta"].shape == (5, 0)


# Terms --------------------------------------------------------------------------------------


@answered
def a_factor_stands_for_its_coefficients() -> None:
    tables = full().conf_int(terms="g")
    assert tables["beta"].index.tolist() == tables["gamma"].index.tolist() == ["g[T.b]", "g[T.c]"]


@refused(OptionError, "no term 'xx'", "Did you mean 'x'?")
def a_misspelt_term() -> None:
    full().conf_int(terms="xx")


@refused(OptionError, "named alike: 'g[T.b]'")
def a_term_as_the_results_of_one_gene_name_it() -> None:
    full().conf_int(terms="dispersion-g[T.b]")


@refused(InputTypeError, "names, which are strings", "1 (int)")
def numbers_of_terms() -> None:
    full().conf_int(terms=[1])


@refused(OptionError, "'x' more than once")
def a_term_twice() -> None:
    full().conf_int(terms=["x", "x"])


@refused(UnknownNameError, "no table 'mean'", "Did you mean 'beta'?")
def the_component_for_the_key_of_params() -> None:
    full().params["mean"]


# Intervals ----------------------------------------------------------------------------------


@refused(OptionError, "5 % intervals", "alpha=0.05")
def a_confidence_level_of_intervals() -> None:
    full().conf_int(0.95)


@refused(OptionError, "method='profile'")
def the_method_in_place_of_the_level() -> None:
    full().conf_int("profile")


@refused(OptionError, "Did you mean 'profile'?")
def a_misspelt_method_of_intervals() -> None:
    full().conf_int(method="proflie")


@refused(InputTypeError, "'95' (str)", "interval=0.95")
def text_for_a_confidence_level() -> None:
    full().predict(interval="95")


@refused(OptionError, "got 95", "interval=0.95")
def per_cent_for_a_confidence_level() -> None:
    full().predict(interval=95)


@refused(OptionError, "5 % intervals", "interval=0.95")
def a_significance_level_for_a_confidence_level() -> None:
    full().predict(interval=0.05)


@refused(InputTypeError, "True (bool)", "interval=0.95")
def a_wish_for_intervals() -> None:
    full().predict(interval=True)


@answered
def one_half_is_the_same_level_in_both_words() -> None:
    rows = obs.head(2)
    lower = full().predict(rows, interval=0.5)["mean_lower"]["Pyy"].tolist()
    table = full().estimate(rows, scale="response", alpha=0.5)
    np.testing.assert_allclose(lower, table.loc["Pyy", "ci_lower"])


# Rows and scales ----------------------------------------------------------------------------


@refused(AlignmentError, "not dict", "pandas.DataFrame([obs])")
def a_dict_for_a_row() -> None:
    full().predict({"x": 1.0, "g": "a", "flag": True})


@refused(AlignmentError, "not Series", "to_frame().T")
def a_series_for_a_row() -> None:
    full().predict(obs.iloc[0])


@refused(HypothesisError, "Rows of obs are to be a DataFrame")
def a_dict_for_a_row_to_estimate() -> None:
    full().estimate({"x": 1.0, "g": "a", "flag": True})


@refused(HypothesisError, "None is no hypothesis", "Rows of obs are to be a DataFrame")
def nothing_to_estimate() -> None:
    full().estimate(None)


@refused(FormulaError, "needs the column 'flag'")
def rows_that_lack_a_column() -> None:
    full().estimate(obs[["x", "g"]])


@refused(HypothesisError, "an equation", "leave its value out")
def an_equation_to_estimate() -> None:
    full().estimate("x = 1", scale="response")


@refused(OptionError, "go with rows of obs")
def an_offset_beside_a_contrast() -> None:
    full().estimate("x", offset=np.zeros(1))


@refused(OptionError, "scale='exp'", "Did you mean 'response'?")
def another_word_for_a_ratio() -> None:
    full().estimate("x", scale="exp")


@refused(OptionError, "needs rows of obs")
def a_variance_of_a_contrast() -> None:
    full().estimate("x", scale="var")


@answered
def no_row_is_an_empty_table() -> None:
    assert full().estimate(obs.head(0)).index.names == ["gene", "row"]


# Marginal means -----------------------------------------------------------------------------


@refused(HypothesisError, "Did you mean 'g'?")
def a_coefficient_for_a_factor() -> None:
    full().marginal_means("g[T.b]")


@refused(HypothesisError, "['g', 'flag']")
def an_interaction_of_factors() -> None:
    full().marginal_means("g:flag")


@refused(HypothesisError, "does not use the column 'x'; it uses 'g'")
def a_factor_of_the_other_formula() -> None:
    full().marginal_means("x", "dispersion")


@refused(InputTypeError, "NoneType")
def no_factor() -> None:
    full().marginal_means(None)


@refused(OptionError, "'g' more than once")
def a_factor_twice() -> None:
    full().marginal_means(["g", "g"])


@refused(InputTypeError, "a mapping such as", "list")
def a_grid_of_pairs() -> None:
    full().marginal_means("g", at=[("x", 1)])


@refused(HypothesisError, "at names 'xx'", "Did you mean 'x'?")
def a_misspelt_column_of_a_grid() -> None:
    full().marginal_means("g", at={"xx": 0})


@refused(FormulaError, "'z'", "knows 'a', 'b', 'c'")
def an_unknown_level_of_a_grid() -> None:
    full().marginal_means("g", at={"g": "z"})


@refused(OptionError, "no value for 'x'")
def a_column_of_a_grid_without_values() -> None:
    full().marginal_means("g", at={"x": []})


@refused(InputTypeError, "a list of values for 'x'")
def a_column_of_a_grid_without_anything() -> None:
    full().marginal_means("g", at={"x": None})


@refused(OptionError, "1,500,000 rows", "250000 of 'x'", "at=")
def a_grid_of_more_than_a_million_rows() -> None:
    full().marginal_means("g", at={"x": range(250_000)})


@refused(InputTypeError, "True or False", "'trt.vs.ctrl'")
def contrasts_as_emmeans_names_them() -> None:
    full().marginal_means("g", pairwise="trt.vs.ctrl")


@refused(HypothesisError, "two rows or more")
def pairs_of_one_row() -> None:
    full().marginal_means("g", at={"g": "a"}, pairwise=True)


@refused(OptionError, "no pairwise differences")
def pairs_of_variances() -> None:
    full().marginal_means("g", scale="var", pairwise=True)


@answered
def a_covariate_has_its_marginal_mean() -> None:
    table = small().marginal_means("x")
    assert np.allclose(table["x"], obs["x"].mean())


# Tables -------------------------------------------------------------------------------------


@answered
def columns_of_tables_go_where_their_genes_are() -> None:
    var = pd.DataFrame(index=counts.columns[::-1])
    for name, table in {
        "lfc": full().t_test("x")["estimate"],
        "p": full().wald_test("g")["p_value"],
        "mean": full().estimate(obs.head(1), scale="response")["estimate"],
    }.items():
        var[name] = table
        assert var[name].dropna().size >= 3
        assert var[name][::-1].equals(table.rename(name).rename_axis(None))


@answered
def overwritten_tables_change_nothing_else() -> None:
    results = full()
    before = results.to_frame(), results.predict(obs.head(3))["mean"]
    for table in (*results.params.values(), *results.bse.values(), results.counts.obs):
        table.iloc[:] = table.iloc[::-1].to_numpy()
    results.params.clear()
    status, names, one = results.status, results.gene_names, results.gene("Pyy").params
    status.iloc[:] = "ok"
    names.name = "other"
    one.iloc[:] = 0.0
    after = results.to_frame(), results.predict(obs.head(3))["mean"]
    for one, other in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(one, other)
