from pathlib import Path

import anndata
import numpy as np
import pytest
from cases import pancreas_path
from hypothesis import settings

import nbglm


def pytest_configure():
    # numba recompiles a kernel when its own file changes, not when a kernel that it calls does.
    package = Path(nbglm.__file__).parent
    newest = max(path.stat().st_mtime for path in package.glob("*.py"))
    for cached in (package / "__pycache__").glob("*.nb[ic]"):
        if cached.stat().st_mtime < newest:
            cached.unlink()


# The same examples in every run, so that a failure is one of this change;
# `pytest --hypothesis-profile=explore` looks for new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("same")


@pytest.fixture(scope="session")
def pancreas():
    path = pancreas_path()
    if path is None:
        pytest.skip("pancreas.h5ad is in neither $NBGLM_DATA_DIR nor ../shared/data")
    return anndata.read_h5ad(path)


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)
