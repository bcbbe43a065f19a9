"""Kernels compiled ahead: whether anybody still has to wait for a compiler."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nbglm
from nbglm import cli
from nbglm.exceptions import CacheError, InputTypeError
from nbglm.kernels.kernelcache import ENTRIES, kept_in, must_compile
from nbglm.warming import Warmup

EVERYTHING = Path(__file__).with_name("everything.py")


def process(folder, *arguments, **variables):
    """Run Python where the package is found in a folder of its own."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": "", **variables}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with a copy of the package."""
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(nbglm.__file__).parent, tmp_path / "nbglm", ignore=skip)
    return tmp_path


@pytest.mark.slow
def test_nothing_is_compiled_after_a_warmup(folder):
    cache = folder / "cache"
    first = process(folder, "-m", "nbglm", "warmup", NUMBA_CACHE_DIR=str(cache))
    assert first.returncode == 0, first.stderr
    assert "kernels compiled in" in first.stderr
    assert str(cache) in first.stderr
    will = "from nbglm.search.climb import will_compile; print(will_compile())"
    assert process(folder, "-c", will).stdout == "True\n"
    assert process(folder, "-c", will, NUMBA_CACHE_DIR=str(cache)).stdout == "False\n"
    kept = set(cache.rglob("*.nb?"))
    for cells in ("300", "1200"):  # rows of their own, and so many that they are merged
        done = process(folder, str(EVERYTHING), cells, NUMBA_CACHE_DIR=str(cache))
        assert done.returncode == 0, done.stderr
        loaded, compiled = map(int, done.stdout.split())
        assert loaded >= 5
        assert compiled == 0
    assert set(cache.rglob("*.nb?")) == kept  # nor did processes that it started


def test_a_second_warmup_finds_everything():
    nbglm.warmup(progress=False)
    again = nbglm.warmup(progress=False)
    assert again.compiled == 0
    assert 0.0 < again.seconds < 5.0
    own = [entry for entry in ENTRIES if entry.py_func.__module__.startswith("nbglm.")]
    assert len(own) >= 5
    for entry in own:
        assert not must_compile(entry)
        assert kept_in(entry).is_relative_to(again.folder)
        assert any(kept_in(entry).glob(f"*.{entry.py_func.__name__}-*.nbi"))


def test_the_result_is_a_line():
    folder = Path("some") / "where"
    assert str(Warmup(21.34, folder, 5)) == f"kernels compiled in 21.3 s; they are in {folder}"
    assert str(Warmup(0.5, folder, 0)) == f"kernels found compiled in 0.5 s; they are in {folder}"


@pytest.mark.parametrize(("progress", "said"), [(None, True), (True, True), (False, False)])
def test_the_end_is_said_unless_it_is_to_be_quiet(capsys, progress, said):
    done = nbglm.warmup(progress=progress)
    assert capsys.readouterr().err.endswith(f"nbglm: {done}\n" if said else "")


def test_the_command_warms_up(capsys):
    assert cli.main(["warmup"]) == 0
    assert str(nbglm.warmup(progress=False).folder) in capsys.readouterr().err


def test_progress_is_checked():
    with pytest.raises(InputTypeError, match="progress must be True, False or None"):
        nbglm.warmup(progress="yes")


def test_a_cache_that_keeps_nothing_is_said(monkeypatch, capsys):
    monkeypatch.setattr("nbglm.warming.kept_in", lambda _: None)
    with pytest.raises(CacheError, match="Set NUMBA_CACHE_DIR to a folder that can be") as error:
        nbglm.warmup(progress=False)
    assert isinstance(error.value, OSError)
    assert cli.main(["warmup"]) == 1
    assert capsys.readouterr().err.startswith("nbglm: compiled kernels could not be kept")
    sys.stdout.write("output goes on")
    assert capsys.readouterr().out == "output goes on"


SMALL = """
from nbglm.kernels.expected import _fill, expected_size_information
from nbglm.kernels.kernelcache import kept_in, must_compile
before = must_compile(_fill)
expected_size_information(0.0, 0.0)
print(before, sum(_fill.stats.cache_misses.values()), kept_in(_fill))
"""


@pytest.fixture
def nowhere(folder):
    """Variables of a user without a folder to write to."""
    home = folder / "no_home"
    home.write_text("a file where the folder should be")
    return {"HOME": str(home), "XDG_CACHE_HOME": str(home)}


def read_only(monkeypatch_code, folder, **variables):
    """Run the small program where numba takes folders for read-only, whoever runs the tests."""
    code = "import tempfile\ndef refuse(**_): raise PermissionError\n"
    code += "tempfile.TemporaryFile = refuse\n" + monkeypatch_code
    return process(folder, "-c", code, **variables)


def test_code_that_another_user_compiled_is_used(folder, nowhere):
    first = process(folder, "-c", SMALL)
    beside = folder / "nbglm" / "kernels" / "__pycache__"
    assert first.stdout.split() == ["True", "1", str(beside)], first.stderr
    second = read_only(SMALL, folder, **nowhere)
    assert second.stdout.split() == ["False", "0", str(beside)], second.stderr


@pytest.mark.slow
def test_code_in_a_folder_that_may_only_be_read_is_used(folder, nowhere):
    cache = str(folder / "cache")
    first = process(folder, "-c", SMALL, NUMBA_CACHE_DIR=cache)
    assert first.stdout.split()[:2] == ["True", "1"], first.stderr
    second = read_only(SMALL, folder, NUMBA_CACHE_DIR=cache, **nowhere)
    assert second.stdout.split() == ["False", "0", first.stdout.split()[2]], second.stderr


@pytest.mark.slow
def test_without_any_folder_each_process_compiles(folder, nowhere):
    for _ in range(2):
        done = read_only(SMALL, folder, **nowhere)
        assert done.stdout.split() == ["True", "1", "None"], done.stderr


@pytest.mark.slow
def test_a_copy_of_the_same_sources_need_not_compile(folder):
    process(folder, "-c", SMALL)
    for path in (folder / "nbglm").rglob("*.py"):  # as the layers of an image do to it
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert process(folder, "-c", SMALL).stdout.split()[:2] == ["False", "0"]


@pytest.mark.slow
def test_after_an_upgrade_kernels_are_compiled_again_and_nothing_else_does_that(folder):
    def must():
        return process(folder, "-c", SMALL).stdout.split()[:2]

    assert must() == ["True", "1"]
    (folder / "nbglm" / "results.py").write_text("# no kernel\n")
    assert must() == ["False", "0"]
    formulas = folder / "nbglm" / "kernels" / "elementary.py"  # of kernels that others contain
    formulas.write_text(formulas.read_text() + "\n# a new version\n")
    assert must() == ["True", "1"]
    for code in (folder / "nbglm" / "kernels" / "__pycache__").glob("expected._fill-*.nbc"):
        code.unlink()  # which the index still names
    assert must() == ["True", "1"]
    assert must() == ["False", "0"]


@pytest.mark.parametrize("cold", [True, False])
def test_a_fit_says_that_it_compiles_only_if_it_will(monkeypatch, capsys, cold):
    monkeypatch.setattr("nbglm.fitting.will_compile", lambda: cold)
    nbglm.fit_negbin(np.array([[1], [4], [2]]), "~ 1", progress=True)
    assert ("`nbglm warmup` does it ahead" in capsys.readouterr().err) == cold


@pytest.mark.parametrize("cold", [True, False])
def test_a_warmup_says_that_it_compiles_only_if_it_will(monkeypatch, capsys, cold):
    monkeypatch.setattr("nbglm.warming.must_compile", lambda _: cold)
    done = nbglm.warmup(progress=True)
    assert (done.compiled > 0) == cold
    assert ("this takes about" in capsys.readouterr().err) == cold
