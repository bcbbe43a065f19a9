"""Data to try things on: what they hold, that they hold it every time, and that it is the truth."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from statsmodels.datasets import randhie as their_randhie

import nbglm
from nbglm.datasets import randhie, simulate_cells


def test_randhie_is_that_of_statsmodels_with_integers():
    data, theirs = randhie(), their_randhie.load_pandas().data
    pd.testing.assert_frame_equal(data, theirs, check_dtype=False)
    assert data["mdvis"].dtype == np.int64
    assert data["physlm"].dtype == np.float64
    data["mdvis"] = 0
    assert randhie()["mdvis"].sum() == theirs["mdvis"].sum()


# Simulated cells ------------------------------------------------------------------------------


def test_cells_have_what_is_promised():
    adata = simulate_cells(300, 12, seed=1, n_types=4, n_donors=6)
    assert adata.shape == (300, 12)
    assert sparse.isspmatrix_csr(adata.X)
    assert adata.X.dtype == np.int32
    assert list(adata.obs) == ["cell_type", "pseudotime", "condition", "donor", "size_factor"]
    assert len(adata.obs["cell_type"].cat.categories) == 4
    assert adata.obs["donor"].nunique() == 6
    assert adata.obs["pseudotime"].between(0, 1).all()
    assert set(adata.varm) == {"beta", "gamma", "donors"}
    assert adata.varm["donors"].shape == (12, 6)


def test_the_same_seed_gives_the_same_bytes():
    one, again, other = (simulate_cells(200, 6, seed=seed) for seed in (5, 5, 6))
    for part in ("data", "indices", "indptr"):
        assert getattr(one.X, part).tobytes() == getattr(again.X, part).tobytes()
    pd.testing.assert_frame_equal(one.obs, again.obs, check_exact=True)
    assert one.varm["beta"].equals(again.varm["beta"])
    assert (one.X != other.X).nnz > 0
    generators = [np.random.default_rng(3) for _ in range(2)]
    assert (
        simulate_cells(50, 3, seed=generators[0]).X != simulate_cells(50, 3, seed=generators[1]).X
    ).nnz == 0


def test_a_gene_is_the_same_among_others():
    few, many = simulate_cells(100, 9, seed=2), simulate_cells(100, 1200, seed=2)
    assert (many.X[:, :9] != few.X).nnz == 0
    np.testing.assert_array_equal(few.varm["beta"], many.varm["beta"][:9])
    more = simulate_cells(150, 9, seed=2)
    np.testing.assert_array_equal(few.varm["beta"], more.varm["beta"])


def test_shares_make_genes_differ_and_leave_the_others_alone():
    none, some = (
        simulate_cells(60, 400, seed=3, differential=d, variable=v) for d, v in ((0, 0), (0.3, 0.1))
    )
    assert not none.var.any().any()
    assert abs(some.var["differential"].mean() - 0.3) < 0.07
    assert abs(some.var["variable"].mean() - 0.1) < 0.05
    change = some.varm["beta"]["condition[T.treated]"]
    assert change[some.var["differential"]].abs().between(0.5, 1.2).all()
    assert (change[~some.var["differential"]] == 0).all()
    pd.testing.assert_series_equal(none.varm["beta"]["pseudotime"], some.varm["beta"]["pseudotime"])


def test_nested_donors_are_of_one_condition_and_crossed_ones_of_both():
    nested = simulate_cells(400, 1, seed=1).obs
    table = pd.crosstab(nested["donor"], nested["condition"])
    assert ((table == 0).sum(axis=1) == 1).all()
    assert nested["condition"].nunique() == 2
    crossed = simulate_cells(400, 1, seed=1, donors="crossed").obs
    assert (pd.crosstab(crossed["donor"], crossed["condition"]) > 0).all().all()


def test_a_fit_finds_the_truth():
    adata = simulate_cells(1500, 25, seed=4, donor_sd=0.0)
    fit = nbglm.fit_negbin(
        adata, dict(adata.uns["formula"]), size_factors="size_factor", progress=False
    )
    for part in ("beta", "gamma"):
        assert fit.params[part].index.tolist() == adata.varm[part].columns.tolist()
    z = [
        ((fit.params[part].T - adata.varm[part]) / fit.bse[part].T).to_numpy().ravel()
        for part in ("beta", "gamma")
    ]
    z = np.concatenate(z)
    z = z[np.isfinite(z)]
    assert z.size > 150
    assert stats.kstest(z, "norm").pvalue > 1e-3


def test_donors_are_shifted_by_what_is_said():
    adata = simulate_cells(4000, 12, seed=5, n_donors=4, donors="crossed", donor_sd=1.0)
    formula = {
        "mean": "~ cell_type + condition + pseudotime + C(donor, Sum)",
        "dispersion": "~ condition",
    }
    fit = nbglm.fit_negbin(adata, formula, size_factors="size_factor", progress=False)
    found = fit.params["beta"].filter(regex="donor", axis=0).T.to_numpy()
    shift = adata.varm["donors"].to_numpy()
    centred = (shift - shift.mean(axis=1, keepdims=True))[:, :3]
    error = fit.bse["beta"].filter(regex="donor", axis=0).T.to_numpy()
    assert np.nanmax(np.abs(found - centred) / error) < 4.5


def test_cells_survive_files(tmp_path):
    adata = simulate_cells(40, 5, seed=1)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    read = anndata.read_h5ad(tmp_path / "cells.h5ad")
    assert dict(read.uns["formula"]) == adata.uns["formula"]
    np.testing.assert_array_equal(read.varm["beta"], adata.varm["beta"])


def test_one_type_of_one_donor_in_one_cell():
    adata = simulate_cells(1, 1, seed=0, n_types=1, n_donors=1, donors="crossed")
    assert adata.shape == (1, 1)
    assert adata.uns["formula"]["mean"] == "~ condition + pseudotime"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n_cells": 0}, ValueError, "n_cells=0 is too few; at least 1 is needed"),
        ({"n_genes": 10.5}, TypeError, "n_genes= takes a whole number, not 10.5"),
        ({"n_cells": True}, TypeError, "whole number"),
        ({"n_donors": 1}, ValueError, "n_donors=1 is too few; at least 2 are needed"),
        ({"donors": "neste"}, ValueError, "Did you mean 'nested'"),
        ({"differential": 20}, ValueError, "differential=20 is out of range; it is from 0 to 1"),
        ({"donor_sd": -1}, ValueError, "from 0 on, finite"),
        ({"donor_sd": float("nan")}, ValueError, "from 0 on, finite"),
        ({"variable": "0.1"}, TypeError, "variable= takes a number"),
        ({"seed": -1}, ValueError, "seed must not be negative"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_words(options, error, words):
    with pytest.raises(nbglm.NbglmError, match=words) as raised:
        simulate_cells(**{"seed": 1, **options})
    assert isinstance(raised.value, error)


# Files ----------------------------------------------------------------------------------------


def test_pancreas_is_read_and_checked(pancreas, monkeypatch, tmp_path):
    pancreas.write_h5ad(tmp_path / "pancreas.h5ad", compression="gzip")
    monkeypatch.setenv("NBGLM_DATA_DIR", str(tmp_path))
    read = nbglm.datasets.pancreas()
    assert read.shape == (2087, 100)
    np.testing.assert_array_equal(read.obs["pseudotime"], pancreas.obs["pseudotime"])
    pancreas = pancreas.copy()
    pancreas.X[0, 0] += 1
    pancreas.write_h5ad(tmp_path / "pancreas.h5ad")
    with pytest.raises(nbglm.CountsError, match="holds other data"):
        nbglm.datasets.pancreas()


def test_without_the_file_it_is_said_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.delenv("NBGLM_DATA_DIR", raising=False)
    with pytest.raises(nbglm.UnavailableError, match=r"NBGLM_DATA_DIR is not set.*scDesign3"):
        nbglm.datasets.pancreas()
    monkeypatch.setenv("NBGLM_DATA_DIR", str(tmp_path))
    with pytest.raises(
        nbglm.UnavailableError, match=r"no pancreas.h5ad in the folder.*simulate_cells"
    ):
        nbglm.datasets.pancreas()
    (tmp_path / "pancreas.h5ad").write_text("something else")
    with pytest.raises(nbglm.CountsError, match="cannot be read as the pancreas data"):
        nbglm.datasets.pancreas()
