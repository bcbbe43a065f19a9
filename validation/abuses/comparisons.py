"""Misuses of comparisons of models, of their terms, and of tests of terms that are not there."""

from __future__ import annotations

import numpy as np
import pandas as pd

import nbglm
from abuses.registry import answered, refused
from abuses.tested import aliased, counts, fit, full, obs, small
from nbglm.exceptions import (
    AlignmentError,
    FormulaError,
    HypothesisError,
    InputTypeError,
    OptionError,
)

# Two models ---------------------------------------------------------------------------------


@refused(HypothesisError, "Swap the two: lr_test(larger, smaller)")
def the_smaller_model_first() -> None:
    nbglm.lr_test(small(), full())


@refused(HypothesisError, "not nested", "'mean x'")
def models_that_are_not_nested() -> None:
    nbglm.lr_test(fit("~ g"), fit("~ x"))


@refused(HypothesisError, "not nested", "'dispersion flag[T.True]'")
def sizes_that_are_not_nested() -> None:
    nbglm.lr_test(full(), fit("~ x", "~ flag"))


@refused(HypothesisError, "are the same", "nothing is left")
def a_model_against_itself() -> None:
    nbglm.lr_test(full(), full().with_cov("HC0"))


@refused(HypothesisError, "are the same", "'~ 0 + g'")
def a_model_against_itself_in_another_coding() -> None:
    nbglm.lr_test(fit("~ g"), fit("~ 0 + g"))


@refused(HypothesisError, "are the same")
def a_model_against_itself_with_an_aliased_column() -> None:
    nbglm.lr_test(aliased(), small())


@refused(InputTypeError, "the smaller model", "DataFrame")
def covariates_for_a_model() -> None:
    nbglm.lr_test(full(), obs)


@refused(InputTypeError, "the larger model", "NoneType")
def no_model() -> None:
    nbglm.lr_test(None, small())


@refused(InputTypeError, "the results of one gene", "the whole table")
def the_results_of_one_gene() -> None:
    nbglm.lr_test(full().gene("Pyy"), small().gene("Pyy"))


@refused(OptionError, "'fdr_bh'")
def a_comparison_with_an_adjustment_as_in_r() -> None:
    nbglm.lr_test(full(), small(), method="BH")


@refused(AlignmentError, "different genes")
def models_of_other_genes() -> None:
    other = nbglm.fit_negbin(counts.iloc[:, :3], "~ x", obs=obs, progress=False)
    nbglm.lr_test(full(), other)


@refused(AlignmentError, "different counts")
def models_of_other_counts() -> None:
    other = nbglm.fit_negbin(counts + 1, "~ x", obs=obs, progress=False)
    nbglm.lr_test(full(), other)


@refused(AlignmentError, "different cells")
def models_of_other_cells() -> None:
    other = nbglm.fit_negbin(counts[:40], "~ x", obs=obs[:40], progress=False)
    nbglm.lr_test(full(), other)


@refused(AlignmentError, "different offsets")
def models_with_another_offset() -> None:
    nbglm.lr_test(full(), fit("~ x", size_factors="depth"))


@refused(AlignmentError, "different weights")
def models_with_other_weights() -> None:
    nbglm.lr_test(full(), fit("~ x", weights=np.arange(60) % 2 + 1))


@answered
def what_cannot_be_compared_has_a_status() -> None:
    table = nbglm.lr_test(full(), small())
    assert table["p_value"].isna().tolist() == [False, False, False, False, True]
    assert table.loc["Zero", "status"] == "all_zero"
    sizes = nbglm.lr_test(fit("~ g", "~ flag"), fit("~ g"))
    assert sizes.loc["Zero", "status"] == "all_zero"


# Several models -----------------------------------------------------------------------------


@refused(InputTypeError, "a name for each model", "list")
def models_without_names() -> None:
    nbglm.compare([full(), small()])


@refused(InputTypeError, "a name for each model", "NegBinResults")
def a_model_for_a_mapping_of_models() -> None:
    nbglm.compare(full())


@refused(OptionError, "no model")
def no_models() -> None:
    nbglm.compare({})


@refused(InputTypeError, "the model 'b'", "DataFrame")
def something_else_among_models() -> None:
    nbglm.compare({"a": small(), "b": obs})


@refused(AlignmentError, "different weights")
def models_with_other_weights_in_a_table() -> None:
    nbglm.compare({"a": small(), "b": full(), "c": fit("~ x", weights=np.full(60, 2))})


@answered
def one_model_is_a_table_of_one_model() -> None:
    table = nbglm.compare({"alone": small()})
    assert table.index.tolist() == counts.columns.tolist()
    assert (table["delta_aic"] == 0.0).all()
    assert (table["lr_status"] == "first").all()


@answered
def why_there_is_no_test_between_two_models_is_said() -> None:
    models = {"a": fit("~ g"), "b": fit("~ x"), "c": full(), "d": fit("~ x + flag + g", "~ g")}
    table = nbglm.compare(models)
    part = table.loc["Pyy"]
    assert part["lr_status"].tolist() == ["first", "not_nested", "ok", "same_model"]
    assert part["lr_pvalue"].notna().tolist() == [False, False, True, False]


# Terms --------------------------------------------------------------------------------------


@refused(OptionError, "typ='II'", "Write typ=2")
def a_roman_type() -> None:
    full().anova(typ="II")


@refused(OptionError, "typ=4 is not one of 1, 2, 3")
def a_type_that_does_not_exist() -> None:
    full().anova(4)


@refused(OptionError, "typ=True")
def a_condition_for_a_type() -> None:
    full().anova(True)


@refused(OptionError, "'fdr_by'")
def an_analysis_with_an_adjustment_as_in_r() -> None:
    full().anova(method="BY")


@answered
def an_analysis_without_terms_is_an_empty_table() -> None:
    table = fit("~ 1").anova()
    assert len(table) == 0
    assert table.index.names == ["gene", "component", "term"]
    assert table.columns.tolist() == full().anova().columns.tolist()


@refused(HypothesisError, "these terms already")
def a_score_test_of_a_term_that_is_there() -> None:
    full().score_test("~ x")


@refused(FormulaError, "Did you mean 'batch'?")
def a_score_test_of_a_misspelt_column() -> None:
    full().score_test("~ bacth")


@refused(FormulaError, "a string such as", "Series")
def a_score_test_of_values() -> None:
    full().score_test(pd.Series(np.ones(60), obs.index))


@answered
def tests_of_overdispersion_say_why_they_are_missing() -> None:
    table = full().overdispersion_test()
    assert table["lr_pvalue"].isna().tolist() == [False, False, False, False, True]
    assert table.loc["Zero", "status"] == "all_zero"
