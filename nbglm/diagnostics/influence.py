"""How much single cells weigh in a fit: leverage and Cook's distances, without fitting again.

The leverage is the generalised one, the change of a fitted mean with its own count. In coordinates
in which the observed information of a gene is the identity, the score of a cell divided by one less
its leverage is what the estimates lose when it is left out, to first order; the squared length of
that, divided by the number of coefficients, is Cook's distance. Both are those of statsmodels'
``MLEInfluence``, which ``results.gene(name).get_influence()`` returns.

References
----------
Wei, B.-C., Hu, Y.-Q. and Fung, W.-K. (1998). Generalized leverage and its applications.
*Scandinavian Journal of Statistics* 25, 25-37.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import polygamma

from nbglm.diagnostics.cells import GeneCells, cells_of_one
from nbglm.exceptions import UnavailableError
from nbglm.inference.tables import FitTables
from nbglm.kernels.likelihood import score
from nbglm.parallel.threads import in_threads

__all__ = ["influence_table", "predictors"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


_SATURATED = 1e-8


def predictors(cells: GeneCells) -> tuple[FloatArray, FloatArray]:
    """Log means and log sizes, infinite at limits.

    Parameters
    ----------
    cells : GeneCells
        Means and sizes.

    Returns
    -------
    tuple of ndarray, shape (cells,)

    Examples
    --------
    >>> one = np.ones(1)
    >>> predictors(GeneCells("Pyy", one, 0.0 * one, np.inf * one, one))
    (array([-inf]), array([inf]))
    """
    with np.errstate(divide="ignore"):
        return np.log(cells.mean), np.log(cells.size)


def _cooks(results: FitTables, gene: int, cells: GeneCells) -> FloatArray:
    root = results.arrays.root[gene]
    x, z = results.design.mean.matrix, results.design.dispersion.matrix
    factors = score(cells.y, *predictors(cells))
    p = x.shape[1]
    scores = factors[:, [0]] * (x @ root[:p]) + factors[:, [1]] * (z @ root[p:])
    known = max(int(root.any(axis=0).sum()), 1)
    left = 1.0 - _leverage(results, gene, cells)
    # Without a cell that is fitted by a coefficient of its own there is no estimate of that.
    left = np.where(left > _SATURATED, left, np.nan)
    return np.asarray((scores**2).sum(axis=1) / (known * left**2))


def _leverage(results: FitTables, gene: int, cells: GeneCells) -> FloatArray:
    root = results.arrays.root[gene]
    x, z = results.design.mean.matrix, results.design.dispersion.matrix
    eta, zeta = predictors(cells)
    p = x.shape[1]
    r = np.exp(np.minimum(zeta, 700.0))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        share = 1.0 / (1.0 + np.exp(eta - zeta))
        by_zeta = r * polygamma(1, cells.y + r) - share
    # Where a size is infinite, or a mean 0, the size plays no part in the mean.
    by_zeta = np.where(np.isfinite(by_zeta) & np.isfinite(zeta), by_zeta, 0.0)
    share = np.where(np.isfinite(share), share, 1.0)
    along = cells.mean[:, None] * (x @ root[:p])
    change = share[:, None] * (x @ root[:p]) + by_zeta[:, None] * (z @ root[p:])
    return np.asarray((along * change).sum(axis=1))


def influence_table(
    results: FitTables, positions: IntArray, what: str, n_jobs: int | None
) -> pd.DataFrame:
    """Leverage or Cook's distances of some genes in all cells.

    Parameters
    ----------
    results : FitTables
        The fit.
    positions : ndarray of int
        Which genes.
    what : str
        ``"leverage"`` or ``"cooks_distance"``.
    n_jobs : int or None
        As joblib understands it.

    Returns
    -------
    DataFrame, shape (cells, genes)
        NaN for genes that did not converge.

    Raises
    ------
    UnavailableError
        With frequency weights, or if counts and cells were dropped.
    """
    results.require_data(f"{what}()")
    if results.weights is not None:
        msg = f"{what}() knows no weights; repeat the cells, and fit them without."
        raise UnavailableError(msg)
    of_gene = _leverage if what == "leverage" else _cooks
    values = np.empty((results.counts.n_cells, positions.size), order="F")

    def fill(column: int) -> None:
        gene = int(positions[column])
        values[:, column] = of_gene(results, gene, cells_of_one(results, gene))

    for _ in in_threads(fill, range(positions.size), n_jobs):
        pass
    values[:, ~results.arrays.estimated[positions]] = np.nan
    return pd.DataFrame(values, results.counts.cells, results.gene_names[positions])
