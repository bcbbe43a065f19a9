"""Size factors are those of DESeq2 and scuttle, from data of any kind; fits compute them."""

import re
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from cases import depth_cases
from scipy import sparse

import nbglm
from nbglm.preprocessing.pooling import pooled_factors

REFERENCES = Path(__file__).parents[2] / "validation" / "references" / "size_factors.csv"
TABLES = depth_cases()


def _stored():
    table = pd.read_csv(REFERENCES)
    return {
        keys: part.set_index("cell")["factor"] for keys, part in table.groupby(["case", "method"])
    }


@pytest.mark.parametrize(("case", "method"), _stored())
def test_factors_are_those_of_deseq2_and_scuttle(case, method):
    counts = TABLES[case]
    groups = counts.index.str[0] if method == "pooled_by_kind" else None
    found = nbglm.size_factors(counts, method.removesuffix("_by_kind"), groups=groups)
    expected = _stored()[case, method]
    assert found.name == "size_factor"
    assert found.index.equals(counts.index)
    # The reference of the pools solves a sparse system whose condition costs some digits.
    tolerance = 1e-10 if method.startswith("pooled") else 1e-14
    assert np.allclose(found, expected, rtol=tolerance, atol=0)


@pytest.mark.parametrize("method", ["total", "poscounts", "pooled"])
def test_all_kinds_of_data_give_the_same_factors(method, tmp_path):
    counts = TABLES["depth_cells"]
    expected = nbglm.size_factors(counts, method)
    obs = pd.DataFrame({"kind": counts.index.str[0].to_numpy()}, index=counts.index)
    rows = sparse.csr_matrix(counts.to_numpy(dtype=np.float32))
    adata = anndata.AnnData(rows, obs=obs, var=pd.DataFrame(index=counts.columns))
    adata.write_h5ad(tmp_path / "cells.h5ad")
    for data in (adata, tmp_path / "cells.h5ad", rows.tocsc(), counts.to_numpy()):
        assert np.array_equal(nbglm.size_factors(data, method), expected)


def test_medians_of_few_cells_at_a_time_are_the_same(monkeypatch):
    counts = TABLES["depth_missing"]
    expected = nbglm.size_factors(counts, "poscounts")
    monkeypatch.setattr("nbglm.preprocessing.sizefactors._ENTRIES", 1000)
    assert np.array_equal(nbglm.size_factors(counts, "poscounts"), expected)


@pytest.mark.parametrize("cells", [21, 22, 60, 101])
def test_rings_that_hardly_hold_a_pool_solve_the_least_squares_of_all_pools(cells, rng):
    """The transform gives what a dense solver gives for the equations as they are written."""
    from nbglm.preprocessing.pooling import _TIE, POOLS, _ring_order

    counts = rng.poisson(rng.lognormal(0, 0.3, (cells, 1)) * rng.lognormal(0.5, 0.5, 80))
    totals = counts.sum(axis=1)
    shares = counts / totals[:, None]
    average = shares.mean(axis=0)
    assert (average * totals.mean() >= 0.1).all()
    order = _ring_order(totals.astype(float))
    rows, right = [], []
    for size in [size for size in POOLS if size <= cells]:
        for start in range(cells):
            pool = order[(start + np.arange(size)) % cells]
            row = np.zeros(cells)
            np.add.at(row, pool, 1.0)
            rows.append(row)
            right.append(np.median(shares[pool].sum(axis=0) / average))
    tie = np.sqrt(_TIE)
    rows.append(tie * np.eye(cells))
    right.append(np.full(cells, tie / average.sum()))
    theta = np.linalg.lstsq(np.vstack(rows), np.hstack(right), rcond=None)[0] * totals
    found = pooled_factors(sparse.csr_matrix(counts), np.zeros(cells, dtype=np.int64))
    assert np.allclose(found, theta / theta[theta > 0].mean(), rtol=1e-6, atol=1e-9)


