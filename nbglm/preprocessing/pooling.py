"""Size factors of cells that are nearly empty, from sums over pools of cells.

Most counts of a single cell are 0, so that a median of ratios says nothing of it. The sum over a
pool of some tens of cells has few zeros; the median ratio of the pool to the average cell estimates
the sum of the factors of its cells; and enough overlapping pools give each cell's own (Lun, Bach
and Marioni 2016, Genome Biology 17:75).

Cells stand in a ring, small next to small, and every stretch of 21, 26, ..., 101 neighbours is a
pool. The least squares problem is then the same all around the ring: its matrix is circulant, and
the discrete Fourier transform solves it cell by cell, where a general solver would need a matrix of
cells by cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.exceptions import CountsError, OptionError

__all__ = ["POOLS", "pooled_factors"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

POOLS = tuple(range(21, 102, 5))
"""Numbers of cells in a pool."""

_MOST_CELLS = 3000  # of a ring: more would only take longer, at the cost of the square
_LEAST_MEAN = 0.1  # count of a gene in the average cell, below which its ratios are mostly 0
_TIE = 1e-6  # weight of an equation that ties each cell to its total, where pools leave it free
_ENTRIES = 1 << 22  # of a table of sums over pools that are in memory at a time


@dataclass(frozen=True)
class _Ring:
    """Factors of the cells of a group relative to its average cell, and that cell.

    Attributes
    ----------
    factors : ndarray, shape (cells of the group,)
        Such that a count is about a factor times the average cell's.
    average : ndarray, shape (genes,)
        Mean over the cells of the group of counts divided by their total.
    total : float
        Mean total of the cells of the group.
    """

    factors: FloatArray
    average: FloatArray
    total: float


def _stretches(ordered: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """Ratios of each pool to the average cell: for each size, from each cell on."""
    cells, genes = ordered.shape
    # Sums of stretches are differences of running sums, that go round the ring and a pool on. A
    # pool is at least a hundredth of what has been added up, so that no digits that matter go.
    sizes = [size for size in POOLS if size <= cells]
    running = np.zeros((cells + sizes[-1] + 1, genes))
    np.cumsum(np.concatenate([ordered, ordered[: sizes[-1]]]), axis=0, out=running[1:])
    step = max(1, _ENTRIES // max(1, genes))
    for size in sizes:
        medians = np.empty(cells)
        for start in range(0, cells, step):
            stop = min(start + step, cells)
            pools = running[start + size : stop + size] - running[start:stop]
            medians[start:stop] = np.median(pools, axis=1)
        yield size, medians


def _solved(ratios: Iterator[tuple[int, FloatArray]], cells: int, tie: float) -> FloatArray:
    """The share of each cell, by least squares: pools are sums of neighbours around a ring."""
    # Each cell is tied to `tie`, its share if totals told everything.
    left: FloatArray = np.full(cells // 2 + 1, _TIE)
    right = np.fft.rfft(np.full(cells, _TIE * tie))
    for size, medians in ratios:
        stretch = np.zeros(cells)
        stretch[:size] = 1.0
        # A pool that begins at a cell has the next ones: sums against the direction of a
        # convolution, hence the conjugate.
        wave = np.conj(np.fft.rfft(stretch))
        left += np.abs(wave) ** 2
        right += np.conj(wave) * np.fft.rfft(medians)
    return np.asarray(np.fft.irfft(right / left, n=cells))


def _ring_order(totals: FloatArray) -> IntArray:
    """Cells around a ring in the order of their totals: up on one side, down on the other."""
    order = np.argsort(totals, kind="stable")
    return np.concatenate([order[::2], order[1::2][::-1]])


def _ring(profiles: sparse.csr_matrix) -> _Ring:
    """Factors within one group."""
    totals = np.asarray(profiles.sum(axis=1)).ravel()
    shares = sparse.diags_array(1.0 / totals) @ profiles
    average = np.asarray(shares.mean(axis=0)).ravel()
    used = average * totals.mean() >= _LEAST_MEAN
    if not used.any():
        msg = (
            f"method='pooled' uses genes with a mean count of at least {_LEAST_MEAN}, and among "
            f"{totals.size} cells there is none. Use method='total', or leave out empty cells."
        )
        raise CountsError(msg)
    order = _ring_order(totals)
    ratios = shares[order][:, used].toarray() / average[used]
    share = _solved(_stretches(ratios), totals.size, 1.0 / average[used].sum())
    factors = np.empty(totals.size)
    factors[order] = share
    return _Ring(factors * totals, average, float(totals.mean()))


def _between(rings: list[_Ring]) -> FloatArray:
    """What makes factors of different groups comparable: their average cells, gene by gene."""
    reference = max(rings, key=lambda ring: np.count_nonzero(ring.average))
    scales = np.ones(len(rings))
    for k, ring in enumerate(rings):
        # The average cell of two groups has a mean total of both.
        both = (ring.average + reference.average) / 2 * (ring.total + reference.total) / 2
        used = (both >= _LEAST_MEAN) & (reference.average > 0)
        scale = float(np.median(ring.average[used] / reference.average[used])) if used.any() else 0
        if scale <= 0:
            msg = (
                "method='pooled': most genes that are expressed in one group are silent in "
                "another, so that nothing tells how deeply one was sequenced beside the other. "
                "Use larger groups=, or method='total'."
            )
            raise CountsError(msg)
        scales[k] = scale
    return scales


def _rings_of(group: IntArray) -> list[IntArray]:
    """Cells of each ring: those of a group, in alternation where a group is too large for one."""
    rings = []
    for value in range(int(group.max()) + 1):
        cells = np.flatnonzero(group == value)
        parts = -(-cells.size // _MOST_CELLS)
        rings += [cells[part::parts] for part in range(parts)]
    return rings


def pooled_factors(profiles: sparse.csr_matrix, group: IntArray) -> FloatArray:
    """Size factors from sums over pools of the cells of a group.

    Parameters
    ----------
    profiles : sparse CSR matrix, shape (cells, genes)
        Counts; every cell has some.
    group : ndarray of int, shape (cells,)
        Number of each cell's group. Pools have cells of one group; most genes should not differ
        between its cells.

    Returns
    -------
    ndarray, shape (cells,)
        Of mean 1. Not positive where pools say that a cell has no share in them.

    Raises
    ------
    OptionError
        If a group has too few cells for a pool.
    CountsError
        If there are too few counts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> depth = rng.uniform(0.5, 2.0, 200)
    >>> counts = sparse.csr_matrix(rng.poisson(np.outer(depth, rng.uniform(0.2, 3.0, 500))))
    >>> factors = pooled_factors(counts, np.zeros(200, dtype=int))
    >>> bool(np.abs(factors - depth / depth.mean()).max() < 0.2)
    True
    """
    sizes = np.bincount(group)
    if sizes.min() < POOLS[0]:
        msg = (
            f"method='pooled' needs at least {POOLS[0]} cells in each group, and the smallest has "
            f"{sizes.min()}. Use larger groups=, or method='total'."
        )
        raise OptionError(msg)
    members = _rings_of(group)
    rings = [_ring(profiles[cells]) for cells in members]
    factors = np.empty(group.size)
    for cells, ring, scale in zip(members, rings, _between(rings), strict=True):
        factors[cells] = ring.factors * scale
    return factors / factors[factors > 0].mean()
