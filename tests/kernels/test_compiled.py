"""Whether somebody has to wait for a compiler."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nbglm
from nbglm.kernels.compiled import must_compile

MODULE = """
from nbglm.kernels.compiled import entry

@entry
def double(x):
    return 2.0 * x
"""


def load(path):
    spec = importlib.util.spec_from_file_location("some_kernels", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_kernel_is_compiled_once(tmp_path):
    path = tmp_path / "some_kernels.py"
    path.write_text(MODULE)
    first = load(path)
    assert must_compile(first.double)
    assert first.double(2.0) == 4.0
    assert not must_compile(first.double)
    assert not must_compile(load(path).double)  # as in the next process


NUMBER = """
from nbglm.kernels.expected import expected_size_information
print(expected_size_information([20.0], [0.0])[0])
"""


def run(package, code):
    """What a new process prints that finds the package in a folder of its own."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=package.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.fixture
def copied(tmp_path):
    """A copy of the package without anything compiled."""
    copy = tmp_path / "nbglm"
    shutil.copytree(Path(nbglm.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.mark.slow
def test_an_edited_formula_is_used_at_once(copied):
    (before,) = run(copied, NUMBER)
    formulas = copied / "kernels" / "elementary.py"  # of kernels that others contain
    text = formulas.read_text()
    edited = text.replace("return s - 2.0 * u", "return 2.0 * s - 2.0 * u")
    assert edited != text
    formulas.write_text(edited)
    (after,) = run(copied, NUMBER)
    assert float(before) != float(after)
    formulas.write_text(text)
    assert run(copied, NUMBER) == [before]


@pytest.mark.slow
def test_kernels_work_without_a_folder_for_the_cache(copied, monkeypatch):
    for cached in copied.rglob("__pycache__"):
        shutil.rmtree(cached)
    expected = run(copied, NUMBER)
    caches = list(copied.rglob("__pycache__"))
    assert copied / "kernels" / "__pycache__" in caches
    for cached in caches:
        shutil.rmtree(cached)
        cached.write_text("a file where the folder should be")
    nowhere = copied.parent / "no_home"
    nowhere.write_text("a file where the folder should be")
    monkeypatch.setenv("HOME", str(nowhere))
    monkeypatch.setenv("XDG_CACHE_HOME", str(nowhere))
    assert run(copied, NUMBER) == expected


@pytest.mark.slow
def test_a_damaged_cache_is_no_error(copied):
    expected = run(copied, NUMBER)
    kept = list(copied.rglob("__pycache__/*.nb[ic]"))
    assert kept
    for path in kept:
        path.write_bytes(path.read_bytes()[:37])
    assert run(copied, NUMBER) == expected
