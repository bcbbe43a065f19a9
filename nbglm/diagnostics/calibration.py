"""Are counts as frequent as the fit says? Integral transforms without randomness, frequencies.

References
----------
Czado, C., Gneiting, T. and Held, L. (2009). Predictive model assessment for count data.
*Biometrics* 65, 1254-1261.

Kleiber, C. and Zeileis, A. (2016). Visualizing count data regressions using rootograms. *The
American Statistician* 70, 296-303.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.diagnostics.cells import GeneCells
from nbglm.exceptions import OptionError
from nbglm.simulate.probabilities import log_pmf, tail

__all__ = ["count_bins", "frequencies", "mean_pit", "whole_number"]

FloatArray = NDArray[np.float64]

_BARS = 30  # of a rootogram that is still readable
_ENTRIES = 1 << 20  # of a table of probabilities, rows x counts


def whole_number(what: str, given: object, smallest: int) -> int:
    """Check a number of bins or the like.

    Parameters
    ----------
    what : str
        Name of the argument.
    given : object
        Its value.
    smallest : int
        The smallest that makes sense.

    Returns
    -------
    int

    Raises
    ------
    OptionError
        If it is no whole number, or too small.

    Examples
    --------
    >>> whole_number("n_bins", 10, 1)
    10
    """
    whole = isinstance(given, int | np.integer) and not isinstance(given, bool)
    if not whole or given < smallest:  # type: ignore[operator]
        msg = f"{what} must be a whole number, {smallest} or more; got {given!r}."
        raise OptionError(msg)
    return int(given)  # type: ignore[call-overload]


def mean_pit(genes: Iterable[GeneCells], n_bins: int) -> FloatArray:
    """Heights of the histogram of the probability integral transform.

    A count ``y`` spreads its mass evenly between ``P(Y < y)`` and ``P(Y <= y)``; nothing is drawn
    at random.

    Parameters
    ----------
    genes : iterable of GeneCells
        What is pooled.
    n_bins : int
        Number of bins of equal width.

    Returns
    -------
    ndarray, shape (n_bins,)
        Densities, 1 on average: all near 1 if the fitted distributions are right, U-shaped if they
        are too narrow, hump-shaped if they are too wide.

    Examples
    --------
    >>> y = np.array([0.0, 1.0])
    >>> mean_pit([GeneCells("Pyy", y, np.ones(2), np.ones(2), np.ones(2))], 2)
    array([1., 1.])
    """
    edges = np.arange(1, n_bins) / n_bins
    reached, weights = np.zeros(n_bins - 1), 0.0
    for cells in genes:
        mass = np.exp(log_pmf(cells.y, cells.mean, cells.size))
        before = np.where(
            cells.y > 0.0,
            tail(np.maximum(cells.y - 1.0, 0.0), cells.mean, cells.size, upper=False),
            0.0,
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = (edges[:, None] - before) / mass
        # A step without height is where its count is, or was.
        steps = np.where(mass > 0.0, steps, edges[:, None] > before)
        reached += np.clip(steps, 0.0, 1.0) @ cells.weight
        weights += float(cells.weight.sum())
    ends = np.concatenate([[0.0], reached / weights, [1.0]])
    return np.diff(ends) * n_bins


def count_bins(cells: GeneCells, max_count: int | None, width: int | None) -> NDArray[np.int64]:
    """First counts of the bars of a rootogram; the last bar holds all larger counts.

    Parameters
    ----------
    cells : GeneCells
        Counts.
    max_count : int or None
        Largest count with a bar of its own; by default what leaves bars readable, with at most 1 %
        of the cells in the last one.
    width : int or None
        Counts in a bar; by default 1, or more where there would be more than 30 bars.

    Returns
    -------
    ndarray of int, shape (bars,)

    Raises
    ------
    OptionError
        If an argument is no whole number.

    Examples
    --------
    >>> y = np.arange(100.0)
    >>> cells = GeneCells("Pyy", y, y, y, np.ones(100))
    >>> count_bins(cells, None, None)[[0, 1, -1]], count_bins(cells, 3, None)
    (array([  0,   4, 100]), array([0, 1, 2, 3, 4]))
    """
    seen = cells.y[cells.weight > 0.0]
    if max_count is None:
        largest = int(seen.max(initial=0.0))
        most = largest if largest < _BARS else int(np.quantile(seen, 0.99))
    else:
        most = whole_number("max_count", max_count, 0)
    if width is None:
        width = max(1, -(-(most + 1) // _BARS)) if max_count is None else 1
    step = whole_number("width", width, 1)
    return np.arange(0, -(-(most + 1) // step) + 1, dtype=np.int64) * step


def frequencies(cells: GeneCells, first: NDArray[np.int64]) -> pd.DataFrame:
    """Observed and expected numbers of cells, by count.

    Parameters
    ----------
    cells : GeneCells
        One gene.
    first : ndarray of int
        From :func:`count_bins`.

    Returns
    -------
    DataFrame
        ``first`` and ``last`` count of each bar (infinite for the last bar), ``observed`` (cells,
        by their weights) and ``expected`` (the sum of the probabilities over the cells).

    Examples
    --------
    >>> cells = GeneCells("Pyy", np.array([0.0, 1.0, 5.0]), np.ones(3), np.ones(3), np.ones(3))
    >>> frequencies(cells, np.array([0, 1, 2]))
       first  last  observed  expected
    0      0   0.0       1.0      1.50
    1      1   1.0       1.0      0.75
    2      2   inf       1.0      0.75
    """
    bar = np.searchsorted(first, cells.y, side="right") - 1
    observed = np.bincount(bar, cells.weight, minlength=first.size)
    # Cells that share a mean and a size are one row.
    pairs = np.column_stack([cells.mean, cells.size]).view(np.complex128)[:, 0]
    rows, which = np.unique(pairs, return_inverse=True)
    weight = np.bincount(which, cells.weight)
    expected = np.zeros(first.size)
    step = max(1, _ENTRIES // first.size)
    single = bool((np.diff(first) == 1).all())
    for start in range(0, rows.size, step):
        part = slice(start, start + step)
        mean, size = rows.real[part, None], rows.imag[part, None]
        expected += weight[part] @ _bar_probabilities(mean, size, first, single=single)
    last = np.append(first[1:] - 1.0, np.inf)
    return pd.DataFrame({"first": first, "last": last, "observed": observed, "expected": expected})


def _bar_probabilities(
    mean: FloatArray, size: FloatArray, first: NDArray[np.int64], *, single: bool
) -> FloatArray:
    """Probabilities of the bars for each mean and size, shape (rows, bars)."""
    if single:
        inner = np.exp(log_pmf(first[:-1].astype(np.float64), mean, size))
    else:
        reached = tail(first[1:] - 1.0, mean, size, upper=False)
        inner = np.diff(reached, axis=1, prepend=0.0)
    return np.hstack([inner, tail(first[-1:] - 1.0, mean, size, upper=True)])
