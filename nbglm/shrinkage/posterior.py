"""What a gene's counts and a prior say together of one combination of mean coefficients.

The sizes are held at the fit. The other mean coefficients have no prior (or a wide normal one), and
are where the posterior is highest. The likelihood is concave in the log means; the logarithm of the
Cauchy is not, so that its curvature is used where the sum is concave, and the one of a parabola
below it elsewhere: both go up. Genes are lanes of one search, in orthonormal coordinates in which
the effect is ``along @ theta``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.shrinkage.priors import Prior

__all__ = ["Modes", "Rows", "posterior_modes"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_ROUNDS = 100
_DONE = 1e-10  # squared Newton decrement: what a parabola would gain is half of it
_ROUNDED = 1e-6  # the same where rounding lets nothing go up any more
_FARTHEST = 3.0  # change of a log mean in one step
_CONCAVE = 0.1  # share of the parabola's precision that is left where Newton's step is used
_RIDGE = 1e-14  # relative to the trace: for directions of which the counts say nothing
_HALVINGS = 40
_ROUNDING = 1e-13
_PAIRS = 64  # products of two columns that are kept for all rows


class Rows(NamedTuple):
    """Distinct design rows, and what the genes of a block counted there.

    Attributes
    ----------
    x : ndarray, shape (rows, rank)
        Design of the log mean, orthonormal columns.
    offset : ndarray, shape (rows,)
        Offset of the log mean.
    weight, total, size : ndarray, shape (genes, rows)
        Cells, their counts, and the size of each row.
    along : ndarray, shape (rank,)
        The effect is ``along @ theta``.
    precision : ndarray, shape (rank, rank)
        Of the prior of the other coefficients; zeros for none.
    """

    x: FloatArray
    offset: FloatArray
    weight: FloatArray
    total: FloatArray
    size: FloatArray
    along: FloatArray
    precision: FloatArray

    def of_genes(self, lanes: NDArray[np.intp]) -> Rows:
        """Those of some genes."""
        parts = (part[lanes] for part in (self.weight, self.total, self.size))
        weight, total, size = parts
        return self._replace(weight=weight, total=total, size=size)


class Modes(NamedTuple):
    """Where the posterior of each gene is highest.

    Attributes
    ----------
    effect, error : ndarray, shape (genes,)
        The effect there, and its standard deviation if the posterior were normal.
    height : ndarray, shape (genes,)
        Logarithm of the posterior density, but for constants of a gene.
    found : ndarray of bool, shape (genes,)
        Whether the search came to its end.
    """

    effect: FloatArray
    error: FloatArray
    height: FloatArray
    found: BoolArray


def _log_means(rows: Rows, theta: FloatArray) -> FloatArray:
    # Stacks of products: one for all genes would round by how many there are.
    return np.asarray(np.matmul(rows.x, theta[:, :, None])[:, :, 0] + rows.offset)


def _height(rows: Rows, theta: FloatArray, prior: Prior) -> FloatArray:
    """Log posterior density of each lane."""
    eta = _log_means(rows, theta)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        mean = np.exp(eta)
        ratio = mean / rows.size
        lost = np.log1p(ratio)
        silent = np.where(ratio > 0.0, rows.size * lost, mean)
        terms = np.where(rows.total > 0.0, rows.total * (eta - lost), 0.0) - rows.weight * silent
    wide = np.matmul(rows.precision, theta[:, :, None])[:, :, 0]
    value = terms.sum(axis=1) - 0.5 * (theta * wide).sum(axis=1)
    value += prior.log_density(_effects(rows, theta))
    return np.where(np.isfinite(value), value, -np.inf)


def _effects(rows: Rows, theta: FloatArray) -> FloatArray:
    return np.asarray((theta * rows.along).sum(axis=1))


def _gram(x: FloatArray, weight: FloatArray) -> FloatArray:
    """``x' diag(weight) x`` of each lane."""
    k = x.shape[1]
    one, other = np.triu_indices(k)
    out = np.empty((weight.shape[0], k, k))
    if one.size > _PAIRS:
        for lane, values in enumerate(weight):
            out[lane] = x.T @ (values[:, None] * x)
        return out
    products = np.matmul(weight[:, None, :], x[:, one] * x[:, other])[:, 0, :]
    out[:, one, other] = products
    out[:, other, one] = products
    return out


class _Local(NamedTuple):
    """The posterior around a point of each lane: where Newton's step goes, and what is known."""

    step: FloatArray
    decrement: FloatArray
    variance: FloatArray


