"""Factors of the covariances of all genes, and what tests made with them refer to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nbglm.fit.collapse import Collapse
from nbglm.fit.moments import Moments

__all__ = ["Covariances"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# A standard error below this share of the one from the observed information is rounding: the
# scores that it is made of are zero but for what the ascent left of them.
_NOTHING = 1e-6


@dataclass(frozen=True)
class Covariances:
    """Covariances of the coefficients of all genes, and what they can tell.

    Attributes
    ----------
    root : ndarray, shape (genes, p + q, p + q)
        The covariance of a gene is ``root @ root.T``.
    observed : ndarray, shape (genes, p + q, p + q)
        The same from the observed information.
    collapsed : tuple of Collapse
        Directions of which a robust covariance says nothing.
    df : float
        Degrees of freedom of tests, if all have the same; infinite for normal quantiles.
    moments : Moments or None
        What tells the degrees of freedom of any combination, if each has its own.
    """

    root: FloatArray
    observed: FloatArray
    collapsed: tuple[Collapse, ...] = ()
    df: float = np.inf
    moments: Moments | None = None

    def __post_init__(self) -> None:
        """Let nobody write into what all standard errors are made of."""
        for array in (self.root, self.observed):
            array.flags.writeable = False

    def of_genes(self, positions: IntArray) -> Covariances:
        """Those of some genes, by their positions."""
        collapsed = tuple(
            replace(part, genes=np.flatnonzero(np.isin(positions, part.genes)))
            for part in self.collapsed
        )
        observed = self.observed[positions]
        same = self.root is self.observed
        root = observed if same else self.root[positions]
        moments = None if self.moments is None else self.moments.of_genes(positions)
        return Covariances(root, observed, collapsed, self.df, moments)

    @property
    def use_t(self) -> bool:
        """Whether tests refer to Student's t and F."""
        return self.moments is not None or bool(np.isfinite(self.df))

    def degrees(self, matrix: FloatArray) -> FloatArray:
        """Degrees of freedom of combinations of coefficients, each by itself.

        Parameters
        ----------
        matrix : ndarray, shape (combinations, p + q) or (genes, combinations, p + q)

        Returns
        -------
        ndarray, shape (genes, combinations)
        """
        if self.moments is not None:
            return self.moments.degrees(matrix)
        return np.full((len(self.root), matrix.shape[-2]), self.df)

    def joint_degrees(self, matrix: FloatArray, genes: IntArray) -> FloatArray:
        """Degrees of freedom of the denominator, for combinations together.

        Parameters
        ----------
        matrix : ndarray, shape (combinations, p + q)
            Linearly independent.
        genes : ndarray of int
            Which genes.

        Returns
        -------
        ndarray, shape (genes,)
            Of Hotelling's distribution if each combination has its own, of F otherwise.
        """
        if self.moments is not None:
            return self.moments.joint_degrees(matrix, genes)
        return np.full(genes.size, self.df)

    def identified(self, matrix: FloatArray) -> BoolArray:
        """Which combinations of coefficients have a variance.

        Parameters
        ----------
        matrix : ndarray, shape (combinations, p + q)
            Combinations with a finite estimate; of others the answer means nothing.

        Returns
        -------
        ndarray of bool, shape (genes, combinations)
        """
        # Without a definite information there is nothing to tell.
        sound = np.asarray(np.isfinite(self.root).all(axis=(1, 2)))
        told = np.repeat(sound[:, None], matrix.shape[0], axis=1)
        if self.root is self.observed:
            return told
        for gene, (root, observed) in enumerate(zip(self.root, self.observed, strict=True)):
            length = np.linalg.norm(matrix @ root, axis=1)
            least = _NOTHING * np.linalg.norm(matrix @ observed, axis=1)
            told[gene] = (length > least) & (length < np.inf)
        for collapse in self.collapsed:
            told[np.ix_(collapse.genes, collapse.touches(matrix))] = False
        if self.moments is not None:
            # What all but one cluster, or one cell, say nothing of is adjusted by a factor without
            # end: it leaves a variance that is rounding, and degrees of freedom that are not.
            told &= self.moments.degrees(matrix) > 0.0
        return told
