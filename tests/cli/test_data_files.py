"""Files of every kind become data, or are refused by name in a line that says what to do."""

import io
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import nbglm

FIT = ("fit", "cells.h5ad", "--mean", "~ pseudotime")


def coefficients(out):
    return pd.read_csv(io.StringIO(out), float_precision="round_trip")


@pytest.fixture
def expected(cells):
    results = nbglm.fit_negbin(
        cells, "~ pseudotime + cell_type", size_factors="depth", progress=False
    )
    return results.to_frame()


MODEL = ("--mean", "~ pseudotime + cell_type", "--size-factors", "depth")


def test_a_fit_of_every_kind_of_file_has_the_numbers_of_python_to_the_last_bit(
    run, cells, table, expected
):
    cells.write_zarr("cells.zarr")
    table.to_csv("counts.tsv.gz", sep="\t")
    table.T.to_csv("genes.txt", sep="\t")
    cells.layers["raw counts"] = sparse.csr_matrix(cells.X)
    cells.X = cells.X / 2 + 0.1
    cells.write_h5ad("layers.h5ad")
    cells.raw = anndata.AnnData(table.to_numpy(), cells.obs, cells.var)
    cells.write_h5ad("raw.h5ad")
    for words in (
        ["cells.h5ad"],
        ["cells.zarr"],
        ["counts.csv", "--obs", "obs.csv"],
        ["counts.tsv.gz", "--obs", "cells.h5ad"],
        ["genes.txt", "--obs", "obs.csv", "--transpose"],
        ["layers.h5ad", "--layer", "raw counts"],
        ["raw.h5ad", "--raw", "--obs", "obs.csv"],
        ["cells.h5ad", "--n-jobs", "2", "--max-memory", "1GB", "--no-progress"],
    ):
        out, said = run("fit", *words, *MODEL)
        assert "12 genes x 400 cells" in said
        pd.testing.assert_frame_equal(coefficients(out), expected, check_exact=True)


def test_rows_of_obs_are_matched_by_name(run, table, cells, expected):
    more = pd.concat([cells.obs, cells.obs.head(2).set_axis(["other1", "other2"])])
    more.iloc[::-1].to_csv("shuffled.csv")
    out, said = run("fit", "counts.csv", "--obs", "shuffled.csv", *MODEL)
    assert "shuffled.csv has 2 more rows than counts.csv has cells; they are not used" in said
    pd.testing.assert_frame_equal(coefficients(out), expected, check_exact=True)


def test_only_the_genes_that_are_asked_for_are_fitted(run, folder, expected):
    (folder / "wanted.txt").write_text("gene3\n\ngene1\n")
    for genes in (["gene3,gene1"], ["gene3", "gene1"], ["wanted.txt"]):
        options = [word for name in genes for word in ("--genes", name)]
        out, _ = run("fit", "cells.h5ad", *MODEL, *options)
        found = coefficients(out).set_index("gene")
        assert found.index.unique().tolist() == ["gene3", "gene1"]
        wanted = expected.set_index("gene").loc[["gene3", "gene1"], "coef"]
        assert found["coef"].tolist() == wanted.tolist()


def test_lists_of_genes_may_be_long_and_must_be_text(run, refused, folder):
    _, said = run("fit", "cells.h5ad", "--mean", "~ 1", "--genes", ",".join(["gene1"] * 1_000))
    assert "1 gene x 400 cells" in said
    (folder / "names.txt").write_bytes(b"\xff\xfe\0")
    said = refused("fit", "cells.h5ad", "--mean", "~ 1", "--genes", "names.txt")
    assert said.startswith("nbglm: names.txt: this is no list of names")


def test_cells_without_covariates_are_told_where_covariates_come_from(refused, run, table, cells):
    run("fit", "counts.csv", "--mean", "~ 1")
    said = refused("fit", "counts.csv", "--mean", "~ pseudotime")
    assert "counts.csv" in said
    assert "--obs" in said
    cells.obs = cells.obs[[]]
    cells.write_h5ad("bare.h5ad")
    said = refused("fit", "bare.h5ad", "--mean", "~ pseudotime")
    assert "bare.h5ad" in said
    assert "--obs" in said


def test_options_reach_the_fit(run, cells):
    cells.obs["twice"] = 2
    cells.obs["log_depth"] = np.log(cells.obs["depth"])
    cells.write_h5ad("more.h5ad")
    for words, options in (
        (["--offset", "log_depth"], {"offset": "log_depth"}),
        (["--exposure", "depth"], {"size_factors": "depth"}),
        (["--weights", "twice"], {"weights": "twice"}),
        (["--cov-type", "HC1"], {"cov_type": "HC1"}),
        (["--rank-deficient", "min_norm"], {"rank_deficient": "min_norm"}),
        (
            ["--groups", "donor"],
            {"cov_type": "cluster", "cov_kwds": {"groups": "donor"}},
        ),
    ):
        formula = {"mean": "~ cell_type + donor", "dispersion": "~ cell_type"}
        given = ["--mean", formula["mean"], "--dispersion", formula["dispersion"]]
        out, said = run("fit", "more.h5ad", *given, *words, "--genes", "gene0,gene1")
        assert ("nbglm: warning: Of 4 clusters" in said) == ("--groups" in words)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nbglm.NbglmWarning)
            results = nbglm.fit_negbin(cells[:, :2], formula, progress=False, **options)
        pd.testing.assert_frame_equal(coefficients(out), results.to_frame(), check_exact=True)


