"""What results keep of the cells of a fit when these are dropped.

Whatever needs no counts comes out as before, to the last bit: of the rows of the designs that means
the distinct ones, among which a gene at a limit finds those that still tell something, and of the
counts the likelihood-ratio tests of infinite coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from nbglm.counts.table import Counts, GeneBlock
from nbglm.exceptions import UnavailableError
from nbglm.fit.covariance import Covariances
from nbglm.inference.bounds import LimitTests

__all__ = ["AbsentCounts", "Remains", "refuse"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def refuse(
    what: str, instead: str = "Ask the fit itself, or one saved with data=True."
) -> NoReturn:
    """Say what cannot be had without the data of a fit.

    Parameters
    ----------
    what : str
        What was asked for.
    instead : str
        What to do.

    Raises
    ------
    UnavailableError
        Always.
    """
    msg = (
        f"{what} needs the counts or the cells of the fit, which these results have dropped "
        f"(without_data()). {instead}"
    )
    raise UnavailableError(msg)


@dataclass(frozen=True)
class AbsentCounts(Counts):
    """The names of genes and the number of cells, without a count; see :class:`Counts`.

    Attributes
    ----------
    absent_cells : int
        How many cells there were.
    """

    absent_cells: int = 0

    @property
    def n_cells(self) -> int:
        """Number of cells that there were."""
        return self.absent_cells

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.genes)

    def block(self, start: int, stop: int) -> GeneBlock:
        """Not to be had."""
        others = " and others" if stop > start + 1 else ""
        refuse(f"this (a look at the counts of {self.genes[start]!r}{others})")

    def gene(self, position: int) -> FloatArray:
        """Not to be had."""
        self.block(position, position + 1)
        raise AssertionError  # the line above always raises

    def of_genes(self, positions: IntArray) -> Counts:
        """The names of some genes."""
        var = None if self._var is None else self._var.iloc[positions]
        return replace(self, genes=self.genes[positions], _var=var)

    def same_counts(self, other: Counts) -> bool:
        """Not to be had, unless it is the same object."""
        return self is other or bool(refuse("a comparison of counts"))


@dataclass(frozen=True)
class Remains:
    """What is known of the cells and counts of a fit without them.

    Attributes
    ----------
    rows : tuple of ndarray, shape (rows, p) and (rows, q)
        Distinct rows of both designs.
    covariances : Covariances
        Of the kind that was asked for.
    limit_tests : LimitTests or None
        Likelihood-ratio tests of infinite coefficients; None if they were not wanted.
    covariate_means : mapping of str to float
        Weighted mean of every numeric column that a formula uses.
    column_lines : tuple of str
        Which columns are aliased, and why.
    nobs : float
        Sum of the weights.
    n_params, df_model : int
        Coefficients that are not aliased, and the rank of the mean without a constant.
    base_mean : ndarray, shape (genes,)
        Weighted mean count per cell of each gene.
    """

    rows: tuple[FloatArray, FloatArray]
    covariances: Covariances
    limit_tests: LimitTests | None
    covariate_means: Mapping[str, float]
    column_lines: tuple[str, ...]
    nobs: float
    n_params: int
    df_model: int
    base_mean: FloatArray

    def __post_init__(self) -> None:
        """Let nobody write into what all tests are made of."""
        for array in (*self.rows, *(self.limit_tests or ()), self.base_mean):
            array.flags.writeable = False

    def of_genes(self, positions: IntArray) -> Remains:
        """The same of some genes, by their positions."""
        return replace(
            self,
            covariances=self.covariances.of_genes(positions),
            limit_tests=None if self.limit_tests is None else self.limit_tests.of_genes(positions),
            base_mean=self.base_mean[positions],
        )
