"""Counts outside memory: the same bits as in memory, within a budget, refused as kindly."""

import copy
import gc
import pickle
import tracemalloc

import anndata
import h5py
import joblib
import numpy as np
import pandas as pd
import pytest
from anndata.io import sparse_dataset
from scipy import sparse

import nbglm
from nbglm.counts.store import GeneStore
from nbglm.counts.table import read_counts
from nbglm.memory import parse_memory

CELLS, GENES = 3000, 80
TINY = 320_000  # bytes: too few for the counts below, so that they go to a scratch file


def make_table(rng):
    table = rng.poisson(rng.gamma(0.5, 2.0, GENES), size=(CELLS, GENES))
    table[:, 7] = 0
    table[5, 3] = 70_000
    table[2000:, 11] = 0
    return table


@pytest.fixture
def adata(rng):
    obs = pd.DataFrame(
        {"x": rng.normal(size=CELLS), "g": pd.Categorical(np.resize(["a", "b"], CELLS))},
        index=[f"cell{i}" for i in range(CELLS)],
    )
    var = pd.DataFrame(index=[f"Gene {j}" for j in range(GENES)])
    return anndata.AnnData(make_table(rng).astype(np.float32), obs=obs, var=var)


def backed(adata, folder, convert):
    path = folder / "counts.h5ad"
    anndata.AnnData(convert(adata.X), obs=adata.obs, var=adata.var).write_h5ad(path)
    return anndata.read_h5ad(path, backed="r")


def with_x(adata, x):
    return anndata.AnnData(X=x, obs=adata.obs, var=adata.var)


def dense_dataset(chunks):
    def make(adata, folder):
        file = h5py.File(folder / "dense.h5", "w")
        return with_x(adata, file.create_dataset("X", data=adata.X, chunks=chunks))

    return make


def layer_on_disk(adata, folder):
    stored = backed(adata, folder, sparse.csc_matrix)
    return anndata.AnnData(obs=adata.obs, var=adata.var, layers={"counts": stored.X})


def dask_dense(chunks):
    def make(adata, folder):
        return with_x(adata, pytest.importorskip("dask.array").from_array(adata.X, chunks=chunks))

    return make


def dask_sparse(kind, chunks):
    def make(adata, folder):
        array = pytest.importorskip("dask.array").from_array(adata.X, chunks=chunks)
        return with_x(adata, array.map_blocks(kind))

    return make


def zarr_sparse(kind):
    def make(adata, folder):
        zarr = pytest.importorskip("zarr")
        with_x(adata, kind(adata.X)).write_zarr(folder / "counts.zarr")
        return with_x(adata, sparse_dataset(zarr.open(folder / "counts.zarr")["X"]))

    return make


def zarr_dense(chunks):
    def make(adata, folder):
        zarr = pytest.importorskip("zarr")
        return with_x(adata, zarr.array(adata.X, chunks=chunks))

    return make


def lazy(kind):
    def make(adata, folder):
        pytest.importorskip("xarray")
        pytest.importorskip("dask")
        backed(adata, folder, kind).file.close()
        return anndata.experimental.read_lazy(folder / "counts.h5ad")

    return make


OUTSIDE = {
    "backed_csr": lambda adata, folder: backed(adata, folder, sparse.csr_matrix),
    "backed_csc": lambda adata, folder: backed(adata, folder, sparse.csc_matrix),
    "backed_dense": lambda adata, folder: backed(adata, folder, np.asarray),
    "backed_uint8_as_int64": lambda adata, folder: backed(
        adata, folder, lambda x: sparse.csr_matrix(x.astype(np.int64))
    ),
    "layer": layer_on_disk,
    "hdf5_rows": dense_dataset((100, GENES)),
    "hdf5_columns": dense_dataset((CELLS, 1)),
    "hdf5_squares": dense_dataset((64, 7)),
    "dask_rows": dask_dense((700, GENES)),
    "dask_grid": dask_dense((110, 9)),
    "dask_csr": dask_sparse(sparse.csr_matrix, (500, GENES)),
    "dask_csr_array": dask_sparse(sparse.csr_array, (500, GENES)),
    "dask_csc": dask_sparse(sparse.csc_matrix, (1000, 9)),
    "dask_coo": dask_sparse(sparse.coo_matrix, (1000, 9)),
    "zarr_csr": zarr_sparse(sparse.csr_matrix),
    "zarr_csc": zarr_sparse(sparse.csc_matrix),
    "zarr_dense": zarr_dense((100, 10)),
    "lazy_csr": lazy(sparse.csr_matrix),
    "lazy_dense": lazy(np.asarray),
}


@pytest.fixture(params=OUTSIDE)
def outside(request, adata, tmp_path):
    return OUTSIDE[request.param](adata, tmp_path)