def test_formulas_are_no_python_unless_that_is_asked_for(run, refused):
    code = "~ pseudotime + np.asarray(list(map(float, depth)))"
    said = refused("fit", "cells.h5ad", "--mean", code)
    assert "cells.h5ad" in said
    assert "without --python" in said
    out, _ = run("fit", "cells.h5ad", "--mean", code, "--python")
    assert "list(map(float, depth))" in out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--mean", "~ pseudotim"], ["cells.h5ad", "Did you mean 'pseudotime'"]),
        (["--mean", "~ 1", "--dispersion", "~ dept"], ["dispersion", "Did you mean 'depth'"]),
        (["--mean", "~ 1", "--offset", "dept"], ["--offset 'dept'", "Did you mean 'depth'"]),
        (["--mean", "~ 1", "--weights", "pseudotimes"], ["--weights", "no column"]),
        (["--mean", "~ 1", "--groups", "donors"], ["--groups", "Did you mean 'donor'"]),
        (["--mean", "~ 1", "--genes", "gene_1"], ["--genes", "Did you mean 'gene1"]),
        (["--mean", "~ 1", "--genes", " , "], ["--genes", "names no gene"]),
        (["--mean", "~ 1", "--layer", "counts"], ["--layer 'counts' does not exist"]),
        (["--mean", "~ 1", "--raw"], ["--raw", "does not have"]),
        (["--mean", "~ 1", "--raw", "--layer", "x"], ["--raw and --layer"]),
        (["--mean", "~ 1", "--transpose"], ["--transpose is not for an AnnData"]),
        (["--mean", "~ 1", "--obs", "none.csv"], ["none.csv", "No such file"]),
        (["--mean", "~ 1", "--size-factors", "cell_type"], ["size_factors", "cell_type"]),
        (["--mean", "~ 1 +"], ["cannot be read"]),
    ],
)
def test_options_that_do_not_fit_the_file_are_refused(refused, words, says):
    said = refused("fit", "cells.h5ad", *words)
    for word in says:
        assert word in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--mean", "~ 1", "--cov-type", "cluster"], "needs --groups"),
        (["--mean", "~ 1", "--cov-type", "HC0", "--groups", "donor"], "does not go with --groups"),
        (["--mean", "~ 1", "--cov-type", "HC5"], "'HC5' is not one of"),
        (["--mean", "~ 1", "--max-memory", "lots"], "'4GB'"),
        (["--mean", "~ 1", "--n-jobs", "0"], "no number of workers"),
        ([], "Missing option '--mean'"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_options_that_make_no_sense_are_wrong_use(refused, words, says):
    assert says in refused("fit", "cells.h5ad", *words, code=2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "nothing in the first line"),
        ("cell\n", "one column"),
        ("cell,a\n", "0 cells"),
        ("cell\ta\tb\nc1\t1\t2\n", "separated by tabs"),
        ("cell;a;b\nc1;1;2\n", "separated by semicolons"),
        ("cell,a,a\nc1,1,2\n", "names of columns repeat: 'a'"),
        ("cell,a,b\nc1,1,2\nc1,3,4\n", "repeats 'c1'"),
        ("a,b\n1,2\n1,4\n", "put a column of unique names before it"),
        ("cell,a,b\nc1,1,x\nc2,2,y\n", "'b' holds 'x', which is no count"),
        ("cell,a,b\nc1,1,\nc2,2,3\n", "'b' (nan in cell 'c1')"),
        ("cell,a,b\nc1,1,0.5\nc2,2,3\n", "whole"),
        ("cell,a,b\nc1,1,-1\nc2,2,3\n", "'b' (-1 in cell 'c1')"),
        ("cell,a,b\nc1,1,2\nc2,2,3,4\n", "no text table, or a damaged one"),
        ("cell,a,b\nc1,1,2,3,4\nc2,2,3,4,5\n", "the first line has 3 entries and the second 5"),
        ("cell,a,b\nc1,1\nc2,2\n", "the first line has 3 entries and the second 2"),
        (b"cell,a\xff\xfe\nc1,1\n", "no text table, or a damaged one"),
    ],
)
def test_text_tables_that_are_no_counts_are_refused(refused, folder, text, says):
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = refused("fit", path, "--mean", "~ 1")
    assert said.startswith(f"nbglm: {path}: ")
    assert says in said


