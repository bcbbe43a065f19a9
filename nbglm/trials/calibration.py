"""Coverage, size, bias and power of the intervals and tests of a fit, for its own design."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.fit.genes import FitArrays
from nbglm.inference.methods import FitInference
from nbglm.trials.repeats import Cells, cells_of_fit, chosen_genes, refits, rule_of_rows

__all__ = ["calibration", "changed_effect"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NULL = 0x6E756C6C  # the letters of "null": repeats without an effect


def _numbers(fits: Iterable[FitInference], genes: int, alpha: float) -> dict[str, FloatArray]:
    """What fits say of every coefficient, shape (repeats, genes, coefficients)."""
    parts: dict[str, list[FloatArray]] = {}
    for fit in fits:
        table = fit.to_frame(alpha)
        width = fit.arrays.coef.shape[1]
        for name in ("coef", "ci_lower", "ci_upper", "p_value"):
            values = table[name].to_numpy(dtype=np.float64)
            parts.setdefault(name, []).append(values.reshape(-1, genes, width))
    return {name: np.concatenate(values) for name, values in parts.items()}


def changed_effect(
    arrays: FitArrays, cells: Cells, columns: IntArray, value: float, start: int, intercept: bool
) -> FitArrays:
    """Coefficients with another effect, at the same average of the linear predictor.

    Parameters
    ----------
    arrays : FitArrays
        The fit.
    cells : Cells
        Over which the average is.
    columns : ndarray of int
        The coefficients, all of one component.
    value : float
        What they become.
    start : int
        Position of the component's first coefficient, which is its intercept if there is one.
    intercept : bool
        Whether there is one, to make up for the difference.

    Returns
    -------
    FitArrays
    """
    design = cells.x if start == 0 else cells.z
    finite = arrays.finite.copy()
    change = value - finite[:, columns]
    finite[:, columns] = value
    if intercept:
        finite[:, start] -= change @ design[:, columns - start].mean(axis=0)
    return replace(arrays, finite=finite)


def _terms(fit: FitInference) -> Iterator[tuple[IntArray, int, bool]]:
    """Coefficients of each term but constants, with what :func:`changed_effect` needs."""
    start = 0
    for predictor in (fit.design.mean, fit.design.dispersion):
        intercept = predictor.terms[0] == "Intercept"
        for name, where in predictor.term_slices.items():
            columns = start + np.arange(where.start, where.stop)
            if name != "Intercept" and columns.size:
                yield columns, start, intercept
        start += len(predictor.terms)


def _share(hits: NDArray[np.bool_], known: NDArray[np.bool_]) -> FloatArray:
    number = known.sum(axis=(0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((hits & known).sum(axis=(0, 1)) / number)


def _sizes(
    fit: FitInference,
    cells: Cells,
    genes: IntArray,
    entropy: tuple[int, ...],
    n_sim: int,
    alpha: float,
    rows: IntArray,
    n_jobs: int | None,
) -> FloatArray:
    """How often a true hypothesis of no effect is rejected; NaN for constants."""
    sizes = np.full(fit.arrays.coef.shape[1], np.nan)
    for columns, start, intercept in _terms(fit):
        some = genes[(fit.arrays.direction[np.ix_(genes, columns)] == 0.0).all(axis=1)]
        if not some.size:
            continue
        arrays = changed_effect(fit.arrays, cells, columns, 0.0, start, intercept)
        fits = refits(
            fit, arrays, cells, some,
            entropy=(*entropy, _NULL, int(columns[0])), n_sim=n_sim,
            cov=rule_of_rows(fit.cov, rows), n_jobs=n_jobs,
        )  # fmt: skip
        p = _numbers(fits, some.size, alpha)["p_value"][:, :, columns]
        sizes[columns] = _share(p < alpha, ~np.isnan(p))
    return sizes


def calibration(
    fit: FitInference,
    *,
    n_genes: int,
    n_sim: int,
    entropy: tuple[int, ...],
    alpha: float,
    groups: object,
    size: bool,
    n_jobs: int | None,
) -> pd.DataFrame:
    """Draw counts from a fit and fit them again: see :meth:`nbglm.NegBinResults.calibrate`."""
    genes = chosen_genes(fit, n_genes, entropy)
    cells, rows = cells_of_fit(fit, genes, groups)
    fits = refits(
        fit, fit.arrays, cells, genes,
        entropy=entropy, n_sim=n_sim, cov=rule_of_rows(fit.cov, rows), n_jobs=n_jobs,
    )  # fmt: skip
    found = _numbers(fits, genes.size, alpha)
    truth = fit.arrays.coef[genes]
    lower, upper, p = found["ci_lower"], found["ci_upper"], found["p_value"]
    told = np.isfinite(lower) & np.isfinite(upper) & np.isfinite(truth)
    coverage = _share((lower <= truth) & (truth <= upper), told)
    n_fits = told.sum(axis=(0, 1))
    error = np.where(told, found["coef"] - np.where(np.isfinite(truth), truth, 0.0), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        table = {
            "component": fit.coef_names.get_level_values("component").to_numpy(),
            "term": fit.coef_names.get_level_values("term").to_numpy(),
            "coverage": coverage,
            "mc_error": np.sqrt(coverage * (1.0 - coverage) / n_fits),
            "size": _sizes(fit, cells, genes, entropy, n_sim, alpha, rows, n_jobs)
            if size
            else np.full(n_fits.size, np.nan),
            "power": _share(p < alpha, ~np.isnan(p) & np.isfinite(truth)),
            "bias": error.sum(axis=(0, 1)) / n_fits,
            "rmse": np.sqrt((error**2).sum(axis=(0, 1)) / n_fits),
            "n_fits": n_fits,
        }
    frame = pd.DataFrame(table)
    frame.attrs = {
        "simulated": _in_words(cells, genes),
        "genes": fit.gene_names[genes].tolist(),
        "n_sim": n_sim,
        "alpha": alpha,
    }
    return frame


def _in_words(cells: Cells, genes: IntArray) -> str:
    if cells.donors is None:
        return "cells independent of each other, each with the mean and the size of the fit"
    number = np.unique(cells.donors).size
    median = float(np.median(cells.shared[genes]))
    return (
        f"cells of {number} donors, who multiply the means of their cells by log-normal factors of "
        f"mean 1; the median of their variances is {median:.3g}"
    )
