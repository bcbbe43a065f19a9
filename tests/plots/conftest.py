import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import nbglm

mpl.use("Agg")


@pytest.fixture(autouse=True)
def untouched_pyplot():
    """No picture changes settings, and none is left open."""
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


@pytest.fixture(scope="session")
def factor():
    """Sixty genes in three groups: silent somewhere, without counts, with awkward names."""
    rng = np.random.default_rng(8)
    group = np.repeat(["a", "b", "$c_d$"], 60)
    names = [f"g_{k}" for k in range(60)]
    names[3], names[4], names[5] = "$x$", "_hidden", "gène/1^{2}"
    change = rng.normal(0.0, 1.0, 60) * (rng.random(60) < 0.5)
    base = np.exp(rng.normal(1.0, 1.0, 60))
    mean = base * np.exp(np.outer(group == "b", change))
    counts = rng.poisson(mean * rng.gamma(2.0, 0.5, mean.shape))
    counts[:, :2] = 0
    counts[group == "b", 6:10] = 0
    counts[:, 10:14] = np.tile([1, 2, 3], 60)[:, None]
    obs = pd.DataFrame({"group": pd.Categorical(group, ["a", "b", "$c_d$"])})
    obs["depth"] = np.exp(rng.normal(0.0, 0.3, 180))
    obs["time"] = np.linspace(-1.0, 1.0, 180)
    return pd.DataFrame(counts, columns=names), obs


@pytest.fixture(scope="session")
def fit(factor):
    counts, obs = factor
    return nbglm.fit_negbin(counts, "~ group", obs=obs, progress=False)


@pytest.fixture(scope="session")
def joint(factor):
    counts, obs = factor
    formulas = {"mean": "~ group", "dispersion": "~ group"}
    return nbglm.fit_negbin(counts, formulas, obs=obs, progress=False)
