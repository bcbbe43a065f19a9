"""Ways of drawing counts: each gene by itself, or all of a block with a copula.

A drawing has parts, which threads draw at the same time. All streams go on from one piece of cells
to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.simulate.draws import draw_counts, gene_streams
from nbglm.simulate.latent import LatentScores
from nbglm.simulate.quantiles import counts_at

__all__ = ["Drawing", "alone", "with_copula"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DrawGene = Callable[[int, FloatArray, FloatArray], IntArray]
DrawPart = Callable[[int], Iterator[tuple[IntArray, DrawGene]]]

_GENES = 64  # genes whose means are in memory at a time, in one thread


@dataclass(frozen=True)
class Drawing:
    """How the counts of a sample come about.

    Attributes
    ----------
    parts : int
        Number of parts.
    begin : callable
        Takes the rows of the next cells and the number of the first of them, and returns a
        function of a part that yields positions of genes, and a function of the number of one of
        these, its means and its sizes that returns its counts.
    """

    parts: int
    begin: Callable[[IntArray, int], DrawPart]


def alone(names: list[str], entropy: tuple[int, ...]) -> Drawing:
    """Every gene independently of the others.

    Parameters
    ----------
    names : list of str
        The genes.
    entropy : tuple of int
        From :func:`nbglm.simulate.draws.seed_entropy`.

    Returns
    -------
    Drawing
    """
    streams = [gene_streams(entropy, name) for name in names]

    def begin(_: IntArray, lo: int) -> DrawPart:
        def draw_part(part: int) -> Iterator[tuple[IntArray, DrawGene]]:
            genes = np.arange(part * _GENES, min((part + 1) * _GENES, len(names)))
            yield genes, lambda k, mean, size: draw_counts(streams[genes[k]], mean, size, lo)

        return draw_part

    return Drawing(-(-len(names) // _GENES), begin)


def _count_at(
    scores: FloatArray, first: int, k: int, mean: FloatArray, size: FloatArray
) -> IntArray:
    return counts_at(scores[k], mean, size, first)


def with_copula(latent: LatentScores, names: pd.Index, entropy: tuple[int, ...]) -> Drawing:
    """The genes of each cell as a copula has them.

    Parameters
    ----------
    latent : LatentScores
        The copula, of these genes.
    names : Index of str
        The genes of the sample.
    entropy : tuple of int
        From :func:`nbglm.simulate.draws.seed_entropy`.

    Returns
    -------
    Drawing
    """
    blocks = latent.block_streams(entropy)
    stream = latent.factor_stream(entropy)
    positions = [names.get_indexer(members) for _, members in latent.members]

    def begin(rows: IntArray, lo: int) -> DrawPart:
        groups = latent.groups[rows]
        factors = latent.factors(stream, rows.size)

        def draw_part(part: int) -> Iterator[tuple[IntArray, DrawGene]]:
            scores = blocks[part].scores(factors, groups)
            for first in range(0, len(scores), _GENES):
                own = scores[first : first + _GENES]
                genes = positions[part][first : first + _GENES]
                yield genes, partial(_count_at, own, lo)

        return draw_part

    return Drawing(len(blocks), begin)
