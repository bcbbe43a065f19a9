"""The mean of one group against the mean of all others, also where some of these are silent.

On the log scale a single group without counts would make the average of the others infinite, and
every gene that is silent anywhere a marker of all other groups. Means are averaged as they are: a
silent group counts as the 0 that it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp

from nbglm.counts.genewise import gene_table
from nbglm.inference.dropping import of_genes
from nbglm.inference.hypotheses import combinations_of
from nbglm.inference.pvalues import p_columns
from nbglm.inference.student import t_tail
from nbglm.status import COEF_STATUS

if TYPE_CHECKING:
    from nbglm.inference.methods import FitInference

__all__ = ["against_rest"]

FloatArray = NDArray[np.float64]

_ROUNDING = 1e-12

_OK = COEF_STATUS.index("ok")


def against_rest(tables: FitInference, linear: FloatArray, group: int, method: str) -> pd.DataFrame:
    """Test whether the mean of a group is the average of the means of all others.

    Parameters
    ----------
    tables : FitInference
        The fit.
    linear : ndarray, shape (groups, p + q)
        Combinations of coefficients that are the log means of the groups.
    group : int
        Which of them.
    method : str
        Adjustment for the number of genes.

    Returns
    -------
    DataFrame
        Indexed by gene: estimate (log of the ratio; infinite if one side is 0), z (delta method),
        p_value, log_p_value, p_adjusted. Where the estimate is infinite the p-values are those of
        the likelihood ratio for the average of the log means, NaN if that has no answer. So are
        all numbers where both sides are 0, or a mean is not identified.
    """
    found = combinations_of(tables, linear)
    silent = np.isneginf(found.estimate)
    known = (silent | (found.status == _OK)).all(axis=1)
    others = np.arange(len(linear)) != group
    log_mean = np.where(silent, -np.inf, found.estimate)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = logsumexp(log_mean[:, others], axis=1)
        estimate = log_mean[:, group] - (total - np.log(others.sum()))
        share = np.exp(log_mean - total[:, None])
    weights = np.where(others, -share, 1.0)
    finite = known & np.isfinite(estimate)
    estimate[~known] = np.nan
    z = np.full(len(estimate), np.nan)
    root = np.matmul((weights[finite] @ linear)[:, None, :], tables.root[finite])[:, 0]
    z[finite] = estimate[finite] / np.linalg.norm(root, axis=1)
    degrees = np.full(len(z), np.inf)
    if tables.use_t:
        rows = np.where(np.isfinite(weights), weights, 0.0) @ linear
        degrees = tables.covariances.degrees(rows[:, None, :])[:, 0]
    tail = t_tail(z, degrees)
    left = np.flatnonzero(~finite)
    if left.size:
        row = linear[group] - linear[others].mean(axis=0)
        row[np.abs(row) < _ROUNDING * np.abs(linear).max()] = 0.0  # a coefficient may be infinite
        tests = of_genes(tables, left).t_test(row[None, : len(tables.design.mean.terms)])
        # Means that are 0 on both sides can still differ by a factor.
        both = np.isnan(estimate[left])
        linear_estimate = tests["estimate"].to_numpy()
        agree = both | (np.sign(linear_estimate) == np.sign(estimate[left]))
        tail.p[left] = np.where(agree, tests["p_value"], np.nan)
        tail.log_p[left] = np.where(agree, tests["log_p_value"], np.nan)
        z[left] = np.where(both, tests["z"], np.nan)
        estimate[left] = np.where(both, linear_estimate, estimate[left])
    columns = {"estimate": estimate, "z": z, **p_columns(tail, method)}
    return gene_table(tables.counts.genes, columns)
