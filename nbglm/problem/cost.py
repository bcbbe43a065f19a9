"""What a design costs, estimated before the work begins.

Whoever crosses two factors of a thousand levels is to learn at the start that a gene will take
minutes. Nothing is fitted for that: the numbers of distinct rows and of columns decide, since each
evaluation multiplies all pairs of columns on all rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.memory import written
from nbglm.problem.problem import distinct_design_rows

__all__ = ["Cost", "cost_line", "expected_cost"]

FloatArray = NDArray[np.float64]

_PREPARING = 2.5e-9  # seconds of one core, for each row and pair of columns, to orthonormalise
_EVALUATING = 1.4e-10  # the same for an evaluation, which works on half of the pairs
_FACTORING = 5e-10  # the same, for each three columns, to factor their matrix
_EVALUATIONS = 8  # of an ascent
_PER_SIZE = 16  # evaluations that look for the sizes, for each coefficient of them
_MERGED_ROWS = 1024  # rows, at most, of the merged problem in which these are looked for
_LONG = 20.0  # seconds that are announced
_LARGE = 1 << 32  # bytes of covariances that are announced


class Cost(NamedTuple):
    """What one fit takes, to within a factor of three or so.

    Attributes
    ----------
    preparing : float
        Seconds of one core before the first gene.
    gene : float
        Seconds of one core for each gene.
    memory : int
        Bytes that each gene keeps, for its covariance.
    """

    preparing: float
    gene: float
    memory: int


def _cost(rows: int, strata: int, others: int, sizes: int) -> Cost:
    """Cost of a design with so many distinct rows, strata, other columns and sizes."""
    columns = others + sizes

    def evaluation(rows: int) -> float:
        return _EVALUATING * (rows + strata) * columns**2 + _FACTORING * columns**3

    searched = _EVALUATIONS
    if sizes > 1:
        searched = _PER_SIZE * sizes
    elif strata:
        searched = 0  # their rows are never merged
    gene = _EVALUATIONS * evaluation(rows)
    gene += searched * evaluation(rows if strata else min(rows, _MERGED_ROWS))
    return Cost(_PREPARING * rows * (others**2 + sizes**2), gene, 8 * (strata + columns) ** 2)


def expected_cost(
    x: FloatArray, z: FloatArray, offset: FloatArray, weights: FloatArray | None = None
) -> Cost:
    """Estimate what a fit will take.

    Parameters
    ----------
    x, z, offset, weights
        As for :func:`nbglm.problem.problem.make_problem`.

    Returns
    -------
    Cost

    Examples
    --------
    >>> import numpy as np
    >>> x = np.column_stack([np.ones(600), np.random.default_rng(0).normal(size=(600, 3))])
    >>> cost = expected_cost(x, x[:, :1], np.zeros(600))
    >>> cost.gene < 0.01, cost.memory
    (True, 200)
    """
    cells, (p, q) = x.shape[0], (x.shape[1], z.shape[1])
    most = _cost(cells, 0, p, q)
    if most.preparing + most.gene < _LONG:
        return most  # whatever merging and strata save is not worth looking for
    strata, layout = distinct_design_rows(x, z, offset, weights)
    if strata is None:
        return _cost(layout.weight.size, 0, p, q)
    return _cost(layout.weight.size, strata.column.size, strata.others.size, q)


def cost_line(cost: Cost, columns: int, genes: int) -> str | None:
    """What is said of a costly design, or None of any other.

    Parameters
    ----------
    cost : Cost
        The estimate.
    columns : int
        Number of columns of both designs.
    genes : int
        Number of genes.

    Returns
    -------
    str or None

    Examples
    --------
    >>> cost_line(Cost(120.0, 60.0, 10**7), 3_000, 5)
    'designs of 3000 columns: preparing takes about 2 minutes, and each gene about 60 s of one core'
    >>> cost_line(Cost(0.1, 0.2, 32 * 10**6), 2_000, 5) is None
    True
    """
    said = []
    if cost.preparing + cost.gene >= _LONG:
        said.append(
            f"preparing takes about {_spelled(cost.preparing)}, "
            f"and each gene about {_spelled(cost.gene)} of one core"
        )
    if genes * cost.memory >= _LARGE:
        said.append(f"the covariances of {genes} genes take {written(genes * cost.memory)}")
    return f"designs of {columns} columns: {'; '.join(said)}" if said else None


def _spelled(seconds: float) -> str:
    """A duration to a digit or two, as an estimate deserves."""
    for unit, name in ((3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 1.5 * unit:
            return f"{seconds / unit:.2g} {name}"
    return f"{max(seconds, 0.1):.2g} s"
