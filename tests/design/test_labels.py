"""Rows are matched by their labels or refused, and an array beside labels says what it assumed."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import nbglm
from nbglm.design.labels import match_rows, reordered
from nbglm.design.offset import cell_values

CELLS = 500


@pytest.fixture
def obs(rng):
    return pd.DataFrame({"x": rng.normal(size=CELLS)})


@pytest.fixture
def counts(rng, obs):
    return pd.DataFrame({"y": rng.poisson(np.exp(1.0 + obs["x"]))})


def slope(counts, obs):
    return nbglm.fit_negbin(counts, "~ x", obs=obs).params["beta"].loc["x", "y"]


def test_a_permuted_integer_index_is_not_fitted_row_by_row(counts, obs, rng):
    order = rng.permutation(CELLS)
    right = slope(counts, obs)
    assert right == pytest.approx(1.0, abs=0.1)
    assert slope(counts.iloc[order], obs.iloc[order]) == pytest.approx(right, rel=1e-9)
    for pair in ((counts, obs.iloc[order]), (counts.iloc[order], obs)):
        with pytest.raises(nbglm.AlignmentError, match="same row labels as the count table"):
            slope(*pair)
    # What the message advises is the right answer.
    assert slope(counts, obs.iloc[order].reindex(counts.index)) == right


def test_an_array_beside_a_permuted_index_is_taken_in_order_and_says_so(counts, obs, rng):
    order = rng.permutation(CELLS)
    y = counts.to_numpy()
    for data in (y[order], sparse.csr_matrix(y[order]), sparse.csc_matrix(y[order])):
        with pytest.warns(nbglm.NbglmWarning, match=r"in order, row .*reset_index") as heard:
            results = nbglm.fit_negbin(data, "~ x", obs=obs.iloc[order])
        assert len(heard) == 1
        found = results.params["beta"].loc["x", "gene_0"]
        assert found == pytest.approx(slope(counts, obs), rel=1e-9)


def test_one_warning_says_all(counts, obs, rng):
    order = rng.permutation(CELLS)
    with pytest.warns(nbglm.NbglmWarning) as heard:
        nbglm.fit_negbin(
            counts.to_numpy(), "~ x", obs=obs.iloc[order], offset=np.linspace(0, 200, CELLS)
        )
    assert len(heard) == 1
    assert "taken in order" in str(heard[0].message)
    assert "size_factors=" in str(heard[0].message)


def test_rows_chosen_from_a_longer_table_are_quiet(counts, obs, rng):
    y = counts.to_numpy()
    chosen = np.flatnonzero(obs["x"] > 0)
    shuffled = rng.permutation(chosen)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for rows in (chosen, shuffled, rng.choice(CELLS, CELLS)):
            nbglm.fit_negbin(y[rows], "~ x", obs=obs.iloc[rows])
        nbglm.fit_negbin(y, "~ x", obs=obs.set_axis([f"cell{i}" for i in range(CELLS)]))
    assert not [str(warning.message) for warning in heard]


LABELS = st.one_of(
    st.lists(st.integers(0, 9), min_size=1, max_size=6),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=6),
    st.integers(1, 6).map(lambda n: list(range(n))),
)


@settings(deadline=None)
@given(LABELS, LABELS)
def test_rows_are_matched_if_and_only_if_labels_allow_it(mine, theirs):
    theirs = (theirs * len(mine))[: len(mine)]
    one, other = pd.Index(mine), pd.Index(theirs)
    text = [[str(label) for label in labels] for labels in (mine, theirs)]
    in_order = [labels == [str(k) for k in range(len(mine))] for labels in text]
    integers = [labels.dtype.kind == "i" for labels in (one, other)]
    unlabelled = any(a and b for a, b in zip(in_order, integers, strict=True))
    same, permuted = text[0] == text[1], sorted(text[0]) == sorted(text[1])
    assert reordered(one, other) == (permuted and not same)
    if same or (unlabelled and not permuted):
        match_rows("w", one, other, whose="obs", fix="fix it")
    else:
        with pytest.raises(nbglm.AlignmentError, match=r"another order|lacks"):
            match_rows("w", one, other, whose="obs", fix="fix it")


def test_values_are_copies(rng):
    values = rng.normal(size=5)
    read = cell_values("offset", values, pd.DataFrame(index=range(5)))
    values[:] = 0
    assert read.all()


def test_what_an_offset_on_another_scale_is_told(counts, obs):
    totals = np.linspace(500, 20_000, CELLS)
    with pytest.raises(nbglm.AlignmentError, match=r"log scale .* size_factors="):
        nbglm.fit_negbin(counts, "~ x", obs=obs, offset=totals)
    as_factors = nbglm.fit_negbin(counts, "~ x", obs=obs, size_factors=totals)
    as_logs = nbglm.fit_negbin(counts, "~ x", obs=obs, offset=np.log(totals))
    pd.testing.assert_frame_equal(as_factors.params["beta"], as_logs.params["beta"])


def test_explain_mentions_the_scale_where_nothing_converged(counts, obs):
    with pytest.warns(nbglm.NbglmWarning, match="log scale and reaches from -300 to 300"):
        results = nbglm.fit_negbin(
            counts, "~ x", obs=obs, offset=np.where(np.arange(CELLS) % 2, 300.0, -300.0)
        )
    for gene, word in results.status.items():
        assert ("log scale" in results.explain(gene)) == (word == "not_converged")


def test_weights_are_multiplied_by_any_sensible_factor(counts, obs):
    one = nbglm.fit_negbin(counts, "~ x", obs=obs)
    for factor in (1e-90, 1e-12, 1e-3, 1e6, 1e90):
        many = nbglm.fit_negbin(counts, "~ x", obs=obs, weights=np.full(CELLS, factor))
        np.testing.assert_allclose(many.arrays.coef, one.arrays.coef, rtol=1e-7)
        np.testing.assert_allclose(many.llf, factor * one.llf, rtol=1e-9)
        np.testing.assert_allclose(many.bse["beta"], one.bse["beta"] / factor**0.5, rtol=1e-6)
    for weight in (1e300, 1e-300):
        with pytest.raises(nbglm.AlignmentError, match=r"weights add up to .* common factor"):
            nbglm.fit_negbin(counts, "~ x", obs=obs, weights=np.full(CELLS, weight))
