"""Sums over rows of their terms times the columns of the designs.

The rows of a block stand in a workspace, whose parts have names here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.compiled import kernel, reduction, rowwise
from nbglm.kernels.definite import strata_of
from nbglm.problem.layout import Layout, matrix_shape

__all__ = [
    "BY_ETA",
    "BY_ZETA",
    "CROSS",
    "DISPERSION",
    "ETA",
    "INVERSE",
    "MEAN",
    "PARTS",
    "SIZE",
    "VALUE",
    "add_groups",
    "add_mean_columns",
    "add_size_columns",
    "add_strata",
    "hessian_shape",
    "of_stratum",
]

FloatArray = NDArray[np.float64]

PARTS = 10
"""Parts of the workspace."""

# Rows of the block's workspace: predictor, size, its inverse, six row terms, a weighted column.
ETA, SIZE, INVERSE, VALUE, BY_ETA, BY_ZETA, MEAN, CROSS, DISPERSION, WEIGHTED = range(PARTS)

_matrix_shape = kernel(matrix_shape)


@kernel
def hessian_shape(layout: Layout) -> tuple[int, int]:
    """Shape of the matrices of a design."""
    others = layout.x_columns.shape[0] + layout.z_columns.shape[0]
    return _matrix_shape(layout.stratum_value.size, others)


@kernel
def of_stratum(layout: Layout, row: int, theta: FloatArray) -> float:
    """What the stratum of a row adds to its linear predictor of the mean."""
    if not layout.stratum_value.size or layout.stratum_of_row[row] < 0:
        return 0.0
    stratum = layout.stratum_of_row[row]
    return theta[stratum] * layout.stratum_value[stratum]


@reduction
def _dot(a: FloatArray, b: FloatArray) -> float:
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@rowwise
def _multiply(a: FloatArray, b: FloatArray, out: FloatArray) -> None:
    for i in range(a.size):
        out[i] = a[i] * b[i]


@kernel
def add_mean_columns(
    columns: FloatArray,
    lo: int,
    hi: int,
    work: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
) -> None:
    """Gradient and Hessian of the mean coefficients but for strata, one block of rows."""
    weighted = work[WEIGHTED, : hi - lo]
    s = strata_of(hessian)
    for j in range(columns.shape[0]):
        column = columns[j][lo:hi]
        gradient[s + j] += _dot(work[BY_ETA, : hi - lo], column)
        _multiply(work[MEAN, : hi - lo], column, weighted)
        for l in range(j + 1):
            hessian[s + j, l] += _dot(weighted, columns[l][lo:hi])


@kernel
def add_strata(
    layout: Layout,
    size_columns: FloatArray,
    lo: int,
    hi: int,
    work: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
) -> None:
    """Gradient and Hessian of the strata, one block of rows."""
    columns = layout.x_columns
    own = hessian.shape[1] - 1
    for i in range(hi - lo):
        stratum = layout.stratum_of_row[lo + i]
        if stratum < 0:
            continue
        value = layout.stratum_value[stratum]
        gradient[stratum] += work[BY_ETA, i] * value
        mean, cross = work[MEAN, i] * value, work[CROSS, i] * value
        hessian[stratum, own] += mean * value
        for j in range(columns.shape[0]):
            hessian[stratum, j] += mean * columns[j, lo + i]
        for j in range(size_columns.shape[0]):
            hessian[stratum, columns.shape[0] + j] += cross * size_columns[j, i]


@kernel
def add_size_columns(
    columns: FloatArray,
    size_columns: FloatArray,
    lo: int,
    hi: int,
    work: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
) -> None:
    """Gradient and Hessian of the dispersion coefficients, one block of rows."""
    first = columns.shape[0]
    p = strata_of(hessian) + first
    weighted = work[WEIGHTED, : hi - lo]
    for j in range(size_columns.shape[0]):
        column = size_columns[j][: hi - lo]
        gradient[p + j] += _dot(work[BY_ZETA, : hi - lo], column)
        _multiply(work[DISPERSION, : hi - lo], column, weighted)
        for l in range(j + 1):
            hessian[p + j, first + l] += _dot(weighted, size_columns[l][: hi - lo])
        _multiply(work[CROSS, : hi - lo], column, weighted)
        for l in range(first):
            hessian[p + j, l] += _dot(weighted, columns[l][lo:hi])


@kernel
def add_groups(
    layout: Layout,
    slope: FloatArray,
    curvature: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
) -> None:
    """What the dispersion groups add to the gradient and the Hessian."""
    z = layout.z_columns
    first = layout.x_columns.shape[0]
    p = layout.stratum_value.size + first
    for j in range(z.shape[0]):
        for k in range(z.shape[1]):
            gradient[p + j] += slope[k] * z[j, k]
            weighted = curvature[k] * z[j, k]
            for l in range(j + 1):
                hessian[p + j, first + l] += weighted * z[l, k]
