"""One function for each package: fit every gene of a case, several times.

Each returns a :class:`Fitted`, whatever happens: a package that is not installed, or fails, says so
in its row.
"""

from __future__ import annotations

import math
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.discrete.discrete_model import NegativeBinomial

import nbglm
from benchmarks.machine import version_of
from benchmarks.peer_cases import PeerCase
from benchmarks.timing import repeated
from nbglm.counts.table import read_counts
from nbglm.fit.genes import FitArrays

__all__ = ["Fitted", "fit_by_r", "fit_gamlss", "fit_nbglm", "fit_pydeseq2", "fit_statsmodels"]

SCRIPT = Path(__file__).with_name("peers.R")


@dataclass(frozen=True)
class Fitted:
    """What a package found.

    Attributes
    ----------
    status : str
        ``measured``, ``not installed``, or ``failed: why``.
    version : str or None
        Of the package.
    seconds : list of float
        For all genes, of each run.
    beta, gamma : ndarray, shape (genes, p) and (genes, q)
        Coefficients of the log mean and of the log size.
    """

    status: str
    version: str | None = None
    seconds: list[float] = field(default_factory=list)
    beta: np.ndarray | None = None
    gamma: np.ndarray | None = None


def fit_nbglm(case: PeerCase, runs: int, times: int = 1) -> tuple[Fitted, nbglm.NegBinResults]:
    """Fit with nbglm, one worker, standard errors included; `times` as in :func:`fit_by_r`."""
    genes = case.counts.shape[1]
    table = pd.concat([case.counts] * times, axis=1)
    table.columns = [f"{name}_{k // genes}" for k, name in enumerate(table.columns)]

    def fit() -> nbglm.NegBinResults:
        found = nbglm.fit_negbin(table, case.formula, obs=case.obs, n_jobs=1, progress=False)
        assert found.bse["beta"].shape
        return found

    fit()  # compiles
    seconds, results = repeated(fit, runs)
    seconds = [each / times for each in seconds]
    p = case.designs()[0].shape[1]
    results = replace(
        results,
        arrays=FitArrays(**{name: part[:genes] for name, part in vars(results.arrays).items()}),
        counts=read_counts(case.counts, obs=case.obs),
    )
    finite = results.arrays.finite
    # Far out along a direction to infinity the likelihood has its limit.
    finite = finite + 1e3 * np.sign(results.arrays.direction)
    return Fitted("measured", nbglm.__version__, seconds, finite[:, :p], finite[:, p:]), results


def _one_of_statsmodels(y: pd.Series, x: pd.DataFrame, options: dict[str, object]) -> np.ndarray:
    """Coefficients of one gene, with ``log(1 / alpha)`` last; NaN where it raised an error."""
    try:
        fit = NegativeBinomial(y, x).fit(disp=0, **options)
        assert fit.bse.size
    except np.linalg.LinAlgError:
        return np.full(x.shape[1] + 1, math.nan)
    coef = fit.params.to_numpy().copy()
    coef[-1] = -math.log(coef[-1]) if coef[-1] > 0 else math.nan
    return coef


def fit_statsmodels(case: PeerCase, runs: int, **options: object) -> Fitted:
    """Fit with ``statsmodels.NegativeBinomial``, gene by gene, standard errors included."""
    x, _ = case.designs()

    def fit() -> np.ndarray:
        return np.stack([_one_of_statsmodels(case.counts[g], x, options) for g in case.counts])

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        seconds, coef = repeated(fit, runs)
    return Fitted("measured", version_of("statsmodels"), seconds, coef[:, :-1], coef[:, -1:])


def _one_of_gamlss(case: PeerCase, gene: str, options: dict[str, object]) -> np.ndarray:
    """Coefficients of one gene; NaN where it raised an error. Its sigma is ``1 / size``."""
    from gamlss import NBI, coef, gamlss

    table = case.obs.assign(counts_of_gene=case.counts[gene].to_numpy())
    formulas = {"formula": f"counts_of_gene {case.mean}", "sigma_formula": case.dispersion}
    try:
        fit = gamlss(**formulas, family=NBI(), data=table, trace=False, **options)
        assert np.size(fit.vcov("se"))
    except Exception:  # noqa: BLE001 - whatever happens is what it can do
        return np.full(sum(design.shape[1] for design in case.designs()), math.nan)
    of_mean, of_sigma = (np.ravel(coef(fit, part)) for part in ("mu", "sigma"))
    return np.concatenate([of_mean, -of_sigma])


