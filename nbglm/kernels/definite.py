"""Symmetric matrices: Cholesky factors, solutions, the factor of an inverse.

Matrices are small, or arrows: where the first coordinates of a design are strata
(:mod:`nbglm.problem.strata`), no two of which share a row, they stand on the diagonal, and only the
others need room. Such a matrix of ``k`` rows, the first ``s`` of them strata, has ``k - s + 1``
columns: column ``j`` belongs to row ``s + j``, and the last one is the diagonal of the strata. A
square matrix has none. The factors of arrows are arrows as well.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.compiled import entry, kernel

__all__ = [
    "diagonal_of",
    "factor_definite",
    "fill_inverse_root",
    "inverse_root",
    "scale_symmetric",
    "solve_definite",
    "solve_shifted",
    "strata_of",
]

FloatArray = NDArray[np.float64]

_SHIFTS = 14


@kernel
def strata_of(matrix: FloatArray) -> int:
    """How many rows of a matrix are strata.

    Parameters
    ----------
    matrix : ndarray, shape (k, k) or (k, width)
        A square matrix, or an arrow.

    Returns
    -------
    int
    """
    k, width = matrix.shape
    return 0 if width == k else k + 1 - width


@kernel
def diagonal_of(matrix: FloatArray, i: int) -> float:
    """An entry of the diagonal of a square matrix, or of an arrow."""
    s = strata_of(matrix)
    return matrix[i, matrix.shape[1] - 1] if i < s else matrix[i, i - s]


@kernel
def scale_symmetric(matrix: FloatArray, scale: FloatArray) -> None:
    """Multiply each row and each column, from the lower triangle to both.

    Parameters
    ----------
    matrix : ndarray, shape (k, k) or (k, width)
        Symmetric; overwritten.
    scale : ndarray, shape (k,)
        Factors.
    """
    s = strata_of(matrix)
    k = matrix.shape[0] - s
    for j in range(s):
        for i in range(k):
            matrix[j, i] *= scale[j] * scale[s + i]
        matrix[j, k] *= scale[j] * scale[j]
    for i in range(k):
        for j in range(i + 1):
            matrix[s + i, j] *= scale[s + i] * scale[s + j]
            matrix[s + j, i] = matrix[s + i, j]


@kernel
def _eliminate_strata(matrix: FloatArray, factor: FloatArray) -> bool:
    """Factor the strata of an arrow, and leave in `factor` what is left of the other rows."""
    s = strata_of(matrix)
    k = matrix.shape[0] - s
    for j in range(s):
        if not matrix[j, k] > 0.0:  # NaN fails too
            return False
        factor[j, k] = math.sqrt(matrix[j, k])
        for i in range(k):
            factor[j, i] = matrix[j, i] / factor[j, k]
    for i in range(k):
        for j in range(i + 1):
            factor[s + i, j] = matrix[s + i, j]
    for l in range(s):
        for i in range(k):
            for j in range(i + 1):
                factor[s + i, j] -= factor[l, i] * factor[l, j]
    return True


@kernel
def factor_definite(matrix: FloatArray, factor: FloatArray, tolerance: float) -> bool:
    """Cholesky factor of a symmetric matrix.

    Parameters
    ----------
    matrix : ndarray, shape (k, k) or (k, width)
        Its lower triangle is used.
    factor : ndarray of the same shape
        Its lower triangle is overwritten.
    tolerance : float
        Smallest pivot, relative to the diagonal, that is not taken for rounding.

    Returns
    -------
    bool
        False if the matrix is not positive definite.
    """
    if not _eliminate_strata(matrix, factor):
        return False
    s = strata_of(matrix)
    k = matrix.shape[0] - s
    for j in range(k):
        for i in range(j, k):
            entry = factor[s + i, j]
            for l in range(j):
                entry -= factor[s + i, l] * factor[s + j, l]
            if i == j:
                if not entry > tolerance * abs(matrix[s + j, j]):  # NaN fails too
                    return False
                factor[s + j, j] = math.sqrt(entry)
            else:
                factor[s + i, j] = entry / factor[s + j, j]
    return True


@kernel
def solve_definite(
    matrix: FloatArray, right: FloatArray, factor: FloatArray, out: FloatArray
) -> bool:
    """Solve ``matrix @ out = right`` by Cholesky's factor.

    Parameters
    ----------
    matrix : ndarray, shape (k, k) or (k, width)
        Its lower triangle is used.
    right : ndarray, shape (k,)
        Right-hand side.
    factor : ndarray of the same shape as `matrix`
        Overwritten.
    out : ndarray, shape (k,)
        The solution.

    Returns
    -------
    bool
        False if the matrix is not positive definite.
    """
    if not factor_definite(matrix, factor, 1e-14):
        return False
    s = strata_of(matrix)
    k = right.size - s
    for j in range(s):
        out[j] = right[j] / factor[j, k]
    for i in range(k):
        entry = right[s + i]
        for j in range(s):
            entry -= factor[j, i] * out[j]
        for l in range(i):
            entry -= factor[s + i, l] * out[s + l]
        out[s + i] = entry / factor[s + i, i]
    for i in range(k - 1, -1, -1):
        entry = out[s + i]
        for l in range(i + 1, k):
            entry -= factor[s + l, i] * out[s + l]
        out[s + i] = entry / factor[s + i, i]
    for j in range(s):
        entry = out[j]
        for i in range(k):
            entry -= factor[j, i] * out[s + i]
        out[j] = entry / factor[j, k]
    return True


@kernel
def _reach(matrix: FloatArray) -> tuple[float, float]:
    """Bounds of the spectrum by Gershgorin's circles: lowest, if negative, and largest."""
    s = strata_of(matrix)
    k = matrix.shape[0] - s
    lowest = 0.0
    largest = 1e-300
    for j in range(s):
        radius = 0.0
        for i in range(k):
            radius += abs(matrix[j, i])
        lowest = min(lowest, matrix[j, k] - radius)
        largest = max(largest, abs(matrix[j, k]) + radius)
    for i in range(k):
        radius = 0.0
        for j in range(s):
            radius += abs(matrix[j, i])
        for j in range(k):
            if j != i:
                radius += abs(matrix[s + i, j])
        lowest = min(lowest, matrix[s + i, i] - radius)
        largest = max(largest, abs(matrix[s + i, i]) + radius)
    return lowest, largest


