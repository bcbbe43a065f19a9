"""Directions in which a likelihood rises for ever, found from data and design alone.

Separation in a log-linear model is a direction ``d`` with ``X d <= 0`` on every row and ``= 0``
wherever a count is positive: the mean of the other rows can go to 0 at no cost (Correia,
Guimaraes & Zylkin 2019, *Verifying the existence of maximum likelihood estimates for generalized
linear models*, arXiv 1903.01633). The same cone, for the dispersion design and the rows whose
counts show no overdispersion, is a Poisson limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.problem.basis import null_space

__all__ = ["recession_direction"]

FloatArray = NDArray[np.float64]

_CLOSE = 1e-6  # to half a turn, in radians
_PARALLEL = 1e-9
_ZERO = 1e-10  # entries of a product of unit-scaled quantities below this are rounding


def recession_direction(fixed: FloatArray, free: FloatArray) -> FloatArray | None:
    """A direction that leaves some rows alone and lowers as many of the others as possible.

    Parameters
    ----------
    fixed : ndarray, shape (a, columns)
        Rows on which the direction must be 0.
    free : ndarray, shape (b, columns)
        Rows on which it must not be positive.

    Returns
    -------
    ndarray, shape (columns,), or None
        ``d`` with ``fixed @ d = 0`` and ``free @ d <= 0``, negative on every row on which any
        such direction is; None where there is none but ``free @ d = 0``.

    Examples
    --------
    >>> import numpy as np
    >>> levels = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    >>> recession_direction(levels[:2], levels[2:])
    array([ 0.,  0., -1.])
    """
    if free.shape[0] == 0:
        return None
    scale = np.maximum(np.abs(fixed).max(axis=0, initial=0.0), np.abs(free).max(axis=0))
    scale[scale == 0.0] = 1.0
    space = null_space(fixed / scale)
    moved = (free / scale) @ space
    moved[np.abs(moved) < _ZERO * np.abs(space).sum(axis=0)] = 0.0
    useful = moved.any(axis=0)  # the others are aliased columns, which move nothing
    space, moved = space[:, useful], moved[:, useful]
    moving = np.any(moved != 0.0, axis=1)
    if not moving.any():
        return None
    if space.shape[1] == 1:
        column = moved[:, 0]
        if column.max() <= 0.0:
            along = np.ones(1)
        elif column.min() >= 0.0:
            along = -np.ones(1)
        else:
            return None
    else:
        # Only the signs of the products matter, so every row may be given the same size.
        moved = moved[moving] / np.abs(moved[moving]).max(axis=1, keepdims=True)
        found = _along_the_axes(moved)
        if found is None and moved.shape[1] == 2:
            found = _in_the_plane(moved)
        if found is None:
            found = _largest_support(np.unique(moved, axis=0))
        elif not found.any():
            return None
        if found is None:
            return None
        along = found
    direction = (space @ along) / scale
    size = np.abs(direction * scale).max()
    direction[np.abs(direction * scale) < _ZERO * size] = 0.0
    return np.asarray(direction)


def _along_the_axes(rows: FloatArray) -> FloatArray | None:
    """A direction that lowers every row by columns of one sign alone, as for silent levels."""
    smallest, largest = rows.min(axis=0), rows.max(axis=0)
    along = np.where(smallest >= 0.0, -1.0, np.where(largest <= 0.0, 1.0, 0.0))
    return along if (rows @ along).max() < -_CLOSE else None


def _in_the_plane(rows: FloatArray) -> FloatArray | None:
    """As :func:`_largest_support` for two columns: 0 where there is none, None if it is close."""
    angles = np.sort(np.arctan2(rows[:, 1], rows[:, 0]))
    gaps = np.diff(angles, append=angles[0] + 2.0 * np.pi)
    widest = int(np.argmax(gaps))
    if abs(gaps[widest] - np.pi) < _CLOSE:
        return None
    if gaps[widest] < np.pi:
        return np.zeros(2)
    # All rows lie within less than half a turn: the way back from its middle lowers each of them.
    middle = angles[widest] + 0.5 * gaps[widest]
    return np.array([np.cos(middle), np.sin(middle)])


def _largest_support(rows: FloatArray) -> FloatArray | None:
    """``a`` with ``rows @ a <= 0`` and as many entries as possible below 0, by linear programming.

    Maximise ``sum(s)`` subject to ``rows @ a + s <= 0`` and ``0 <= s <= 1``: since the directions
    form a cone, every entry that can be negative reaches ``s = 1``.
    """
    from scipy import sparse
    from scipy.optimize import linprog

    count, size = rows.shape
    solution = linprog(
        c=np.concatenate([np.zeros(size), -np.ones(count)]),
        A_ub=sparse.hstack([sparse.csr_array(rows), sparse.eye_array(count)]),
        b_ub=np.zeros(count),
        bounds=[(None, None)] * size + [(0.0, 1.0)] * count,
        method="highs",
    )
    if solution.status != 0 or -solution.fun < 0.5:
        return None
    along = np.asarray(solution.x[:size])
    # The program is solved to about 1e-7; the rows it leaves alone are then made exactly so.
    idle = rows[solution.x[size:] < 0.5]
    if idle.shape[0]:
        # Rows that are parallel but for rounding are one row.
        along = along - np.linalg.pinv(idle, rcond=_PARALLEL) @ (idle @ along)
    return along
