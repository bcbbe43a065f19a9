"""Small symmetric matrices: Cholesky factors, solutions, the factor of an inverse."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nbglm.compiled import entry, kernel

__all__ = [
    "factor_definite",
    "fill_inverse_root",
    "inverse_root",
    "solve_definite",
    "solve_shifted",
]

FloatArray = NDArray[np.float64]

_SHIFTS = 14


@kernel
def factor_definite(matrix: FloatArray, factor: FloatArray, tolerance: float) -> bool:
    """Cholesky factor of a symmetric matrix.

    Parameters
    ----------
    matrix : ndarray, shape (k, k)
        Its lower triangle is used.
    factor : ndarray, shape (k, k)
        Its lower triangle is overwritten.
    tolerance : float
        Smallest pivot, relative to the diagonal, that is not taken for rounding.

    Returns
    -------
    bool
        False if the matrix is not positive definite.
    """
    k = matrix.shape[0]
    for j in range(k):
        for i in range(j, k):
            entry = matrix[i, j]
            for l in range(j):
                entry -= factor[i, l] * factor[j, l]
            if i == j:
                if not entry > tolerance * abs(matrix[j, j]):  # NaN fails too
                    return False
                factor[j, j] = math.sqrt(entry)
            else:
                factor[i, j] = entry / factor[j, j]
    return True


@kernel
def solve_definite(
    matrix: FloatArray, right: FloatArray, factor: FloatArray, out: FloatArray
) -> bool:
    """Solve ``matrix @ out = right`` by Cholesky's factor.

    Parameters
    ----------
    matrix : ndarray, shape (k, k)
        Its lower triangle is used.
    right : ndarray, shape (k,)
        Right-hand side.
    factor : ndarray, shape (k, k)
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
    k = right.size
    for i in range(k):
        entry = right[i]
        for l in range(i):
            entry -= factor[i, l] * out[l]
        out[i] = entry / factor[i, i]
    for i in range(k - 1, -1, -1):
        entry = out[i]
        for l in range(i + 1, k):
            entry -= factor[l, i] * out[l]
        out[i] = entry / factor[i, i]
    return True


@kernel
def solve_shifted(
    matrix: FloatArray, right: FloatArray, factor: FloatArray, out: FloatArray
) -> None:
    """Solve with the smallest of a few multiples of the identity added that makes it definite.

    Gershgorin's circles bound how far down the spectrum reaches, so the last shift tried always
    does.

    Parameters
    ----------
    matrix : ndarray, shape (k, k)
        Symmetric; overwritten.
    right, factor, out
        As in :func:`solve_definite`.
    """
    k = right.size
    lowest = 0.0
    largest = 1e-300
    for i in range(k):
        radius = 0.0
        for j in range(k):
            if j != i:
                radius += abs(matrix[i, j])
        lowest = min(lowest, matrix[i, i] - radius)
        largest = max(largest, abs(matrix[i, i]) + radius)
    enough = 1e-3 * largest - lowest
    shift = 0.0
    for attempt in range(_SHIFTS):
        target = enough * 4.0 ** (attempt - _SHIFTS + 1)
        for i in range(k):
            matrix[i, i] += target - shift
        shift = target
        if solve_definite(matrix, right, factor, out):
            break


@entry
def fill_inverse_root(matrix: FloatArray, factor: FloatArray, root: FloatArray) -> bool:
    """Factor the inverse of a matrix: see :func:`inverse_root`.

    Parameters
    ----------
    matrix : ndarray, shape (k, k)
        Symmetric.
    factor, root : ndarray, shape (k, k)
        Overwritten.

    Returns
    -------
    bool
        False if the matrix is not positive definite.
    """
    # Cholesky's factor is lower triangular; the root is its inverse, transposed.
    k = matrix.shape[0]
    if not factor_definite(matrix, factor, 0.0):
        for i in range(k):
            for l in range(k):
                root[i, l] = math.nan
        return False
    for column in range(k):
        for i in range(k):
            entry = 1.0 if i == column else 0.0
            for l in range(column, i):
                entry -= factor[i, l] * root[column, l]
            root[column, i] = entry / factor[i, i] if i >= column else 0.0
    return True


def inverse_root(information: FloatArray) -> FloatArray:
    """Factor the inverse of a positive definite matrix.

    Parameters
    ----------
    information : ndarray, shape (k, k)
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
    root = np.empty(information.shape)
    fill_inverse_root(np.ascontiguousarray(information), np.empty(information.shape), root)
    return root
