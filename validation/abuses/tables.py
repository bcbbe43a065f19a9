"""Misuses of tables of counts: values, dtypes, structures, files, and things that are no tables."""

from __future__ import annotations

import decimal
import fractions
import tempfile
import warnings
from functools import cache
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

import nbglm
from abuses.registry import answered, refused
from nbglm.exceptions import AlignmentError, CountsError, FileError, NbglmError

rng = np.random.default_rng(20261126)
CELLS = 40
obs = pd.DataFrame({"x": rng.normal(size=CELLS)}, index=[f"c{i}" for i in range(CELLS)])
counts = rng.negative_binomial(2, 0.4, size=(CELLS, 3))
frame = pd.DataFrame(counts, columns=["a", "b", "c"])


def fit(data: object, **options: object) -> nbglm.NegBinResults:
    """A small fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        options = {"obs": obs, **options}
        if isinstance(data, anndata.AnnData):
            del options["obs"]
        return nbglm.fit_negbin(data, "~ x", progress=False, **options)


@cache
def llf() -> tuple[float, ...]:
    """What every answered table must come to."""
    return tuple(fit(counts).llf)


def same(data: object, **options: object) -> None:
    """The table must mean the counts."""
    assert tuple(fit(data, **options).llf) == llf()


def with_value(value: object) -> np.ndarray:
    """The counts as Python objects, one of them another."""
    table = counts.astype(object)
    table[3, 1] = value
    return table


def by_hand(layout: str, **arrays: object) -> object:
    """A compressed matrix some of whose arrays were set behind the back of its constructor."""
    matrix = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}[layout](counts)
    for name, change in arrays.items():
        setattr(matrix, name, change(getattr(matrix, name).copy()))
    return matrix


def put(at: int, value: float):  # noqa: ANN201 - a function of an array
    """Change one entry."""

    def change(values: np.ndarray) -> np.ndarray:
        values = values.astype(np.int64) if values.dtype.kind == "i" else values
        values[at] = value
        return values

    return change


@cache
def folder() -> Path:
    """A folder that is there until the process ends."""
    kept = tempfile.TemporaryDirectory(prefix="nbglm-abuse-")
    _KEPT.append(kept)
    return Path(kept.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def adata(x: object = None, **options: object) -> anndata.AnnData:
    """An AnnData of the counts."""
    x = sparse.csr_matrix(counts.astype(np.float32)) if x is None else x
    return anndata.AnnData(x, obs=obs.copy(), var=pd.DataFrame(index=["a", "b", "c"]), **options)


# Things that are no tables -----------------------------------------------------------------


@refused(FileError, "there is no file 'counts.h5ad'")
def the_path_of_no_file() -> None:
    fit("counts.h5ad", obs=None)


@refused(FileError, "pandas.read_csv")
def the_path_of_a_text_table() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.csv"
        path.write_text("cell,a\nc1,1\n", encoding="utf-8")
        fit(path, obs=None)


@refused(CountsError, "data is a list", "numpy.array(data)")
def a_list_of_lists() -> None:
    fit(counts.tolist())


@refused(CountsError, "data is a dict", "pandas.DataFrame(data)")
def a_dict_of_columns() -> None:
    fit({"a": counts[:, 0]})


@refused(CountsError, "data is None")
def no_data() -> None:
    fit(None)


@refused(CountsError, "DataFrameGroupBy")
def a_groupby() -> None:
    fit(frame.groupby("a"))


@answered
def the_raw_of_an_anndata() -> None:
    same(adata(raw=adata()).raw, obs=None)


@refused(CountsError, "adata.X is empty", "'counts'")
def an_anndata_without_x() -> None:
    layers = {"counts": counts}
    fit(anndata.AnnData(obs=obs.copy(), var=pd.DataFrame(index=list("abc")), layers=layers))


@refused(CountsError, "modalities")
def several_modalities() -> None:
    fit(type("MuData", (), {"mod": {"rna": adata()}})())


@refused(CountsError, "to_pandas()")
def a_frame_of_another_package() -> None:
    fit(type("Frame", (), {"to_pandas": lambda _: frame, "__array__": lambda _: counts})())


@answered
def a_tensor_of_another_package() -> None:
    same(type("Tensor", (), {"__array__": lambda *_, **__: counts})())


@refused(CountsError, "cannot be made a numpy array", "on the device")
def a_tensor_that_is_elsewhere() -> None:
    def elsewhere(*_: object, **__: object) -> None:
        msg = "it is on the device"
        raise RuntimeError(msg)

    fit(type("Tensor", (), {"__array__": elsewhere})())


@refused(CountsError, "two dimensions", "(40, 3, 1)")
def three_dimensions() -> None:
    fit(counts[:, :, None])


@refused(CountsError, "two dimensions", "()")
def a_single_number() -> None:
    fit(np.array(5))


@refused(CountsError, "two dimensions")
def a_sparse_vector() -> None:
    fit(sparse.coo_array(counts[:, 0]))


@refused(AlignmentError, "obs has 40 rows", "transpose")
def genes_by_cells() -> None:
    fit(counts.T)


@refused(CountsError, "40 cells and 0 genes", "nothing to fit")
def a_frame_without_columns() -> None:
    fit(pd.DataFrame(index=range(CELLS)))


@refused(CountsError, "0 cells and 3 genes", "nothing to fit")
def a_frame_without_rows() -> None:
    fit(frame.iloc[:0], obs=None)


@refused(CountsError, "0 cells and 0 genes")
def an_empty_frame() -> None:
    fit(pd.DataFrame(), obs=None)


@refused(CountsError, "0 cells and 3 genes")
def a_view_without_cells() -> None:
    data = adata()
    fit(data[data.obs["x"] > 100])


# Values ------------------------------------------------------------------------------------


@refused(CountsError, "masked entries", "filled")
def masked_entries() -> None:
    fit(np.ma.array(counts, mask=counts > 5))


@answered
def a_masked_array_that_masks_nothing() -> None:
    same(np.ma.array(counts))


@refused(CountsError, "'gene_1' (9007199254740993 in cell 'c3')", "2**53")
def an_integer_beyond_the_digits_of_a_float() -> None:
    table = counts.copy()
    table[3, 1] = 2**53 + 1
    fit(table)


@refused(CountsError, "'gene_1' (9007199254740992 in cell 'c3')", "2**53")
def the_first_integer_that_a_float_cannot_tell_from_the_next() -> None:
    fit(with_value(2**53).astype(np.int64))


@answered
def the_largest_integer_that_a_float_tells_from_the_next() -> None:
    whole = np.array([[2**53 - 1], [0]])
    assert nbglm.counts.table.read_counts(whole).gene(0).tolist() == [2**53 - 1, 0]


@refused(CountsError, "'gene_1' (18446744073709551615 in cell 'c3')", "2**53")
def the_largest_unsigned_integer() -> None:
    table = counts.astype(np.uint64)
    table[3, 1] = 2**64 - 1
    fit(table)


@refused(CountsError, "'gene_1'", "2**53")
def an_integer_of_python_beyond_the_digits_of_a_float() -> None:
    fit(with_value(2**53 + 1))


@refused(CountsError, "'gene_1'", "2**53")
def an_integer_of_python_beyond_all_floats() -> None:
    fit(with_value(10**400))


@refused(CountsError, "'b'", "2**53")
def a_large_integer_beside_columns_of_floats() -> None:
    table = frame.astype({"a": float})
    table.loc[3, "b"] = 2**53 + 1
    fit(table)


@refused(CountsError, "'gene_0'", "2**53")
def two_large_entries_of_one_cell_that_add_up() -> None:
    data, cells = np.array([2**53 - 1, 1]), np.array([0, 0])
    fit(sparse.csc_matrix((data, cells, np.array([0, 2])), shape=(2, 1)), obs={"x": [0, 1]})


@answered
def small_entries_of_one_cell_that_add_up_beyond_their_dtype() -> None:
    twice = sparse.coo_matrix((np.array([200, 100], np.uint8), ([0, 0], [0, 0])), shape=(3, 1))
    assert nbglm.fit_negbin(twice, "~ 1", progress=False).counts.gene(0).tolist() == [300, 0, 0]


@answered
def decimals_and_fractions_that_are_whole() -> None:
    table = with_value(decimal.Decimal(int(counts[3, 1])))
    table[4, 1] = fractions.Fraction(int(counts[4, 1]))
    same(table)


@refused(CountsError, "0.333333 in cell 'c3'")
def a_fraction() -> None:
    fit(with_value(fractions.Fraction(1, 3)))


@refused(CountsError, "not numbers", "'3'", "'gene_1'", "'c3'")
def a_number_as_text_among_numbers() -> None:
    fit(with_value("3"))


@refused(CountsError, "nan in cell 'c3'", "missing")
def a_missing_object() -> None:
    fit(with_value(None))


@refused(CountsError, "complex")
def a_complex_object() -> None:
    fit(with_value(1j))


@refused(CountsError, "timedelta64")
def times_that_passed() -> None:
    fit(counts.astype("m8[s]"))


@refused(CountsError, "datetime64")
def dates() -> None:
    fit(counts.astype("M8[s]"))


@refused(CountsError, "complex128")
def complex_numbers() -> None:
    fit(counts.astype(complex))


@refused(CountsError, "<U", "astype(int)")
def text() -> None:
    fit(counts.astype(str))


@refused(CountsError, "structured")
def a_structured_array() -> None:
    fit(frame.to_records(index=False))


@answered
def a_numpy_matrix() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.matrix(counts)
    same(matrix)


@answered
def another_order_of_bytes() -> None:
    same(counts.astype(">i2"))


@refused(CountsError, "0.693147", "'counts'")
def logarithms_where_a_layer_holds_the_counts() -> None:
    fit(adata(np.log1p(counts), layers={"counts": counts}))


# Frames of pandas --------------------------------------------------------------------------


@answered
def a_nullable_frame() -> None:
    same(frame.astype("Int64"))


@refused(CountsError, "'b' (nan in cell 'c3')", "missing")
def a_nullable_frame_with_a_missing_value() -> None:
    table = frame.astype("Int64")
    table.iloc[3, 1] = pd.NA
    fit(table)


@answered
def frames_of_several_dtypes() -> None:
    same(frame.astype({"a": "int8", "b": "UInt16", "c": "float32"}))
    same(frame.astype({"a": object}))


@refused(CountsError, "'b' (900719925474099", "2**53", "c3")
def a_large_nullable_integer() -> None:
    table = frame.astype("Int64")
    table.iloc[3, 1] = 2**53 + 1
    fit(table)


@answered
def a_sparse_frame_that_leaves_ones_out() -> None:
    same(frame.astype(pd.SparseDtype("int64", 1)))


@answered
def a_sparse_frame_of_several_fill_values() -> None:
    parts = [frame[[name]].astype(pd.SparseDtype("int64", k)) for k, name in enumerate("abc")]
    same(pd.concat(parts, axis=1))


@refused(CountsError, "columns 's'", "obs=")
def a_covariate_among_the_counts() -> None:
    fit(frame.assign(s="treated"))


@refused(CountsError, "columns 't'")
def a_duration_among_the_counts() -> None:
    fit(frame.assign(t=pd.Timedelta(1)))


@refused(CountsError, "gene names repeat: 'a'")
def two_genes_of_one_name() -> None:
    fit(frame.set_axis(["a", "a", "b"], axis=1))


@refused(CountsError, "gene names repeat: '1'")
def the_genes_1_and_text_1() -> None:
    fit(frame.set_axis([1, "1", "b"], axis=1))


@refused(CountsError, "1 of 3 genes have no name")
def a_gene_without_a_name() -> None:
    fit(frame.set_axis([np.nan, "a", "b"], axis=1))


@answered
def genes_named_by_numbers() -> None:
    assert fit(frame.set_axis([5, 6, 7], axis=1)).gene_names.tolist() == ["5", "6", "7"]


# Sparse matrices ---------------------------------------------------------------------------


@refused(CountsError, "damaged", "out of bounds (40,")
def a_cell_just_outside() -> None:
    fit(by_hand("csc", indices=put(5, CELLS)))


@refused(CountsError, "damaged", "out of bounds (1000000,")
def a_cell_far_outside() -> None:
    fit(by_hand("csc", indices=put(5, 10**6)))


@refused(CountsError, "damaged", "out of bounds (-1,")
def a_gene_before_the_first() -> None:
    fit(by_hand("csr", indices=put(5, -1)))


@refused(CountsError, "damaged", "out of bounds (4294967297,")
def a_gene_that_would_be_inside_after_an_overflow() -> None:
    fit(by_hand("csr", indices=put(5, 2**32 + 1)))


@refused(CountsError, "damaged", "index pointer")
def a_pointer_that_falls() -> None:
    fit(by_hand("csr", indptr=put(5, 10**6)))


@refused(CountsError, "damaged", "index pointer")
def a_pointer_that_begins_late() -> None:
    fit(by_hand("csc", indptr=put(0, 3)))


@refused(CountsError, "damaged", "beyond its")
def a_pointer_beyond_the_values() -> None:
    fit(by_hand("csc", indptr=put(-1, 10**6)))


@refused(CountsError, "damaged", "index pointer")
def a_pointer_that_is_too_short() -> None:
    fit(by_hand("csc", indptr=lambda pointer: pointer[:-1]))


@refused(CountsError, "damaged", "indices for")
def fewer_values_than_indices() -> None:
    fit(by_hand("csr", data=lambda data: data[:-4]))


@refused(CountsError, "masked entries")
def masked_values_of_a_sparse_matrix() -> None:
    fit(by_hand("csr", data=lambda data: np.ma.array(data, mask=data > 3)))


@answered
def entries_that_are_said_to_be_in_order_and_are_not() -> None:
    parts = np.array([1, 1, 2, 1, 1]), np.array([5, 5, 1, 0, 3]), np.array([0, 3, 4, 5])
    matrix = sparse.csc_matrix(parts, shape=(CELLS, 3))
    wanted = fit(matrix.toarray()).llf.tolist()
    matrix.has_canonical_format = True
    assert fit(matrix).llf.tolist() == wanted


@refused(CountsError, "damaged", "float64")
def indices_that_are_floats() -> None:
    fit(by_hand("csr", indices=lambda indices: indices + 0.5))


@answered
def room_beyond_the_last_pointer() -> None:
    more = {"data": lambda d: np.append(d, 7), "indices": lambda i: np.append(i, 10**6)}
    for layout in ("csr", "csc"):
        same(by_hand(layout, **more))


@refused(CountsError, "damaged", "out of bounds")
def a_view_of_a_damaged_matrix() -> None:
    fit(adata(by_hand("csr", indices=put(5, 10**6)))[: CELLS // 2])


@refused(CountsError, "damaged", "out of bounds")
def a_coordinate_outside() -> None:
    matrix = sparse.coo_matrix(counts)
    matrix.row[0] = 10**6
    fit(matrix)


@refused(CountsError, "damaged", "differ in length")
def a_list_of_lists_matrix_with_a_value_too_many() -> None:
    matrix = sparse.lil_matrix(counts)
    matrix.data[0].append(3)
    fit(matrix)


@refused(CountsError, "damaged", "same diagonal twice")
def a_diagonal_matrix_with_a_diagonal_twice() -> None:
    matrix = sparse.dia_matrix(counts)
    matrix.offsets[1] = matrix.offsets[0]
    fit(matrix)


@answered
def every_format_of_scipy() -> None:
    for name in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil"):
        for kind in ("matrix", "array"):
            same(getattr(sparse, f"{name}_{kind}")(counts))


@refused(CountsError, "have changed since they were read", "copy")
def logarithms_put_into_the_counts_after_the_fit() -> None:
    table = counts.astype(float)
    results = fit(table)
    np.log1p(table, out=table)
    results.with_cov("HC0").bse  # noqa: B018 - the question that is asked


@refused(CountsError, "have changed since they were read")
def sparse_counts_set_to_0_after_the_fit() -> None:
    matrix = sparse.csc_matrix(counts)
    results = fit(matrix)
    matrix.data[matrix.indptr[1] :] = 0
    results.gene("gene_1")


# Files and lazy arrays ---------------------------------------------------------------------


def stored(name: str) -> h5py.File:
    """A new file with the counts as a sparse group and as a dense array."""
    file = h5py.File(folder() / f"{name}.h5", "w")
    anndata.io.write_elem(file, "X", sparse.csr_matrix(counts.astype(np.float32)))
    chunks = (10, 3)
    file.create_dataset("dense", data=counts, chunks=chunks, compression="gzip")
    return file


@answered
def a_sparse_group_of_a_file_as_such() -> None:
    with stored("group") as file:
        same(file["X"])


@refused(CountsError, "whole AnnData", "read_h5ad")
def a_whole_file_of_an_anndata() -> None:
    adata().write_h5ad(folder() / "whole.h5ad")
    with h5py.File(folder() / "whole.h5ad") as file:
        fit(file)


@refused(CountsError, "no sparse matrix of anndata", "/obs", "whole2.h5ad")
def a_group_of_covariates() -> None:
    adata().write_h5ad(folder() / "whole2.h5ad")
    with h5py.File(folder() / "whole2.h5ad") as file:
        fit(file["obs"])


@refused(CountsError, "damaged", "lost.h5", "indptr")
def a_sparse_group_that_lost_a_part() -> None:
    with stored("lost") as file:
        del file["X"]["indptr"]
        fit(file["X"])


@refused(CountsError, "out of bounds", "outside.h5")
def a_sparse_group_with_an_index_outside() -> None:
    with stored("outside") as file:
        file["X"]["indices"][3] = 70_000
        fit(file["X"])


@refused(CountsError, "two dimensions", "()")
def a_number_in_a_file() -> None:
    with stored("number") as file:
        fit(file.create_dataset("number", data=5.0))


@refused(CountsError, "nothing.h5")
def a_place_for_an_array_in_a_file() -> None:
    with stored("nothing") as file:
        fit(file.create_dataset("empty", data=h5py.Empty("f")))


@refused(CountsError, "closed", "open it again")
def a_group_of_a_closed_file() -> None:
    with stored("closed") as file:
        group = file["X"]
    fit(group)


@refused(CountsError, "cannot be read to its end", "cut.h5", "OSError")
def an_array_whose_chunk_was_overwritten() -> None:
    with stored("cut") as file:
        where = file["dense"].id.get_chunk_info(2)
    with (folder() / "cut.h5").open("r+b") as raw:
        raw.seek(where.byte_offset)
        raw.write(b"\xff" * where.size)
    with h5py.File(folder() / "cut.h5") as file:
        fit(file["dense"])


@refused(CountsError, "cannot be read to its end", "damaged.zarr")
def a_zarr_array_whose_chunk_was_overwritten() -> None:
    import zarr

    array = zarr.open(
        folder() / "damaged.zarr", mode="w", shape=(40, 3), chunks=(10, 3), dtype="i4"
    )
    array[:] = counts
    chunk = max((folder() / "damaged.zarr").rglob("*[0-9]"))
    chunk.write_bytes(b"no chunk of numbers")
    fit(zarr.open(folder() / "damaged.zarr", mode="r"))


@refused(CountsError, "another order than the file", "to_memory()")
def a_permuted_view_of_a_file() -> None:
    adata().write_h5ad(folder() / "backed.h5ad")
    fit(anndata.read_h5ad(folder() / "backed.h5ad", backed="r")[[3, 1, 2]])


def lazy(change: object, **options: object) -> object:
    """A dask array whose chunks are changed on the way."""
    import dask.array as da

    array = da.from_array(counts, chunks=(10, 3))
    return array.map_blocks(change, **{"dtype": int, "meta": np.zeros((0, 0), int), **options})


@refused(CountsError, "chunk (0, 0) of the dask array", "(9, 3)", "(10, 3)")
def a_chunk_that_lost_a_row() -> None:
    fit(lazy(lambda block: block[1:]))


@refused(CountsError, "chunk (0, 0)", "(10, 3, 1)")
def a_chunk_of_another_dimension() -> None:
    fit(lazy(lambda block: block[:, :, None]))


@refused(CountsError, "complex128")
def a_chunk_of_another_dtype() -> None:
    fit(lazy(lambda block: block + 1j))


@refused(CountsError, "masked entries")
def a_masked_chunk() -> None:
    fit(lazy(lambda block: np.ma.array(block, mask=block > 3)))


@refused(CountsError, "chunk (0, 0) of the dask array is damaged", "out of bounds")
def a_damaged_sparse_chunk() -> None:
    def damaged(block: np.ndarray) -> object:
        matrix = sparse.csr_matrix(block)
        matrix.indices[0] = 10**6
        return matrix

    fit(lazy(damaged))


@answered
def chunks_that_turn_out_sparse() -> None:
    same(lazy(sparse.csr_matrix))


@refused(CountsError, "cannot be read to its end", "disk on fire")
def a_chunk_that_cannot_be_computed() -> None:
    def burn(_: np.ndarray) -> None:
        msg = "disk on fire"
        raise OSError(msg)

    fit(lazy(burn))


class Sliced:
    """An array that anybody could write: a shape, a dtype, chunks and slices."""

    def __init__(self, values: np.ndarray, chunks: object, rows: int = CELLS) -> None:
        self.values, self.chunks = values, chunks
        self.shape, self.dtype = (rows, values.shape[1]), values.dtype

    def __getitem__(self, part: object) -> np.ndarray:
        return self.values[part]


@answered
def chunks_that_could_not_be() -> None:
    for chunks in (None, (0, 0), (-1, 3), "auto", (1, 2, 3), ((10, 10, 10, 10), (3,))):
        same(Sliced(counts, chunks))


@refused(CountsError, "(30, 3)", "(40, 3) was promised")
def fewer_rows_than_promised() -> None:
    fit(Sliced(counts[:30], None))


@refused(CountsError, "compute_chunk_sizes")
def chunks_of_unknown_size() -> None:
    import dask.array as da

    array = da.from_array(counts, chunks=(10, 3))
    fit(array[array[:, 0] >= 0])


@refused(NbglmError, "layer='count' does not exist", "Did you mean 'counts'?")
def a_misspelt_layer() -> None:
    fit(adata(layers={"counts": counts}), layer="count")


@refused(NbglmError, "needs an AnnData", "ndarray")
def a_layer_of_an_array() -> None:
    fit(counts, layer="counts")
