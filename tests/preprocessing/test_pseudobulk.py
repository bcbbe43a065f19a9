"""Sums over groups are those of pandas; nothing is made up, and what is left out is named."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import nbglm


@pytest.fixture
def cells(rng):
    n = 120
    donor = rng.choice(["d1", "d2", "d3", "d10"], n)
    obs = pd.DataFrame(
        {
            "donor": pd.Categorical(donor, ["d1", "d2", "d3", "d10", "never"]),
            "type": rng.choice(["beta", "alpha"], n),
            "treated": np.isin(donor, ["d1", "d2"]),
            "time": rng.normal(size=n),
            "depth": rng.uniform(0.5, 2.0, n),
        },
        index=[f"cell/{i}" for i in range(n)],
    )
    counts = rng.negative_binomial(1.0, 0.3, size=(n, 7))
    counts[:, 3] = 0
    var = pd.DataFrame({"symbol": list("abcdefg")}, index=[f"gene {j}/x" for j in range(7)])
    return anndata.AnnData(sparse.csr_matrix(counts.astype(np.float32)), obs=obs, var=var)


def _by_pandas(cells, by):
    table = pd.DataFrame(cells.X.toarray(), columns=cells.var_names)
    keys = [cells.obs[name].to_numpy() if name != "donor" else cells.obs[name] for name in by]
    return table.groupby([pd.Series(key).reset_index(drop=True) for key in keys], observed=True)


@pytest.mark.parametrize("by", [["donor"], ["donor", "type"], ["type", "donor"]])
def test_sums_are_those_of_pandas_in_the_same_order(cells, by):
    bulk = nbglm.pseudobulk(cells, by)
    expected = _by_pandas(cells, by).sum()
    assert np.array_equal(bulk.X.toarray(), expected.to_numpy())
    assert bulk.obs["n_cells"].tolist() == _by_pandas(cells, by).size().tolist()
    labels = ["_".join(np.atleast_1d(row)) for row in expected.index.to_numpy()]
    assert bulk.obs_names.tolist() == labels
    assert bulk.var.equals(cells.var)
    assert bulk.X.dtype == np.int32


def test_categories_keep_their_order_and_lose_those_that_no_group_has(cells):
    bulk = nbglm.pseudobulk(cells, "donor")
    assert bulk.obs["donor"].cat.categories.tolist() == ["d1", "d2", "d3", "d10"]
    assert bulk.obs_names.tolist() == ["d1", "d2", "d3", "d10"]


def test_constant_columns_stay_and_varying_ones_are_named(cells):
    bulk = nbglm.pseudobulk(cells, "donor", exposure="depth", agg={"time": "mean"})
    assert list(bulk.obs.columns) == ["donor", "treated", "time", "n_cells", "exposure"]
    assert bulk.obs["treated"].tolist() == [True, True, False, False]
    grouped = cells.obs.groupby("donor", observed=True)
    assert np.allclose(bulk.obs["exposure"], grouped["depth"].sum())
    assert np.allclose(bulk.obs["time"], grouped["time"].mean())
    said = bulk.uns["pseudobulk"]
    assert said["varying"] == ["type", "depth"]
    assert said["exposure"] == "depth"


def test_a_column_without_values_in_a_whole_group_is_constant_there(cells):
    cells.obs["age"] = cells.obs["donor"].map({"d1": 30.0, "d2": 41.0, "d10": 8.0}).astype(float)
    ages = nbglm.pseudobulk(cells, "donor").obs["age"]
    assert ages.isna().tolist() == [False, False, True, False]
    cells.obs.iloc[0, cells.obs.columns.get_loc("age")] = 77.0
    assert "age" in nbglm.pseudobulk(cells, "donor").uns["pseudobulk"]["varying"]


def test_small_groups_are_left_out_by_name(cells):
    sizes = cells.obs["donor"].value_counts()
    least = int(sizes.iloc[-2])  # the last one is "never"
    bulk = nbglm.pseudobulk(cells, "donor", min_cells=least + 1)
    small = sizes[(sizes > 0) & (sizes <= least)].index.tolist()
    assert bulk.uns["pseudobulk"]["left_out"] == small
    assert bulk.n_obs == 4 - len(small)
    with pytest.raises(nbglm.OptionError, match="largest of 4 groups by 'donor' has"):
        nbglm.pseudobulk(cells, "donor", min_cells=1000)


def test_labels_that_would_be_the_same_name_their_columns():
    obs = pd.DataFrame({"a": ["x_y", "x"], "b": ["z", "y_z"]})
    bulk = nbglm.pseudobulk(np.array([[1], [2]]), ["a", "b"], obs=obs)
    assert bulk.obs_names.tolist() == ["a='x', b='y_z'", "a='x_y', b='z'"]
    assert bulk.X.toarray().ravel().tolist() == [2, 1]


@pytest.mark.parametrize("kind", ["dense", "csc", "frame", "backed"])
def test_all_kinds_of_data_give_the_same_sums(cells, kind, tmp_path):
    expected = nbglm.pseudobulk(cells, "donor").X.toarray()
    values = cells.X.toarray()
    obs = cells.obs
    if kind == "backed":
        cells.write_h5ad(tmp_path / "cells.h5ad")
        data, obs = tmp_path / "cells.h5ad", None
    elif kind == "frame":
        data = pd.DataFrame(values, index=obs.index, columns=cells.var_names)
    else:
        data = values if kind == "dense" else sparse.csc_matrix(values)
    bulk = nbglm.pseudobulk(data, "donor", obs=obs)
    assert np.array_equal(bulk.X.toarray(), expected)


def test_the_result_can_be_written_and_fitted_with_its_exposure(cells, tmp_path):
    bulk = nbglm.pseudobulk(cells, ["donor", "type"], exposure="depth", min_cells=2)
    bulk.write_h5ad(tmp_path / "bulk.h5ad")
    read = anndata.read_h5ad(tmp_path / "bulk.h5ad")
    assert np.array_equal(read.X.toarray(), bulk.X.toarray())
    assert list(read.uns["pseudobulk"]["by"]) == ["donor", "type"]
    fit = nbglm.fit_negbin(bulk, "~ treated", size_factors="exposure")
    # With one mean for all groups it is the ratio of sums, if sizes are infinite.
    rate = bulk.X.toarray().sum(axis=0) / bulk.obs["exposure"].sum()
    flat = nbglm.fit_negbin(bulk, "~ 1", size_factors="exposure")
    poisson = flat.params["gamma"].loc["Intercept"].to_numpy() == np.inf
    assert fit.status["gene 3/x"] == "all_zero"
    assert np.allclose(np.exp(flat.params["beta"].loc["Intercept"])[poisson], rate[poisson])


def test_sums_that_need_64_bits_have_them():
    counts = np.full((3, 1), 2.0**31 - 1)
    bulk = nbglm.pseudobulk(counts, "g", obs=pd.DataFrame({"g": list("aab")}))
    assert bulk.X.dtype == np.int64
    assert bulk.X.toarray().ravel().tolist() == [2**32 - 2, 2**31 - 1]
    with pytest.raises(nbglm.CountsError, match="'gene_0' in a group is above 2"):
        nbglm.pseudobulk(counts * 2.0**22, "g", obs=pd.DataFrame({"g": list("aab")}))


def test_what_cannot_be_grouped_is_refused_by_name(cells):
    with pytest.raises(nbglm.AlignmentError, match="Did you mean 'donor'"):
        nbglm.pseudobulk(cells, "donr")
    with pytest.raises(nbglm.OptionError, match="none of them twice"):
        nbglm.pseudobulk(cells, ["donor", "donor"])
    with pytest.raises(nbglm.InputTypeError, match="by must be the name"):
        nbglm.pseudobulk(cells, 3)
    with pytest.raises(nbglm.OptionError, match="cells are grouped by 'donor'"):
        nbglm.pseudobulk(cells, "donor", agg={"donor": "first"})
    for function, name in (("mena", "time"), ("mean", "type"), (lambda part: 1 / 0, "time")):
        with pytest.raises(nbglm.OptionError, match=f"cannot be computed of .* column '{name}'"):
            nbglm.pseudobulk(cells, "donor", agg={name: function})
    with pytest.raises(nbglm.InputTypeError, match="whole number"):
        nbglm.pseudobulk(cells, "donor", min_cells=1.5)
    with pytest.raises(nbglm.AlignmentError, match="exposure must be positive"):
        nbglm.pseudobulk(cells, "donor", exposure=np.zeros(cells.n_obs))
    missing = cells.copy()
    missing.obs.iloc[4, 0] = None
    with pytest.raises(nbglm.AlignmentError, match=r"no value for 1 of 120 cells.*'cell/4'"):
        nbglm.pseudobulk(missing, "donor")
    named = cells.copy()
    named.obs["n_cells"] = 1
    with pytest.raises(nbglm.OptionError, match="rename it"):
        nbglm.pseudobulk(named, ["n_cells"])
