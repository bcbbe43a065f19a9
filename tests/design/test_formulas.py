"""What formulas may say: terms as in patsy, columns of any name, and nothing raw."""

import contextlib

import numpy as np
import pandas as pd
import patsy
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

import nbglm
from nbglm.design.design import build_design
from nbglm.design.formula import prepare_formula
from nbglm.design.predictor import build_predictor
from nbglm.design.scope import columns_scope, plain_scope, scope_of_caller

N = 24
RNG = np.random.default_rng(11)
OBS = pd.DataFrame(
    {
        "a": RNG.normal(size=N),
        "b": RNG.normal(size=N),
        "f": np.resize(["u", "v", "w"], N),
        "h": np.resize(["p", "q"], N),
    }
)
CALLED = []


def canary(*values):
    CALLED.append(values)
    return values[0] if values else 1.0


# Terms ---------------------------------------------------------------------------------------

FACTORS = st.sampled_from(["a", "b", "f", "h", "I(a * b)", "0", "1", "np.exp(a)"])


def groups(operators):
    return st.recursive(
        FACTORS,
        lambda inner: st.builds(
            lambda left, operator, right: f"({left} {operator} {right})",
            inner,
            st.sampled_from(operators),
            inner,
        ),
        max_leaves=5,
    )


GROUPS = groups(["+", "+", "-", "*", ":", "/"])
CHAINS = st.lists(st.tuples(st.sampled_from(["+", "+", "-"]), GROUPS), max_size=9)


@settings(max_examples=150, deadline=None)
@given(GROUPS, CHAINS)
def test_a_formula_has_the_terms_that_patsy_gives_it(first, chain):
    text = first + "".join(f" {operator} {term}" for operator, term in chain)
    try:
        ours = build_predictor("mean", text, OBS, plain_scope())
    except nbglm.FormulaError as error:
        # patsy refuses it as well, or removes something that is not there, or has no column.
        said = str(error)
        assume("removes" not in said and "no columns" not in said)
        with pytest.raises(patsy.PatsyError):
            patsy.dmatrix(f"~ {text}", OBS)
        return
    want = patsy.dmatrix(f"~ {text}", OBS)
    assert list(ours.terms) == want.design_info.column_names
    np.testing.assert_array_equal(ours.matrix, want)


@settings(max_examples=60, deadline=None)
@given(GROUPS, CHAINS, groups(["+", "*", ":"]))
def test_what_is_removed_is_there_or_named(first, chain, removed):
    text = first + "".join(f" {operator} {term}" for operator, term in chain)

    def terms(formula):
        names = patsy.ModelDesc.from_formula(f"~ {formula}").rhs_termlist
        return {term for term in names if term.factors}

    try:
        build_predictor("mean", f"{text} + 1", OBS, plain_scope())
        asked, there = terms(removed), terms(text)
        mentioned = terms(text.replace(" - ", " + "))
    except (patsy.PatsyError, nbglm.FormulaError):
        reject()
    formula = f"{text} - ({removed}) + 1"
    if asked <= there:
        build_predictor("mean", formula, OBS, plain_scope())
    elif not asked <= mentioned:
        with pytest.raises(nbglm.FormulaError, match="removes"):
            build_predictor("mean", formula, OBS, plain_scope())


def test_a_thousand_terms_are_no_deeper_than_ten():
    frame = pd.DataFrame(RNG.normal(size=(3, 1200))).add_prefix("v")
    predictor = build_predictor("mean", "~ .", frame, plain_scope())
    assert predictor.terms == ("Intercept", *frame.columns)
    np.testing.assert_array_equal(predictor.matrix[:, 1:], frame)


