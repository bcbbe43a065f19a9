"""Tables of cells and genes come back with their kinds, and what cannot be kept is named."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import nbglm
from nbglm.files.plain import Words, manifest_of, pack, unpack
from nbglm.files.tables import index_of_tree, table_of_tree, tree_of_index, tree_of_table
from nbglm.status import COEF_STATUS, GENE_STATUS


def through_a_file(tree):
    """What becomes of a tree as arrays and back."""
    arrays = pack(tree)
    return unpack(manifest_of(arrays.__getitem__), arrays.__getitem__)


def columns(rows):
    rng = np.random.default_rng(1)
    letters = rng.choice(["a/b", "ü", "", "\udc80"], rows)
    return {
        "floats": rng.normal(size=rows),
        "odd floats": np.resize([np.nan, np.inf, -np.inf, -0.0, 5e-324], rows),
        "singles": rng.normal(size=rows).astype(np.float32),
        "whole": rng.integers(-(2**62), 2**62, rows),
        "bytes": rng.integers(0, 255, rows).astype(np.uint8),
        "bools": rng.random(rows) < 0.5,
        "texts": letters,
        "texts and gaps": pd.Series(letters, dtype=object).where(rng.random(rows) < 0.7),
        "new texts": pd.array(np.where(letters == "\udc80", "x", letters), dtype="string"),
        "levels": pd.Categorical(letters, ["ü", "a/b", "", "\udc80", "unused"], ordered=True),
        "levels of numbers": pd.Categorical(rng.integers(0, 3, rows)),
        "nullable": pd.array([*range(rows - 1), None], dtype="Int16"),
        "nullable bools": pd.array([None, *([True] * (rows - 1))], dtype="boolean"),
        "nullable floats": pd.array([None, *np.arange(rows - 1.0)], dtype="Float32"),
        "days": pd.date_range("2026-11-30", periods=rows),
        "spans": pd.to_timedelta(np.arange(rows), unit="s"),
    }


@pytest.mark.parametrize("rows", [2, 100])
def test_columns_of_every_kind_come_back(rows):
    table = pd.DataFrame(columns(rows), index=[f"cell/{k}" for k in range(rows)])
    again = table_of_tree(through_a_file(tree_of_table(table, "obs")))
    pd.testing.assert_frame_equal(again, table, check_exact=True)
    assert (np.signbit(again["odd floats"]) == np.signbit(table["odd floats"])).all()


def test_tables_with_repeated_names_and_without_columns_come_back():
    table = pd.DataFrame(np.arange(6).reshape(3, 2), index=["a", "a", "b"], columns=["x", "x"])
    again = table_of_tree(through_a_file(tree_of_table(table, "obs")))
    pd.testing.assert_frame_equal(again, table)
    for index in (pd.RangeIndex(3, name="n"), pd.Index(["x", "y", "z"])):
        nothing = pd.DataFrame(index=index)
        again = table_of_tree(through_a_file(tree_of_table(nothing, "obs")))
        pd.testing.assert_index_equal(again.index, index)
        assert again.shape == (3, 0)


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(3, 30, 3),
        pd.Index([3, 1, 2], name="k"),
        pd.Index([0.5, np.nan]),
        pd.CategoricalIndex(["b", "a", "b"]),
        pd.Index([1, "x", 2.5, True, np.nan], dtype=object),
        pd.date_range("2026-01-01", periods=40),
    ],
)
def test_labels_of_rows_come_back(index):
    again = index_of_tree(through_a_file(tree_of_index(index)))
    pd.testing.assert_index_equal(again, index, exact="equiv", check_names=True)


def test_labels_of_other_kinds_become_texts():
    index = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    assert index_of_tree(tree_of_index(index)).tolist() == ["('a', 1)", "('b', 2)"]


def test_columns_that_cannot_be_kept_are_named():
    table = pd.DataFrame({"x": [1.0, 2.0], "lists": [[1], [2]], "mixed": ["a", 1]})
    with pytest.warns(nbglm.NbglmWarning, match="'lists', 'mixed' are left out"):
        tree = tree_of_table(table, "obs")
    assert list(table_of_tree(tree).columns) == ["x"]


@pytest.mark.parametrize(
    ("letters", "ends"),
    [
        (np.zeros(3, np.uint8), np.array([2, 1, 3])),
        (np.zeros(3, np.uint8), np.array([1, 2])),
        (np.zeros(3, np.uint8), np.array([-1, 3])),
        (np.zeros(3, np.int64), np.array([3])),
        (np.zeros(3, np.uint8), np.array([3.0])),
    ],
)
def test_texts_that_end_elsewhere_are_refused(letters, ends):
    with pytest.raises(ValueError, match="texts"):
        Words.of_arrays(letters, ends)


def test_nothing_but_numbers_and_words_can_be_written():
    for leaf in (object(), {1, 2}, np.array([object()]), np.longdouble(1) * np.ones(2), 1j):
        with pytest.raises(TypeError, match="cannot be kept"):
            pack({"leaf": leaf})


def test_names_that_hdf5_does_not_have_come_back(tmp_path):
    names = ["with\0zero", "with\nline", "\udc80", "x" * 3000]
    counts = pd.DataFrame(np.random.default_rng(4).poisson(2.0, (40, 4)), columns=names)
    obs = pd.DataFrame({"x\0": ["a\0", "b"] * 20, 7: np.arange(40.0)})
    fit = nbglm.fit_negbin(counts, "~ .", obs=obs, progress=False)
    for name in ("fit.h5ad", "fit.zarr"):
        fit.save(tmp_path / name, data=True)
        loaded = nbglm.load(tmp_path / name)
        pd.testing.assert_frame_equal(loaded.to_frame(), fit.to_frame(), check_exact=True)
        pd.testing.assert_frame_equal(loaded.counts.obs, fit.counts.obs)


def test_every_status_of_genes_and_coefficients_is_kept(tmp_path):
    rng = np.random.default_rng(4)
    counts = pd.DataFrame(rng.poisson(2.0, (40, len(GENE_STATUS))))
    obs = pd.DataFrame({"x": rng.random(40)})
    fit = nbglm.fit_negbin(counts, "~ x", obs=obs, progress=False)
    shape = fit.arrays.coef_status.shape
    arrays = replace(
        fit.arrays,
        status=np.arange(len(GENE_STATUS), dtype=np.int8),
        coef_status=np.resize(np.arange(len(COEF_STATUS), dtype=np.int8), shape),
    )
    odd = replace(fit, arrays=arrays)
    odd.save(tmp_path / "fit.h5ad", limit_tests=False)
    loaded = nbglm.load(tmp_path / "fit.h5ad")
    assert list(loaded.status) == list(GENE_STATUS)
    for component, words in odd.coef_status.items():
        pd.testing.assert_frame_equal(loaded.coef_status[component], words)
    pd.testing.assert_series_equal(loaded.converged, odd.converged)
