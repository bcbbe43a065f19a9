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


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory):
    """A folder with the cells that the examples begin with."""
    folder = tmp_path_factory.mktemp("example")
    assert cli.main(["demo", "-o", str(folder / "cells.h5ad")]) == 0
    return folder


@pytest.fixture
def folder(example_folder, tmp_path, monkeypatch):
    """A folder of its own with these cells, in which commands are run."""
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
