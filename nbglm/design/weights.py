"""Frequency weights: how many cells each row stands for."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.labels import quoted
from nbglm.design.offset import cell_values
from nbglm.exceptions import AlignmentError

__all__ = ["frequency_weights"]

_LEAST_WEIGHT, _MOST_WEIGHT = 1e-100, 1e100  # of all cells, so that squares are numbers too


def frequency_weights(weights: object, obs: pd.DataFrame) -> NDArray[np.float64] | None:
    """Read frequency weights.

    Parameters
    ----------
    weights : array_like, str or None
        Values, or the name of a column.
    obs : DataFrame
        Cells.

    Returns
    -------
    ndarray or None, shape (cells,)

    Raises
    ------
    AlignmentError
        If they do not match the cells, are negative, all 0, or add up to no number of cells.
    """
    if weights is None:
        return None
    values = cell_values("weights", weights, obs)
    if np.any(values < 0):
        row = int(np.argmax(values < 0))
        label = quoted(obs.index[row])
        msg = f"weights must not be negative; the one of {label} is {values[row]:g}."
        raise AlignmentError(msg)
    if not np.any(values > 0):
        msg = "all weights are 0; nothing is left to fit."
        raise AlignmentError(msg)
    with np.errstate(over="ignore"):
        total = float(values.sum())
    if not _LEAST_WEIGHT <= total <= _MOST_WEIGHT:
        msg = (
            f"weights add up to {total:g}; a weight of 2 counts a cell twice, so that the sum is a "
            f"number of cells, and it must lie between {_LEAST_WEIGHT:g} and {_MOST_WEIGHT:g}. "
            f"Multiply all weights by a common factor."
        )
        raise AlignmentError(msg)
    return values
