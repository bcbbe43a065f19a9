"""Ctrl-C at random moments, and readers that go away: no traceback, and every file whole."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import anndata
import numpy as np
import pandas as pd
import pytest

import nbglm

COMMAND = [sys.executable, "-m", "nbglm"]
MOMENTS = 4


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with cells whose fit takes a moment, and a fit of them."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"x": rng.normal(size=4_000)}, index=[f"cell{i}" for i in range(4_000)])
    counts = rng.negative_binomial(2, 0.4, (4_000, 150)).astype(np.int32)
    anndata.AnnData(counts, obs=obs).write_h5ad(folder / "cells.h5ad")
    nbglm.fit_negbin(counts[:, :20], "~ x", obs=obs, progress=False).save(folder / "fit.h5ad")
    return folder


def interrupted(words, folder, seconds):
    """Run a command, interrupt it after some time, and return its code and what it said."""
    # Tests that run in the background ignore Ctrl-C, and what they start with them.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    signal.signal(signal.SIGINT, before)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert out == ""
    # Where Ctrl-C falls into code that Python runs from text, Python ends by the signal itself,
    # and shells report that as 130 as well.
    code = process.returncode
    return 128 - code if code == -signal.SIGINT else code, said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "read"),
    [
        (
            ["fit", "cells.h5ad", "--mean", "~ x", "--dispersion", "~ x", "-o", "out.h5ad"],
            lambda path: nbglm.load(path).params["beta"].shape == (2, 150),
        ),
        (
            ["sample", "fit.h5ad", "--obs", "cells.h5ad", "--seed", "1", "-o", "out.h5ad"],
            lambda path: anndata.read_h5ad(path).shape == (4_000, 20),
        ),
    ],
    ids=["fit", "sample"],
)
def test_ctrl_c_leaves_a_whole_file_old_or_new(place, words, read):
    output = place / "out.h5ad"
    started = time.perf_counter()
    done = subprocess.run(
        [*COMMAND, *words, "--overwrite"], cwd=place, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    whole = time.perf_counter() - started
    assert read(output)
    codes = set()
    generator = random.Random(1)  # noqa: S311
    for _ in range(MOMENTS):
        output.write_text("old")
        code, said = interrupted(
            [*words, "--overwrite"], place, generator.uniform(0.3, 1.0) * whole
        )
        codes.add(code)
        assert "Traceback" not in said
        if code == 0:
            assert read(output)
        else:
            assert said.splitlines()[-1] == "nbglm: interrupted"
            assert output.read_text() == "old"
        assert sorted(os.listdir(place)) == ["cells.h5ad", "fit.h5ad", "out.h5ad"]  # noqa: PTH208
    assert 130 in codes
    assert codes <= {0, 130}


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "fit cells.h5ad --mean '~ x'",
        "table fit.h5ad",
        "predict fit.h5ad --obs cells.h5ad",
        "info cells.h5ad --obs",
    ],
)
def test_head_is_no_error(place, line):
    command = f"{sys.executable} -m nbglm {line} | head -2; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        [shutil.which("bash"), "-c", command],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_ctrl_c_while_an_object_is_given_up_is_not_lost(run, monkeypatch):
    class Ends:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def work(*_):
        kept = [Ends()]
        kept.clear()
        for _ in range(100):
            time.sleep(0.05)
        return "nobody stopped this"

    monkeypatch.setattr("nbglm.demo.demo_simulation", work)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _, said = run("demo", code=130)
    finally:
        signal.signal(signal.SIGINT, before)
    assert said == "nbglm: interrupted\n"