def test_packed_tables_that_cannot_be_unpacked_are_refused(refused, folder):
    (folder / "table.csv.gz").write_bytes(b"\x1f\x8b\x08\0\0\0")
    assert "table.csv.gz" in refused("fit", "table.csv.gz", "--mean", "~ 1")
    (folder / "table.csv.gz").write_bytes(b"cell,a\nc1,1\n")
    assert "cannot be unpacked" in refused("fit", "table.csv.gz", "--mean", "~ 1")


def test_covariates_of_other_cells_are_refused(refused, table, cells):
    cells.obs.iloc[:-2].to_csv("fewer.csv")
    said = refused("fit", "counts.csv", "--obs", "fewer.csv", "--mean", "~ 1")
    assert "2 of 400 cells of counts.csv have no row of that name: 'cell398', 'cell399'" in said
    table.T.to_csv("genes.csv")
    said = refused("fit", "genes.csv", "--obs", "obs.csv", "--mean", "~ 1")
    assert "genes.csv has a line for each gene: add --transpose" in said


def test_a_table_as_r_writes_it_is_read(run, table):
    # The names of columns alone, without one for the names of rows.
    lines = table.to_csv(sep="\t").splitlines()
    Path("r.tsv").write_text("\n".join([lines[0].lstrip("\t"), *lines[1:]]) + "\n")
    ours, _ = run("fit", "counts.csv", "--mean", "~ 1")
    out, _ = run("fit", "r.tsv", "--mean", "~ 1")
    assert out == ours


@pytest.mark.parametrize(
    ("shape", "says"),
    [((0, 3), "0 cells and 3 genes"), ((5, 0), "5 cells and 0 genes")],
)
def test_empty_matrices_are_refused(refused, folder, shape, says):
    anndata.AnnData(np.zeros(shape, np.float32)).write_h5ad("empty.h5ad")
    said = refused("fit", "empty.h5ad", "--mean", "~ 1")
    assert said.startswith("nbglm: empty.h5ad: ")
    assert says in said


@pytest.mark.parametrize("value", [0.5, -1.0, np.nan, np.inf])
def test_what_are_no_counts_is_refused(refused, cells, value):
    cells.X = cells.X.astype(np.float32)
    cells.X[3, 2] = value
    cells.write_h5ad("odd.h5ad")
    said = refused("fit", "odd.h5ad", "--mean", "~ 1")
    assert said.startswith("nbglm: odd.h5ad: ")
    assert "gene2" in said


def test_one_cell_and_one_gene_are_results(run, cells):
    cells[:1].write_h5ad("cell.h5ad")
    cells[:, :1].write_h5ad("gene.h5ad")
    for name, mean in (("cell.h5ad", "~ 1"), ("gene.h5ad", "~ pseudotime")):
        out, _ = run("fit", name, "--mean", mean)
        assert len(coefficients(out)) > 0


def test_genes_that_cannot_be_fitted_are_said_and_no_error(run, folder):
    _, said = run(*FIT)
    assert "11 ok, 1 all_zero" in said


# What a file holds


def test_info_of_cells_says_what_a_formula_takes_columns_for(run, cells):
    cells.obs["batch"] = np.arange(400) % 2
    cells.obs["chosen"] = np.arange(400) % 4 == 0
    cells.obs["half"] = np.where(np.arange(400) < 200, np.nan, 1.5)
    cells.obs["name"] = [f"n{i}" for i in range(400)]
    cells.layers["scaled"] = sparse.csr_matrix(cells.X) * 0.5
    cells.layers["centred"] = cells.X - 1
    cells.raw = cells.copy()
    cells.write_h5ad("more.h5ad")
    out, said = run("info", "more.h5ad")
    assert said == ""
    for line in (
        "more.h5ad: 400 cells x 12 genes",
        "X            dense int32, ",
        "--layer scaled  sparse float64, ",
        "not whole: no counts",
        "smallest -1: no counts",
        "--raw        12 genes, dense int32, ",
        "batch       numbers from 0 to 1",
        "chosen      true or false: 100 true",
        "half        numbers from 1.5 to 1.5, 200 missing",
        "cell_type   2 levels: beta (",
        "and 392 more",
    ):
        assert line in out, out


def test_info_writes_covariates_that_can_be_read_again(run, cells):
    for name in ("cells.h5ad", "obs.csv"):
        cells.obs.to_csv("obs.csv")
        out, _ = run("info", name, "--obs")
        found = pd.read_csv(io.StringIO(out), index_col=0, float_precision="round_trip")
        assert found.index.name == "cell"
        pd.testing.assert_frame_equal(
            found, cells.obs.astype({"cell_type": str, "donor": str}), check_names=False
        )


def test_info_of_a_table(run, table):
    out, _ = run("info", "obs.csv")
    assert out.startswith("obs.csv: a text table, 400 rows x 4 columns\n")
    assert "depth       numbers from" in out
