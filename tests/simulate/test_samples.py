"""Samples of many cells: drawn anew, repeated, with coefficients drawn too, and into files."""

import os
import signal
import subprocess
import sys
import time

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

import nbglm
from nbglm.simulate import sampling

CELLS = 150


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(20261130)
    obs = pd.DataFrame(
        {"x": rng.normal(size=CELLS), "arm": rng.choice(["a", "b"], CELLS)},
        index=[f"cell/{i}" for i in range(CELLS)],
    )
    mean = np.exp(1.0 + 0.4 * obs["x"].to_numpy()[:, None] * np.ones(5))
    counts = rng.negative_binomial(2.0, 2.0 / (2.0 + mean))
    counts[:, 1] = 0
    counts[obs["arm"] == "b", 2] = 0
    counts[:, 3] = rng.binomial(6, 0.5, CELLS)
    var = pd.DataFrame({"symbol": list("vwxyz")}, index=["A", "null", "sep", "poisson", "ü/1"])
    return anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=var)


@pytest.fixture(scope="module")
def fit(data):
    found = nbglm.fit_negbin(data, {"mean": "~ arm + x", "dispersion": "~ 1"}, progress=False)
    assert set(found.status) == {"ok", "all_zero", "separated", "poisson_limit"}
    return found


def same(one, other):
    return one.shape == other.shape and one.X.dtype == other.X.dtype and not (one.X != other.X).nnz


def read(path):
    return anndata.read_zarr(path) if str(path).endswith("zarr") else anndata.read_h5ad(path)


# Which cells -------------------------------------------------------------------------------------


def test_cells_drawn_anew_are_rows_of_obs_with_their_covariates(fit, data):
    drawn = fit.sample(n_cells=1000, seed=1)
    assert drawn.shape == (1000, 5)
    assert drawn.obs_names.is_unique
    rows = data.obs.loc[drawn.obs["sampled_from"]]
    assert rows["x"].tolist() == drawn.obs["x"].tolist()
    assert rows["arm"].tolist() == drawn.obs["arm"].tolist()
    # Each row equally often: the chi-square statistic over the rows.
    often = drawn.obs["sampled_from"].value_counts().reindex(data.obs_names, fill_value=0)
    assert 1e-4 < stats.chisquare(often).pvalue < 1.0 - 1e-4


def test_rows_of_weight_0_are_never_drawn_and_heavy_ones_more_often(data):
    weights = np.where(data.obs["arm"] == "a", 3.0, 0.0)
    weights[:10] = 1.0
    fit = nbglm.fit_negbin(data[:, ["A"]], "~ x", weights=weights, progress=False)
    drawn = fit.sample(n_cells=4000, seed=2).obs["sampled_from"]
    often = drawn.value_counts().reindex(data.obs_names, fill_value=0)
    assert (often[weights == 0.0] == 0).all()
    expected = weights / weights.sum() * 4000
    assert 1e-4 < stats.chisquare(often[weights > 0], expected[weights > 0]).pvalue < 1.0 - 1e-4
    # New rows have no weights.
    assert fit.sample(data.obs, n_cells=4000, seed=2).obs["sampled_from"].nunique() == CELLS


def test_replicates_go_on_where_the_first_one_ends(fit, data):
    once, three = fit.sample(seed=4), fit.sample(seed=4, replicates=3)
    assert three.shape == (3 * CELLS, 5)
    assert not (three.X[:CELLS] != once.X).nnz
    assert (three.X[CELLS : 2 * CELLS] != once.X).nnz
    assert three.obs["replicate"].tolist() == np.repeat([0, 1, 2], CELLS).tolist()
    assert three.obs_names[CELLS] == "cell/0-1"
    assert three.obs["x"].tolist() == data.obs["x"].tolist() * 3
    assert "replicate" not in once.obs


