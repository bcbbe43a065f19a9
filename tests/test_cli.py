"""The command line as a shell sees it: what it says, and the code with which it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata
import pandas as pd
import pytest

from nbglm import cli

COMMAND = [sys.executable, "-m", "nbglm"]


@pytest.fixture
def file(tmp_path, rng):
    obs = pd.DataFrame({"x": rng.normal(size=80)}, index=[f"cell{i}" for i in range(80)])
    path = tmp_path / "mine.h5ad"
    anndata.AnnData(rng.poisson(3.0, (80, 5)), obs=obs).write_h5ad(path)
    return path


def test_the_module_is_the_command(file):
    done = subprocess.run(
        [*COMMAND, "demo", "--data", file], capture_output=True, text=True, check=True
    )
    assert "5 genes x 80 cells" in done.stdout
    # On a slow machine it says how long the fit took.
    assert all(line.startswith("nbglm: ") for line in done.stderr.splitlines())


def test_without_a_command_there_is_help(capsys):
    assert cli.main([]) == 2
    assert "demo" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--n-jobs", "0"], "no number of workers"),
        (["--n-jobs", "all"], "'all' is not a whole number"),
        (["--n-jobs", "1.5"], "'1.5' is not a whole number"),
        (["--seed", "-1"], "must not be negative"),
        (["--seed", "x"], "'x' is not a whole number"),
        (["--sed", "1"], "unrecognized arguments"),
    ],
)
def test_what_is_not_understood_ends_with_2(arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["demo", *arguments])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def write(path, what):
    path.write_bytes(what)


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("counts.csv", lambda p, _: write(p, b"cell,a\nc1,3\n"), "pandas.read_csv"),
        ("counts.h5ad", lambda p, _: write(p, b"a\tb\n1\t2\n"), "pandas.read_csv"),
        ("counts.csv.gz", lambda p, _: write(p, b"\x1f\x8b\x08\0\0\0"), "not an h5ad file"),
        ("empty.h5ad", lambda p, _: write(p, b""), "not an h5ad file"),
        ("folder.zarr", lambda p, _: p.mkdir(), "is a folder"),
        ("none.h5ad", lambda p, _: None, "No such file"),
        ("half.h5ad", lambda p, whole: write(p, whole[: len(whole) // 2]), "incomplete"),
        ("begin.h5ad", lambda p, whole: write(p, whole[:8]), "incomplete"),
        ("bad.h5ad", lambda p, w: write(p, w[:1000] + b"\xff" * 2000 + w[3000:]), "damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(file, tmp_path, capsys, name, make, says):
    path = tmp_path / name
    make(path, file.read_bytes())
    assert cli.main(["demo", "--data", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("nbglm: ")
    assert name in said
    assert says in said
    assert len(said.splitlines()) == 1


def test_a_reader_that_has_seen_enough_is_no_error(file):
    process = subprocess.Popen(
        [*COMMAND, "demo", "--data", file], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert (process.wait(timeout=60), process.stderr.read()) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_cannot_be_written_is_said(file):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "demo", "--data", file],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "nbglm: the output cannot be written: No space left on device\n"


@pytest.mark.slow
def test_characters_that_the_terminal_lacks_are_said(file):
    adata = anndata.read_h5ad(file)
    adata.var_names = ["naïve", *adata.var_names[1:]]
    adata.write_h5ad(file)
    done = subprocess.run(
        [*COMMAND, "demo", "--data", file],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "PYTHONUTF8=1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_interrupting_it_ends_with_130_and_no_traceback():
    # Tests that run in the background ignore Ctrl-C, and what they start with them.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "nbglm", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    process.stdout.readline()  # now it is at work
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert said == "nbglm: interrupted\n"
    assert process.returncode == 130


def test_too_little_memory_is_said(capsys, monkeypatch):
    def run(_):
        msg = "Unable to allocate 64. TiB"
        raise MemoryError(msg)

    monkeypatch.setattr(cli, "_run", run)
    assert cli.main(["demo"]) == 1
    assert "not enough memory: Unable to allocate" in capsys.readouterr().err


def test_names_that_are_unknown_are_refused_in_one_line(file, capsys):
    for options, says in (
        (["--mean", "~ xx"], "Did you mean 'x'"),
        (["--dispersion", "~ y"], "'y'"),
        (["--layer", "counts"], "layer='counts' does not exist"),
        (["--mean", "x +"], "cannot be read"),
    ):
        assert cli.main(["demo", "--data", str(file), *options]) == 1
        said = capsys.readouterr().err
        assert says in said
        assert len(said.splitlines()) == 1
