"""One gene's log-likelihood, gradient and Hessian in ``theta = [beta, gamma]``.

Rows are worked on in blocks that stay in the first cache: a block's linear predictors, then its row
terms by elementwise loops, then sums of products with the columns of the designs. All of these run
in vector registers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.compiled import inlined, kernel, reduction, rowwise
from nbglm.deviance import STIRLING, add_large_peaks, add_peaks, deviance_terms
from nbglm.elementary import exp
from nbglm.layout import Layout
from nbglm.likelihood import mean_terms, size_of
from nbglm.sizeterms import BLOCK, SPLIT, count_terms, table_terms
from nbglm.tally import GeneCounts

__all__ = ["evaluate"]

FloatArray = NDArray[np.float64]

_TINY = 1e-300  # mean count of a row that has none

# Rows of the block's workspace: predictor, size, its inverse, six row terms, a weighted column.
_ETA, _SIZE, _INVERSE, _VALUE, _BY_ETA, _BY_ZETA, _MEAN, _CROSS, _DISPERSION, _WEIGHTED = range(10)


@reduction
def _sum(a: FloatArray) -> float:
    total = 0.0
    for i in range(a.size):
        total += a[i]
    return total


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


@rowwise
def _add_multiple(factor: float, a: FloatArray, out: FloatArray) -> None:
    for i in range(a.size):
        out[i] += factor * a[i]


@rowwise
def _add(a: FloatArray, out: FloatArray) -> None:
    for i in range(a.size):
        out[i] += a[i]


@rowwise
def _row_terms(
    weight: FloatArray,
    total: FloatArray,
    eta: FloatArray,
    r: FloatArray,
    inverse: FloatArray,
    value: FloatArray,
    by_eta: FloatArray,
    by_zeta: FloatArray,
    mean: FloatArray,
    cross: FloatArray,
    dispersion: FloatArray,
) -> None:
    """Fill the six row terms; apart, since a compiler vectorises only what cannot overlap."""
    for i in range(weight.size):
        terms = mean_terms(weight[i], total[i], eta[i], r[i], inverse[i])
        value[i] = terms[0]
        by_eta[i] = terms[1]
        by_zeta[i] = terms[2]
        mean[i] = terms[3]
        cross[i] = terms[4]
        dispersion[i] = terms[5]


@rowwise
def _sizes(
    gamma: FloatArray, layout: Layout, gene: GeneCounts, r: FloatArray, slope: FloatArray
) -> None:
    """Sizes of the dispersion groups, and the part of their slopes that every count adds to."""
    columns = layout.z_columns
    positive = gene.positive
    for k in range(r.size):
        r[k] = layout.size_offset[k]
    for j in range(gamma.size):
        _add_multiple(gamma[j], columns[j], r)
    for k in range(r.size):
        r[k] = size_of(r[k])
        slope[k] = positive[k] if r[k] < SPLIT else 0.0


@kernel
def _size_part(gene: GeneCounts, r: FloatArray, slope: FloatArray, curvature: FloatArray) -> float:
    """Size part of all counts: its value, added to the slopes and curvatures of the groups."""
    value = 0.0
    if gene.above.size:
        for k in range(r.size):
            terms = table_terms(gene.above[gene.starts[k] : gene.starts[k + 1]], r[k])
            value += terms[0]
            slope[k] += terms[1]
            curvature[k] += terms[2]
    if gene.values.size:
        work = np.empty((6, BLOCK))
        own = np.empty(BLOCK)
        for lo in range(0, gene.values.size, BLOCK):
            hi = min(lo + BLOCK, gene.values.size)
            for e in range(lo, hi):
                own[e - lo] = r[gene.group[e]]
            count_terms(gene.values[lo:hi], own[: hi - lo], work)
            for e in range(lo, hi):
                k = gene.group[e]
                n = gene.multiplicity[e]
                value += n * work[0, e - lo]
                slope[k] += n * work[1, e - lo]
                curvature[k] += n * work[2, e - lo]
    return value


@rowwise
def _large_row_terms(
    weight: FloatArray,
    total: FloatArray,
    eta: FloatArray,
    inverse: FloatArray,
    value: FloatArray,
    by_zeta: FloatArray,
    dispersion: FloatArray,
) -> None:
    """Put deviances in the place of row terms that would cancel with those of large counts."""
    for i in range(weight.size):
        w = weight[i]
        deviance, slope, curvature = deviance_terms(total[i] / w, exp(eta[i]), inverse[i])
        value[i] = -w * deviance
        by_zeta[i] = -w * slope
        dispersion[i] = -w * curvature


@rowwise
def _deviances(
    y: FloatArray,
    centre: FloatArray,
    r: FloatArray,
    value: FloatArray,
    slope: FloatArray,
    curvature: FloatArray,
) -> None:
    """Terms of single counts around the means of their rows."""
    for i in range(y.size):
        terms = deviance_terms(y[i], max(centre[i], _TINY), 1.0 / r[i])
        value[i] = -terms[0]
        slope[i] = -terms[1]
        curvature[i] = -terms[2]


@kernel
def _size_part_of_large(
    gene: GeneCounts, r: FloatArray, slope: FloatArray, curvature: FloatArray
) -> float:
    """As :func:`_size_part`, for a gene with large counts; the slopes are overwritten."""
    zeros, height = np.zeros(r.size), np.zeros(r.size)
    slope[:] = 0.0
    add_peaks(zeros, r, height, slope, curvature)
    value = 0.0
    for k in range(r.size):
        value -= gene.positive[k] * height[k]
        slope[k] *= -gene.positive[k]
        curvature[k] *= -gene.positive[k]
    work = np.empty((3, BLOCK))
    own = np.empty(BLOCK)
    for lo in range(0, gene.values.size, BLOCK):
        hi = min(lo + BLOCK, gene.values.size)
        y = gene.values[lo:hi]
        for e in range(y.size):
            own[e] = r[gene.group[lo + e]]
        a, b, c, size = work[0, : y.size], work[1, : y.size], work[2, : y.size], own[: y.size]
        _deviances(y, gene.centre[lo:hi], size, a, b, c)
        silent = 0
        while silent < y.size and y[silent] == 0.0:
            silent += 1
        small = silent
        while small < y.size and y[small] < STIRLING:
            small += 1
        add_peaks(
            y[silent:small], size[silent:small], a[silent:small], b[silent:small], c[silent:small]
        )
        add_large_peaks(y[small:], size[small:], a[small:], b[small:], c[small:])
        for e in range(y.size):
            k = gene.group[lo + e]
            m = gene.multiplicity[lo + e]
            value += m * a[e]
            slope[k] += m * b[e]
            curvature[k] += m * c[e]
    return value


@kernel
def _add_mean_columns(
    columns: FloatArray,
    lo: int,
    hi: int,
    work: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
) -> None:
    """Gradient and Hessian of the mean coefficients, one block of rows."""
    weighted = work[_WEIGHTED, : hi - lo]
    for j in range(columns.shape[0]):
        column = columns[j][lo:hi]
        gradient[j] += _dot(work[_BY_ETA, : hi - lo], column)
        _multiply(work[_MEAN, : hi - lo], column, weighted)
        for l in range(j + 1):
            hessian[j, l] += _dot(weighted, columns[l][lo:hi])


@kernel
def _add_size_columns(
    columns: FloatArray,
    size_columns: FloatArray,
    lo: int,
    hi: int,
    work: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
) -> None:
    """Gradient and Hessian of the dispersion coefficients, one block of rows."""
    p = columns.shape[0]
    weighted = work[_WEIGHTED, : hi - lo]
    for j in range(size_columns.shape[0]):
        column = size_columns[j][: hi - lo]
        gradient[p + j] += _dot(work[_BY_ZETA, : hi - lo], column)
        _multiply(work[_DISPERSION, : hi - lo], column, weighted)
        for l in range(j + 1):
            hessian[p + j, p + l] += _dot(weighted, size_columns[l][: hi - lo])
        _multiply(work[_CROSS, : hi - lo], column, weighted)
        for l in range(p):
            hessian[p + j, l] += _dot(weighted, columns[l][lo:hi])


@kernel
def _add_groups(
    layout: Layout,
    slope: FloatArray,
    curvature: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
) -> None:
    """What the dispersion groups add to the gradient and the Hessian."""
    z = layout.z_columns
    p = layout.x_columns.shape[0]
    for j in range(z.shape[0]):
        for k in range(z.shape[1]):
            gradient[p + j] += slope[k] * z[j, k]
            weighted = curvature[k] * z[j, k]
            for l in range(j + 1):
                hessian[p + j, p + l] += weighted * z[l, k]


@inlined
def evaluate(
    theta: FloatArray, layout: Layout, gene: GeneCounts, gradient: FloatArray, hessian: FloatArray
) -> float:
    """Log-likelihood of one gene; fills its gradient and Hessian.

    Parameters
    ----------
    theta : ndarray, shape (p + q,)
        Coefficients of the log mean, then of the log size.
    layout : Layout
        The design.
    gene : GeneCounts
        The counts.
    gradient : ndarray, shape (p + q,)
        Overwritten.
    hessian : ndarray, shape (p + q, p + q)
        Overwritten, both triangles.

    Returns
    -------
    float
        The log-likelihood, with its ``lgamma(y + 1)`` terms.
    """
    columns = layout.x_columns
    rows, groups = layout.weight.size, layout.size_offset.size
    p, q = columns.shape[0], layout.z_columns.shape[0]
    for j in range(p + q):
        gradient[j] = 0.0
        for l in range(p + q):
            hessian[j, l] = 0.0
    r, slope, curvature = np.empty(groups), np.empty(groups), np.zeros(groups)
    _sizes(theta[p:], layout, gene, r, slope)
    large = gene.centre.size > 0
    if large:
        value = _size_part_of_large(gene, r, slope, curvature) - gene.constant
    else:
        value = _size_part(gene, r, slope, curvature) - gene.constant
    work = np.empty((10, BLOCK))
    size_columns = np.empty((q, BLOCK))
    for lo in range(0, rows, BLOCK):
        hi = min(lo + BLOCK, rows)
        n = hi - lo
        for i in range(n):
            work[_ETA, i] = layout.offset[lo + i]
        for j in range(p):
            _add_multiple(theta[j], columns[j][lo:hi], work[_ETA, :n])
        for i in range(n):
            work[_SIZE, i] = r[layout.group_of_row[lo + i]]
        for i in range(n):
            work[_INVERSE, i] = 1.0 / work[_SIZE, i]
        _row_terms(
            layout.weight[lo:hi],
            gene.total[lo:hi],
            work[_ETA],
            work[_SIZE],
            work[_INVERSE],
            work[_VALUE],
            work[_BY_ETA],
            work[_BY_ZETA],
            work[_MEAN],
            work[_CROSS],
            work[_DISPERSION],
        )
        if large:
            _large_row_terms(
                layout.weight[lo:hi],
                gene.total[lo:hi],
                work[_ETA],
                work[_INVERSE],
                work[_VALUE],
                work[_BY_ZETA],
                work[_DISPERSION],
            )
        value += _sum(work[_VALUE, :n])
        _add_mean_columns(columns, lo, hi, work, gradient, hessian)
        if groups == rows:
            _add(slope[lo:hi], work[_BY_ZETA, :n])
            _add(curvature[lo:hi], work[_DISPERSION, :n])
        for j in range(q):
            for i in range(n):
                size_columns[j, i] = layout.z_columns[j, layout.group_of_row[lo + i]]
        _add_size_columns(columns, size_columns, lo, hi, work, gradient, hessian)
    if groups < rows:
        _add_groups(layout, slope, curvature, gradient, hessian)
    for j in range(p + q):
        for l in range(j):
            hessian[l, j] = hessian[j, l]
    return value
