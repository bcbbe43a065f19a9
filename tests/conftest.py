import anndata
import numpy as np
import pytest
from cases import pancreas_path


@pytest.fixture(scope="session")
def pancreas():
    path = pancreas_path()
    if path is None:
        pytest.skip("pancreas.h5ad is in neither $NBGLM_DATA_DIR nor ../shared/data")
    return anndata.read_h5ad(path)


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)
