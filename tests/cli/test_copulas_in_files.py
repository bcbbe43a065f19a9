"""Copulas and comparisons from a shell are those of Python, to the last bit."""

import io

import anndata
import pandas as pd
import pytest

import nbglm
from nbglm import cli


@pytest.fixture(scope="module")
def fits(example_folder, tmp_path_factory):
    """A fit that has kept its counts, its copula, and one by cell type."""
    folder = tmp_path_factory.mktemp("copulas")
    words = ("--mean", "~ pseudotime + cell_type", "--size-factors", "depth", "--keep-data")
    fit = folder / "kept.h5ad"
    cells = example_folder / "cells.h5ad"
    assert cli.main(["fit", str(cells), *words, "-o", str(fit)]) == 0
    assert cli.main(["copula", str(fit), "-o", str(folder / "all.npz")]) == 0
    types = ["--groups", "cell_type", "--no-heldout", "-o", str(folder / "types.npz")]
    assert cli.main(["copula", str(fit), *types]) == 0
    return folder, nbglm.load(fit)


def test_a_copula_is_kept_and_its_quality_told(run, fits):
    folder, results = fits
    out, err = run("copula", folder / "kept.h5ad", "--seed", "3", "-o", "again.npz")
    wanted = nbglm.fit_copula(results, seed=3).table
    found = pd.read_csv(io.StringIO(out), index_col=0, float_precision="round_trip")
    pd.testing.assert_frame_equal(found, wanted, check_exact=True)
    assert "again.npz: Gaussian copula of 12 genes, 1 block" in err


@pytest.mark.parametrize("name", ["all.npz", "types.npz"])
def test_counts_are_drawn_with_a_copula(run, fits, folder, name):
    place, results = fits
    copula = nbglm.GaussianCopula.load(place / name)
    wanted = results.sample(seed=1, copula=copula)
    with_it = ("--copula", place / name, "--seed", "1")
    run("sample", place / "kept.h5ad", *with_it, "-o", "drawn.h5ad")
    assert not (anndata.read_h5ad("drawn.h5ad").X != wanted.X).nnz
    run("sample", place / "kept.h5ad", *with_it, "--genes", "gene3,gene1", "-o", "few.csv")
    few = pd.read_csv("few.csv", index_col=0)
    assert few.equals(wanted.to_df()[few.columns].astype(few.to_numpy().dtype))
    assert set(few.columns) == {"gene1", "gene3"}


def test_tables_of_a_comparison_are_those_of_python(run, fits, folder, table):
    _, results = fits
    results.sample(seed=1, out="drawn.h5ad")
    for first in ("cells.h5ad", "counts.csv"):
        out, _ = run("compare", first, "drawn.h5ad", "--seed", "2")
        found = pd.read_csv(io.StringIO(out), float_precision="round_trip")
        name = first.partition(".")[0]
        wanted = nbglm.compare_counts({name: table, "drawn": "drawn.h5ad"}, seed=2).table
        pd.testing.assert_frame_equal(found, wanted, check_exact=True, check_dtype=False)
    by_type = ("cells.h5ad", "drawn.h5ad", "--by", "cell_type")
    out, _ = run("compare", *by_type)
    assert set(pd.read_csv(io.StringIO(out))["group"]) == {"alpha", "beta", "all"}
    _, err = run("compare", *by_type, "--group", "beta", "-o", "beta.png")
    assert (folder / "beta.png").read_bytes().startswith(b"\x89PNG")
    assert "beta.png: a picture of 2 tables" in err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("sample", "kept.h5ad", "--copula", "cells.h5ad", "-o", "x.h5ad"), 1, "is no copula that"),
        (("copula", "kept.h5ad", "-o", "x.h5ad"), 1, "must end in '.npz'"),
        (("copula", "kept.h5ad", "--groups", "kind", "-o", "x.npz"), 1, "'kind' is no column"),
        (("compare", "cells.h5ad"), 2, "Missing argument"),
        (("compare", "cells.h5ad", "cells.h5ad"), 1, "named more than once"),
        (("compare", "cells.h5ad", "all.npz"), 1, "all.npz"),
        (("compare", "cells.h5ad", "kept.h5ad", "--group", "a"), 2, "--group is for a picture"),
    ],
)
def test_what_cannot_be_done_is_said(run, fits, words, code, says):
    place, _ = fits
    known = ("kept.h5ad", "all.npz")
    _, err = run(*(place / word if word in known else word for word in words), code=code)
    assert says in err
