"""Tables of counts beside each other: properties against numpy's, distances against scipy's."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

import nbglm
from nbglm.exceptions import AlignmentError, CountsError, InputTypeError, OptionError
from nbglm.likeness.comparing import PROPERTIES

CELLS, GENES = 240, 30


def table(seed, size=2.0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["b/1", "ü"], CELLS)
    mean = np.exp(rng.normal(0.5, 0.8, GENES)) * np.where(kind == "ü", 2.0, 1.0)[:, None]
    counts = rng.poisson(mean * rng.gamma(size, 1.0 / size, mean.shape))
    counts[:, 0] = 0
    names = [f"g{k}" for k in range(GENES)]
    obs = pd.DataFrame({"kind": kind}, index=[f"cell{k}" for k in range(CELLS)])
    return anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=names))


@pytest.fixture(scope="module")
def pair():
    return {"real": table(1), "simulated": table(2, size=0.5)}


@pytest.fixture(scope="module")
def found(pair):
    return nbglm.compare_counts(pair, by="kind")


def rows(table, **wanted):
    """The rows of a table that have these values."""
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


def normalised(counts, target):
    counts = counts.toarray().astype(float)
    return np.log2(1.0 + counts * (target / counts.sum(axis=1))[:, None])


def test_properties_are_those_of_dense_tables(pair, found):
    target = np.median(np.asarray(pair["real"].X.sum(axis=1)))
    for name, data in pair.items():
        values = normalised(data.X, target)
        for group in ("all", "ü", "b/1"):
            part = values if group == "all" else values[data.obs["kind"] == group]
            genes = rows(found.genes, dataset=name, group=group).set_index("gene")
            assert genes.index.tolist() == data.var_names.tolist()
            np.testing.assert_allclose(genes["mean"], part.mean(axis=0), atol=1e-12)
            np.testing.assert_allclose(genes["variance"], part.var(axis=0, ddof=1), atol=1e-12)
            np.testing.assert_allclose(genes["zeros"], (part == 0.0).mean(axis=0), atol=1e-12)
            pairs = rows(found.pairs, dataset=name, group=group, of="genes")
            wanted = np.corrcoef(part[:, 1:].T)[np.triu_indices(GENES - 1, 1)]
            np.testing.assert_allclose(pairs["correlation"], wanted, atol=1e-9)
        cells = rows(found.cells, dataset=name)
        assert cells["library_size"].tolist() == np.asarray(data.X.sum(axis=1)).ravel().tolist()
        np.testing.assert_allclose(cells["zeros"], (data.X.toarray() == 0).mean(axis=1))


def test_distances_are_scipys(pair, found):
    distances = found.table.set_index(["group", "property"])
    for group in ("all", "ü"):
        for name in ("mean", "variance", "library_size"):
            tables = found.cells if name == "library_size" else found.genes
            if name == "library_size" and group == "all":
                tables = tables.assign(group="all")
            parts = [rows(tables, dataset=which, group=group)[name].to_numpy() for which in pair]
            parts = [np.log10(part) if name == "library_size" else part for part in parts]
            row = distances.loc[(group, name)]
            assert row["ks"] == pytest.approx(stats.ks_2samp(*parts).statistic)
            apart = stats.wasserstein_distance(*parts)
            assert row["wasserstein"] == pytest.approx(apart)
            assert row["scaled"] == pytest.approx(apart / parts[0].std())
    assert np.isnan(distances.loc[("all", "library_size"), "rmse"])
    assert distances.loc[("all", "mean"), "rmse"] > 0.0


def test_a_table_is_like_itself(pair):
    same = nbglm.compare_counts(
        {"one": pair["real"], "other": pair["real"].copy()}, by="kind"
    ).table
    assert set(same["property"]) == set(PROPERTIES)
    assert (same["ks"] == 0.0).all()
    assert (same["wasserstein"] == 0.0).all()
    assert same["rmse"].max() == 0.0


def test_more_dispersion_is_seen_where_it_is(found):
    distances = found.table.query("group == 'all'").set_index("property")
    assert distances.loc["variance", "median"] > distances.loc["variance", "median_reference"]
    assert distances.loc["mean_variance", "ks"] > 0.5
    assert distances.loc["zeros_by_gene", "scaled"] > 0.5


def test_tables_of_any_kind_are_compared(pair, found, tmp_path):
    real, other = pair.values()
    real.write_h5ad(tmp_path / "real.h5ad")
    shuffled = other[:, ::-1]
    kinds = {"real": real.obs["kind"].to_numpy(), "simulated": other.obs["kind"].to_numpy()}
    for one, two in (
        (tmp_path / "real.h5ad", shuffled),
        (real.to_df(), shuffled.to_df()),
        (real, other.to_df().astype(pd.SparseDtype("int32", 0))),
    ):
        again = nbglm.compare_counts({"real": one, "simulated": two}, by=kinds)
        pd.testing.assert_frame_equal(again.table, found.table)
    arrays = nbglm.compare_counts({"real": real.X.toarray(), "simulated": other.X.tocsc()})
    wanted = found.table.query("group == 'all'").reset_index(drop=True)
    pd.testing.assert_frame_equal(arrays.table, wanted)


def test_several_tables_are_compared_with_the_first(pair):
    found = nbglm.compare_counts({**pair, "third": table(3)})
    assert found.table["dataset"].unique().tolist() == ["simulated", "third"]
    shown = repr(found)
    assert "CountsComparison with 'real'" in shown
    assert "third, medians and distances" in shown


def test_a_seed_chooses_the_same_cells(pair):
    few = {"n_cells": 50, "n_genes": 10}
    one, other, third = (
        nbglm.compare_counts(pair, seed=seed, **few).pairs["correlation"] for seed in (0, 0, 1)
    )
    assert one.equals(other)
    assert not one.equals(third)


def test_groups_that_one_table_lacks_have_no_distances(pair):
    lacking = pair["simulated"][pair["simulated"].obs["kind"] == "ü"]
    found = nbglm.compare_counts({"real": pair["real"], "simulated": lacking}, by="kind").table
    gone = found[found["group"] == "b/1"]
    assert gone["ks"].isna().all()
    assert (gone["n"] == 0).all()
    assert found.loc[found["group"] == "ü", "ks"].notna().all()


def test_an_empty_cell_and_constant_genes_do_no_harm():
    counts = np.random.default_rng(4).poisson(1.0, (60, 8))
    counts[3], counts[:, 2], counts[:, 5] = 0, 1, 0
    counts[3, 2] = 0
    found = nbglm.compare_counts({"a": counts, "b": counts[::-1].copy()})
    assert found.table.set_index("property").loc["mean", "ks"] == 0.0
    assert np.isfinite(found.table.set_index("property").loc["library_size", "wasserstein"])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda a, b: ([a, b], {}), InputTypeError, "takes tables by their names"),
        (lambda a, _: ({"a": a}, {}), OptionError, "two tables or more; it was given 1"),
        (lambda a, b: ({"a": a, "b": b[:, 3:]}, {}), AlignmentError, "'b' lacks 3 genes of 'a'"),
        (lambda a, b: ({"a": a[:, 3:], "b": b}, {}), AlignmentError, "'a' lacks 3 genes of 'b'"),
        (lambda a, b: ({"a": a, "b": b}, {"by": "knd"}), AlignmentError, "table 'a': .*'kind'"),
        (lambda a, b: ({"a": a, "b": b}, {"by": 3}), InputTypeError, "takes the name of a column"),
        (lambda a, b: ({"a": a, "b": b}, {"by": {"a": "kind"}}), OptionError, "groups for 'a'"),
        (lambda a, b: ({"a": a, "b": -b.to_df()}, {}), CountsError, "table 'b': "),
        (lambda a, b: ({"a": a, "b": b[:0]}, {}), CountsError, "table 'b': data has 0 cells"),
        (lambda a, b: ({"a": a, "b": b}, {"n_genes": 1}), OptionError, "n_genes must be at least"),
    ],
)
def test_what_cannot_be_compared_is_refused(pair, change, error, says):
    data, options = change(*pair.values())
    with pytest.raises(error, match=says):
        nbglm.compare_counts(data, **options)


def test_a_group_of_the_name_of_all_is_refused(pair):
    labels = {name: np.where(np.arange(CELLS) > 3, "all", "x") for name in pair}
    with pytest.raises(OptionError, match="a group is called 'all'"):
        nbglm.compare_counts(pair, by=labels)


def test_tables_of_a_comparison_are_copies(found):
    for name in ("table", "genes", "cells", "pairs", "components", "spectrum"):
        mine = getattr(found, name)
        mine.loc[:, "dataset"] = "changed"
        assert "changed" not in set(getattr(found, name)["dataset"])
