"""Every kind of table gives the same blocks; whatever is no count is refused by name."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import nbglm
from nbglm.counts.table import read_counts


@pytest.fixture
def table(rng):
    return rng.poisson(0.8, size=(30, 7))


KINDS = {
    "int": lambda y: y,
    "float": lambda y: y.astype(np.float32),
    "uint8": lambda y: y.astype(np.uint8),
    "fortran": np.asfortranarray,
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "frame": lambda y: pd.DataFrame(y, columns=[f"gene_{j}" for j in range(7)]),
    "sparse_frame": lambda y: pd.DataFrame.sparse.from_spmatrix(
        sparse.csr_matrix(y), columns=[f"gene_{j}" for j in range(7)]
    ),
    "anndata": lambda y: anndata.AnnData(
        y.astype(float), var=pd.DataFrame(index=[f"gene_{j}" for j in range(7)])
    ),
    "anndata_sparse": lambda y: anndata.AnnData(
        sparse.csr_matrix(y), var=pd.DataFrame(index=[f"gene_{j}" for j in range(7)])
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_give_the_same_blocks(table, kind):
    counts = read_counts(KINDS[kind](table))
    assert counts.genes.tolist() == [f"gene_{j}" for j in range(7)]
    for start, stop in [(0, 7), (2, 5), (6, 7)]:
        block = counts.block(start, stop)
        dense = sparse.csc_matrix(
            (block.counts, block.cells, block.indptr), shape=(30, stop - start)
        ).toarray()
        np.testing.assert_array_equal(dense, table[:, start:stop])
        assert (block.counts > 0).all()
    np.testing.assert_array_equal(counts.gene(3), table[:, 3])
    assert sum(block.indptr.size - 1 for block in counts.blocks(3)) == 7


def test_backed_files_are_read(table, tmp_path):
    path = tmp_path / "counts.h5ad"
    anndata.AnnData(sparse.csr_matrix(table.astype(np.float32))).write_h5ad(path)
    backed = anndata.read_h5ad(path, backed="r")
    np.testing.assert_array_equal(read_counts(backed).gene(2), table[:, 2])


def test_duplicate_entries_and_explicit_zeros_leave_the_input_alone():
    matrix = sparse.csc_matrix(
        (np.array([1, 2, 0]), (np.array([0, 0, 1]), np.array([0, 0, 0]))), shape=(3, 1)
    )
    messy = sparse.csc_matrix((np.array([1, 2, 0]), np.array([0, 0, 1]), np.array([0, 3])), (3, 1))
    block = read_counts(messy).block(0, 1)
    assert block.counts.tolist() == [3.0]
    assert messy.nnz == 3
    assert read_counts(matrix).gene(0).tolist() == [3.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", ["float", "csr", "frame", "anndata"])
@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan, np.inf])
def test_values_that_are_no_counts(table, kind, bad):
    table = table.astype(float)
    table[3, [1, 2, 4, 5, 6]] = bad
    with pytest.raises(
        nbglm.CountsError, match=r"'gene_1' .* in cell .*'gene_4'.* and 2 more genes"
    ):
        read_counts(KINDS[kind](table))


def test_the_right_layer_is_suggested(table):
    adata = anndata.AnnData(np.log1p(table), layers={"counts": table})
    with pytest.raises(nbglm.CountsError, match="layer= \\(there are 'counts'\\)"):
        read_counts(adata)
    with pytest.raises(nbglm.CountsError, match="Did you mean 'counts'"):
        read_counts(adata, layer="count")
    assert read_counts(adata, layer="counts").n_genes == 7
    with pytest.raises(nbglm.CountsError, match="needs an AnnData"):
        read_counts(table, layer="counts")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([[1, 2]], "data is a list"),
        (np.zeros((0, 3)), "nothing to fit"),
        (np.zeros((2, 2, 2)), "two dimensions"),
        (np.array([["a"], ["b"]]), "dtype <U1"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "gene names repeat: 'a'"),
        (pd.DataFrame({"a": [1], "batch": ["x"]}), "columns 'batch' .* do not hold numbers"),
        (np.array([[1j]]), "dtype complex"),
        (np.array([[2**60]]), "not counts"),
    ],
)
def test_unsuitable_data(data, says):
    with pytest.raises(nbglm.CountsError, match=says):
        read_counts(data)


def test_obs_must_be_the_same_cells(table):
    frame = pd.DataFrame(table, index=[f"c{i}" for i in range(30)])
    obs = pd.DataFrame({"x": range(30)}, index=frame.index)
    assert read_counts(frame, obs=obs).obs["x"].tolist() == list(range(30))
    with pytest.raises(nbglm.AlignmentError, match="another order"):
        read_counts(frame, obs=obs.iloc[::-1])
    with pytest.raises(nbglm.AlignmentError, match="'d0', which the count table lacks"):
        read_counts(frame, obs=obs.rename(index=lambda name: name.replace("c", "d")))
    with pytest.raises(nbglm.AlignmentError, match="obs has 29 rows"):
        read_counts(frame, obs=obs.iloc[1:])
    with pytest.raises(nbglm.AlignmentError, match="brings its own"):
        read_counts(anndata.AnnData(table), obs=obs)
    with pytest.raises(nbglm.AlignmentError, match="DataFrame or a dict"):
        read_counts(table, obs=[1, 2])
    by_position = read_counts(frame, obs=obs.reset_index(drop=True))
    assert by_position.obs.index.tolist() == frame.index.tolist()
    assert read_counts(table, obs={"x": range(30)}).obs.shape == (30, 1)


LAYOUTS = {
    "rows together": np.ascontiguousarray,
    "columns together": np.asfortranarray,
    "every other row": lambda y: np.repeat(y, 2, axis=0)[::2],
    "backwards": lambda y: np.ascontiguousarray(y[::-1, ::-1])[::-1, ::-1],
    "a frame": pd.DataFrame,
    "a frame of columns": lambda y: pd.DataFrame(dict(enumerate(y.T))),
    "sparse columns": sparse.csc_matrix,
    "sparse rows": sparse.csr_matrix,
}
BAD = {
    "float64": (-1.0, 0.5, np.nan, np.inf, 2.0**53),
    "float32": (-1.0, 0.5, np.nan, np.inf, 2.0**53),
    "float16": (-1.0, 0.5, np.nan, np.inf),
    "int64": (-1, 2**53),
    "uint64": (2**53, 2**64 - 1),
    "int32": (-1,),
}


@pytest.mark.parametrize(
    ("dtype", "layout"),
    [
        (dtype, layout)
        for dtype in BAD
        for layout in LAYOUTS
        if not (dtype == "float16" and layout.startswith("sparse"))  # scipy has no such matrices
    ],
)
def test_one_bad_value_among_many_is_named_wherever_it_is(dtype, layout):
    shape = (700, 300)  # several pieces of what is looked at together
    good = np.random.default_rng(0).integers(0, 3, shape).astype(dtype)
    assert read_counts(LAYOUTS[layout](good)).n_genes == shape[1]
    for value in BAD[dtype]:
        for cell, gene in ((0, 0), (699, 299), (0, 299), (333, 150)):
            bad = good.copy()
            bad[cell, gene] = value
            with pytest.raises(
                nbglm.CountsError, match=rf"counts: '(gene_)?{gene}' \(.* in cell '?{cell}"
            ):
                read_counts(LAYOUTS[layout](bad))


def test_columns_of_numbers_are_not_looked_at_one_by_one(monkeypatch):
    def refuse(_):
        raise AssertionError

    monkeypatch.setattr("nbglm.counts.frames._are_numbers", refuse)
    for dtype in ("float64", "int64", "int32", "bool", "Int64"):
        frame = pd.DataFrame(np.eye(3)).astype(dtype)
        assert (read_counts(frame).block(0, 3).counts == 1.0).all()
    values = np.array([[1.0, 0.0], [2.0, 5.0]])
    assert np.shares_memory(read_counts(pd.DataFrame(values, copy=False)).matrix, values)


def test_columns_of_several_dtypes_keep_their_values():
    kinds = ("int64", "float32", "uint64", "bool", "int8", "float64")
    frame = pd.DataFrame({kind: np.array([0, 1, 1]).astype(kind) for kind in kinds})
    counts = read_counts(frame)
    assert all(counts.gene(k).tolist() == [0.0, 1.0, 1.0] for k in range(len(kinds)))
    largest = 2**53 - 1
    frame["int64"] = frame["uint64"] = [0, largest, 1]
    assert read_counts(frame).gene(2)[1] == largest
    for kind, bad in (("int64", largest + 2), ("uint64", 2**64 - 1), ("int8", -1)):
        spoilt = frame.astype({"uint64": "uint64"})
        spoilt.loc[1, kind] = np.array(bad).astype(kind)
        with pytest.raises(nbglm.CountsError, match=f"not counts: '{kind}'"):
            read_counts(spoilt)
