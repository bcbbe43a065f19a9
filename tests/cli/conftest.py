import os

import anndata
import numpy as np
import pandas as pd
import pytest

from nbglm import cli


@pytest.fixture
def file(tmp_path, rng):
    obs = pd.DataFrame({"x": rng.normal(size=80)}, index=[f"cell{i}" for i in range(80)])
    path = tmp_path / "mine.h5ad"
    anndata.AnnData(rng.poisson(3.0, (80, 5)), obs=obs).write_h5ad(path)
    return path


def small_cells():
    """Cells of two types along a pseudotime, from four donors; the last gene has no counts."""
    rng = np.random.default_rng(0)
    cells, genes = 400, 12
    obs = pd.DataFrame(
        {
            "pseudotime": rng.uniform(size=cells).round(4),
            "cell_type": pd.Categorical(rng.choice(["alpha", "beta"], cells)),
            "donor": pd.Categorical(rng.choice(["d1", "d2", "d3", "d4"], cells)),
            "depth": rng.lognormal(0.0, 0.3, cells).round(3),
        },
        index=[f"cell{i}" for i in range(cells)],
    )
    slope, shift = rng.normal(0.0, 1.0, (2, genes))
    log_mean = rng.normal(1.0, 1.0, genes) + np.outer(obs["pseudotime"], slope)
    log_mean += np.outer(obs["cell_type"] == "beta", shift) + np.log(obs[["depth"]].to_numpy())
    size = np.exp(rng.normal(1.0, 0.5, genes))
    counts = rng.poisson(rng.gamma(size, np.exp(log_mean) / size)).astype(np.int32)
    counts[:, -1] = 0
    var = pd.DataFrame(index=[f"gene{j}" for j in range(genes)])
    return anndata.AnnData(counts, obs=obs, var=var)


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory):
    """A folder with a file of cells."""
    folder = tmp_path_factory.mktemp("example")
    small_cells().write_h5ad(folder / "cells.h5ad")
    return folder


@pytest.fixture
def folder(example_folder, tmp_path, monkeypatch):
    """A folder of its own with the cells, in which commands are run."""
    os.link(example_folder / "cells.h5ad", tmp_path / "cells.h5ad")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cells(folder):
    return anndata.read_h5ad(folder / "cells.h5ad")


@pytest.fixture
def table(cells):
    """Counts and covariates of the cells as text tables."""
    frame = pd.DataFrame(np.asarray(cells.X), cells.obs_names, cells.var_names)
    frame.to_csv("counts.csv")
    cells.obs.to_csv("obs.csv")
    return frame


@pytest.fixture
def run(capsys, folder):
    """Run a command line; what it writes to stdout and stderr, once its code has been checked."""

    def run(*words, code=0):
        capsys.readouterr()
        ended = cli.main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert ended == code, err
        return out, err

    return run


@pytest.fixture
def refused(run):
    """Run a command line that is refused in a line; the line."""

    def refused(*words, code=1):
        out, err = run(*words, code=code)
        assert out == ""
        assert len(err.splitlines()) == 1, err
        assert err.startswith("nbglm")
        assert len(err) < 700
        return err

    return refused