def fit_gamlss(case: PeerCase, runs: int, **options: object) -> Fitted:
    """Fit with gamlss for Python, gene by gene, standard errors included."""
    version = version_of("gamlss")
    if version is None:
        return Fitted("not installed")

    def fit() -> np.ndarray:
        return np.stack([_one_of_gamlss(case, gene, options) for gene in case.counts])

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        seconds, coef = repeated(fit, runs)
    p = case.designs()[0].shape[1]
    return Fitted("measured", version, seconds, coef[:, :p], coef[:, p:])


def _pydeseq2(case: PeerCase) -> tuple[np.ndarray, np.ndarray]:
    """One run: shrunken dispersions, coefficients and their standard errors; factors of 1."""
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats

    cells = [f"cell_{i}" for i in range(len(case.obs))]
    dds = DeseqDataSet(
        counts=case.counts.set_axis(cells),
        metadata=case.obs.set_axis(cells),
        design=case.mean,
        refit_cooks=False,
        quiet=True,
        inference=DefaultInference(n_cpus=1),
    )
    dds.obs["size_factors"] = 1.0
    dds.layers["normed_counts"] = case.counts.to_numpy(dtype=float)
    dds.var["_normed_means"] = dds.layers["normed_counts"].mean(axis=0)
    for step in ("genewise_dispersions", "dispersion_trend", "dispersion_prior"):
        getattr(dds, f"fit_{step}")()
    dds.fit_MAP_dispersions()
    dds.fit_LFC()
    contrast = np.eye(case.designs()[0].shape[1])[-1]
    inference = DefaultInference(n_cpus=1)
    stats = DeseqStats(dds, contrast, quiet=True, cooks_filter=False, inference=inference)
    stats.run_wald_test()
    beta = dds.varm["LFC"].to_numpy()
    return beta, -np.log(dds.var["dispersions"].to_numpy(dtype=float))[:, None]


def fit_pydeseq2(case: PeerCase, runs: int) -> Fitted:
    """Fit with PyDESeq2, one process."""
    version = version_of("pydeseq2")
    if version is None:
        return Fitted("not installed")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            seconds, (beta, gamma) = repeated(lambda: _pydeseq2(case), runs)
        except Exception as error:  # noqa: BLE001 - whatever happens is what it can do
            return Fitted(f"failed: {error}", version)
    return Fitted("measured", version, seconds, beta, gamma)


def fit_by_r(peer: str, times: int = 1) -> Callable[[PeerCase, int, np.ndarray], Fitted]:
    """A function that fits with one of the packages that ``peers.R`` knows.

    It takes the case, the number of runs and the dispersions ``alpha`` of nbglm, which are given
    to packages that fit the mean alone. Packages that share work among genes get a table with
    several copies of the genes, so that what they do once does not count for more than it does in
    a table of common size; the time is that of one copy.
    """

    def fit(case: PeerCase, runs: int, alpha: np.ndarray) -> Fitted:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            case.write(folder)
            pd.DataFrame({"alpha": alpha}).to_csv(folder / "alpha.csv", index=False)
            command = ["Rscript", str(SCRIPT), name, case.name, peer, str(runs), str(times)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                return Fitted("not installed")
            about = folder / "about.csv"
            if done.returncode or not about.exists():
                lines = done.stderr.strip().splitlines() or ["no message"]
                return Fitted(f"failed: {lines[-1][:80]}")
            return _read_r(folder, pd.read_csv(about), case.designs()[0].shape[1])

    return fit


def _read_r(folder: Path, about: pd.DataFrame, p: int) -> Fitted:
    """What ``peers.R`` wrote."""
    if about["status"].iloc[0] != "measured":
        return Fitted(about["status"].iloc[0])
    version = f"{about['version'].iloc[0]} (R {about['r'].iloc[0]})"
    coef = pd.read_csv(folder / "coef.csv").to_numpy(dtype=float)
    return Fitted("measured", version, about["seconds"].tolist(), coef[:, :p], coef[:, p:])
