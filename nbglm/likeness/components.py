"""Principal components of one table, in which the others are seen; variances of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import svd

__all__ = ["Components", "spectrum"]

FloatArray = NDArray[np.float64]


class Components:
    """Directions in which the cells of a table vary most.

    Parameters
    ----------
    values : ndarray, shape (cells, genes)
        Of the table.
    number : int
        How many directions, at most.

    Examples
    --------
    >>> line = np.outer(np.arange(5.0), [3.0, 4.0])
    >>> Components(line, 1).scores(line + 1.0).ravel().round(1)
    array([-8.6, -3.6,  1.4,  6.4, 11.4])
    """

    def __init__(self, values: FloatArray, number: int) -> None:
        self.centre = values.mean(axis=0)
        _, _, directions = svd(values - self.centre, full_matrices=False, lapack_driver="gesdd")
        kept = directions[:number]
        largest = np.take_along_axis(kept, np.abs(kept).argmax(axis=1)[:, None], axis=1)
        self.directions = kept * np.where(largest < 0.0, -1.0, 1.0)

    def scores(self, values: FloatArray) -> FloatArray:
        """Where cells are in these directions, from the centre of the table.

        Parameters
        ----------
        values : ndarray, shape (cells, genes)
            Of this table or another one.

        Returns
        -------
        ndarray, shape (cells, directions)
        """
        return np.asarray((values - self.centre) @ self.directions.T)


def spectrum(values: FloatArray, number: int) -> FloatArray:
    """Variances along the principal components of a table, its own ones.

    Parameters
    ----------
    values : ndarray, shape (cells, genes)
        Of the table.
    number : int
        How many, at most.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> spectrum(np.outer(np.arange(5.0), [3.0, 4.0]), 1)
    array([62.5])
    """
    values = values - values.mean(axis=0)
    found = svd(values, compute_uv=False)[:number]
    return np.asarray(found**2 / max(len(values) - 1, 1))
