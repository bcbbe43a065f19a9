"""What ``nbglm demo`` shows: a simulation with known truth, real data beside statsmodels, yours."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.negbin import fit_negbin
from nbglm.results import NegBinResults

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Simulation", "demo_data", "demo_health_visits", "demo_simulation", "simulate_tutorial"]

FloatArray = NDArray[np.float64]

SIMULATION_FORMULA = {
    "mean": "~ mean_dim0 + mean_dim1 - 1",
    "dispersion": "~ dispersion_dim0 + dispersion_dim1 - 1",
}
HEALTH_MEAN = "~ lncoins + idp + lpi + fmde + physlm + disea + hlthg + hlthf + hlthp"
HEALTH_DISPERSION = "~ physlm + disea"


class Simulation(NamedTuple):
    """Simulated counts with the coefficients behind them.

    Attributes
    ----------
    adata : AnnData
        Counts and covariates.
    b, d : ndarray, shape (2, genes)
        True coefficients of the log mean and of the log size.
    """

    adata: AnnData
    b: FloatArray
    d: FloatArray


def simulate_tutorial(seed: int, cells: int = 10_000, genes: int = 20) -> Simulation:
    """The simulation of the scDesigner tutorial.

    ``mu = exp(X1 B)`` and ``r = exp(X2 D)`` with all entries of the four matrices standard normal.

    Parameters
    ----------
    seed : int
        Makes it repeatable.
    cells, genes : int
        Size.

    Returns
    -------
    Simulation

    Examples
    --------
    >>> simulate_tutorial(0, cells=50, genes=3).adata.shape
    (50, 3)
    """
    from anndata import AnnData

    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=(cells, 2)), rng.normal(size=(cells, 2))
    b, d = rng.normal(size=(2, genes)), rng.normal(size=(2, genes))
    mean, size = np.exp(x1 @ b), np.exp(x2 @ d)
    counts = rng.poisson(rng.gamma(size, mean / size))
    names = ["mean_dim0", "mean_dim1", "dispersion_dim0", "dispersion_dim1"]
    obs = pd.DataFrame(
        np.column_stack([x1, x2]), columns=names, index=[f"cell{i}" for i in range(cells)]
    )
    var = pd.DataFrame(index=[f"gene{j}" for j in range(genes)])
    return Simulation(AnnData(counts, obs=obs, var=var), b, d)


def _beside(truth: FloatArray, estimate: pd.DataFrame, error: pd.DataFrame) -> list[list[str]]:
    """For each gene, the cells ``truth  estimate (se)`` of each coefficient."""
    return [
        [
            f"{truth[k, g]:7.3f} {estimate.iloc[k, g]:7.3f} ({error.iloc[k, g]:.3f})"
            for k in range(2)
        ]
        for g in range(truth.shape[1])
    ]


def demo_simulation(seed: int, n_jobs: int | None) -> NegBinResults:
    """Fit the simulation and print truth, estimates and standard errors side by side.

    Parameters
    ----------
    seed : int
        Of the simulation.
    n_jobs : int or None
        As joblib understands it.

    Returns
    -------
    NegBinResults
    """
    adata, b, d = simulate_tutorial(seed)
    print(
        f"1. Simulated counts with known coefficients: {adata.n_obs} cells x {adata.n_vars} genes"
    )
    print("   mu = exp(X1 B), r = exp(X2 D), all entries N(0, 1)\n")
    results = fit_negbin(adata, SIMULATION_FORMULA, n_jobs=n_jobs, progress=False)
    titles = [f"{name}[{k}] truth, estimate (se)" for name in "BD" for k in range(2)]
    print("   " + "gene".ljust(8) + "".join(title.ljust(28) for title in titles))
    beta = _beside(b, results.params["beta"], results.bse["beta"])
    gamma = _beside(d, results.params["gamma"], results.bse["gamma"])
    for name, left, right in zip(adata.var_names, beta, gamma, strict=True):
        print("   " + name.ljust(8) + "".join(cell.ljust(28) for cell in [*left, *right]))
    truth = np.concatenate([b, d]).T
    error = np.abs(results.arrays.coef - truth)
    table = results.to_frame()
    inside = table["ci_lower"].to_numpy() <= truth.ravel()
    inside &= truth.ravel() <= table["ci_upper"].to_numpy()
    print(f"\n   mean absolute error: B {error[:, :2].mean():.4f}, D {error[:, 2:].mean():.4f}")
    print(f"   95 % intervals that hold the truth: {inside.sum()} of {inside.size}")
    print(f"   {results!r}\n".replace("\n", "\n   "))
    return results


def _statsmodels_constant(counts: pd.Series, design: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """The NB2 fit of statsmodels, with its alpha turned into our dispersion coefficient."""
    from statsmodels.discrete.discrete_model import NegativeBinomial

    fit = NegativeBinomial(counts, design).fit(method="bfgs", maxiter=1000, gtol=1e-7, disp=0)
    coef, error = fit.params.copy(), fit.bse.copy()
    # gamma = log r = -log(alpha): the delta method divides the standard error by alpha
    coef.iloc[-1], error.iloc[-1] = (
        -np.log(fit.params.iloc[-1]),
        fit.bse.iloc[-1] / fit.params.iloc[-1],
    )
    return pd.DataFrame({"coef": coef.to_numpy(), "se": error.to_numpy()}), float(fit.llf)


def demo_health_visits() -> NegBinResults:
    """Doctor visits of the RAND experiment: constant dispersion beside statsmodels, and modelled.

    Returns
    -------
    NegBinResults
        The fit in which the dispersion depends on health.
    """
    from statsmodels.datasets import randhie

    data = randhie.load_pandas().data
    counts, obs = data[["mdvis"]].astype(int), data.drop(columns="mdvis")
    print(
        f"2. Real data: outpatient visits of {len(data)} people (RAND health insurance experiment)"
    )
    constant = fit_negbin(counts, HEALTH_MEAN, obs=obs, progress=False)
    varying = fit_negbin(
        counts, {"mean": HEALTH_MEAN, "dispersion": HEALTH_DISPERSION}, obs=obs, progress=False
    )
    design = pd.DataFrame(
        constant.design.mean.matrix, columns=list(constant.design.mean.terms), index=data.index
    )
    started = time.perf_counter()
    theirs, their_llf = _statsmodels_constant(data["mdvis"], design)
    their_seconds = time.perf_counter() - started
    table = constant.to_frame()[["component", "term", "coef", "std_err"]]
    table["statsmodels"], table["its se"] = theirs["coef"], theirs["se"]
    table["difference"] = table["coef"] - table["statsmodels"]
    print("\n   Constant dispersion, beside statsmodels NegativeBinomial (nb2, -log alpha):")
    print(_indent(table.to_string(index=False, float_format=lambda v: f"{v:.6g}")))
    ours = float(constant.llf.iloc[0])
    print(
        f"   log-likelihood {ours:.6f}, statsmodels {their_llf:.6f}, "
        f"difference {ours - their_llf:.2g}"
    )
    print(f"   seconds {constant.seconds:.3f}, statsmodels {their_seconds:.3f}\n")
    print("   Dispersion ~ physlm + disea:")
    print(_indent(str(varying.gene("mdvis").summary())))
    gain = 2.0 * (float(varying.llf.iloc[0]) - ours)
    print(
        f"   Likelihood ratio against the constant dispersion: {gain:.2f} on 2 degrees of freedom\n"
    )
    return varying


def demo_data(
    adata: AnnData, path: str, mean: str, dispersion: str, layer: str | None, n_jobs: int | None
) -> NegBinResults:
    """Fit data of the user's and print what a first look needs.

    Parameters
    ----------
    adata : AnnData
        Counts and covariates.
    path : str
        File that they are from.
    mean, dispersion : str
        Formulas.
    layer : str or None
        Layer of counts.
    n_jobs : int or None
        As joblib understands it.

    Returns
    -------
    NegBinResults
    """
    print(f"Your data: {path}, {adata.n_obs} cells x {adata.n_vars} genes\n")
    results = fit_negbin(
        adata,
        {"mean": mean, "dispersion": dispersion},
        layer=layer,
        n_jobs=n_jobs,
        scope="columns",
    )
    print(results)
    table = results.to_frame()
    rows = 3 * results.arrays.coef.shape[1]
    print(f"\nThe first {rows} of {len(table)} rows of results.to_frame():")
    print(table.head(rows).to_string(index=False, float_format=lambda v: f"{v:.4g}"))
    first = results.status[results.status == "ok"].index
    if len(first):
        print(f"\nresults.gene({first[0]!r}).summary():")
        print(results.gene(first[0]).summary())
    drawn = results.sample(seed=0)
    print(f"\nresults.sample(seed=0): counts {drawn.X.dtype}, {drawn.n_obs} x {drawn.n_vars}")
    given = adata.layers[layer] if layer else adata.X
    means = pd.DataFrame(
        {
            "data": np.asarray(given.mean(axis=0)).ravel(),
            "sample": np.asarray(drawn.X.mean(axis=0)).ravel(),
        },
        index=adata.var_names,
    )
    print("mean counts of the first genes:")
    print(means.head(5).to_string(float_format=lambda v: f"{v:.4g}"))
    return results


def _indent(text: str) -> str:
    return "\n".join("   " + line for line in text.splitlines())
