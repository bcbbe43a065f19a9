"""Misuses of the model of one response: arrays, options, covariances, and what it is asked."""

from __future__ import annotations

import pickle
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

import nbglm
from abuses.registry import answered, refused
from nbglm import NegBinModel
from nbglm.exceptions import (
    AlignmentError,
    CountsError,
    FormulaError,
    HypothesisError,
    InputTypeError,
    OptionError,
    UnavailableError,
)

N = 40
rng = np.random.default_rng(7)
x = np.column_stack([np.ones(N), rng.normal(size=N)])
y = rng.negative_binomial(2, 0.3, N)
df = pd.DataFrame(
    {
        "y": y,
        "x": x[:, 1],
        "g": np.resize(list("abc"), N),
        "hours": rng.uniform(0.5, 2.0, N),
        "donor": np.arange(N) % 12,
        "arm": np.repeat([0.0, 1.0], N // 2),
    }
)
holed = np.where(np.arange(N) == 3, np.nan, x[:, 1])


@cache
def arrays() -> Any:
    """A fit of arrays."""
    return NegBinModel(y, x).fit()


@cache
def formulas() -> Any:
    """A fit of formulas."""
    return NegBinModel.from_formula("y ~ x + g", df, dispersion="~ x").fit()


def without_data() -> Any:
    """A fit whose data were removed."""
    fit = NegBinModel.from_formula("y ~ x", df).fit()
    fit.remove_data()
    return fit


def clustered(groups: Any, **options: Any) -> Any:
    """A fit with clustered errors."""
    return NegBinModel(y, x).fit(cov_type="cluster", cov_kwds={"groups": groups, **options})


# Arrays -----------------------------------------------------------------------------------------


@refused(InputTypeError, "endog is None", "from_formula")
def no_response() -> None:
    NegBinModel(None, x)


@refused(InputTypeError, "exog is None")
def no_design() -> None:
    NegBinModel(y, None)


@refused(InputTypeError, "'y ~ x'", "from_formula")
def a_formula_for_the_response() -> None:
    NegBinModel("y ~ x", df)


@refused(InputTypeError, "exog_dispersion must be an array", "'~ x'")
def a_formula_for_the_design_of_the_size() -> None:
    NegBinModel(y, x, "~ x")


@refused(InputTypeError, "offset must be an array", "'hours'")
def the_name_of_a_column_for_an_array() -> None:
    NegBinModel(y, x, offset="hours")


@refused(InputTypeError, "exog must be dense", "toarray()")
def a_sparse_design() -> None:
    NegBinModel(y, sparse.csr_matrix(x))


@refused(AlignmentError, "exog must have a row for each observation", "(40, 2, 1)")
def a_design_of_three_dimensions() -> None:
    NegBinModel(y, x[:, :, None])


@refused(AlignmentError, "exog has no columns", "np.ones((n, 1))")
def a_design_without_columns() -> None:
    NegBinModel(y, x[:, :0])


@refused(AlignmentError, "exog_dispersion has no columns")
def a_design_of_the_size_without_columns() -> None:
    NegBinModel(y, x, x[:, :0])


@refused(AlignmentError, "exog has several columns named 'x'", "rename")
def two_columns_of_one_name() -> None:
    NegBinModel(y, pd.DataFrame(x, columns=["x", "x"]))


@refused(AlignmentError, "exog must hold numbers", "from_formula")
def a_factor_in_a_design() -> None:
    NegBinModel(y, df[["x", "g"]])


@refused(AlignmentError, "exog contains inf or nans in 1 of 40 rows", "3", "missing='drop'")
def a_hole_in_the_design() -> None:
    NegBinModel(y, np.column_stack([x, holed]))


@refused(AlignmentError, "exog_dispersion contains inf or nans", "missing='drop'")
def a_hole_in_the_design_of_the_size() -> None:
    NegBinModel(y, x, np.column_stack([x, holed]))


@refused(AlignmentError, "40 of 40 rows lack a value", "'exog'")
def no_row_is_complete() -> None:
    NegBinModel(y, np.full((N, 1), np.nan), missing="drop")


@answered
def objects_that_are_numbers_are_numbers() -> None:
    fit = NegBinModel(y.astype(object), x.astype(object)).fit()
    np.testing.assert_array_equal(fit.params, arrays().params)


@answered
def one_column_of_ones_is_a_design() -> None:
    assert NegBinModel(list(y), [1.0] * N).fit().params.shape == (2,)


@refused(CountsError, "not counts", "-")
def a_response_below_0() -> None:
    NegBinModel(y - 5, x).fit()


@refused(CountsError, "not counts", ".5")
def a_response_of_halves() -> None:
    NegBinModel(y + 0.5, x).fit()


@refused(CountsError, "not counts", "nan")
def a_response_with_a_hole() -> None:
    NegBinModel(np.where(np.isnan(holed), np.nan, y), x).fit()


@answered
def a_response_of_zeros_is_data() -> None:
    fit = NegBinModel(np.zeros(N), x).fit()
    assert fit.status == "all_zero"
    assert np.isnan(fit.prsquared)
    assert "all_zero" in str(fit.summary())


@refused(InputTypeError, "NegBinModel has no argument 'freq_weights'", "weights=")
def weights_as_a_glm_calls_them() -> None:
    NegBinModel(y, x, freq_weights=df["donor"])


@refused(InputTypeError, "no argument 'offest'", "Did you mean 'offset'?")
def an_argument_misspelt() -> None:
    NegBinModel(y, x, offest=df["x"])


@refused(InputTypeError, "no argument 'loglike_method'", "nb2")
def the_variance_in_statsmodels_words() -> None:
    NegBinModel(y, x, loglike_method="nb1")


# Options of the fit -----------------------------------------------------------------------------


@answered
def options_of_optimisers_change_nothing() -> None:
    for method in ("newton", "bfgs", "nm"):
        fit = NegBinModel(y, x).fit(method=method, start_params=[0, 0, 0], maxiter=1, disp=0)
        np.testing.assert_array_equal(fit.params, arrays().params)


@refused(InputTypeError, "takes cov_type first, not list", "start_params")
def start_values_first() -> None:
    NegBinModel(y, x).fit([0.0, 0.0, 0.0])


@refused(OptionError, "use_t must be True or False", "'yes'")
def students_t() -> None:
    NegBinModel(y, x).fit(use_t="yes")


@refused(UnavailableError, "use_t is chosen at the fit", "with_cov")
def students_t_afterwards() -> None:
    NegBinModel(y, x).fit()._results.use_t = True  # noqa: SLF001 - past the wrapper


@refused(OptionError, "rank_deficient='rise'", "Did you mean 'raise'?")
def a_rule_misspelt() -> None:
    NegBinModel(y, x).fit(rank_deficient="rise")


@refused(UnavailableError, "fit_regularized is not offered", "L1")
def a_penalty() -> None:
    NegBinModel(y, x).fit_regularized(alpha=1.0)


@refused(UnavailableError, "fit_constrained is not offered", "wald_test")
def a_constraint() -> None:
    NegBinModel(y, x).fit_constrained("x1 = 0")


@refused(OptionError, "params must hold 3 coefficients, 2 of the mean and then 1")
def too_few_coefficients() -> None:
    NegBinModel(y, x).loglike([0.1, 0.2])


# Covariances ------------------------------------------------------------------------------------


@refused(OptionError, "cov_type='HC5'", "'HC2' and 'HC3'")
def a_late_kind_of_sandwich() -> None:
    NegBinModel(y, x).fit(cov_type="HC5")


@refused(OptionError, "cov_type='HC4'", "'HC2' and 'HC3'")
def leverage_corrections() -> None:
    formulas().with_cov("HC4")


@refused(OptionError, "cov_type='robust'", "'HC0' to 'HC3'", "'cluster'")
def robust_as_in_stata() -> None:
    NegBinModel(y, x).fit(cov_type="robust")


@refused(OptionError, "cov_type='sandwich'", "'HC0' to 'HC3'")
def sandwich_as_in_r() -> None:
    nbglm.fit_negbin(df[["y"]], "~ x", obs=df, cov_type="sandwich")


@refused(OptionError, "cov_type='opg'", "outer product of gradients")
def the_outer_product_of_gradients() -> None:
    NegBinModel(y, x).fit(cov_type="opg")


@refused(OptionError, "cov_type='HAC'", "no order in time")
def serial_correlation() -> None:
    NegBinModel(y, x).fit(cov_type="HAC", cov_kwds={"maxlags": 2})


@refused(OptionError, "cov_type='CR2' needs cov_kwds={'groups'")
def cluster_corrections_of_clubsandwich() -> None:
    NegBinModel(y, x).fit(cov_type="CR2")


@refused(OptionError, "cov_type='fisher'", "'eim'")
def the_expected_information_by_another_name() -> None:
    NegBinModel(y, x).fit(cov_type="fisher")


@answered
def nonrobust_is_the_observed_information_everywhere() -> None:
    many = nbglm.fit_negbin(df[["y"]], "~ x", obs=df, cov_type="nonrobust", progress=False)
    assert many.cov_type == "oim"
    assert many.with_cov("nonrobust").cov_type == "oim"
    assert many.gene("y").with_cov("nonrobust").cov_type == "oim"
    assert NegBinModel(y, x).fit(cov_type="nonrobust").cov_type == "oim"


@refused(OptionError, "needs cov_kwds={'groups'")
def clusters_without_groups() -> None:
    NegBinModel(y, x).fit(cov_type="cluster")


@refused(InputTypeError, "cov_kwds must be a mapping", "not list")
def groups_without_their_key() -> None:
    NegBinModel(y, x).fit(cov_type="cluster", cov_kwds=["donor"])


@refused(AlignmentError, "'donor' names a column", "no columns", "as an array")
def a_column_of_a_model_of_arrays() -> None:
    clustered("donor")


@refused(AlignmentError, "none is given for '3'")
def groups_with_holes() -> None:
    clustered(holed)


@refused(AlignmentError, "two clusters or more")
def one_cluster() -> None:
    clustered(np.zeros(N))


@refused(AlignmentError, "(40, 2)", "two kinds at once are not offered")
def two_way_clusters() -> None:
    clustered(df[["donor", "arm"]].to_numpy())


@refused(OptionError, "use_t must be True or False")
def students_t_for_clusters() -> None:
    clustered(df["donor"], use_t=8)


@refused(OptionError, "unknown key 'df_correction'", "Did you mean 'use_correction'?")
def an_option_of_statsmodels_clusters() -> None:
    clustered(df["donor"], df_correction=True)


@refused(OptionError, "use_correction must be True or False", "'hac'")
def a_word_for_the_correction() -> None:
    clustered(df["donor"], use_correction="hac")


@answered
def each_cell_its_own_cluster_is_hc0_but_for_the_factor() -> None:
    ours = clustered(np.arange(N), use_correction=False)
    np.testing.assert_allclose(ours.bse, arrays().with_cov("HC0").bse, rtol=1e-12)


@answered
def a_treatment_on_two_clusters_has_no_error() -> None:
    model = NegBinModel.from_formula("y ~ arm + x", df)
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": "arm"})
    assert fit.coef_status[["arm", "x"]].tolist() == ["not_identified", "ok"]
    assert np.isnan(fit.bse["arm"])
    assert np.isfinite(fit.bse["x"])


# New rows ---------------------------------------------------------------------------------------


@refused(AlignmentError, "exog has the shape (2, 3)", "2 columns")
def new_rows_of_another_width() -> None:
    arrays().predict(np.ones((2, 3)))


@refused(AlignmentError, "exog must hold numbers")
def new_rows_of_text() -> None:
    arrays().predict([["a", "b"]])


@answered
def new_rows_as_a_list() -> None:
    assert arrays().predict([[1.0, 0.5], [1.0, 0.0]]).shape == (2,)


@refused(AlignmentError, "exog_dispersion has 3 rows and exog 40")
def fewer_rows_for_the_size() -> None:
    NegBinModel(y, x, x).fit().predict(x, exog_dispersion=x[:3], which="var")


@refused(OptionError, "the formulas make the rows of the dispersion", "transform=False")
def rows_of_a_design_beside_formulas() -> None:
    formulas().predict(df, exog_dispersion=np.ones((N, 2)))


@refused(FormulaError, "column 'g' has levels that the fit has not seen", "'z'")
def an_unseen_level() -> None:
    formulas().predict(pd.DataFrame({"x": [0.0], "g": ["z"]}))


@refused(AlignmentError, "offset", "3")
def an_offset_of_another_length() -> None:
    arrays().predict(x[:3], offset=[1.0, 2.0])


@refused(AlignmentError, "exposure must be positive")
def an_exposure_below_0() -> None:
    arrays().predict(x[:3], exposure=[-1.0, 1.0, 1.0])


@refused(OptionError, "y_values must be counts", "0.5")
def probabilities_of_halves() -> None:
    arrays().predict(which="prob", y_values=[0.5])


@refused(OptionError, "which='typo'", "'mean'")
def a_quantity_that_is_none() -> None:
    arrays().get_prediction(which="typo")


@refused(AlignmentError, "agg_weights must be one for each of 40 rows")
def weights_of_other_rows() -> None:
    arrays().get_prediction(average=True, agg_weights=[1, 2])


@refused(OptionError, "alpha", "0.05")
def a_confidence_level_for_a_prediction() -> None:
    arrays().get_prediction().summary_frame(alpha=0.95)


# Tests and tables -------------------------------------------------------------------------------


@refused(HypothesisError, "cannot read", "Did you mean 'g[T.b]'?")
def a_coefficient_misspelt() -> None:
    formulas().t_test("gg[T.b]")


@refused(HypothesisError, "is empty", "'dispersion-x'")
def an_empty_hypothesis_of_one_response() -> None:
    formulas().wald_test(" ")


@refused(HypothesisError, "two ways", "'g[T.b] - g[T.c]'", "['g[T.b] = 1', 'g[T.c] = -1']")
def a_mapping_that_could_be_two_things() -> None:
    formulas().t_test({"g[T.b]": 1, "g[T.c]": -1})


@refused(HypothesisError, "shape (3, 3)", "6 columns")
def a_matrix_of_another_width() -> None:
    formulas().t_test(np.eye(3))


@answered
def the_name_of_a_factor_is_all_its_coefficients() -> None:
    assert formulas().t_test("g").effect.shape == (2,)
    assert formulas().wald_test("g").df_denom == 2
    assert formulas().wald_test("dispersion-x").df_denom == 1


@refused(OptionError, "no term contains 'zzz'")
def a_word_that_no_term_contains() -> None:
    formulas().wald_test_terms(combine_terms=["zzz"])


@refused(HypothesisError, "no factor 'h'", "'g'")
def pairs_of_a_factor_that_is_not_there() -> None:
    formulas().t_test_pairwise("h")


@refused(HypothesisError, "'x' is no factor")
def pairs_of_a_covariate() -> None:
    formulas().t_test_pairwise("x")


@refused(UnavailableError, "from_formula")
def pairs_without_formulas() -> None:
    arrays().t_test_pairwise("x1")


@refused(HypothesisError, "needs exog_extra or exog_dispersion_extra")
def a_score_test_of_nothing() -> None:
    arrays().score_test()


@refused(HypothesisError, "has all these terms already")
def a_score_test_of_what_is_there() -> None:
    arrays().score_test(x)


@refused(AlignmentError, "exog_extra has the shape (3, 2)", "(40, k)")
def a_score_test_of_other_rows() -> None:
    arrays().score_test(x[:3])


@refused(UnavailableError, "'k_constraints'", "nbglm.lr_test")
def a_score_test_of_restrictions() -> None:
    arrays().score_test(df["hours"], k_constraints=1)


@refused(OptionError, "alpha=0.95 would give 5 % intervals")
def a_confidence_level_for_alpha() -> None:
    arrays().conf_int(0.95)


@refused(OptionError, "positions of coefficients", "0 to 2")
def intervals_of_a_coefficient_that_is_not_there() -> None:
    arrays().conf_int(cols=[7])


@answered
def intervals_of_some_coefficients() -> None:
    assert arrays().conf_int(cols=[1]).shape == (1, 2)


@refused(InputTypeError, "alpha")
def a_name_for_the_level() -> None:
    arrays().summary("counts")


@refused(OptionError, "a name for each of the 3 coefficients")
def too_few_names_for_a_summary() -> None:
    arrays().summary(xname=["a", "b"])


@refused(OptionError, "crit='hqic'", "'tic'")
def a_criterion_of_econometrics() -> None:
    arrays().info_criteria("hqic")


@refused(UnavailableError, "marginal effects with an offset are not offered")
def effects_with_an_offset() -> None:
    NegBinModel(y, x, offset=df["x"]).fit().get_margeff()


@refused(OptionError, "at='mode'", "'overall'")
def effects_at_a_place_that_is_none() -> None:
    arrays().get_margeff("mode")


@refused(OptionError, "zero not allowed for discrete variables")
def effects_of_dummies_at_zero() -> None:
    arrays().get_margeff("zero", dummy=True)


@refused(OptionError, "atexog has the key 7", "0 to 1")
def effects_at_a_column_that_is_not_there() -> None:
    arrays().get_margeff(atexog={7: 1.0})


@refused(UnavailableError, "get_margeff needs finite coefficients", "'separated'")
def effects_of_a_separated_level() -> None:
    silent = df.assign(y=np.where(df["g"] == "c", 0, df["y"]))
    NegBinModel.from_formula("y ~ g", silent).fit().get_margeff()


@refused(UnavailableError, "get_influence knows no weights", "repeat the rows")
def influence_of_weighted_rows() -> None:
    NegBinModel(y, x, weights=np.resize([1, 2], N)).fit().get_influence()


@refused(UnavailableError, "get_robustcov_results is not offered", "with_cov")
def a_covariance_changed_in_place() -> None:
    arrays().get_robustcov_results("HC0")


# After the data are gone ------------------------------------------------------------------------


@refused(UnavailableError, "removed by remove_data()", "make the model again")
def a_fit_without_data() -> None:
    without_data().model.fit()


@refused(UnavailableError, "the data were removed", "pass the rows")
def fitted_values_without_data() -> None:
    without_data().predict()


@refused(UnavailableError, "with_cov needs the data")
def another_covariance_without_data() -> None:
    without_data().with_cov("HC0")


@answered
def predictions_without_data_are_what_they_were() -> None:
    before = NegBinModel.from_formula("y ~ x", df).fit()
    after = pickle.loads(pickle.dumps(without_data()))
    rows = df.iloc[:3]
    np.testing.assert_array_equal(after.predict(rows), before.predict(rows))
    np.testing.assert_allclose(
        after.get_prediction(rows).summary_frame(), before.get_prediction(rows).summary_frame()
    )
    assert float(after.t_test("x").pvalue) == float(before.t_test("x").pvalue)
