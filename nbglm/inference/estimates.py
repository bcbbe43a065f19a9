"""Estimates on scales that people read: means, sizes, variances, and ratios of them.

The interval of a positive quantity is made for its logarithm and mapped back, so that it stays
positive; the standard error is that of the quantity itself (delta method).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.genewise import gene_table
from nbglm.fit.contrasts import Combinations, estimable
from nbglm.fit.prediction import predict
from nbglm.inference.hypotheses import combinations_of, contrast_tests, distinct_rows
from nbglm.inference.pvalues import p_columns
from nbglm.inference.quantities import Quantity, embedded
from nbglm.inference.statements import Hypothesis
from nbglm.inference.student import half_width
from nbglm.status import COEF_STATUS

if TYPE_CHECKING:
    from nbglm.inference.tables import FitTables

__all__ = ["estimates", "predict_intervals", "with_tests"]

FloatArray = NDArray[np.float64]

_OK, _POISSON, _SEPARATED = (
    COEF_STATUS.index(word) for word in ("ok", "poisson_limit", "separated")
)


def _no_combinations(genes: int, rows: int) -> Combinations:
    zeros = np.zeros((genes, rows))
    return Combinations(zeros, zeros, np.full((genes, rows), _OK, dtype=np.int8))


def _slopes(scale: str, eta: FloatArray, zeta: FloatArray) -> tuple[FloatArray, ...]:
    """Logarithm of a quantity and its derivatives by log mean and log size."""
    one, none = np.ones_like(eta), np.zeros_like(eta)
    if scale == "alpha":
        return -zeta, none, -one
    # var = mu (1 + x) and cv2 = (1 + x) / mu with x = mu / r
    share = 1.0 / (1.0 + np.exp(zeta - eta))
    log_one_plus = np.logaddexp(0.0, eta - zeta)
    sign = 1.0 if scale == "var" else -1.0
    value = np.where(eta == -np.inf, sign * eta, sign * eta + log_one_plus)
    return value, sign * one + share, -share


def _gradients(
    tables: FitTables, quantity: Quantity, by_eta: FloatArray, by_zeta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Standard errors of functions with these derivatives, and degrees of freedom.

    Both of shape (genes, rows).
    """
    out, degrees = np.empty_like(by_eta), np.full_like(by_eta, np.inf)
    for gene, root in enumerate(tables.root):
        along = np.zeros((by_eta.shape[1], root.shape[1]))
        gradient = np.zeros((1, *along.shape))
        for slopes, rows in ((by_eta, quantity.mean), (by_zeta, quantity.size)):
            if rows is not None:
                along += slopes[gene][:, None] * (rows @ root)
                gradient[0] += slopes[gene][:, None] * rows
        out[gene] = np.linalg.norm(along, axis=1)
        if tables.use_t:
            own = tables.covariances.of_genes(np.array([gene]))
            degrees[gene] = own.degrees(np.where(np.isfinite(gradient), gradient, 0.0))[0]
    return out, degrees


