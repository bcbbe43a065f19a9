"""The copula of one group of cells: factors and blocks, from scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbglm.copula.attenuation import behind, gains
from nbglm.copula.blocks import blocks_of, proper_correlations, shrunk_correlations
from nbglm.copula.factors import leading, noise_free
from nbglm.copula.scores import Scores

__all__ = ["Plan", "Structure", "estimate", "plan_blocks", "standardised"]

FloatArray = NDArray[np.float64]
Narrow = NDArray[np.float32]
IntArray = NDArray[np.int64]

_MOST_COMMON = 0.95  # share of a gene's variance that factors may have


@dataclass(frozen=True)
class Plan:
    """How correlations are looked for.

    Attributes
    ----------
    factors : int
        How many there may be.
    blocks : tuple of ndarray of int
        Genes of each block.
    """

    factors: int
    blocks: tuple[IntArray, ...]


@dataclass(frozen=True)
class Structure:
    """The dependence of genes in one group of cells.

    Attributes
    ----------
    loadings : ndarray, shape (genes, factors)
        On common factors.
    roots : tuple of ndarray
        Of the covariances of what is left, one for each block.
    shrinkage : float
        How far correlations within blocks were shrunk, on average over their pairs.
    """

    loadings: FloatArray
    roots: tuple[FloatArray, ...]
    shrinkage: float

    def covariances(self, chosen: IntArray, blocks: tuple[IntArray, ...]) -> FloatArray:
        """Correlations of the scores of some genes, shape (chosen, chosen)."""
        values = self.loadings[chosen] @ self.loadings[chosen].T
        for block, root in zip(blocks, self.roots, strict=True):
            where, inside = np.nonzero(chosen[:, None] == block)
            values[np.ix_(where, where)] += root[inside] @ root[inside].T
        return values

    def sum_of_squares(self, blocks: tuple[IntArray, ...]) -> float:
        """Of all correlations, those of genes with themselves included."""
        common = self.loadings.T @ self.loadings
        total = float((common**2).sum())
        for block, root in zip(blocks, self.roots, strict=True):
            own = root @ root.T
            loadings = self.loadings[block]
            total += float((own**2).sum() + 2.0 * (loadings * (own @ loadings)).sum())
        return total


def standardised(values: Narrow, weight: FloatArray) -> Narrow:
    """Scores with a mean of 0 and a sum of squares of 1 over cells, or 0 where they are constant.

    Parameters
    ----------
    values : ndarray, shape (genes, cells)
        Scores.
    weight : ndarray, shape (cells,)
        Frequency weights.

    Returns
    -------
    ndarray
        Such that ``result @ result.T`` is the correlation matrix.
    """
    share = (weight / weight.sum()).astype(np.float32)
    found = (values - (values @ share)[:, None]) * np.sqrt(share)
    length = np.sqrt(np.einsum("ij,ij->i", found, found, dtype=np.float64))
    length = np.where(length > 1e-6, length, np.inf).astype(np.float32)
    found /= length[:, None]
    return np.asarray(found, dtype=np.float32)


def plan_blocks(scores: Scores, groups: IntArray, factors: int, most: int) -> Plan:
    """Blocks of genes that all groups of cells share.

    Parameters
    ----------
    scores : Scores
        Of all cells.
    groups : ndarray of int, shape (cells,)
        Group of each cell, from whose own mean its scores are taken.
    factors : int
        Number of common factors at most.
    most : int
        The largest number of genes in a block.

    Returns
    -------
    Plan
    """
    genes = len(scores.means)
    if genes <= most:
        return Plan(0, (np.arange(genes),))
    centred = scores.means.copy()
    for group in np.unique(groups):
        cells = np.flatnonzero(groups == group)
        share = (scores.weight[cells] / scores.weight[cells].sum()).astype(np.float32)
        centred[:, cells] -= (centred[:, cells] @ share)[:, None]
    unit = standardised(centred, scores.weight)
    _, vectors = leading(unit, factors)
    return Plan(factors, tuple(blocks_of(unit, vectors, most)))


def estimate(scores: Scores, plan: Plan) -> Structure:
    """Factors and blocks of the dependence of scores.

    Parameters
    ----------
    scores : Scores
        Of the cells of a group.
    plan : Plan
        From :func:`plan_blocks`.

    Returns
    -------
    Structure
        Each gene has a variance of 1.
    """
    unit = standardised(scores.means, scores.weight)
    cells = float(scores.weight.sum())
    told = np.asarray(unit.any(axis=1))
    gain = gains(scores)
    values, vectors = leading(unit, plan.factors)
    kept = noise_free(values, max(int(told.sum()), 1), cells)
    loadings = np.where(told[:, None], vectors[:, : kept.size], 0.0) * np.sqrt(kept)
    common = np.minimum((loadings**2).sum(axis=1) * gain**2, _MOST_COMMON)
    length = np.sqrt((loadings**2).sum(axis=1))
    whole = loadings * (np.sqrt(common) / np.where(length > 0.0, length, 1.0))[:, None]
    roots, shrunk, pairs = [], 0.0, 0
    for block in plan.blocks:
        left, share = shrunk_correlations(unit[block], loadings[block], cells)
        both = left + loadings[block] @ loadings[block].T
        both *= np.outer(gain[block], gain[block])
        own = np.sqrt(1.0 - common[block])
        left = behind(both, scores, block) - whole[block] @ whole[block].T
        left /= np.outer(own, own)
        np.fill_diagonal(left, 1.0)
        root = np.linalg.cholesky(proper_correlations(left))
        # Rows of length 1, to the last bit that a sum of squares has.
        root /= np.sqrt((root**2).sum(axis=1))[:, None]
        roots.append(own[:, None] * root)
        shrunk += share * block.size**2
        pairs += block.size**2
    return Structure(whole, tuple(roots), shrunk / max(pairs, 1))
