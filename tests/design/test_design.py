"""Formulas: what users may write, what they are told, and what stays frozen."""

import numpy as np
import pandas as pd
import patsy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbglm
from nbglm.design.design import build_design
from nbglm.design.formula import prepare_formula

N = 40


@pytest.fixture
def obs(rng):
    return pd.DataFrame(
        {
            "x": rng.uniform(size=N),
            "cell type": pd.Categorical(
                np.resize(["Ngn3 low EP", "Beta", "Alpha"], N),
                categories=["Beta", "unused", "Alpha", "Ngn3 low EP"],
            ),
            "C": rng.normal(size=N),
            "lambda": np.resize(["u", "v"], N),
            "n.umi": rng.integers(1, 99, N),
            "flag": np.resize([True, False, False], N),
        },
        index=[f"cell{i}" for i in range(N)],
    )


PLAIN = {"cell type": "cell_type", "C": "c", "lambda": "lambda_", "n.umi": "n_umi"}


@pytest.mark.parametrize(
    ("odd", "plain"),
    [
        ("~ `cell type` * x", "~ cell_type * x"),
        ("~ cell type + lambda", "~ cell_type + lambda_"),
        ('~ Q("cell type") + C(flag)', "~ cell_type + C(flag)"),
        ("~ np.log(n.umi) + C", "~ np.log(n_umi) + c"),
        ('~ C(lambda, Treatment("v")) - 1', '~ C(lambda_, Treatment("v")) - 1'),
        ("~ bs(n.umi, df=4) + cr(x, df=3)", "~ bs(n_umi, df=4) + cr(x, df=3)"),
        ("~ .", "~ x + cell_type + c + lambda_ + n_umi + flag"),
        ("~ . - C - n.umi", "~ x + cell_type + lambda_ + flag"),
        ("~ . - 1 + I(x ** 2)", "~ x + cell_type + c + lambda_ + n_umi + flag - 1 + I(x ** 2)"),
        ("x + 0.5 * 2", None),
    ],
)
def test_odd_names_give_the_labels_and_columns_of_plain_ones(obs, odd, plain):
    if plain is None:
        with pytest.raises(nbglm.FormulaError):
            build_design(odd, obs)
        return
    renamed = obs.rename(columns=PLAIN)
    renamed["cell_type"] = renamed["cell_type"].cat.remove_unused_categories()
    want = patsy.dmatrix(plain, renamed, return_type="dataframe")
    design = build_design(odd, obs)
    back = {value: key for key, value in PLAIN.items()}
    labels = list(want.columns)
    for name in ("cell_type", "lambda_", "n_umi"):
        labels = [label.replace(name, back[name]) for label in labels]
    labels = ["C" if label == "c" else label for label in labels]
    assert list(design.mean.terms) == labels
    np.testing.assert_allclose(design.mean.matrix, want, rtol=1e-14)


def test_label_of_the_tutorial(obs):
    obs["clusters_coarse"] = obs["cell type"]
    terms = build_design({"mean": "~ 1", "dispersion": "~ clusters_coarse"}, obs).dispersion.terms
    assert "clusters_coarse[T.Ngn3 low EP]" in terms


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, N - 1), min_size=1, max_size=N), st.booleans())
def test_replay_gives_the_rows_of_the_fit(rows, as_strings):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {"x": rng.uniform(size=N), "g": pd.Categorical(np.resize(list("cab"), N), list("bca"))}
    )
    formula = {"mean": "~ C(g, Sum) * bs(x, df=5) + center(x)", "dispersion": "~ g + scale(x)"}
    design = build_design(formula, obs)
    new = obs.iloc[rows].copy()
    if as_strings:
        new["g"] = new["g"].astype(str)
    x, z, offset = design.replay(new)
    np.testing.assert_array_equal(x, design.mean.matrix[rows])
    np.testing.assert_array_equal(z, design.dispersion.matrix[rows])
    assert offset.tolist() == [0.0] * len(rows)


def test_a_constant_formula_needs_no_columns(obs):
    x, z, _ = build_design("~ 1", obs).replay(pd.DataFrame(index=range(7)))
    assert x.shape == z.shape == (7, 1)


