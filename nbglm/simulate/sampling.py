"""Counts of all genes, some thousand cells at a time.

Every gene draws from streams of its own, which go on from one piece to the next: a sample has the
same bytes however many cells are held at a time, whatever the number of workers, and whichever
other genes are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.exceptions import NbglmError, OptionError
from nbglm.fit.genes import FitArrays
from nbglm.fit.prediction import predict
from nbglm.inference.tables import FitTables
from nbglm.parallel.threads import in_threads
from nbglm.simulate.cells import NewCells
from nbglm.simulate.drawing import Drawing, alone, with_copula
from nbglm.simulate.draws import gene_stream
from nbglm.simulate.latent import LatentScores
from nbglm.status import GENE_STATUS

__all__ = ["LAYERS", "Piece", "Sampling"]

FloatArray = NDArray[np.float64]

# Predictions of so many cells at a time: fixed, since the last bits of a product of a design and
# its coefficients may depend on how many rows it has.
_CELLS = 4096
LAYERS = ("mean", "size")
"""Names of what is kept beside the counts."""

_COEFFICIENTS = 0x636F6566  # the letters of "coef": the stream of a gene's coefficients
_LARGEST_INT32 = np.iinfo(np.int32).max


class Piece(NamedTuple):
    """Consecutive cells of a sample.

    Attributes
    ----------
    counts : csr_matrix of int32 or int64, shape (cells, genes)
        As narrow as the counts allow.
    layers : dict of ndarray, shape (cells, genes)
        The ``mean`` and ``size`` that they were drawn from, if that was asked for.
    """

    counts: sparse.csr_matrix
    layers: dict[str, FloatArray]


@dataclass(frozen=True)
class Sampling:
    """A sample of a fit, of which the pieces can be drawn any number of times.

    Attributes
    ----------
    results : FitTables
        The fit.
    cells : NewCells
        The cells.
    entropy : tuple of int
        From :func:`nbglm.simulate.draws.seed_entropy`.
    uncertainty : bool
        Whether each replicate draws its coefficients from their estimated covariance first.
    truth : bool
        Whether means and sizes are kept.
    n_jobs : int or None
        As joblib understands it.
    latent : LatentScores or None
        The copula of the genes; without one they are independent given the covariates.

    Raises
    ------
    NbglmError
        If a gene did not converge, or has no covariance to draw from.
    """

    results: FitTables
    cells: NewCells
    entropy: tuple[int, ...]
    uncertainty: bool = False
    truth: bool = False
    n_jobs: int | None = None
    latent: LatentScores | None = None

    def __post_init__(self) -> None:
        arrays = self.results.arrays
        self._refuse(~arrays.converged, "did not converge", "converged")
        if self.uncertainty:
            unknown = ~np.isfinite(self.results.root).all(axis=(1, 2))
            unknown &= arrays.status != GENE_STATUS.index("all_zero")
            self._refuse(unknown, "have no covariance to draw coefficients from", None)

    def _refuse(self, failed: NDArray[np.bool_], what: str, keep: str | None) -> None:
        names = self.results.gene_names[failed]
        if len(names):
            chosen = f"results.{keep}" if keep else "the others"
            msg = (
                f"{len(names)} genes {what} (the first is {names[0]!r}); leave them out: "
                f"results.subset({chosen}).sample(...)."
            )
            raise NbglmError(msg)

    def pieces(self) -> Iterator[Piece]:
        """Draw the sample, some thousand cells at a time.

        Yields
        ------
        Piece

        Raises
        ------
        OptionError
            If a gene has no finite mean on these rows.
        """
        names = list(self.results.gene_names)
        drawing = (
            alone(names, self.entropy)
            if self.latent is None
            else with_copula(self.latent, self.results.gene_names, self.entropy)
        )
        own = (
            [gene_stream((*self.entropy, _COEFFICIENTS), name) for name in names]
            if self.uncertainty
            else []
        )
        for _ in range(self.cells.replicates):
            arrays = self._drawn_coefficients(own) if own else self.results.arrays
            for lo in range(0, self.cells.chosen.size, _CELLS):
                yield self._piece(arrays, drawing, lo)

    def empty_layers(self, cells: int) -> dict[str, FloatArray]:
        """Room for what is kept beside the counts of some cells.

        Parameters
        ----------
        cells : int
            How many.

        Returns
        -------
        dict of ndarray, shape (cells, genes)
        """
        shape = (cells, len(self.results.gene_names))
        return {name: np.empty(shape) for name in LAYERS} if self.truth else {}

    def _drawn_coefficients(self, streams: list[np.random.Generator]) -> FitArrays:
        """Coefficients drawn around the estimates; limits stay limits."""
        arrays, root = self.results.arrays, self.results.root
        finite = arrays.finite.copy()
        for gene, stream in enumerate(streams):
            step = stream.standard_normal(root.shape[2])
            if np.isfinite(root[gene]).all():
                finite[gene] += root[gene] @ step
        return replace(arrays, finite=finite)

    def _piece(self, arrays: FitArrays, drawing: Drawing, lo: int) -> Piece:
        """Counts of the cells from `lo` on."""
        x, z, offset = self.cells.part(lo, lo + _CELLS)
        shape = (offset.size, len(self.results.gene_names))
        counts = np.zeros(shape, dtype=np.int64)
        kept = self.empty_layers(offset.size)
        draw_part = drawing.begin(self.cells.chosen[lo : lo + _CELLS], lo)

        def draw(part: int) -> None:
            for genes, draw_gene in draw_part(part):
                mean, size = predict(arrays.of_genes(genes), x, z, offset, slice(0, genes.size))
                for k, gene in enumerate(genes):
                    try:
                        counts[:, gene] = draw_gene(k, mean[:, k], size[:, k])
                    except OptionError as error:
                        msg = f"gene {self.results.gene_names[gene]!r}: {error}"
                        raise OptionError(msg) from error
                for name, values in zip(kept, (mean, size), strict=False):
                    kept[name][:, genes] = values

        for _ in in_threads(draw, range(drawing.parts), self.n_jobs):
            pass
        narrow = counts.max(initial=0) <= _LARGEST_INT32
        # scipy finds the entries of a narrow array in half the time.
        found = sparse.csr_matrix(counts.astype(np.int32) if narrow else counts)
        return Piece(found, kept)
