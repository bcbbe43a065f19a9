"""What is made of a fit in a file has the numbers of the fit in memory, to the last bit."""

import io

import anndata
import numpy as np
import pandas as pd
import pytest

import nbglm
from nbglm import cli

FORMULA = {"mean": "~ pseudotime + cell_type", "dispersion": "~ cell_type"}
MODEL = (
    *("--mean", FORMULA["mean"], "--dispersion", FORMULA["dispersion"]),
    *("--size-factors", "depth"),
)


def read(out, **options):
    return pd.read_csv(io.StringIO(out), float_precision="round_trip", **options)


def same(out, expected, levels=1):
    """Whether what was written is a table, to the last bit."""
    found = read(out, index_col=list(range(levels)))
    pd.testing.assert_frame_equal(
        found, expected, check_exact=True, check_dtype=False, check_names=False
    )


@pytest.fixture(scope="module")
def fits(example_folder, tmp_path_factory):
    """A fit with and one without its counts, a smaller one, and the same in memory."""
    folder = tmp_path_factory.mktemp("fits")
    data = str(example_folder / "cells.h5ad")
    small = ("--mean", "~ cell_type", "--size-factors", "depth")
    for name, words in (
        ("fit.h5ad", MODEL),
        ("kept.h5ad", (*MODEL, "--keep-data")),
        ("small.zarr", (*small, "--keep-data")),
    ):
        assert cli.main(["fit", data, *words, "-o", str(folder / name)]) == 0
    cells = anndata.read_h5ad(data)
    results = nbglm.fit_negbin(cells, FORMULA, size_factors="depth", progress=False)
    return folder, results


@pytest.fixture
def fit(fits):
    return fits[0] / "fit.h5ad"


@pytest.fixture
def kept(fits):
    return fits[0] / "kept.h5ad"


@pytest.fixture
def results(fits):
    return fits[1]


def test_tables(run, fit, results):
    out, said = run("table", fit, "--term", "pseudotime")
    assert said == ""
    same(out, results.table("pseudotime"))
    out, _ = run("table", fit, "--term", "cell_type", "--component", "dispersion", "--sort", "none")
    same(out, results.table("cell_type", "dispersion", None))
    difference = "pseudotime - cell_type[T.beta]"
    out, _ = run("table", fit, "--term", difference, "--alpha", "0.2", "--method", "bonferroni")
    same(out, results.table(difference, alpha=0.2, method="bonferroni"))
    out, _ = run("table", fit)
    pd.testing.assert_frame_equal(read(out), results.to_frame(), check_exact=True)


def test_tables_of_some_genes_keep_their_adjusted_p_values(run, fit, results):
    out, _ = run("table", fit, "--term", "pseudotime", "--genes", "gene3,gene1")
    whole = results.table("pseudotime")
    same(out, whole[whole.index.isin(["gene1", "gene3"])])
    out, _ = run("table", fit, "--genes", "gene3")
    found = results.to_frame()
    found = found[found["gene"] == "gene3"].reset_index(drop=True)
    pd.testing.assert_frame_equal(read(out), found, check_exact=True)


def test_tests(run, fit, kept, fits, results):
    out, _ = run("test", fit, "pseudotime = 1")
    same(out, results.wald_test("pseudotime = 1"))
    both = ["pseudotime = 1", "cell_type[T.beta]"]
    out, _ = run("test", fit, *both)
    same(out, results.wald_test(both))
    out, _ = run("test", fit, *both, "--each")
    same(out, results.t_test(both), levels=2)
    out, _ = run("test", fit, "cell_type", "--component", "dispersion", "--method", "holm")
    same(out, results.wald_test("cell_type", "dispersion", method="holm"))
    out, _ = run("test", kept, "--anova")
    same(out, results.anova(), levels=3)
    out, _ = run("test", kept, "--score", "~ donor")
    same(out, results.score_test("~ donor"))
    out, _ = run("test", kept, "--overdispersion")
    same(out, results.overdispersion_test())
    cells = results.counts.obs
    out, _ = run("test", kept, "--against", fits[0] / "small.zarr")
    assert len(cells) == 400
    found = read(out, index_col=0)
    assert found["df"].dropna().max() == 2


