import anndata
import numpy as np
import pytest
from cases import pancreas_path
from hypothesis import settings

# Fixtures, in which there are no doctests; several files of one name could not all be collected.
collect_ignore_glob = ["conftest.py", "*/conftest.py"]

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
