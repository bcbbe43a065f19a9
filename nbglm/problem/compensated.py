"""Sums of products in twice the working precision, for the few decisions that hang on rounding.

Every product and every sum is followed by its own rounding error, which the operations on
doubles give exactly (Dekker 1971; Ogita, Rump & Oishi 2005, *Accurate sum and dot product*). Unlike
numpy's long double this means the same on every machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["remainder"]

FloatArray = NDArray[np.float64]

_SPLIT = 2.0**27 + 1.0  # halves of a double: 26 bits each, and the sign


def _product(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The product rounded, and what rounding took away."""
    high = a * b
    a_split, b_split = _SPLIT * a, _SPLIT * b
    a_high = a_split - (a_split - a)
    b_high = b_split - (b_split - b)
    a_low, b_low = a - a_high, b - b_high
    return high, a_low * b_low - (((high - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _sum(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The sum rounded, and what rounding took away."""
    high = a + b
    of_b = high - a
    return high, (a - (high - of_b)) + (b - of_b)


def remainder(target: FloatArray, columns: FloatArray, coefficients: FloatArray) -> FloatArray:
    """What a sum of multiples of columns leaves of another column.

    Parameters
    ----------
    target : ndarray, shape (rows,)
        The column, of numbers of ordinary size (below 1e280).
    columns : ndarray, shape (rows, columns)
        The columns, likewise.
    coefficients : ndarray, shape (parts, columns)
        Multiples, each the exact sum of its parts.

    Returns
    -------
    ndarray, shape (rows,)
        ``target - columns @ coefficients.sum(axis=0)``, as if computed with 106 bits and then
        rounded once.

    Examples
    --------
    >>> import numpy as np
    >>> column = np.array([[0.1], [0.2]])
    >>> remainder(3.0 * column[:, 0], column, np.array([[3.0]]))
    array([2.77555756e-17, 5.55111512e-17])
    """
    high, low = target.copy(), np.zeros_like(target)
    for part in coefficients:
        for j in np.flatnonzero(part):
            product, lost = _product(columns[:, j], np.full(1, -part[j]))
            high, error = _sum(high, product)
            low += error + lost
    return high + low