def test_predictions(run, fit, kept, results, folder):
    rows = pd.DataFrame(
        {"pseudotime": [0.1, 0.9], "cell_type": ["beta", "alpha"], "depth": [1.0, 2.0]},
        index=["a", "b/ü"],
    )
    rows.to_csv("new.csv")
    rows.to_csv("nameless.csv", index=False)
    expected = results.predict(rows, interval=0.9)
    out, _ = run("predict", fit, "--obs", "new.csv", "--interval", "0.9")
    found = read(out)
    assert found.columns.tolist() == ["row", "gene", *expected]
    for name, table in expected.items():
        wide = found.pivot_table(index="row", columns="gene", values=name, dropna=False)
        wide = wide.loc[table.index, table.columns]
        np.testing.assert_array_equal(wide.to_numpy(), table.to_numpy())
    out, _ = run("predict", fit, "--obs", "nameless.csv", "--wide", "mean", "--genes", "gene2")
    found = read(out, index_col=0)
    np.testing.assert_array_equal(found["gene2"], expected["mean"]["gene2"])
    assert found.index.tolist() == [0, 1]
    out, _ = run("predict", kept, "--wide", "dispersion")
    same(out, results.predict()["dispersion"])
    rows.assign(other=3.0).to_csv("new.csv")
    out, _ = run("predict", fit, "--obs", "new.csv", "--size-factors", "other", "--wide", "mean")
    same(out, results.predict(rows, size_factors=np.array([3.0, 3.0]))["mean"])


def test_samples(run, fit, results, cells, folder):
    drawn = results.sample(cells.obs, seed=7)
    for name in ("sim.h5ad", "sim.zarr"):
        _, said = run("sample", fit, "--obs", "cells.h5ad", "--seed", "7", "-o", name)
        assert said == f"nbglm: {name}: 400 cells x 12 genes\n"
        found = anndata.read_h5ad(name) if name == "sim.h5ad" else anndata.read_zarr(name)
        assert (found.X != drawn.X).nnz == 0
        pd.testing.assert_frame_equal(found.obs, cells.obs)
        assert found.var_names.tolist() == drawn.var_names.tolist()
    words = ("--obs", "cells.h5ad", "--seed", "7", "--genes", "gene5", "--n-jobs", "2")
    run("sample", fit, *words, "-o", "sim.tsv.gz")
    found = pd.read_csv("sim.tsv.gz", sep="\t", index_col=0)
    assert found["gene5"].tolist() == drawn[:, "gene5"].X.toarray().ravel().tolist()


def test_more_cells_are_drawn_with_the_truth_behind_them(run, refused, fit, results, cells):
    words = ("--obs", "cells.h5ad", "--cells", "30", "--replicates", "2", "--seed", "5")
    _, said = run("sample", fit, *words, "--uncertainty", "--truth", "-o", "sim.h5ad")
    assert said == "nbglm: sim.h5ad: 60 cells x 12 genes\n"
    drawn = results.sample(
        cells.obs, n_cells=30, replicates=2, seed=5, uncertainty=True, truth=True
    )
    found = anndata.read_h5ad("sim.h5ad")
    assert (found.X != drawn.X).nnz == 0
    np.testing.assert_array_equal(found.layers["mean"], drawn.layers["mean"])
    said = refused("sample", fit, *words, "--truth", "-o", "sim.csv", code=2)
    assert "--truth is for an .h5ad or .zarr" in said


def test_simulated_cells_are_fitted_again_from_their_text_table(run, fit):
    run("sample", fit, "--obs", "cells.h5ad", "--seed", "3", "-o", "sim.csv")
    run("info", "cells.h5ad", "--obs", "-o", "obs.csv")
    out, said = run("fit", "sim.csv", "--obs", "obs.csv", *MODEL)
    assert "12 genes x 400 cells" in said
    assert len(read(out)) == 60


def test_info_of_a_fit_says_what_its_options_may_name(run, fit, kept):
    out, _ = run("info", fit)
    for words in (
        "a fit of 12 genes x 400 cells",
        "~ pseudotime + cell_type",
        "--term may be 'Intercept', 'cell_type[T.beta]', 'pseudotime'",
        "--obs needs pseudotime (numbers), cell_type (alpha, beta)",
        "size factors  column depth",
        "oim",
        "counts kept  no",
    ):
        assert words in out, out
    assert "counts kept  yes" in run("info", kept)[0]


def test_info_explains_genes_and_shows_the_fit_on_one_page(run, refused, kept, results):
    out, _ = run("info", kept, "--explain", "gene11,gene2")
    assert out == f"{results.explain('gene11')}\n{results.explain('gene2')}\n"
    out, _ = run("info", kept, "--summary")
    assert "Negative binomial regression of 12 genes" in out
    assert "Did you mean 'gene1" in refused("info", kept, "--explain", "gene_1")
    assert "holds no fit" in refused("info", "cells.h5ad", "--summary")
    assert "Give one of" in refused("info", kept, "--summary", "--obs", code=2)


def test_names_with_commas_slashes_and_accents_are_names(run, cells):
    cells.var_names = ["HLA/A", "naïve, sort of", *cells.var_names[2:]]
    cells.obs.index = [f"c/{number}, ü" for number in range(400)]
    cells.write_h5ad("odd names.h5ad")
    words = ("--mean", "~ pseudotime", "--genes", "naïve, sort of", "--genes", "gene5,HLA/A")
    run("fit", "odd names.h5ad", *words, "-o", "odd fit.h5ad")
    out, _ = run("table", "odd fit.h5ad", "--genes", "naïve, sort of")
    assert set(read(out)["gene"]) == {"naïve, sort of"}
    run("sample", "odd fit.h5ad", "--obs", "odd names.h5ad", "-o", "odd sample.csv")
    found = pd.read_csv("odd sample.csv", index_col=0)
    assert found.columns.tolist() == ["naïve, sort of", "gene5", "HLA/A"]
    assert found.index.tolist() == cells.obs_names.tolist()