def test_more_cells_than_a_ring_holds_are_shared_out(monkeypatch):
    counts = TABLES["depth_cells"]
    whole = nbglm.size_factors(counts, "pooled")
    monkeypatch.setattr("nbglm.preprocessing.pooling._MOST_CELLS", 100)
    parts = nbglm.size_factors(counts, "pooled")
    assert np.corrcoef(np.log(whole), np.log(parts))[0, 1] > 0.98
    assert not np.array_equal(whole, parts)


def test_a_fit_computes_them_and_asks_for_those_of_new_rows(tmp_path):
    counts = TABLES["depth_bulk"].iloc[:, :20]
    obs = pd.DataFrame({"x": np.resize([0.0, 1.0], 12)}, index=counts.index)
    given = nbglm.fit_negbin(
        counts, "~ x", obs=obs, size_factors=nbglm.size_factors(counts, "median_ratio")
    )
    fit = nbglm.fit_negbin(counts, "~ x", obs=obs, size_factors="median_ratio")
    pd.testing.assert_frame_equal(fit.params["beta"], given.params["beta"])
    assert fit.predict()["mean"].equals(given.predict()["mean"])
    with pytest.raises(nbglm.AlignmentError, match=r"from its counts \(median_ratio\).*3 values"):
        fit.predict(obs.iloc[:3])
    fit.save(tmp_path / "fit.h5ad")
    loaded = nbglm.load(tmp_path / "fit.h5ad")
    with pytest.raises(nbglm.AlignmentError, match="median_ratio"):
        loaded.predict(obs.iloc[:3])
    ones = loaded.predict(obs.iloc[:3], size_factors=np.ones(3))["mean"]
    assert np.allclose(ones, np.exp(fit.params["beta"].to_numpy().T @ [[1, 1, 1], [0, 1, 0]]).T)


def test_a_column_of_that_name_goes_first():
    counts = TABLES["depth_bulk"].iloc[:, :3]
    obs = pd.DataFrame({"total": np.linspace(1, 2, 12)}, index=counts.index)
    fit = nbglm.fit_negbin(counts, "~ 1", obs=obs, size_factors="total")
    assert np.array_equal(fit.design.offset, np.log(obs["total"]))


def test_what_says_nothing_of_a_cell_is_refused_by_name():
    counts = TABLES["depth_bulk"].copy()
    with pytest.raises(nbglm.OptionError, match="Did you mean 'median_ratio'"):
        nbglm.size_factors(counts, "RLE")
    with pytest.raises(nbglm.OptionError, match="groups= goes with method='pooled'"):
        nbglm.size_factors(counts, "total", groups=np.ones(12))
    with pytest.raises(nbglm.OptionError, match=r"at least 21 cells.*smallest has 12"):
        nbglm.size_factors(counts, "pooled")
    with pytest.raises(nbglm.CountsError, match="there is none among 400 genes of 12 cells"):
        nbglm.size_factors(TABLES["depth_missing"], "median_ratio")
    with pytest.raises(nbglm.AlignmentError, match="Did you mean 'median_ratio'"):
        nbglm.fit_negbin(counts, "~ 1", size_factors="median_ratios")
    counts.iloc[[3, 5]] = 0
    with pytest.raises(
        nbglm.CountsError, match=re.escape("'a3' has no counts (and so have 1 more)")
    ):
        nbglm.size_factors(counts)
    few = pd.DataFrame(np.eye(30, dtype=int))
    with pytest.raises(nbglm.CountsError, match=r"mean count of at least 0\.1"):
        nbglm.size_factors(few, "pooled")
    missing = pd.Series([None, *"ab" * 115][:230], index=TABLES["depth_cells"].index)
    with pytest.raises(nbglm.AlignmentError, match=r"no value for 1 cells.*'a0'"):
        nbglm.size_factors(TABLES["depth_cells"], "pooled", groups=missing)
