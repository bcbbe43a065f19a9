"""Which rows of a design move along a direction to infinity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["movement"]

FloatArray = NDArray[np.float64]

_STILL = 1e-9  # relative movement that counts as none
_ROUNDING = 64.0 * 2.0**-53  # of a product, relative to the sum of its absolute terms


def movement(rows: FloatArray, direction: FloatArray, reach: float) -> FloatArray:
    """How far each row moves along a direction; exactly 0 for those that stand still.

    Where a covariate hardly varies beside its size, as a year does, a row moves by much less than
    the terms of its product with the direction, which all but cancel. What is rounding is
    therefore told from how far the rows of the fit move, too.

    Parameters
    ----------
    rows : ndarray, shape (rows, columns)
        Design rows in the user's columns, of the fit or new ones.
    direction : ndarray, shape (columns,)
        Direction of the user's coefficients.
    reach : float
        How far the row of the fit moves that moves the most.

    Returns
    -------
    ndarray, shape (rows,)

    Examples
    --------
    >>> import numpy as np
    >>> years = np.column_stack([np.ones(3), [2020.0, 2021.0, 2022.0]])
    >>> movement(years, np.array([-2020.0, 1.0]), 2.0)
    array([0., 1., 2.])
    """
    along = rows @ direction
    terms = np.abs(rows) @ np.abs(direction)
    still = np.maximum(_STILL * np.minimum(terms, reach), _ROUNDING * terms)
    return np.where(np.abs(along) > still, along, 0.0)