def estimates(tables: FitTables, quantity: Quantity, scale: str, alpha: float) -> pd.DataFrame:
    """Estimate a quantity for every gene.

    Parameters
    ----------
    tables : FitTables
        The fit.
    quantity : Quantity
        The rows.
    scale : str
        What is to be estimated.
    alpha : float
        Significance level of the intervals.

    Returns
    -------
    DataFrame
        One row a gene and row, indexed by gene and labels: estimate, std_err, ci_lower, ci_upper,
        status.
    """
    genes, rows = len(tables.gene_names), len(quantity.labels)
    parts = [
        _no_combinations(genes, rows) if matrix is None else combinations_of(tables, matrix)
        for matrix in (quantity.mean, quantity.size)
    ]
    eta, zeta = parts[0].estimate + quantity.offset, parts[1].estimate
    status = np.where(parts[0].status == _OK, parts[1].status, parts[0].status)
    finite = status == _OK
    with np.errstate(all="ignore"):
        if scale in ("log", "response"):
            # One of the two is 0 everywhere.
            log_value, log_error = eta + zeta, parts[0].std_err + parts[1].std_err
            combination = quantity.mean if quantity.size is None else quantity.size
            assert combination is not None  # one of the two is there
            degrees = tables.covariances.degrees(combination)
        else:
            log_value, by_eta, by_zeta = _slopes(scale, eta, zeta)
            log_error, degrees = _gradients(tables, quantity, by_eta, by_zeta)
        half = half_width(alpha, log_error, degrees)
        lower, upper = log_value - half, log_value + half
        if scale == "log":
            value, error = log_value, log_error
        else:
            value, error = np.exp(log_value), np.exp(log_value) * log_error
            lower, upper = np.exp(lower), np.exp(upper)
    for part in (error, lower, upper):
        part[~finite] = np.nan
    # A logarithm may be a number where what it is the logarithm of is none. A size is then as
    # infinite as at the Poisson's limit; its inverse, or a variance that has it as a factor, as
    # infinite as where the size is 0, and a mean as where nothing bounds it.
    beyond = finite & np.isposinf(value)
    of_size = quantity.mean is None and scale != "alpha"
    status = np.where(beyond, _POISSON if of_size else _SEPARATED, status)
    error[beyond] = np.nan
    return gene_table(
        tables.gene_names,
        {
            "estimate": value,
            "std_err": error,
            "ci_lower": lower,
            "ci_upper": upper,
            "status": np.array(COEF_STATUS, dtype=object)[status],
        },
        quantity.labels,
    )


def with_tests(
    tables: FitTables, quantity: Quantity, table: pd.DataFrame, method: str
) -> pd.DataFrame:
    """Add the tests that differences of logarithms are 0.

    Parameters
    ----------
    tables : FitTables
        The fit.
    quantity : Quantity
        Log means or log sizes.
    table : DataFrame
        Their :func:`estimates`.
    method : str
        Adjustment for the number of genes.

    Returns
    -------
    DataFrame
        With z, p_value, log_p_value and p_adjusted before the status.
    """
    matrix = quantity.size if quantity.mean is None else quantity.mean
    if matrix is None:
        return table
    labels = tuple(quantity.labels.astype(str).agg(", ".join, axis=1))
    hypothesis = Hypothesis(matrix, np.zeros(len(labels)), labels)
    z, tail = contrast_tests(tables, hypothesis, combinations_of(tables, matrix))
    tests = {name: part.ravel() for name, part in {"z": z, **p_columns(tail, method)}.items()}
    return table.drop(columns="status").assign(**tests, status=table["status"])


def predict_intervals(
    tables: FitTables, x: FloatArray, z: FloatArray, offset: FloatArray, level: float
) -> dict[str, FloatArray]:
    """Means and sizes of given rows with Wald intervals, gene by gene.

    Parameters
    ----------
    tables : FitTables
        The fit.
    x, z : ndarray, shape (rows, p) and (rows, q)
        Designs of the rows.
    offset : ndarray, shape (rows,)
        Offset of the log mean.
    level : float
        Confidence level.

    Returns
    -------
    dict of ndarray, shape (rows, genes)
    """
    p = x.shape[1]
    genes = slice(0, len(tables.gene_names))
    mean, size = predict(tables.arrays, x, z, offset, genes)
    out: dict[str, FloatArray] = {}
    for name, value, rows, columns in (
        ("mean", mean, x, slice(0, p)),
        ("dispersion", size, z, slice(p, None)),
    ):
        matrix = embedded(tables, rows, name)
        told = estimable(tables.arrays, *distinct_rows(tables), matrix)
        told &= tables.covariances.identified(matrix)
        error = np.column_stack(
            [np.linalg.norm(rows @ root[columns], axis=1) for root in tables.root]
        )
        error[~told.T | ~tables.arrays.estimated] = np.nan
        half = half_width(1.0 - level, error, tables.covariances.degrees(matrix).T)
        with np.errstate(invalid="ignore", over="ignore"):
            out |= {
                name: value,
                f"{name}_lower": value * np.exp(-half),
                f"{name}_upper": value * np.exp(half),
            }
    return out
