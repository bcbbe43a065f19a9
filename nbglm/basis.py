"""Orthonormal coordinates for a design, and which of its columns are aliased.

A covariate in units of a million, or shifted by a hundred thousand, must not change how a fit
converges. Fits therefore run on ``Q = X[:, kept] @ inverse`` with orthonormal columns (under the
cell weights), and the estimates are mapped back by ``beta = transform @ b``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Basis", "null_space", "orthonormal_basis"]

FloatArray = NDArray[np.float64]

# A column whose part outside the span of the earlier ones is below this share of its length is
# aliased. R's lm and glm use 1e-7; below 1e-8 not much is left of a column in double precision.
ALIAS_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Basis:
    """Coordinates in which the kept columns of a design are orthonormal.

    Attributes
    ----------
    q : ndarray, shape (rows, rank)
        The design in these coordinates.
    transform : ndarray, shape (columns, rank)
    kept : ndarray of bool, shape (columns,)
    """

    q: FloatArray
    transform: FloatArray
    kept: NDArray[np.bool_]

    @property
    def rank(self) -> int:
        """Number of kept columns."""
        return self.q.shape[1]


def orthonormal_basis(design: FloatArray, weight: FloatArray | None = None) -> Basis:
    """Orthonormalise columns from left to right, dropping those that add nothing.

    This is R's convention for aliased terms: of a set of dependent columns the later ones go.

    Parameters
    ----------
    design : ndarray, shape (rows, columns)
        Design matrix.
    weight : ndarray, shape (rows,), optional
        Weights of the inner product, for rows that stand for several cells.

    Returns
    -------
    Basis

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 2.0, -1.0]])
    >>> orthonormal_basis(x).kept
    array([ True,  True, False])
    """
    rows, columns = design.shape
    root = np.ones(rows) if weight is None else np.sqrt(weight)
    weighted = design * root[:, None]
    q = np.empty((rows, min(rows, columns)))
    kept = np.zeros(columns, dtype=bool)
    rank = 0
    for j in range(columns):
        scale = np.abs(weighted[:, j]).max(initial=0.0)
        if scale == 0.0 or rank == q.shape[1]:
            continue
        rest = weighted[:, j] / scale
        length = np.linalg.norm(rest)
        # Twice is enough (Giraud, Langou & Rozloznik 2005): the second pass removes what
        # rounding left of the earlier directions after the first.
        for _ in range(2):
            along = q[:, :rank].T @ rest
            rest = rest - q[:, :rank] @ along
        remaining = np.linalg.norm(rest)
        if remaining <= ALIAS_TOLERANCE * length:
            continue
        q[:, rank] = rest / remaining
        kept[j] = True
        rank += 1
    orthonormal = q[:, :rank]
    triangle = orthonormal.T @ weighted[:, kept]
    transform = np.zeros((columns, rank))
    if rank:
        transform[kept] = _invert_upper(triangle)
    unweighted = np.divide(
        orthonormal, root[:, None], out=np.zeros_like(orthonormal), where=root[:, None] > 0
    )
    return Basis(np.ascontiguousarray(unweighted), transform, kept)


def _invert_upper(triangle: FloatArray) -> FloatArray:
    """Inverse of an upper triangular matrix (entries below the diagonal are rounding)."""
    # Elimination finds nothing below the diagonal to do, so this is back substitution.
    return np.asarray(np.linalg.inv(np.triu(triangle)))


def null_space(design: FloatArray) -> FloatArray:
    """Directions that a design maps to zero.

    Parameters
    ----------
    design : ndarray, shape (rows, columns)
        Any matrix, 0 rows allowed, whose columns are of comparable size.

    Returns
    -------
    ndarray, shape (columns, nullity)
        One direction for each aliased column: that column minus the combination of kept columns
        that equals it. Entries at rounding level are set to 0.

    Examples
    --------
    >>> import numpy as np
    >>> null_space(np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]))
    array([[-1.],
           [ 1.],
           [ 1.]])
    """
    basis = orthonormal_basis(design)
    aliased = np.flatnonzero(~basis.kept)
    directions = np.zeros((design.shape[1], aliased.size))
    for k, j in enumerate(aliased):
        directions[:, k] = -basis.transform @ (basis.q.T @ design[:, j])
        directions[j, k] = 1.0
    size = np.abs(directions).max(axis=0, initial=0.0)
    return np.where(np.abs(directions) < 1e-10 * size, 0.0, directions)
