"""What ``import nbglm`` loads, and what the package says that it has."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nbglm

TABLES_AND_COMPILERS = ("numpy", "pandas", "numba", "llvmlite", "scipy", "joblib", "patsy")
NOT_FOR_A_FIT = ("scipy.stats", "scipy.optimize", "statsmodels", "anndata", "h5py", "zarr", "dask")
NEVER = ("matplotlib", "sklearn", "scanpy", "xarray", "mpmath")


def loaded(code, names):
    """Which of some modules a new process has after it has run the code."""
    code = f"import sys; {code}; print(*(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_import_alone_loads_no_heavy_package():
    heavy = (*TABLES_AND_COMPILERS, *NOT_FOR_A_FIT, *NEVER)
    assert loaded("import nbglm", heavy) == []


def test_the_fit_loads_what_it_needs_and_nothing_else():
    code = "import nbglm; nbglm.fit_negbin"
    assert loaded(code, TABLES_AND_COMPILERS) == list(TABLES_AND_COMPILERS)
    assert loaded(code, (*NOT_FOR_A_FIT, *NEVER)) == []


def test_errors_can_be_caught_without_waiting():
    code = "from nbglm import NbglmError, CountsError, NbglmWarning"
    assert loaded(code, TABLES_AND_COMPILERS) == []


@pytest.mark.parametrize("before", ["", "nbglm.fit_negbin; nbglm.__version__; "])
def test_dir_lists_the_public_names_and_nothing_else(before):
    code = f"import nbglm; {before}print(dir(nbglm) == sorted(nbglm.__all__))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_every_public_name_is_there():
    for name in nbglm.__all__:
        assert getattr(nbglm, name).__name__.removeprefix("nbglm.") == name
        assert name in vars(nbglm)  # from the first time on, an ordinary name
    assert isinstance(nbglm.__version__, str)


def test_all_names_can_be_imported_at_once():
    code = "from nbglm import *; import nbglm; print(set(nbglm.__all__) <= set(globals()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'nbglm' has no attribute 'fit_negbinn'") as e:
        _ = nbglm.fit_negbinn
    assert (e.value.name, e.value.obj) == ("fit_negbinn", nbglm)  # from which Python suggests


def test_modules_are_found_without_an_import_of_their_own():
    code = "import nbglm; print(nbglm.counts.__name__, nbglm.single.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "nbglm.counts nbglm.single\n"


def test_checkers_of_types_find_names_where_they_are_imported_from():
    tree = ast.parse(Path(nbglm.__file__).read_text())
    (block,) = (
        node.body
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    told = {
        alias.name: node.module
        for node in block
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    folders = dict.fromkeys(("datasets", "plots"), "nbglm")
    assert told == nbglm._HOMES | folders
    assert set(told) <= set(nbglm.__all__)
