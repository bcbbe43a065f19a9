"""Mean coefficients of many genes at once, for given sizes.

For a given size the log-likelihood is concave in the log mean, so that Newton's method with halved
steps finds the one maximum. Genes are rows; all of them take a step together, and those that have
arrived rest. A product is made for each gene by itself, so that its numbers do not depend on which
other genes are beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.likelihood import row_terms

__all__ = ["GivenSizes", "MeanFit", "fit_means", "products", "times"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_STEPS = 100
_ARRIVED = 1e-20  # squared Newton decrement relative to 1 + |log-likelihood|
_HALVINGS = 30
_LARGEST_STEP = 5.0  # of a log mean


def products(basis: FloatArray, weights: FloatArray, other: FloatArray) -> FloatArray:
    """``basis.T @ diag(weights) @ other`` for each gene.

    Parameters
    ----------
    basis, other : ndarray, shape (rows, k) and (rows, m)
        Designs.
    weights : ndarray, shape (genes, rows)
        A weight for each row.

    Returns
    -------
    ndarray, shape (genes, k, m)

    Examples
    --------
    >>> products(np.ones((3, 1)), np.array([[1.0, 2.0, 3.0]]), np.eye(3)).tolist()
    [[[1.0, 2.0, 3.0]]]
    """
    return np.asarray((basis.T * weights[:, None, :]) @ other)


def times(design: FloatArray, coefficients: FloatArray) -> FloatArray:
    """``design @ coefficients`` for each gene.

    Parameters
    ----------
    design : ndarray, shape (rows, k)
        The same for all genes.
    coefficients : ndarray, shape (genes, k)

    Returns
    -------
    ndarray, shape (genes, rows)
    """
    return np.asarray((design @ coefficients[:, :, None])[:, :, 0])


@dataclass(frozen=True)
class GivenSizes:
    """Counts of genes that share a design, before their sizes are known.

    Attributes
    ----------
    y : ndarray, shape (genes, rows)
        Counts.
    offset : ndarray, shape (rows,)
        Offset of the log mean.
    weight : ndarray, shape (rows,)
        Frequency weights.
    basis : ndarray, shape (rows, k)
        Orthonormal columns of the mean design.
    """

    y: FloatArray
    offset: FloatArray
    weight: FloatArray
    basis: FloatArray

    def of_genes(self, chosen: BoolArray | NDArray[np.int64]) -> GivenSizes:
        """The same of some genes."""
        return GivenSizes(self.y[chosen], self.offset, self.weight, self.basis)

    def log_means(self, b: FloatArray) -> FloatArray:
        """Log means, shape (genes, rows)."""
        return self.offset + times(self.basis, b)


@dataclass(frozen=True)
class MeanFit:
    """Mean coefficients and what the likelihood is there.

    Attributes
    ----------
    b : ndarray, shape (genes, k)
        Coefficients of the basis.
    eta : ndarray, shape (genes, rows)
        Log means.
    terms : ndarray, shape (genes, rows, 6)
        Log-likelihood and derivatives of each row: by ``eta``, ``zeta``, ``eta eta``,
        ``eta zeta`` and ``zeta zeta``.
    arrived : ndarray of bool, shape (genes,)
        Whether a maximum was reached.
    """

    b: FloatArray
    eta: FloatArray
    terms: FloatArray
    arrived: BoolArray


def _direction(problem: GivenSizes, terms: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Newton's step, and the squared decrement."""
    gradient = np.matmul((problem.weight * terms[:, :, 1])[:, None, :], problem.basis)[:, 0, :]
    information = products(problem.basis, -problem.weight * terms[:, :, 3], problem.basis)
    # A ridge at rounding level, for rows whose mean is all but 0.
    size = np.trace(information, axis1=1, axis2=2)
    identity = np.eye(problem.basis.shape[1])
    information += (1e-14 * size + 1e-300)[:, None, None] * identity
    step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
    return step, np.sum(step * gradient, axis=1)


def fit_means(problem: GivenSizes, zeta: FloatArray, start: FloatArray) -> MeanFit:
    """Maximise the likelihood over the mean, for given sizes.

    Parameters
    ----------
    problem : GivenSizes
        Counts and mean design.
    zeta : ndarray, shape (genes, rows)
        Log sizes, of which ``inf`` is the Poisson.
    start : ndarray, shape (genes, k)
        Coefficients to begin with.

    Returns
    -------
    MeanFit

    Examples
    --------
    >>> problem = GivenSizes(np.array([[2.0, 4.0]]), np.zeros(2), np.ones(2), np.ones((2, 1)))
    >>> fit_means(problem, np.zeros((1, 2)), np.zeros((1, 1))).b.round(6).tolist()
    [[1.098612]]
    """
    b = start.copy()
    eta = problem.log_means(b)
    terms = row_terms(problem.y, eta, zeta)
    value = np.sum(problem.weight * terms[:, :, 0], axis=1)
    going = np.ones(len(b), dtype=bool)
    if not problem.basis.shape[1]:
        return MeanFit(b, eta, terms, going)
    for _ in range(_STEPS):
        here = np.flatnonzero(going)
        if not here.size:
            break
        some = problem.of_genes(here)
        step, decrement = _direction(some, terms[here])
        done = decrement <= _ARRIVED * (1.0 + np.abs(value[here]))
        going[here[done]] = False
        here, step = here[~done], step[~done]
        moved = np.abs(times(problem.basis, step)).max(axis=1, initial=0.0)
        step *= np.minimum(1.0, _LARGEST_STEP / np.maximum(moved, 1e-300))[:, None]
        for _ in range(_HALVINGS):
            if not here.size:
                break
            some = problem.of_genes(here)
            new_eta = some.log_means(b[here] + step)
            new_terms = row_terms(some.y, new_eta, zeta[here])
            new_value = np.sum(problem.weight * new_terms[:, :, 0], axis=1)
            # Rounding of a sum of log-likelihoods is no descent.
            better = new_value >= value[here] - 1e-13 * (1.0 + np.abs(value[here]))
            took = here[better]
            b[took] += step[better]
            eta[took], terms[took] = new_eta[better], new_terms[better]
            value[took] = new_value[better]
            here, step = here[~better], 0.5 * step[~better]
        going[here] = False  # no step is better: rounding ends it
    return MeanFit(b, eta, terms, ~going)
