"""What the counts of a gene say of its overdispersion, and p-values of tests of the sizes.

At the means of a fit, ``sum((y - mu)^2 - y) / 2`` is the derivative of the log-likelihood by a
common ``alpha = 1 / r`` of some cells at 0, and ``sum(mu^2) / 2`` its variance for Poisson counts.
Their ratio is the moment estimate of ``alpha``, from which :mod:`nbglm.inference.cones` makes
references.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.counts.table import Counts
from nbglm.design.design import Design
from nbglm.fit.genes import FitArrays
from nbglm.fit.prediction import predict
from nbglm.inference.cones import Near, SizeTest, cone_tail, covariate_tail
from nbglm.inference.pvalues import Tail, chi2_tail
from nbglm.problem.layout import Layout

__all__ = ["Evidence", "size_tails"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class RowEvidence(NamedTuple):
    """What the counts of one gene say in each row.

    Attributes
    ----------
    excess, information : ndarray, shape (rows,)
        Derivative by ``alpha``, and its variance; 0 where the fit has a mean or a size of 0.
    expected : ndarray, shape (rows,)
        Expected counts.
    counted : ndarray of bool, shape (rows,)
        Whether there is a count.
    """

    excess: FloatArray
    information: FloatArray
    expected: FloatArray
    counted: NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """The fit that says what the means are, and the counts.

    Attributes
    ----------
    fit : FitArrays
        The fit.
    x, z : ndarray, shape (rows, p) and (rows, q)
        Its designs in the rows of the layout, in the user's columns.
    layout : Layout
        Where the cells went.
    counts : Counts
        The data.
    """

    fit: FitArrays
    x: FloatArray
    z: FloatArray
    layout: Layout
    counts: Counts

    @classmethod
    def of_design(cls, fit: FitArrays, design: Design, layout: Layout, counts: Counts) -> Evidence:
        """The same from designs in the rows of the cells.

        Parameters
        ----------
        fit : FitArrays
            The fit.
        design : Design
            Its designs.
        layout, counts
            As above.

        Returns
        -------
        Evidence
        """
        rows = layout.cell_of_row
        return cls(fit, design.mean.matrix[rows], design.dispersion.matrix[rows], layout, counts)

    def of_rows(self, gene: int) -> RowEvidence:
        """What the counts of a gene say.

        Parameters
        ----------
        gene : int
            Which gene.

        Returns
        -------
        RowEvidence
        """
        layout = self.layout
        one = slice(gene, gene + 1)
        mean, size = (part[:, 0] for part in predict(self.fit, self.x, self.z, layout.offset, one))
        mean = np.where((size > 0.0) & np.isfinite(mean), mean, 0.0)
        _, cells, counts = self.counts.block(gene, gene + 1)
        used = layout.row_of_cell[cells] >= 0
        row, y, weight = (
            layout.row_of_cell[cells[used]], counts[used], layout.cell_weight[cells[used]]
        )  # fmt: skip
        rows = layout.weight.size
        empty = layout.weight - np.bincount(row, weight, rows)
        excess = np.bincount(row, weight * ((y - mean[row]) ** 2 - y), rows) + empty * mean**2
        counted = np.bincount(row, minlength=rows) > 0
        return RowEvidence(
            0.5 * np.where(mean > 0.0, excess, 0.0),
            0.5 * layout.weight * mean**2,
            layout.weight * mean,
            counted,
        )


def _one_tail(
    test: SizeTest, evidence: Evidence, gene: int, statistic: float, df: int, of_mean: int
) -> tuple[float, float]:
    """P-value of one gene, and its logarithm."""
    found = evidence.of_rows(gene)
    # What the smaller model holds fixed about the ratios of alpha between rows.
    shape = np.exp(-test.offset)
    excess, information = found.excess * shape, found.information * shape**2
    told = (information > 0.0) & (test.pools >= 0)
    pools, place = np.unique(test.pools[told], return_inverse=True)
    total = np.bincount(place, information[told], pools.size)
    pooled = np.bincount(place, excess[told], pools.size) / np.sqrt(total)
    if not test.is_cone:
        expected = np.bincount(test.rows, found.expected)
        near = Near(
            shared=float((np.maximum(pooled, 0.0) ** 2).sum()),
            counted=int(found.counted.sum()),
            smallest=float(expected[expected > 0.0].min(initial=np.inf)),
        )
        return covariate_tail(statistic, near, test.ends, df, of_mean)
    shares, several = [], np.zeros(pools.size, dtype=bool)
    for number, pool in enumerate(pools):
        inside = told & (test.pools == pool)
        _, stratum = np.unique(test.strata[inside], return_inverse=True)
        several[number] = stratum.max() > 0
        if several[number]:
            shares.append(np.sqrt(np.bincount(stratum, information[inside]) / total[number]))
    # Sizes that the smaller model holds at numbers are away from the boundary.
    regular = df - sum(share.size - 1 for share in shares)
    return cone_tail(statistic, pooled[several], shares, max(regular, 0))


def size_tails(
    test: SizeTest,
    evidence: Evidence,
    genes: IntArray,
    statistic: FloatArray,
    df: IntArray,
    of_mean: IntArray,
) -> Tail:
    """P-values of likelihood ratios that test the sizes.

    Parameters
    ----------
    test : SizeTest
        The hypothesis, in the rows of the evidence.
    evidence : Evidence
        At the means of the smaller model, or of the larger one if it has the same.
    genes : ndarray of int
        Which genes.
    statistic : ndarray, shape (len(genes),)
        Likelihood ratios; NaN gives NaN.
    df, of_mean : ndarray of int, shape (len(genes),)
        Degrees of freedom, and those of them that belong to the mean.

    Returns
    -------
    Tail, shape (len(genes),)
    """
    if not (test.pools >= 0).any():  # the smaller model holds all sizes at numbers
        return chi2_tail(statistic, df)
    found = Tail(*np.full((2, genes.size), np.nan))
    for k in np.flatnonzero(np.isfinite(statistic)):
        found.p[k], found.log_p[k] = _one_tail(
            test, evidence, int(genes[k]), float(statistic[k]), int(df[k]), int(of_mean[k])
        )
    return found