def test_formulas_in_files_are_no_python_unless_that_is_asked_for(run, refused, folder):
    mean = "~ np.asarray(list(map(float, pseudotime)))"
    run("fit", "cells.h5ad", "--mean", mean, "--python", "-o", "fit.h5ad")
    said = refused("predict", "fit.h5ad", "--obs", "cells.h5ad")
    assert said.startswith("nbglm: fit.h5ad: ")
    out, _ = run("predict", "fit.h5ad", "--obs", "cells.h5ad", "--python", "--wide", "mean")
    assert len(out.splitlines()) == 401


COMMANDS = (
    ("table",),
    ("test", "x"),
    ("predict", "--obs", "cells.h5ad"),
    ("sample", "--obs", "cells.h5ad", "-o", "out.h5ad"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_what_is_no_fit_is_refused_by_every_command(refused, folder, fit, command):
    whole = fit.read_bytes()
    (folder / "folder").mkdir()
    (folder / "text.h5ad").write_text("cell,a\nc1,1\n")
    (folder / "half.h5ad").write_bytes(whole[: len(whole) // 2])
    middle = len(whole) // 2
    (folder / "noise.h5ad").write_bytes(whole[:2_000] + b"\xff" * (middle - 2_000) + whole[middle:])
    (folder / "empty.h5ad").write_bytes(b"")
    (folder / "fit.csv").write_text("gene,coef\na,1\n")
    name, *words = command
    for bad in (
        *("none.h5ad", "folder", "text.h5ad", "half.h5ad", "noise.h5ad", "empty.h5ad"),
        *("cells.h5ad", "fit.csv"),
    ):
        said = refused(name, bad, *words)
        assert bad in said
        assert "defect" not in said
    assert not (folder / "out.h5ad").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["table", "--term", "pseudotim"], ["pseudotim", "Did you mean"]),
        (["table", "--term", "pseudotime", "--component", "dispersion"], ["--component 'mean'"]),
        (["table", "--genes", "gene_3"], ["--genes", "Did you mean 'gene3'"]),
        (["table", "--term", "pseudotime", "--method", "BH"], ["--method 'BH'", "fdr_bh"]),
        (["test", "pseudotime ="], ["pseudotime ="]),
        (["test", "--anova"], ["--keep-data"]),
        (["test", "--score", "~ donor"], ["--keep-data"]),
        (["test", "--overdispersion"], ["--keep-data"]),
        (["test", "--against", "none.h5ad"], ["none.h5ad"]),
        (["predict"], ["--keep-data"]),
        (["predict", "--obs", "none.csv"], ["none.csv: No such file"]),
        (
            ["predict", "--obs", "bad.csv"],
            ["bad.csv: column 'cell_type' has levels", "'gamma'"],
        ),
        (["predict", "--obs", "less.csv"], ["less.csv: --size-factors 'depth' is no column"]),
        (["predict", "--obs", "cells.h5ad", "--offset", "log_depth"], ["--offset 'log_depth'"]),
        (["sample", "-o", "out.h5ad"], ["--keep-data"]),
        (["sample", "--obs", "cells.h5ad", "-o", "cells.h5ad"], ["this very command"]),
        (["sample", "--obs", "cells.h5ad", "-o", "out.mtx"], ["must end in"]),
    ],
)
def test_options_that_do_not_fit_the_fit_are_refused(refused, fit, folder, words, says):
    rows = pd.DataFrame({"pseudotime": [0.5], "cell_type": ["gamma"], "depth": [1.0]})
    rows.to_csv("bad.csv")
    rows.drop(columns="depth").to_csv("less.csv")
    name, *options = words
    said = refused(name, fit, *options)
    for word in says:
        assert word in said
    assert not (folder / "out.h5ad").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["test"], "Say what to test by one of"),
        (["test", "x", "--anova"], "there are several"),
        (["test", "--anova", "--each"], "--each goes with a HYPOTHESIS"),
        (["table", "--alpha", "1"], "--alpha"),
        (["predict", "--interval", "95"], "--interval"),
        (["table", "--sort", "p"], "'p' is not one of"),
        (["table", "--format", "xlsx"], "'xlsx' is not one of"),
        (["sample"], "Missing option '-o' / '--output'"),
        (["sample", "--seed", "-1", "-o", "x.h5ad"], "must not be negative"),
    ],
)
def test_wrong_use_of_a_fit_ends_with_2(refused, fit, words, says):
    name, *options = words
    assert says in refused(name, fit, *options, code=2)