def _local(rows: Rows, theta: FloatArray, prior: Prior) -> _Local:
    eta = _log_means(rows, theta)
    mean = np.exp(np.minimum(eta, 700.0))
    with np.errstate(over="ignore"):
        rest = 1.0 / (1.0 + mean / rows.size)
    slope = (rows.total - rows.weight * mean) * rest
    information = (rows.weight * mean * rest + rows.total * (1.0 - rest)) * rest
    gradient = np.matmul(slope[:, None, :], rows.x)[:, 0, :]
    gradient -= np.matmul(rows.precision, theta[:, :, None])[:, :, 0]
    effect = _effects(rows, theta)
    weight, curvature = prior.weight(effect), prior.curvature(effect)
    gradient -= (weight * effect)[:, None] * rows.along
    matrix = _gram(rows.x, information) + rows.precision
    # Before the prior, which may be so narrow that nothing beside it would count.
    trace = np.trace(matrix, axis1=1, axis2=2)
    matrix += (_RIDGE * trace)[:, None, None] * np.eye(rows.along.size)
    matrix += weight[:, None, None] * np.outer(rows.along, rows.along)
    sides = np.stack([gradient, np.broadcast_to(rows.along, gradient.shape)], axis=2)
    solved = np.linalg.solve(matrix, sides)
    step, reply = solved[:, :, 0], solved[:, :, 1]
    variance = _effects(rows, reply)
    # From the parabola's curvature to the true one, which differs along the effect alone.
    excess = weight - curvature
    left = 1.0 - excess * variance
    concave = left > _CONCAVE
    share = np.where(concave, excess * _effects(rows, step) / np.where(concave, left, 1.0), 0.0)
    step = step + share[:, None] * reply
    with np.errstate(divide="ignore"):
        variance = np.where(left > 0.0, variance / left, np.nan)
    return _Local(step, (step * gradient).sum(axis=1), variance)


def _shortened(rows: Rows, step: FloatArray) -> FloatArray:
    """Share of a step that moves no log mean too far."""
    moved = np.abs(np.matmul(rows.x, step[:, :, None])[:, :, 0])
    farthest = np.where(rows.weight > 0.0, moved, 0.0).max(axis=1)
    return np.asarray(_FARTHEST / np.maximum(farthest, _FARTHEST))


def _climb(rows: Rows, theta: FloatArray, prior: Prior) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Where each lane ends, how high it is there, and whether it came to an end."""
    ends, found = theta.copy(), np.zeros(theta.shape[0], dtype=bool)
    height = _height(rows, theta, prior)
    lanes = np.arange(theta.shape[0])
    for _ in range(_ROUNDS):
        here, now = rows.of_genes(lanes), ends[lanes]
        local = _local(here, now, prior)
        done = local.decrement < _DONE
        length = _shortened(here, local.step)
        best, at = now, height[lanes]
        waiting = np.arange(lanes.size)
        for _ in range(_HALVINGS):
            some, factor = here.of_genes(waiting), length[waiting]
            tried = now[waiting] + factor[:, None] * local.step[waiting]
            value = _height(some, tried, prior)
            least = at[waiting] + 1e-4 * factor * local.decrement[waiting]
            fine = value >= least - _ROUNDING * np.abs(at[waiting])
            best = best.copy()
            best[waiting[fine]] = tried[fine]
            height[lanes[waiting[fine]]] = value[fine]
            length[waiting[~fine]] *= 0.5
            waiting = waiting[~fine]
            if not waiting.size:
                break
        # Where no step goes up any more, rounding is what is left.
        stuck = (best == now).all(axis=1)
        done |= stuck
        found[lanes] = local.decrement < _ROUNDED
        ends[lanes] = best
        lanes = lanes[~done]
        if not lanes.size:
            break
    return ends, height, found


def posterior_modes(rows: Rows, starts: FloatArray, prior: Prior) -> Modes:
    """Look for the mode of each gene's posterior.

    Parameters
    ----------
    rows : Rows
        The counts of some genes.
    starts : ndarray, shape (genes, rank)
        Where to begin; with a Cauchy a second search begins at an effect of 0.
    prior : Prior
        Of the effect.

    Returns
    -------
    Modes
    """
    theta, height, found = _climb(rows, starts, prior)
    if prior.kind == "cauchy":
        none = starts - _effects(rows, starts)[:, None] * rows.along / (rows.along @ rows.along)
        other, other_height, other_found = _climb(rows, none, prior)
        higher = other_found & (~found | (other_height > height))
        theta = np.where(higher[:, None], other, theta)
        height, found = np.where(higher, other_height, height), found | other_found
    variance = _local(rows, theta, prior).variance
    return Modes(_effects(rows, theta), np.sqrt(variance), height, found)