def layer_of(data):
    return "counts" if "counts" in data.layers else None


def assert_same_blocks(counts, wanted):
    for size in (1, 7, counts.n_genes):
        blocks = list(counts.blocks(size))
        assert sum(block.indptr.size - 1 for block in blocks) == counts.n_genes
        start = 0
        for block in blocks:
            stop = start + block.indptr.size - 1
            for found, expected in zip(block, wanted.block(start, stop), strict=True):
                assert found.dtype == expected.dtype
                np.testing.assert_array_equal(found, expected)
            start = stop


@pytest.mark.parametrize("memory", [None, 3_000_000])
def test_blocks_are_the_same(outside, adata, memory):
    wanted = read_counts(adata)
    counts = read_counts(outside, layer=layer_of(outside), max_memory=memory)
    assert isinstance(counts.matrix, GeneStore)
    assert counts.genes.tolist() == wanted.genes.tolist()
    assert (counts.n_cells, counts.n_genes) == (CELLS, GENES)
    assert_same_blocks(counts, wanted)
    np.testing.assert_array_equal(counts.gene(3), adata.X[:, 3])
    assert counts.obs["x"].tolist() == wanted.obs["x"].tolist()
    assert counts.same_counts(wanted)
    assert wanted.same_counts(counts)
    assert not counts.same_counts(read_counts(adata.X[:, ::-1]))


@pytest.mark.parametrize(
    "kind", ["backed_csr", "backed_csc", "backed_dense", "layer", "hdf5_squares", "dask_csr"]
)
def test_scratch_files_hold_the_same(kind, adata, tmp_path):
    data = OUTSIDE[kind](adata, tmp_path)
    counts = read_counts(data, layer=layer_of(data), max_memory=TINY)
    assert counts.matrix.in_scratch
    assert len(counts.matrix.runs) > 3
    assert_same_blocks(counts, read_counts(adata))


@pytest.mark.parametrize("memory", [None, TINY])
@pytest.mark.parametrize("kind", ["backed_csr", "backed_dense", "dask_grid"])
def test_fits_have_the_same_bits(kind, memory, adata, tmp_path):
    some = adata[:, 7:15].copy()
    data = OUTSIDE[kind](some, tmp_path) if kind != "dask_grid" else dask_dense((110, 3))(some, "")
    formula = {"mean": "~ x + g", "dispersion": "~ 1"}
    wanted = nbglm.fit_negbin(some, formula, progress=False)
    simulator = nbglm.NegBinRegressionSimulator(progress=False)
    found = simulator.fit(data, formula, max_memory=memory, n_jobs=2).results
    for name in ("coef", "root", "llf", "status", "evaluations"):
        np.testing.assert_array_equal(getattr(found.arrays, name), getattr(wanted.arrays, name))
    pd.testing.assert_frame_equal(found.to_frame(), wanted.to_frame())
    smaller = nbglm.fit_negbin(some, "~ x", progress=False)
    pd.testing.assert_frame_equal(nbglm.lr_test(found, smaller), nbglm.lr_test(wanted, smaller))
    hc0, other = (fit.with_cov("HC0").bse["beta"] for fit in (found, wanted))
    pd.testing.assert_frame_equal(hc0, other)


@pytest.mark.parametrize("kind", ["backed_csr", "backed_csc", "backed_dense", "layer", "dask_rows"])
def test_views_are_read_in_pieces(kind, adata, tmp_path):
    data = OUTSIDE[kind](adata, tmp_path)
    chosen = adata.obs["x"].to_numpy() > 0
    genes = ["Gene 3", "Gene 7", "Gene 30"]
    counts = read_counts(data[chosen, genes], layer=layer_of(data), max_memory=3_000_000)
    assert isinstance(counts.matrix, GeneStore)
    assert counts.genes.tolist() == genes
    assert_same_blocks(counts, read_counts(adata[chosen, genes].copy()))
    if kind != "dask_rows":
        with pytest.raises(nbglm.CountsError, match="genes in another order than the file"):
            read_counts(data[:, genes[::-1]], layer=layer_of(data))


def messy(folder, layout):
    """Unsorted numbers, explicit zeros, and an entry twice, whose sum does not fit its dtype."""
    file = h5py.File(folder / "messy.h5", "w")
    group = file.create_group("X")
    group.attrs["encoding-type"] = f"{layout}_matrix"
    group.attrs["encoding-version"] = "0.1.0"
    group.attrs["shape"] = (3, 3)
    group["data"] = np.array([4, 0, 200, 5, 100], dtype=np.uint8)
    group["indices"] = np.array([2, 1, 1, 0, 1])
    group["indptr"] = np.array([0, 2, 5, 5])
    return sparse_dataset(group)


