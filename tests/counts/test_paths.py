"""A path in place of an AnnData, and what else an AnnData has counts in."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import nbglm
from nbglm.counts import paths

CELLS = 50


def make(matrix=sparse.csr_matrix, **options):
    rng = np.random.default_rng(5)
    counts = rng.negative_binomial(2, 0.4, (CELLS, 3))
    obs = pd.DataFrame(
        {"x": rng.normal(size=CELLS), "g": rng.choice(["a/b", "ü"], CELLS)},
        index=[f"c{i}" for i in range(CELLS)],
    )
    var = pd.DataFrame({"symbol": ["A", "B", "C"]}, index=["g/1", "g 2", "ß"])
    return anndata.AnnData(matrix(counts.astype(np.float32)), obs=obs, var=var, **options)


def fit(data, **options):
    return nbglm.fit_negbin(data, "~ x + g", progress=False, **options)


def write(adata, path):
    adata.write_h5ad(path) if path.suffix == ".h5ad" else adata.write_zarr(path)
    return path


def same(one, other):
    pd.testing.assert_frame_equal(one.to_frame(), other.to_frame(), check_exact=True)
    pd.testing.assert_frame_equal(one.counts.annotations, other.counts.annotations)
    assert one.counts.obs.index.equals(other.counts.obs.index)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("matrix", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_a_path_gives_what_the_anndata_gives(suffix, matrix, tmp_path):
    adata = make(matrix)
    path = write(adata, tmp_path / f"cells.{suffix}")
    expected = fit(adata)
    same(fit(path), expected)
    same(fit(str(path)), expected)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_a_layer_of_a_file_is_named(suffix, tmp_path):
    adata = make()
    expected = fit(adata)
    adata.layers["counts"] = adata.X.copy()
    adata.X = adata.X * 0.5
    path = write(adata, tmp_path / f"cells.{suffix}")
    same(fit(path, layer="counts"), expected)
    with pytest.raises(nbglm.CountsError, match="'counts'"):
        fit(path)
    with pytest.raises(nbglm.CountsError, match=r"layer='count' .* Did you mean 'counts'"):
        fit(path, layer="count")


def test_the_raw_of_an_anndata_brings_its_cells(tmp_path):
    adata = make()
    expected = fit(adata)
    adata.raw = adata.copy()
    part = adata[:, :1].copy()
    part.X = part.X * 0.5
    same(fit(part.raw), expected)
    cells = np.arange(0, CELLS, 2)
    same(fit(part[cells].raw), fit(make()[cells]))
    write(part, tmp_path / "cells.h5ad")
    same(fit(anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r").raw), expected)
    with pytest.raises(nbglm.CountsError, match=r"data=adata\.raw"):
        fit(part)
    with pytest.raises(nbglm.AlignmentError, match="obs="):
        fit(part.raw, obs=adata.obs)
    with pytest.raises(nbglm.CountsError, match="no layers"):
        fit(part.raw, layer="counts")


def test_files_that_are_none_are_named(tmp_path):
    def refused(path, *words):
        with pytest.raises(nbglm.FileError) as caught:
            fit(path)
        for word in (str(path), *words):
            assert word in str(caught.value)

    refused(tmp_path / "absent.h5ad", "there is no file")
    refused(tmp_path, "no", "zarr")
    (tmp_path / "text.h5ad").write_text("cell,gene\n")
    refused(tmp_path / "text.h5ad", "cannot be read")
    (tmp_path / "cells.csv.gz").write_bytes(b"")
    refused(tmp_path / "cells.csv.gz", "pandas.read_csv")
    whole = write(make(), tmp_path / "cells.h5ad").read_bytes()
    (tmp_path / "half.h5ad").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "half.h5ad", "truncated")
    import h5py

    with h5py.File(tmp_path / "other.h5ad", "w") as file:
        file["X"] = np.eye(3)
    refused(tmp_path / "other.h5ad", "holds no AnnData", "'obs'")


def test_a_fit_without_counts_is_said_to_be_one(tmp_path):
    fit(make()).save(tmp_path / "fit.h5ad")
    with pytest.raises(nbglm.CountsError, match=r"holds a fit .* nbglm\.load"):
        fit(tmp_path / "fit.h5ad")


def test_data_that_were_kept_with_a_fit_can_be_fitted_again(tmp_path):
    adata = make()
    first = nbglm.fit_negbin(adata, "~ 1", progress=False)
    first.save(tmp_path / "fit.h5ad", data=True)
    again = nbglm.fit_negbin(tmp_path / "fit.h5ad", "~ 1", progress=False)
    pd.testing.assert_frame_equal(again.to_frame(), first.to_frame(), check_exact=True)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Unable to synchronously check link existence (bad local heap signature)"),
        KeyError("Unable to synchronously open object (message not aligned)"),
        OSError("Can't synchronously read data (bad heap pointer)"),
        AssertionError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("fails_at", [1, 2, 3, 5, 8])
def test_whatever_is_raised_about_a_damaged_file_names_it(tmp_path, monkeypatch, error, fails_at):
    """As h5py does at any access to a file in which a few bytes are others."""
    path = tmp_path / "cells.h5ad"
    make().write_h5ad(path)

    class Damaged:
        asked = 0

        def __init__(self, group):
            self.group = group

        def ask(self):
            Damaged.asked += 1
            if Damaged.asked >= fails_at:
                raise error
            return self.group

        def __contains__(self, name):
            return name in self.ask()

        def __getitem__(self, name):
            return Damaged(self.ask()[name])

        def __getattr__(self, name):
            return getattr(self.ask(), name)

    opened = paths._opened
    monkeypatch.setattr(paths, "_opened", lambda place: Damaged(opened(place)))
    with pytest.raises(nbglm.FileError, match=r"cells.h5ad.* cannot be read") as raised:
        nbglm.fit_negbin(path, "~ x", progress=False)
    assert isinstance(raised.value, OSError)
