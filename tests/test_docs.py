"""Blocks of Python in the documents run as they stand there, on a cluster of this machine."""

import json
import re
from pathlib import Path

import anndata
import joblib
import numpy as np
import pandas as pd
import pytest

import nbglm

DOCS = Path(__file__).parents[1] / "docs"


def blocks(name):
    """The blocks of a page, with the line that each begins on."""
    text = (DOCS / name).read_text()
    found = re.finditer(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return {match[1].splitlines()[0]: match[1] for match in found}


@pytest.fixture
def adata(rng):
    """Counts of a few cells."""
    obs = pd.DataFrame({"time": rng.normal(size=60), "batch": ["a", "b"] * 30})
    obs.index = [f"cell {number}" for number in range(60)]
    counts = rng.negative_binomial(2, 0.3, (60, 3))
    return anndata.AnnData(counts.astype(np.float32), obs=obs)


def run(code, **names):
    """Run a block, and return what it defines."""
    exec(compile(code, "a block of docs/cluster.md", "exec"), names)  # noqa: S102
    return names


def test_every_block_is_tried_or_said_not_to_be():
    assert list(blocks("cluster.md")) == [
        "with joblib.parallel_config(n_jobs=8):  # or n_jobs=8 in the call",
        "import nbglm",
        "import anndata, joblib, nbglm",
        "from dask_jobqueue import SLURMCluster",
    ]
    assert "not tested here" in (DOCS / "cluster.md").read_text()  # of the last one


@pytest.mark.slow
def test_backends(adata):
    code = blocks("cluster.md")["with joblib.parallel_config(n_jobs=8):  # or n_jobs=8 in the call"]
    names = {"joblib": joblib, "nbglm": nbglm, "adata": adata, "formula": "~ time"}
    fit = run(code.replace("n_jobs=8", "n_jobs=2"), **names)["res"]
    assert (fit.status == "ok").all()


def test_warmup(capsys):
    run(blocks("cluster.md")["import nbglm"])
    assert "kernels compiled in" in capsys.readouterr().out


@pytest.mark.slow
def test_client(adata, tmp_path, monkeypatch):
    from distributed import LocalCluster

    adata.write_h5ad(tmp_path / "counts.h5ad")
    monkeypatch.chdir(tmp_path)
    code = blocks("cluster.md")["import anndata, joblib, nbglm"]
    with LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        where = tmp_path / "scheduler.json"
        where.write_text(json.dumps(cluster.scheduler.identity()))
        code = code.replace("/shared/me/scheduler.json", str(where)).replace("(64)", "(2)")
        names = run(code)
        warmed = names["client"].run(nbglm.warmup, progress=False)
        names["client"].close()
    assert len(warmed) == 2
    assert {done.compiled for done in warmed.values()} == {0}
    table = pd.read_csv("results.csv")
    assert set(table["status"]) == {"ok"}