def test_functions_of_the_caller_are_found(obs):
    def double(values):
        return 2 * values

    table = pd.DataFrame({"y": np.arange(N)}, index=obs.index)
    results = nbglm.fit_negbin(table, "~ double(x)", obs=obs, progress=False)
    assert results.design.mean.terms == ("Intercept", "double(x)")
    simulator = nbglm.NegBinRegressionSimulator(progress=False)
    assert simulator.fit(table, "~ double(x)", obs=obs).params["beta"].shape == (2, 1)
    assert double(2) == 4


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ({"mean": "~ x", "disperson": "~ 1"}, "Did you mean 'dispersion'"),
        ({"dispersion": "~ 1"}, "'mean' is missing"),
        ({"mean": 3}, "must be a string"),
        (3, "must be a string or a dict"),
        ("~ xx", "'xx' in the mean formula.*Did you mean 'x'"),
        ({"mean": "~ x", "dispersion": "~ cell typ"}, "dispersion formula"),
        ("~ `cel type`", "Did you mean 'cell type'"),
        ("y ~ x", "left-hand side"),
        ("~ x +", "cannot be read"),
        ("~", "is empty"),
        ("~ 0", "no columns"),
        ("~ x ~ y", "more than one"),
        ("~ logg(x)", "no known function"),
        ("~ np.log(x - x)", "not finite.*cell0"),
        ("~ name", "different level in each"),
        ("~ .", "different level in each of the 40 cells.*- name"),
        ("~ holes", "'holes' has 2 missing values.*'cell3'"),
        ("~ day", "'day' has dtype datetime64"),
        ("~ mixed", "'mixed'.*neither all strings nor"),
    ],
)
def test_errors_name_the_culprit(obs, formula, says):
    obs = obs.assign(
        name=obs.index,
        holes=np.where(np.isin(np.arange(N), [3, 5]), np.nan, 1.0),
        day=pd.Timestamp("2020-01-01"),
        mixed=pd.Series(np.resize([1, "a"], N).astype(object), obs.index).where(obs["flag"], 2),
    )
    if formula == "~ .":
        obs = obs.drop(columns=["holes", "day", "mixed"])
    with np.errstate(divide="ignore"), pytest.raises(nbglm.FormulaError, match=says):
        build_design(formula, obs)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"cell type": "Delta"},
            "'cell type' has levels that the fit has not seen: 'Delta'.*'Beta'",
        ),
        ({"x": "high"}, "'x' was numeric at the fit and is categorical"),
        ({"x": np.nan}, "'x' has 40 missing"),
        ({"x": 9.0}, "outside the range of the spline"),
    ],
)
def test_new_rows_are_checked(obs, change, says):
    design = build_design("~ `cell type` + bs(x, df=4)", obs)
    with pytest.raises(nbglm.FormulaError, match=says):
        design.replay(obs.assign(**change))
    with pytest.raises(nbglm.FormulaError, match="needs the column 'x'"):
        design.replay(obs.drop(columns="x"))


def test_offsets_add_up_and_replay(obs):
    depth = obs["n.umi"].to_numpy(float)
    design = build_design("~ 1", obs, offset="C", size_factors="n.umi")
    np.testing.assert_allclose(design.offset, obs["C"] + np.log(depth))
    new = obs.iloc[[4, 2]]
    np.testing.assert_allclose(design.replay(new)[2], design.offset[[4, 2]])
    np.testing.assert_allclose(design.replay(new, size_factors=[1.0, 1.0])[2], new["C"], rtol=1e-15)
    by_array = build_design("~ 1", obs, size_factors=depth)
    with pytest.raises(nbglm.AlignmentError, match="size_factors as an array"):
        by_array.replay(new)
    np.testing.assert_allclose(by_array.replay(new, size_factors=[2.0, 3.0])[2], np.log([2, 3]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"offset": "n.um"}, "Did you mean 'n.umi'"),
        ({"offset": [1.0, 2.0]}, "must have 40 values"),
        ({"offset": [np.inf] * N}, "must be finite; the value at 'cell0'"),
        ({"offset": ["a"] * N}, "must hold numbers"),
        ({"size_factors": [0.0] * N}, "must be positive"),
    ],
)
def test_offset_errors(obs, options, says):
    with pytest.raises(nbglm.AlignmentError, match=says):
        build_design("~ 1", obs, **options)


def test_a_series_in_another_order_is_refused(obs):
    with pytest.raises(nbglm.AlignmentError, match="another order"):
        build_design("~ 1", obs, offset=obs["C"].iloc[::-1])


def test_dots_in_numbers_and_attributes_are_left_alone():
    prepared = prepare_formula("mean", "~ I(x * .5) + np.log(x) + .", ["x", "z"])
    assert prepared.expanded == "~ I(x * .5) + np.log(x) + (x + z)"