@pytest.mark.parametrize("layout", ["csr", "csc"])
def test_messy_files_are_put_in_order(layout, tmp_path):
    block = read_counts(messy(tmp_path, layout)).block(0, 3)
    by_column = sparse.csc_matrix((block.counts, block.cells, block.indptr), shape=(3, 3))
    assert by_column.has_canonical_format
    table = np.array([[0, 0, 4], [5, 300, 0], [0, 0, 0]])
    np.testing.assert_array_equal(by_column.toarray(), table if layout == "csr" else table.T)
    assert (block.counts > 0).all()


@pytest.mark.parametrize("dtype", [">f4", ">i8", "f2", "u1", "?"])
def test_unusual_dtypes(dtype, rng, tmp_path):
    table = rng.integers(0, 2, size=(20, 3))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        counts = read_counts(file.create_dataset("X", data=table.astype(dtype)))
    np.testing.assert_array_equal(counts.gene(1), table[:, 1])


@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan, np.inf])
@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_bad_value_is_named(kind, bad, adata, tmp_path):
    if kind == "backed_uint8_as_int64":
        bad = -1.0
    adata.X[2500, 35] = bad
    data = OUTSIDE[kind](adata, tmp_path)
    with pytest.raises(nbglm.CountsError, match=r"'Gene 35' \(.* in cell 'cell2500'\).*Pass raw"):
        read_counts(data, layer=layer_of(data), max_memory=3_000_000)


def test_other_refusals(adata, tmp_path):
    stored = backed(adata, tmp_path, sparse.csr_matrix)
    with pytest.raises(nbglm.CountsError, match=r"give \d+ kB or more"):
        read_counts(stored, max_memory="20 kB")
    with pytest.raises(nbglm.CountsError, match="the designs"):
        nbglm.fit_negbin(stored, "~ x", max_memory="100 kB")
    # Before any value is read: the budget would not even do for that.
    with pytest.raises(nbglm.FormulaError, match="typo"):
        nbglm.fit_negbin(stored, "~ typo", max_memory="20 kB")
    stored.var_names = ["a"] * GENES
    with pytest.raises(nbglm.CountsError, match="gene names repeat"):
        read_counts(stored)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        with pytest.raises(nbglm.CountsError, match="two dimensions"):
            read_counts(file.create_dataset("line", data=np.zeros(3)))
        with pytest.raises(nbglm.CountsError, match="dtype complex"):
            read_counts(file.create_dataset("complex", data=np.zeros((3, 2), dtype=complex)))
        with pytest.raises(nbglm.CountsError, match="nothing to fit"):
            read_counts(file.create_dataset("empty", shape=(0, 2), dtype="f4"))


def test_damaged_and_closed_files(tmp_path):
    data = messy(tmp_path, "csr")
    data.group["indices"][0] = 3
    with pytest.raises(nbglm.CountsError, match="an index is out of bounds"):
        read_counts(data)
    data.group["indptr"][-1] = 7
    with pytest.raises(nbglm.CountsError, match="index pointer does not fit"):
        read_counts(sparse_dataset(data.group))
    dense = data.group.file.create_dataset("dense", data=np.zeros((2, 2)))
    data.group.file.close()
    for closed in (data, dense):
        with pytest.raises(nbglm.CountsError, match="is closed; open it again"):
            read_counts(closed)


def test_the_file_may_be_closed_after_the_fit(adata, tmp_path):
    some = adata[:, :3].copy()
    stored = backed(some, tmp_path, sparse.csr_matrix)
    results = nbglm.fit_negbin(stored, "~ x", progress=False)
    stored.file.close()
    (tmp_path / "counts.h5ad").unlink()
    limits = results.conf_int(method="profile")["beta"]
    want = nbglm.fit_negbin(some, "~ x", progress=False).conf_int(method="profile")["beta"]
    pd.testing.assert_frame_equal(limits, want)


def test_pickles(adata, tmp_path):
    stored = backed(adata[:, :3].copy(), tmp_path, sparse.csr_matrix)
    results = nbglm.fit_negbin(stored, "~ x", progress=False)
    again = pickle.loads(pickle.dumps(results))
    np.testing.assert_array_equal(again.counts.gene(1), results.counts.gene(1))
    results = nbglm.fit_negbin(stored, "~ x", max_memory=TINY, progress=False)
    if not results.counts.matrix.in_scratch:  # three genes need not go there
        results.counts.matrix.runs[:] = in_scratch(results.counts.matrix.runs)
    for keep in (pickle.dumps, copy.deepcopy):
        with pytest.raises(nbglm.CountsError, match="without_data"):
            keep(results)
    bare = pickle.loads(pickle.dumps(results.without_data()))
    new = adata.obs.head()
    pd.testing.assert_frame_equal(bare.predict(new)["mean"], results.predict(new)["mean"])
    one = results.gene("Gene 1")
    one.remove_data()
    one = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(one.params, results.gene("Gene 1").params)


