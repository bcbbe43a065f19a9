"""One gene's log-likelihood, gradient and Hessian in ``theta = [beta, gamma]``.

Rows are worked on in blocks that stay in the first cache: a block's linear predictors, then its row
terms by elementwise loops, then sums of products with the columns of the designs. All of these run
in vector registers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.compiled import inlined, kernel, reduction, rowwise
from nbglm.kernels.deviance import STIRLING, add_large_peaks, add_peaks, deviance_terms
from nbglm.kernels.elementary import exp
from nbglm.kernels.likelihood import mean_terms, size_of
from nbglm.kernels.sizeterms import BLOCK, SPLIT, count_terms, table_terms
from nbglm.problem.layout import Layout
from nbglm.problem.sums import (
    BY_ETA,
    BY_ZETA,
    CROSS,
    DISPERSION,
    ETA,
    INVERSE,
    MEAN,
    PARTS,
    SIZE,
    VALUE,
    add_groups,
    add_mean_columns,
    add_size_columns,
    add_strata,
    of_stratum,
)
from nbglm.problem.tally import GeneCounts

__all__ = ["evaluate"]

FloatArray = NDArray[np.float64]

_TINY = 1e-300  # mean count of a row that has none


@reduction
def _sum(a: FloatArray) -> float:
    total = 0.0
    for i in range(a.size):
        total += a[i]
    return total


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
    hessian : ndarray, shape (p + q, p + q), or an arrow of p + q rows
        Overwritten, both triangles.

    Returns
    -------
    float
        The log-likelihood, with its ``lgamma(y + 1)`` terms.
    """
    columns = layout.x_columns
    rows, groups = layout.weight.size, layout.size_offset.size
    strata = layout.stratum_value.size
    p, q = strata + columns.shape[0], layout.z_columns.shape[0]
    for j in range(p + q):
        gradient[j] = 0.0
        for l in range(hessian.shape[1]):
            hessian[j, l] = 0.0
    r, slope, curvature = np.empty(groups), np.empty(groups), np.zeros(groups)
    _sizes(theta[p:], layout, gene, r, slope)
    large = gene.centre.size > 0
    if large:
        value = _size_part_of_large(gene, r, slope, curvature) - gene.constant
    else:
        value = _size_part(gene, r, slope, curvature) - gene.constant
    work = np.empty((PARTS, BLOCK))
    size_columns = np.empty((q, BLOCK))
    for lo in range(0, rows, BLOCK):
        hi = min(lo + BLOCK, rows)
        n = hi - lo
        for i in range(n):
            work[ETA, i] = layout.offset[lo + i]
        if strata:
            for i in range(n):
                work[ETA, i] += of_stratum(layout, lo + i, theta)
        for j in range(columns.shape[0]):
            _add_multiple(theta[strata + j], columns[j][lo:hi], work[ETA, :n])
        for i in range(n):
            work[SIZE, i] = r[layout.group_of_row[lo + i]]
        for i in range(n):
            work[INVERSE, i] = 1.0 / work[SIZE, i]
        _row_terms(
            layout.weight[lo:hi],
            gene.total[lo:hi],
            work[ETA],
            work[SIZE],
            work[INVERSE],
            work[VALUE],
            work[BY_ETA],
            work[BY_ZETA],
            work[MEAN],
            work[CROSS],
            work[DISPERSION],
        )
        if large:
            _large_row_terms(
                layout.weight[lo:hi],
                gene.total[lo:hi],
                work[ETA],
                work[INVERSE],
                work[VALUE],
                work[BY_ZETA],
                work[DISPERSION],
            )
        value += _sum(work[VALUE, :n])
        add_mean_columns(columns, lo, hi, work, gradient, hessian)
        if groups == rows:
            _add(slope[lo:hi], work[BY_ZETA, :n])
            _add(curvature[lo:hi], work[DISPERSION, :n])
        for j in range(q):
            for i in range(n):
                size_columns[j, i] = layout.z_columns[j, layout.group_of_row[lo + i]]
        add_size_columns(columns, size_columns, lo, hi, work, gradient, hessian)
        if strata:
            add_strata(layout, size_columns, lo, hi, work, gradient, hessian)
    if groups < rows:
        add_groups(layout, slope, curvature, gradient, hessian)
    for j in range(p + q - strata):
        for l in range(j):
            hessian[strata + l, j] = hessian[strata + j, l]
    return value
