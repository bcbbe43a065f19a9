"""The command line as a shell sees it: what it says, and the code with which it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata
import pytest

from nbglm import cli
from nbglm.cli.app import group

COMMAND = [sys.executable, "-m", "nbglm"]


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
        (["--sed", "1"], "--sed"),
    ],
)
def test_what_is_not_understood_ends_with_2(arguments, says, refused):
    said = refused("demo", *arguments, code=2)
    assert says in said
    assert said.endswith("'nbglm demo --help' shows how it is used.\n")


def write(path, what):
    path.write_bytes(what)


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("counts.csv", lambda p, _: write(p, b"cell,a\nc1,3\n"), "'nbglm fit' takes beside --obs"),
        ("counts.h5ad", lambda p, _: write(p, b"a\tb\n1\t2\n"), "needs a name in .csv"),
        ("packed.h5ad", lambda p, _: write(p, b"\x1f\x8b\x08\0\0\0"), "no h5ad file; data come as"),
        ("empty.h5ad", lambda p, _: write(p, b""), "an empty file"),
        ("folder.zarr", lambda p, _: p.mkdir(), "a folder, and no zarr store"),
        ("none.h5ad", lambda p, _: None, "No such file"),
        ("half.h5ad", lambda p, whole: write(p, whole[: len(whole) // 2]), "incomplete"),
        ("begin.h5ad", lambda p, whole: write(p, whole[:8]), "incomplete"),
        ("bad.h5ad", lambda p, w: write(p, w[:1000] + b"\xff" * 2000 + w[3000:]), "damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(file, tmp_path, refused, name, make, says):
    path = tmp_path / name
    make(path, file.read_bytes())
    for words in (["demo", "--data", path], ["info", path], ["fit", path, "--mean", "~ 1"]):
        if name != "counts.csv" or words[0] == "demo":
            said = refused(*words)
            assert str(path) in said
            by_pieces = words[0] == "fit" and "cannot be read as an AnnData" in said
            assert says in said or by_pieces


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
    assert process.returncode in (130, -signal.SIGINT)  # which shells report as 130 as well


def test_too_little_memory_is_said(refused, monkeypatch):
    def run(*_):
        msg = "Unable to allocate 64. TiB"
        raise MemoryError(msg)

    monkeypatch.setattr("nbglm.demo.demo_simulation", run)
    assert "not enough memory: Unable to allocate" in refused("demo")


def test_names_that_are_unknown_are_refused_in_one_line(file, run):
    for options, says in (
        (["--mean", "~ xx"], "Did you mean 'x'"),
        (["--dispersion", "~ y"], "'y'"),
        (["--layer", "counts"], "--layer 'counts' does not exist"),
        (["--mean", "x +"], "cannot be read"),
    ):
        _, said = run("demo", "--data", file, *options, code=1)
        assert says in said
        assert said.startswith(f"nbglm: {file}: ")
        assert len(said.splitlines()) == 1


def test_a_defect_is_said_to_be_one_and_shown_with_debug(run, monkeypatch):
    def run_into_it(*_):
        msg = "of another kind\nin two lines"
        raise IndexError(msg)

    monkeypatch.setattr("nbglm.demo.demo_simulation", run_into_it)
    _, said = run("demo", code=1)
    assert said == (
        "nbglm: a defect of nbglm, or a file such as it has never seen: IndexError: of another "
        "kind; the same command with --debug shows where\n"
    )
    for words in (["demo", "--debug"], ["--debug", "demo"]):
        _, said = run(*words, code=1)
        assert said.startswith("Traceback")
        assert "run_into_it" in said


HEAVY = ("numpy", "pandas", "numba", "scipy", "joblib", "patsy", "anndata", "statsmodels")


def test_help_and_refusals_wait_for_no_heavy_package():
    for words in (["--help"], ["fit", "--help"], ["fit"], ["--version"]):
        code = f"from nbglm import cli; import sys; cli.main({words!r}); "
        code += f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stderr.endswith("[]\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(run, monkeypatch, shell):
    monkeypatch.setenv("_NBGLM_COMPLETE", f"{shell}_source")
    out, _ = run()
    assert "_nbglm_completion" in out


def test_commands_and_options_are_completed(run, monkeypatch):
    for words, found in (("nbglm f", "fit"), ("nbglm fit --disp", "--dispersion")):
        monkeypatch.setenv("_NBGLM_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        out, _ = run()
        assert out.splitlines() == [f"plain,{found}"]


def test_the_help_lists_all_commands_with_whole_sentences(run):
    out, _ = run("--help")
    assert "..." not in out.split("Commands:")[1]
    for name in group.commands:
        assert f"\n  {name}  " in out
        _, said = run(name, "--nonsense", code=2)
        assert "No such option" in said