def test_a_new_number_of_cells_of_a_subset_of_genes_has_the_same_counts(fit):
    whole = fit.sample(n_cells=300, replicates=2, uncertainty=True, seed=9)
    few = fit[["ü/1", "A"]].sample(n_cells=300, replicates=2, uncertainty=True, seed=9)
    assert same(few[:, ["A", "ü/1"]], whole[:, ["A", "ü/1"]])


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"n_cells": -1}, ValueError, "n_cells must be at least 0; got -1"),
        ({"n_cells": 10.0}, TypeError, "n_cells must be a whole number, not 10.0"),
        ({"replicates": 0}, ValueError, "replicates must be at least 1"),
        ({"replicates": True}, TypeError, "replicates must be a whole number"),
        ({"out": 3}, TypeError, "out must be the name of a file, not int"),
        ({"out": "sample.csv"}, OSError, r"must end in .h5ad .* or .zarr"),
        ({"out": "/no/such/place/a.h5ad"}, OSError, "there is no folder '/no/such/place'"),
    ],
)
def test_what_cannot_be_sampled_is_refused(fit, options, error, says):
    with pytest.raises(nbglm.NbglmError, match=says) as raised:
        fit.sample(seed=0, **options)
    assert isinstance(raised.value, error)


def test_columns_that_are_there_are_not_written_over(fit, data):
    obs = data.obs.assign(replicate="mine", sampled_from="too")
    with pytest.raises(nbglm.OptionError, match=r"obs has a column 'replicate' already.*rename"):
        fit.sample(obs, replicates=2)
    with pytest.raises(nbglm.OptionError, match="obs has a column 'sampled_from' already"):
        fit.sample(obs, n_cells=2)
    assert fit.sample(obs).obs["replicate"].tolist() == ["mine"] * CELLS
    with pytest.raises(nbglm.OptionError, match="obs has no rows to draw them from"):
        fit.sample(data.obs.iloc[:0], n_cells=5)
    assert fit.sample(data.obs.iloc[:0], n_cells=0).shape == (0, 5)


# What was drawn from -----------------------------------------------------------------------------


def test_the_truth_is_what_predict_says(fit):
    drawn = fit.sample(seed=3, truth=True)
    for layer, table in (("mean", "mean"), ("size", "dispersion")):
        np.testing.assert_array_equal(drawn.layers[layer], fit.predict()[table].to_numpy())
    assert np.isinf(drawn[:, "poisson"].layers["size"]).all()
    assert (drawn[:, "null"].layers["mean"] == 0).all()
    assert not fit.sample(seed=3).layers


def test_a_sample_says_what_it_was_drawn_from(fit):
    said = fit.sample(n_cells=3, seed=2**70, replicates=2, uncertainty=True).uns["nbglm_sample"]
    assert said == {
        "version": nbglm.__version__,
        "mean": "~ arm + x",
        "dispersion": "~ 1",
        "seed": str(2**70),
        "replicates": 2,
        "resampled": True,
        "uncertainty": True,
        "copula": "",
    }


def test_coefficients_are_drawn_from_their_covariance(fit):
    """Their mean and covariance over replicates, found again from the means of the cells."""
    row = pd.DataFrame({"x": [0.0, 1.0, 0.0], "arm": ["a", "a", "b"]})
    drawn = fit[["A"]].sample(row, replicates=4000, uncertainty=True, truth=True, seed=5)
    eta = np.log(drawn.layers["mean"].reshape(4000, 3))
    found = np.column_stack([eta[:, 0], eta[:, 2] - eta[:, 0], eta[:, 1] - eta[:, 0]])
    found = np.column_stack([found, np.log(drawn.layers["size"].reshape(4000, 3)[:, 0])])
    truth = fit.cov_params("A").to_numpy()
    expected = np.concatenate([fit.params["beta"]["A"], fit.params["gamma"]["A"]])
    # Whitened draws are standard normal, independent of each other.
    white = np.linalg.solve(np.linalg.cholesky(truth), (found - expected).T)
    for line in white:
        assert stats.kstest(line, "norm").pvalue > 1e-3
    correlation = np.corrcoef(white)[np.triu_indices(4, 1)]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(4000)


