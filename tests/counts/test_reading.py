"""What from_formula makes of a response, of rows, and of named columns."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import nbglm
from nbglm import NegBinModel
from nbglm.single.reading import complete_rows, read_frame

N = 80
RNG = np.random.default_rng(21)
DATA = pd.DataFrame(
    {
        "y": RNG.negative_binomial(3, 0.4, N),
        "x": RNG.normal(size=N),
        "g": np.resize(["a", "b"], N),
        "years": RNG.uniform(1, 2, N),
        "flag": np.resize([True, False, False], N),
    },
    index=[f"row{i}" for i in range(N)],
)


def params(formula, data=DATA, dispersion="~ 1", **options):
    return NegBinModel.from_formula(formula, data, dispersion, **options).fit().params


@pytest.mark.parametrize("response", ["y", "np.round(y)", "I(y)", "Q('y')", "`y`", "y.astype(int)"])
def test_a_dot_stands_for_every_column_but_those_of_the_response(response):
    if response == "y.astype(int)":
        with pytest.raises(nbglm.FormulaError, match="is a column, not a function"):
            params(f"{response} ~ .")
        return
    want = params("y ~ x + g + years + flag", dispersion="~ x + g + years + flag")
    got = params(f"{response} ~ .", dispersion="~ .")
    pd.testing.assert_series_equal(got, want, check_exact=True)


def test_as_in_r_a_dot_stands_for_the_column_of_the_exposure_as_well():
    names = params("y ~ .", exposure="years").index
    assert "years" in names
    assert "years" not in params("y ~ . - years", exposure="years").index


@pytest.mark.parametrize("formula", ["g ~ x", "y + x ~ 1", "flag ~ x"])
def test_statsmodels_refuses_these_responses_too(formula):
    with pytest.raises(ValueError, match="endog"):
        smf.negativebinomial(formula, DATA)
    with pytest.raises(nbglm.FormulaError, match="response"):
        NegBinModel.from_formula(formula, DATA)


def test_a_condition_made_a_number_is_a_response():
    response = NegBinModel.from_formula("I(flag * 1) ~ x", DATA).endog
    assert response.tolist() == DATA["flag"].astype(int).tolist()


@pytest.mark.parametrize("missing", ["drop", "raise", "none"])
def test_misspelt_columns_are_named(missing):
    for what in ("exposure", "offset", "weights"):
        with pytest.raises(nbglm.UnknownNameError, match=f"{what}='yeers'.*Did you mean 'years'"):
            params("y ~ x", missing=missing, **{what: "yeers"})
        with pytest.raises(KeyError):
            params("y ~ x", missing=missing, **{what: "yeers"})


def test_rows_with_missing_values_go_from_everything():
    data = DATA.assign(x=DATA["x"].where(DATA["years"] > 1.2))
    kept = (DATA["years"] > 1.2).to_numpy()
    offset = RNG.normal(size=N)
    got = params("y ~ x", data, offset=offset, weights="years")
    want = params("y ~ x", DATA[kept], offset=offset[kept], weights="years")
    pd.testing.assert_series_equal(got, want, check_exact=True)


def test_series_keep_their_labels_when_rows_go():
    weights = pd.Series(RNG.uniform(size=N), DATA.index)
    _, extras = complete_rows(
        DATA.assign(x=np.where(np.arange(N) < 3, np.nan, 1.0)), ["x"], {"weights": weights}, "drop"
    )
    pd.testing.assert_series_equal(extras["weights"], weights.iloc[3:])


def test_a_missing_offset_removes_its_row_or_is_named():
    offset = np.where(np.arange(N) == 5, np.nan, 0.0)
    assert NegBinModel.from_formula("y ~ x", DATA, offset=offset).endog.size == N - 1
    with pytest.raises(nbglm.AlignmentError, match="1 of 80 rows lack a value, in 'offset='"):
        NegBinModel.from_formula("y ~ x", DATA, offset=offset, missing="raise")


@pytest.mark.parametrize(
    "subset",
    [
        (DATA["x"] > 0).to_numpy(),
        (DATA["x"] > 0).tolist(),
        DATA["x"] > 0,
        (DATA["x"] > 0)[::-1],
        DATA.index[DATA["x"] > 0],
        lambda data: data["x"] > 0,
    ],
)
def test_masks_and_labels_choose_rows(subset):
    pd.testing.assert_frame_equal(read_frame(DATA, subset), DATA[DATA["x"] > 0])


@pytest.mark.parametrize(
    ("subset", "says"),
    [
        ("x > 0", "data.query"),
        ([True], "does not fit the 80 rows"),
        (["row1", "roww"], "does not fit.*roww"),
        (["row1", "row1"], "the row 'row1' more than once"),
        ([], "leaves none"),
        (3, "does not fit|single row"),
    ],
)
def test_subsets_that_choose_no_rows_are_refused(subset, says):
    with pytest.raises(nbglm.AlignmentError, match=says):
        read_frame(DATA, subset)


def test_structured_arrays_and_dicts_are_data():
    want = params("y ~ x").tolist()
    assert params("y ~ x", DATA.to_records()).tolist() == want
    assert params("y ~ x", DATA.to_dict("list")).tolist() == want


@pytest.mark.parametrize("data", [None, [1, 2], np.ones((3, 2)), "data.csv"])
def test_data_without_names_are_refused(data):
    with pytest.raises(nbglm.InputTypeError, match="DataFrame or a dict of columns"):
        params("y ~ x", data)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(nbglm.AlignmentError, match="makes no table"):
        params("y ~ x", {"y": [1, 2], "x": [1.0]})
