"""The benchmarks' own code, on small data: the large file, its fits, the tables."""

import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from benchmarks import run
from benchmarks.million import fit_in_fresh_process, write_in_fresh_process
from benchmarks.million_cells import right_model, write_cells
from benchmarks.report import markdown, write_csv
from benchmarks.scaling import DESIGNS, covariates, measure, simulate
from benchmarks.targets import compare
from benchmarks.timing import spread


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A small version of the large file."""
    path = tmp_path_factory.mktemp("large") / "cells.h5ad"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in run.environment().items():
            patch.setenv(name, value)
        return path, write_in_fresh_process(path, 20_000, 50)


@pytest.mark.slow
def test_large_file_is_sparse_and_written_with_little_memory(large):
    path, written = large
    adata = anndata.read_h5ad(path)
    assert adata.shape == (20_000, 50)
    assert adata.X.has_canonical_format
    assert adata.X.dtype == adata.X.indices.dtype == adata.X.indptr.dtype == np.int32
    assert adata.X.data.min() > 0
    assert written["positive"] == pytest.approx(adata.X.nnz / 1e6)
    assert 0.01 < written["positive"] < 0.15
    assert 0.0 < written["writing_gib"] < 2.0


@pytest.mark.slow
def test_large_file_has_the_means_of_its_truth(large):
    adata = anndata.read_h5ad(large[0])
    y, time = adata.X.toarray(), adata.obs["time"].to_numpy()
    level = np.zeros((20_000, 50))
    for name in (name for name in adata.var if name.startswith("type")):
        level += np.outer(adata.obs["type"] == name[7:-1], adata.var[name])
    mu = np.exp(adata.var["Intercept"].to_numpy() + level + np.outer(time, adata.var["time"]))
    variance = mu + mu**2 / np.exp(adata.var["log_size"].to_numpy())
    z = (y - mu).sum(axis=0) / np.sqrt(variance.sum(axis=0))
    assert np.abs(z).max() < 4.0


def test_draws_do_not_depend_on_the_number_of_workers(tmp_path):
    for jobs in (1, 3):  # two chunks
        write_cells(tmp_path / f"{jobs}.h5ad", 2_500, 1_000, n_jobs=jobs)
    one, three = (anndata.read_h5ad(tmp_path / f"{jobs}.h5ad").X for jobs in (1, 3))
    assert (one != three).nnz == 0


@pytest.mark.slow
@pytest.mark.parametrize("mean", ["~ type", "~ time"])
def test_fit_of_the_large_file_from_backed_mode(large, monkeypatch, mean):
    for name, value in run.environment().items():
        monkeypatch.setenv(name, value)
    found = fit_in_fresh_process(large[0], mean)
    assert found["backed"]
    assert "not_converged" not in found["statuses"]
    assert sum(found["statuses"].values()) == 50
    assert found["compared"] > 0.5 * (8 if mean == "~ type" else 3) * right_model(50, mean).sum()
    assert 0.88 < found["within_two"] <= 1.0
    assert found["largest_z"] < 4.5
    assert found["loglik"] < 0.0
    assert 0.0 < found["before_gib"] < found["peak_gib"] < 2.0
    assert found["seconds"] > 0.0


@pytest.mark.parametrize("design", DESIGNS)
def test_scaling_reaches_the_truth(design):
    data = simulate(covariates(8_000, 8, 1), *DESIGNS[design], genes=4)
    row = measure(data, runs=2)
    assert row["status"] == "4 ok"
    # half the number of coefficients, plus or minus chance
    assert 0.0 < row["above_truth"] < 3.0 * row["coefficients"]
    assert 1.0 <= row["evaluations"] <= row["evaluations_max"]
    assert row["seconds_min"] <= row["seconds"] <= row["seconds_max"]
    assert row["runs"] == 2


def test_spread():
    assert spread("s", [3.0, 1.0, 2.0], 10.0) == {
        "s": 20.0,
        "s_min": 10.0,
        "s_max": 30.0,
        "runs": 3,
    }


def test_tables_carry_machine_versions_and_note(tmp_path):
    table = write_csv([{"what": "a | b", "ms": 1.23456789}], tmp_path / "x.csv", "a trial")
    stored = pd.read_csv(tmp_path / "x.csv").iloc[0]
    assert stored["ms"] == 1.235
    assert stored["note"] == "a trial"
    assert {"cpu", "cores", "load", "numpy", "numba", "nbglm", "commit", "date"} <= set(table)
    assert markdown(table[["what"]]).splitlines() == ["| what |", "| --- |", "| a \\| b |"]


def test_targets_say_what_was_not_measured(tmp_path):
    rows = [{"cache": None, "import_s": 1.0, "fit_s": None, "process_s": 1.2}]
    write_csv(rows, tmp_path / "startup.csv", "a trial")
    table = compare(tmp_path).set_index("what")
    held, found, met, measured = table.loc["`import nbglm`, s"]
    assert (held, found, met) == ("at most 1.5", "1", "yes")
    assert measured.endswith("a trial")
    assert set(table["found"]) == {"1", "not measured"}


def test_missing_data_are_named_kindly(monkeypatch, tmp_path):
    from benchmarks.peer_cases import pancreas_fits

    monkeypatch.setenv("NBGLM_DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match="NBGLM_DATA_DIR"):
        pancreas_fits()


def test_a_missing_package_is_a_row(monkeypatch, tmp_path):
    from benchmarks.peer_cases import PeerCase
    from benchmarks.peer_fits import fit_by_r, fit_gamlss, fit_pydeseq2
    from benchmarks.peers import Peer, row_of

    counts = pd.DataFrame({"a": [0, 1, 3], "b": [2, 0, 1]})
    case = PeerCase(
        "small", counts, pd.DataFrame({"x": [0.0, 1.0, 2.0]}), "~ x", "~ 1", np.zeros(3)
    )
    monkeypatch.setattr("benchmarks.peer_fits.version_of", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))  # without Rscript
    for fitted in (
        fit_gamlss(case, 1),
        fit_pydeseq2(case, 1),
        fit_by_r("MASS")(case, 1, np.ones(2)),
    ):
        row = row_of(case, Peer("some", "call", lambda *_: None), fitted)
        assert row["status"] == "not installed"
        assert "ms" not in row


def test_unknown_part_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run.py", "--only", "peers,speed"])
    with pytest.raises(SystemExit):
        run.main()
    assert "no such part: speed" in capsys.readouterr().err


def test_documentation_names_every_part():
    text = (Path(run.__file__).parents[1] / "README.md").read_text()
    assert all(f"`{part}`" in text for part in run.PARTS)


def test_the_tutorial_is_a_row_beside_the_quoted_one():
    from benchmarks.peers import tutorial_rows

    own, quoted = tutorial_rows(1)
    assert own["genes_finite"] == 20
    assert own["loglik"] < 0.0
    assert quoted["ms"] / own["ms"] == pytest.approx(quoted["times_nbglm"])