# Texts ---------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *("a", "b", "f", "h", "x", ".", "~", "+", "-", "*", "**", ":", "/", "^", "|", "%in%"),
        *("(", ")", "[", "]", "{", "}", ",", "=", "==", "'", '"', "`", "\\", "\n", "\t", "#"),
        *("0", "1", "2", "1e9", "0j", "np", "np.log", "log", "C", "Q", "bs", "I", "te", "center"),
        *("lambda", "if", "else", "and", "not", "in", "for", "is", ":=", "...", "@", "$", ";"),
        *("'f'", "`a`", 'Q("a")', "C(f)", "bs(a, df=4)", "I(a)", "df=3", "Treatment", "'u'"),
        *(
            "canary",
            "canary()",
            "canary(a)",
            "__import__",
            ".__class__",
            "é",
            "\u2013",
            "\x00",
            " ",
        ),
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=8), st.sampled_from(["", " "]))
def test_any_text_is_a_design_or_a_formula_error(pieces, between):
    text = between.join(pieces)
    scope = scope_of_caller(-1)
    try:
        matrix = build_predictor("mean", text, OBS, scope).matrix
    except nbglm.FormulaError as error:
        said = str(error)
    else:
        said = "a design of finite numbers"
        assert matrix.shape[0] == N
        assert np.isfinite(matrix).all()
    assert 20 < len(said) < 700


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=8), st.sampled_from(["", " "]))
def test_a_stranger_calls_nothing_of_the_caller(pieces, between):
    CALLED.clear()
    text = between.join(pieces)
    try:
        matrix = build_predictor("mean", text, OBS, columns_scope()).matrix
    except nbglm.FormulaError:
        return
    finally:
        assert not CALLED
    # What a stranger may write means the same as from a friend.
    np.testing.assert_array_equal(matrix, build_predictor("mean", text, OBS, plain_scope()).matrix)


def test_the_canary_would_be_called():
    CALLED.clear()
    build_predictor("mean", "~ canary(a)", OBS, scope_of_caller(-1))
    assert CALLED


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_no_unicode_is_raised_raw(text):
    with contextlib.suppress(nbglm.FormulaError):
        assert build_design(text, OBS).n == N


# Names ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=12), st.text(max_size=12))
def test_columns_of_any_name_are_the_same_design(first, second):
    assume(len({first, second, "Intercept"}) == 3)
    frame = OBS[["a", "f"]].set_axis([first, second], axis=1)
    design = build_design({"mean": "~ .", "dispersion": f"~ Q({second!r})"}, frame)
    want = build_design({"mean": "~ a + f", "dispersion": "~ f"}, OBS)
    np.testing.assert_array_equal(design.mean.matrix, want.mean.matrix)
    np.testing.assert_array_equal(design.dispersion.matrix, want.dispersion.matrix)
    assert design.mean.terms == (
        "Intercept",
        f"{second}[T.v]",
        f"{second}[T.w]",
        first,
    )
    np.testing.assert_array_equal(design.replay(frame[::-1])[0], design.mean.matrix[::-1])
    again = build_design(design.mean.formula.expanded, frame)
    np.testing.assert_array_equal(again.mean.matrix, design.mean.matrix)


def test_names_inside_collide_with_no_column_text_or_level():
    columns = ["nbglm_column_0_", "a b", "nbglm_column__"]
    prepared = prepare_formula("mean", "~ `a b` + nbglm_column_", columns)
    assert prepared.patsy == "nbglm_column___1_ + nbglm_column_"
    assert prepared.restore(prepared.patsy) == "a b + nbglm_column_"
    reserved = prepare_formula("mean", "~ `a b`", ["a b"], reserved=["nbglm_column_7_"])
    assert reserved.prefix == "nbglm_column__"


def test_a_dot_stands_for_all_but_the_response():
    prepared = prepare_formula("mean", "~ . - y", ["y", "a", "cell type"], response=["y"])
    assert prepared.expanded == "~ (a + Q('cell type')) - y"


# New rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[1, 2], [1.0, 2.0], [0.5, 2.0], ["1", "2.0"]])
def test_levels_that_are_numbers_are_matched_by_value(values):
    frame = pd.DataFrame({"k": pd.Categorical(np.resize(np.array(values, object), 6))})
    design = build_design("~ k", frame)
    assert design.mean.terms == ("Intercept", f"k[T.{values[1]}]")
    for kind in (object, str):
        new = pd.DataFrame({"k": np.resize(np.array(values, object), 6).astype(kind)})
        new["k"] = new["k"].astype("category")
        np.testing.assert_array_equal(design.replay(new)[0], design.mean.matrix)
    if not isinstance(values[0], str):
        new = pd.DataFrame({"k": pd.Categorical(np.resize(np.array(values, float), 6))})
        np.testing.assert_array_equal(design.replay(new)[0], design.mean.matrix)
    with pytest.raises(nbglm.FormulaError, match="has not seen: '7'"):
        design.replay(pd.DataFrame({"k": pd.Categorical([7])}))


def test_numpy_does_not_warn_while_a_design_is_made():
    with np.errstate(all="raise"):
        design = build_design("~ I(1 / (1 + 1 / (a - a))) + b", OBS)
    np.testing.assert_array_equal(design.mean.matrix[:, 1], 0.0)