def in_scratch(runs):
    scratch = nbglm.counts.scratch.Scratch()
    return [run.moved_to(scratch) for run in runs]


@pytest.mark.slow
def test_processes_take_blocks_of_scratch_files(adata, tmp_path):
    stored = backed(adata, tmp_path, sparse.csr_matrix)
    wanted = nbglm.fit_negbin(adata, "~ x", progress=False)
    with joblib.parallel_config("loky", n_jobs=2):
        found = nbglm.fit_negbin(stored, "~ x", max_memory="600 kB", progress=False)
    np.testing.assert_array_equal(found.arrays.coef, wanted.arrays.coef)


@pytest.mark.slow
def test_peak_memory_is_within_the_budget(rng, tmp_path):
    cells, genes, budget = 10_000, 200, 600_000  # a third of what scipy would take
    table = sparse.random(cells, genes, 0.1, format="csr", random_state=rng, dtype=np.float32)
    table.data = np.ceil(8 * table.data)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        anndata.io.write_elem(file, "X", table)
        anndata.io.write_elem(file, "columns", table.tocsc())
        file.create_dataset("dense", data=table.toarray(), chunks=(100, 50))
        read_counts(sparse_dataset(file["X"]))  # imports what is imported late
        kinds = [
            sparse_dataset(file["X"], should_cache_indptr=False),
            sparse_dataset(file["columns"], should_cache_indptr=False),
            file["dense"],
        ]
        for data in kinds:
            obs = pd.DataFrame(index=pd.RangeIndex(cells))
            gc.collect()
            tracemalloc.start()
            counts = read_counts(data, obs=obs, max_memory=budget)
            _, peak = tracemalloc.get_traced_memory()
            blocks = sum(block.counts.sum() for block in counts.blocks(genes))
            _, later = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert counts.matrix.in_scratch
            assert peak < budget
            assert later < budget
            assert blocks == table.sum()


def test_blocks_keep_to_the_budget(adata, tmp_path):
    stored = backed(adata, tmp_path, sparse.csr_matrix)
    counts = read_counts(stored, max_memory=TINY)
    blocks = list(counts.blocks(GENES))
    assert len(blocks) > 1
    most = counts.matrix.most
    assert all(block.counts.size <= most or block.indptr.size == 2 for block in blocks)


def test_what_it_takes_is_said(adata, tmp_path, capsys):
    stored = backed(adata, tmp_path, sparse.csr_matrix)
    read_counts(stored, max_memory="1GB", progress=True)
    said = capsys.readouterr().err
    entries = f"{np.count_nonzero(adata.X):,}"
    assert f"nbglm: 3,000 cells x 80 genes, {entries} non-zeros: " in said
    assert "in memory (max_memory 1 GB)" in said
    read_counts(stored, max_memory=TINY, progress=True)
    assert "in a scratch file in " in capsys.readouterr().err
    read_counts(stored, max_memory=TINY, progress=False)
    assert not capsys.readouterr().err


def test_a_full_disk_is_said(adata, tmp_path, monkeypatch):
    stored = backed(adata, tmp_path, sparse.csr_matrix)
    monkeypatch.setattr(
        "nbglm.counts.streaming.shutil.disk_usage", lambda _: type("", (), {"free": 10})
    )
    with pytest.raises(nbglm.CountsError, match=r"has only 0\.01 kB for scratch files"):
        read_counts(stored, max_memory=TINY)
    monkeypatch.setattr("nbglm.counts.scratch.tempfile.tempdir", str(tmp_path / "nowhere"))
    monkeypatch.undo()
    monkeypatch.setattr("nbglm.counts.scratch.tempfile.tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setattr(
        "nbglm.counts.streaming.shutil.disk_usage", lambda _: type("", (), {"free": 1e9})
    )
    with pytest.raises(nbglm.CountsError, match="Set TMPDIR to a folder"):
        read_counts(stored, max_memory=TINY)


@pytest.mark.parametrize("bad", [0, -5, "4 gigs", "GB", "", None, True, np.nan, "nan", [4]])
def test_what_is_no_amount_of_memory(bad):
    with pytest.raises(ValueError, match=r"not an amount of memory.*'4GB' or '512 MiB'"):
        parse_memory(bad)


def test_amounts_of_memory():
    assert parse_memory("4GB") == parse_memory("4 gb") == parse_memory(4 * 10**9) == 4 * 10**9
    assert parse_memory(" 0.5GiB ") == 2**29
    assert parse_memory("1e6") == parse_memory(np.int64(10**6)) == 10**6
    with pytest.raises(ValueError, match="max_memory='lots'"):
        nbglm.fit_negbin(np.ones((3, 1)), "~ 1", max_memory="lots")
