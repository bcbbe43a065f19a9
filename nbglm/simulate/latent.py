"""Normal scores of the cells of a sample, from streams keyed by gene.

The scores of the factors come from a stream of their own, and the part of a gene that they leave
from one keyed by the gene's name. A block of genes is always made up as a whole, even if some of
its genes alone are drawn, since the last bits of a product depend on its shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.simulate.dependence import Dependence
from nbglm.simulate.draws import gene_stream

__all__ = ["BlockStreams", "LatentScores"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_FACTORS = 0x666163746F72  # the letters of "factor"
_RESIDUALS = 0x636F70756C61  # the letters of "copula"


@dataclass(frozen=True)
class LatentScores:
    """Draws of normal scores with a copula.

    Attributes
    ----------
    dependence : Dependence
        The copula.
    groups : ndarray of int, shape (rows,)
        Group of each row that cells are drawn from.
    """

    dependence: Dependence
    groups: IntArray

    @cached_property
    def members(self) -> list[tuple[IntArray, pd.Index]]:
        """Of each block: which of its genes are drawn, and their names."""
        shown = np.zeros(len(self.dependence.known), dtype=bool)
        shown[self.dependence.shown] = True
        found = []
        for block in self.dependence.blocks:
            inside = np.flatnonzero(shown[block])
            found.append((inside, self.dependence.known[block[inside]]))
        return found

    def factor_stream(self, entropy: tuple[int, ...]) -> np.random.Generator:
        """The stream of the scores of all factors.

        Parameters
        ----------
        entropy : tuple of int
            From :func:`nbglm.simulate.draws.seed_entropy`.

        Returns
        -------
        numpy.random.Generator
        """
        return gene_stream((*entropy, _FACTORS), "")

    def factors(self, stream: np.random.Generator, cells: int) -> FloatArray:
        """Scores of the factors of the next cells, shape (factors, cells)."""
        return stream.standard_normal((cells, self.dependence.loadings.shape[2])).T

    def block_streams(self, entropy: tuple[int, ...]) -> list[BlockStreams]:
        """The streams of all blocks.

        Parameters
        ----------
        entropy : tuple of int
            From :func:`nbglm.simulate.draws.seed_entropy`.

        Returns
        -------
        list of BlockStreams
        """
        key = (*entropy, _RESIDUALS)
        known = self.dependence.known
        return [
            BlockStreams(self, k, [gene_stream(key, str(name)) for name in known[block]])
            for k, block in enumerate(self.dependence.blocks)
        ]


@dataclass(frozen=True)
class BlockStreams:
    """The streams of the genes of one block, which go on from one piece to the next.

    Attributes
    ----------
    latent : LatentScores
        The copula.
    block : int
        Number of the block.
    streams : list of numpy.random.Generator
        Of each gene.
    """

    latent: LatentScores
    block: int
    streams: list[np.random.Generator]

    def scores(self, factors: FloatArray, groups: IntArray) -> FloatArray:
        """Normal scores of the next cells.

        Parameters
        ----------
        factors : ndarray, shape (factors, cells)
            Scores of the factors.
        groups : ndarray of int, shape (cells,)
            Groups of the cells.

        Returns
        -------
        ndarray, shape (genes drawn, cells)
        """
        dependence = self.latent.dependence
        own = np.empty((len(self.streams), groups.size))
        for row, stream in zip(own, self.streams, strict=True):
            stream.standard_normal(out=row)
        positions = dependence.blocks[self.block]
        scores = np.empty_like(own)
        for group, roots in enumerate(dependence.roots):
            cells = np.flatnonzero(groups == group)
            if cells.size:
                part = roots[self.block] @ own[:, cells]
                part += dependence.loadings[group][positions] @ factors[:, cells]
                scores[:, cells] = part
        return scores[self.latent.members[self.block][0]]