@kernel
def solve_shifted(
    matrix: FloatArray, right: FloatArray, factor: FloatArray, out: FloatArray
) -> None:
    """Solve with the smallest of a few multiples of the identity added that makes it definite.

    Gershgorin's circles bound how far down the spectrum reaches, so the last shift tried always
    does.

    Parameters
    ----------
    matrix : ndarray, shape (k, k) or (k, width)
        Symmetric, both triangles; overwritten.
    right, factor, out
        As in :func:`solve_definite`.
    """
    s = strata_of(matrix)
    k = right.size - s
    lowest, largest = _reach(matrix)
    enough = 1e-3 * largest - lowest
    shift = 0.0
    for attempt in range(_SHIFTS):
        target = enough * 4.0 ** (attempt - _SHIFTS + 1)
        for j in range(s):
            matrix[j, k] += target - shift
        for i in range(k):
            matrix[s + i, i] += target - shift
        shift = target
        if solve_definite(matrix, right, factor, out):
            break


@entry
def fill_inverse_root(matrix: FloatArray, factor: FloatArray, root: FloatArray) -> bool:
    """Factor the inverse of a matrix: see :func:`inverse_root`.

    Parameters
    ----------
    matrix : ndarray, shape (k, k) or (k, width)
        Symmetric.
    factor : ndarray of the same shape
        Overwritten.
    root : ndarray, shape (k, k)
        Overwritten.

    Returns
    -------
    bool
        False if the matrix is not positive definite.
    """
    # Cholesky's factor is lower triangular; the root is its inverse, transposed.
    if not factor_definite(matrix, factor, 0.0):
        root[:] = math.nan
        return False
    s = strata_of(matrix)
    k = matrix.shape[0] - s
    for column in range(s):
        root[column, :s] = 0.0
        root[column, column] = 1.0 / factor[column, k]
        for i in range(k):
            entry = -factor[column, i] * root[column, column]
            for l in range(i):
                entry -= factor[s + i, l] * root[column, s + l]
            root[column, s + i] = entry / factor[s + i, i]
    for column in range(k):
        root[s + column, :s] = 0.0
        for i in range(k):
            entry = 1.0 if i == column else 0.0
            for l in range(column, i):
                entry -= factor[s + i, l] * root[s + column, s + l]
            root[s + column, s + i] = entry / factor[s + i, i] if i >= column else 0.0
    return True


def inverse_root(information: FloatArray) -> FloatArray:
    """Factor the inverse of a positive definite matrix.

    Parameters
    ----------
    information : ndarray, shape (k, k) or (k, width)
        Observed information.

    Returns
    -------
    ndarray, shape (k, k)
        Upper triangular ``root`` with ``root @ root.T`` the inverse; NaN if there is none.

    Examples
    --------
    >>> import numpy as np
    >>> np.diag(inverse_root(np.diag([4.0, 16.0]))).tolist()
    [0.5, 0.25]
    >>> inverse_root(-np.eye(1)).tolist()
    [[nan]]
    """
    root = np.empty((information.shape[0], information.shape[0]))
    fill_inverse_root(np.ascontiguousarray(information), np.empty(information.shape), root)
    return root