def test_limits_stay_limits_when_coefficients_are_drawn(fit, data):
    drawn = fit.sample(replicates=3, uncertainty=True, truth=True, seed=6)
    arm = (drawn.obs["arm"] == "b").to_numpy()
    assert (drawn[arm, "sep"].layers["mean"] == 0).all()
    assert (drawn[~arm, "sep"].layers["mean"] > 0).all()
    assert np.isinf(drawn[:, "poisson"].layers["size"]).all()
    assert drawn[:, "null"].X.nnz == 0
    first = drawn[:CELLS].layers["mean"]
    assert not np.allclose(first[:, 0], fit.predict()["mean"]["A"])
    assert not np.allclose(first[:, 0], drawn[CELLS : 2 * CELLS].layers["mean"][:, 0])


# Into files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
@pytest.mark.parametrize("cells", [7, 64, 4096])
def test_a_file_holds_what_memory_would(fit, tmp_path, monkeypatch, suffix, cells):
    options = {"n_cells": 200, "replicates": 2, "uncertainty": True, "truth": True, "seed": 8}
    whole = fit.sample(**options)
    monkeypatch.setattr(sampling, "_CELLS", cells)
    assert fit.sample(**options, out=tmp_path / f"s{suffix}", n_jobs=2) is None
    found = read(tmp_path / f"s{suffix}")
    assert same(whole, found)
    assert found.X.format == "csr"
    pd.testing.assert_frame_equal(found.var, whole.var)
    assert found.obs["sampled_from"].tolist() == whole.obs["sampled_from"].tolist()
    for name in ("mean", "size"):
        np.testing.assert_allclose(found.layers[name], whole.layers[name], rtol=1e-12)
    assert found.uns["nbglm_sample"] == whole.uns["nbglm_sample"]
    assert [entry.name for entry in tmp_path.iterdir()] == [f"s{suffix}"]


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_a_count_that_needs_64_bits_comes_late_into_a_file(
    fit, data, tmp_path, monkeypatch, suffix
):
    monkeypatch.setattr(sampling, "_CELLS", 20)
    options = {"offset": np.where(np.arange(CELLS) < 100, 0.0, 30.0), "seed": 1}
    fit.sample(data.obs, **options, out=tmp_path / f"s{suffix}")
    found = read(tmp_path / f"s{suffix}")
    assert found.X.dtype == np.int64
    assert same(found, fit.sample(data.obs, **options))


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_a_sample_of_no_cells_is_a_file_too(fit, data, tmp_path, suffix):
    fit.sample(data.obs.iloc[:0], out=tmp_path / f"s{suffix}", truth=True)
    assert read(tmp_path / f"s{suffix}").shape == (0, 5)


def test_what_is_there_stays(fit, data, tmp_path):
    path = tmp_path / "s.h5ad"
    path.write_text("mine")
    with pytest.raises(nbglm.FileError, match="there is something already"):
        fit.sample(out=path)
    assert path.read_text() == "mine"
    other = tmp_path / "t.h5ad"
    with pytest.raises(nbglm.OptionError, match="gene 'A'"):
        fit.sample(data.obs, offset=np.linspace(0.0, 60.0, CELLS), seed=0, out=other)
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.h5ad"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "options"),
    [
        (signal.SIGKILL, ""),
        (signal.SIGINT, ""),
        (signal.SIGKILL, "copula=nbglm.fit_copula(fit, heldout=False), "),
    ],
)
def test_a_process_that_ends_in_the_middle_leaves_no_file(tmp_path, stop, options):
    program = (
        "import numpy as np, nbglm, signal\n"
        # A shell may have its children ignore it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "y = np.random.default_rng(0).poisson(3.0, (200, 40))\n"
        "fit = nbglm.fit_negbin(y, '~ 1', progress=False)\n"
        "print('go', flush=True)\n"
        f"fit.sample(n_cells=3_000_000, seed=0, {options}out='s.h5ad')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
    )
    assert process.stdout.readline() == b"go\n"
    for _ in range(600):
        if any(place.stat().st_size for place in tmp_path.glob(".s.h5ad.*/s.h5ad")):
            break
        time.sleep(0.1)
    process.send_signal(stop)
    assert process.wait(60) != 0
    process.stdout.close()
    assert not (tmp_path / "s.h5ad").exists()
    if stop == signal.SIGINT:
        assert not list(tmp_path.iterdir())
