"""Score tests: what further columns would explain, without fitting them.

With the scores ``U`` of the new coefficients and the information of old and new ones, the
statistic ``U' (I_22 - I_21 I_11^-1 I_12)^-1 U`` is chi-squared under the fitted model (Rao 1948;
Cox and Hinkley 1974, section 9.3). With a robust covariance the middle matrix is the sum of the
outer products of the new scores, cleared of the old ones (White 1982; Boos 1992).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc

from nbglm.basis import orthonormal_basis
from nbglm.exceptions import HypothesisError
from nbglm.expected import expected_size_information
from nbglm.hypotheses import adjusted
from nbglm.likelihood import score
from nbglm.parallel import over_genes
from nbglm.prediction import predict

if TYPE_CHECKING:
    from nbglm.tables import FitTables

__all__ = ["score_test"]

FloatArray = NDArray[np.float64]

_IDLE = 1e-10  # information, relative to the most informative direction, that counts as none


def _new_directions(extra: FloatArray, old: FloatArray, weight: FloatArray) -> FloatArray:
    """Orthonormal columns of what `extra` adds to the space of `old`."""
    basis = orthonormal_basis(np.hstack([old, extra]), weight)
    first = basis.kept[: old.shape[1]].sum()
    return basis.q[:, first:]


class _Terms:
    """Scores and information of one gene, cell by cell, old coefficients and new ones."""

    def __init__(self, tables: FitTables, gene: int, root: FloatArray, *, expected: bool) -> None:
        design, arrays = tables.design, tables.arrays
        x, z = design.mean.matrix, design.dispersion.matrix
        mean, size = predict(arrays, x, z, design.offset, slice(gene, gene + 1))
        with np.errstate(divide="ignore"):
            eta, zeta = np.log(mean[:, 0]), np.log(size[:, 0])
        factors = score(tables.counts.gene(gene), eta, zeta)
        self.scores = factors[:, :2]
        self.information = -factors[:, 2:]
        if expected:
            self.information[:, 0] = mean[:, 0] / (1.0 + mean[:, 0] * np.exp(-zeta))
            self.information[:, 1] = 0.0
            self.information[:, 2] = expected_size_information(eta, zeta)
        # A size of 0 leaves the likelihood of a cell without a count at 1, whatever else changes.
        silent = size[:, 0] == 0.0
        self.scores[silent] = 0.0
        self.information[silent] = 0.0
        p = x.shape[1]
        self.old = x @ root[:p], z @ root[p:]

    def products(
        self,
        left: tuple[FloatArray, FloatArray],
        right: tuple[FloatArray, FloatArray],
        weight: FloatArray,
    ) -> FloatArray:
        """Information between two sets of columns, each of both components."""
        (xl, zl), (xr, zr) = left, right
        mean, cross, size = (weight[:, None] * part[:, None] for part in self.information.T)
        return np.asarray(
            xl.T @ (mean * xr) + zl.T @ (size * zr) + xl.T @ (cross * zr) + zl.T @ (cross * xr)
        )

    def scores_of(self, columns: tuple[FloatArray, FloatArray]) -> FloatArray:
        """Scores of the coefficients of some columns, cell by cell."""
        return self.scores[:, [0]] * columns[0] + self.scores[:, [1]] * columns[1]


def _quadratic_form(u: FloatArray, v: FloatArray) -> tuple[float, int]:
    """``u' v^-1 u`` on the directions that `v` tells of, and how many; NaN if it is indefinite."""
    values, vectors = np.linalg.eigh(v)
    largest = np.abs(values).max(initial=0.0)
    if largest == 0.0:
        return np.nan, 0
    told = np.abs(values) > _IDLE * largest
    if (values[told] < 0.0).any():
        return np.nan, int(told.sum())
    along = vectors[:, told].T @ u
    return float(along @ (along / values[told])), int(told.sum())


def score_test(
    tables: FitTables,
    extra: FloatArray,
    component: str,
    method: str,
    n_jobs: int | None,
    *,
    observed: bool,
) -> pd.DataFrame:
    """Test columns that are not in a fit: see :meth:`nbglm.results.NegBinResults.score_test`."""
    weight = tables.problem.layout.cell_weight
    old = getattr(tables.design, component).matrix
    q = _new_directions(extra, old, weight)
    if not q.shape[1]:
        msg = f"the {component} has all these terms already; name others."
        raise HypothesisError(msg)
    none = np.zeros_like(q)
    new = (q, none) if component == "mean" else (none, q)
    groups = tables.cov.groups
    robust = tables.cov.kind not in ("oim", "eim")
    expected = not (robust or observed)
    roots = tables.with_cov("eim").root if expected else tables.arrays.root

    def one(gene: int) -> tuple[float, int]:
        terms = _Terms(tables, gene, roots[gene], expected=expected)
        # In the coordinates of the root the information of the old coefficients is the identity.
        across = terms.products(new, terms.old, weight)
        adjusted_scores = terms.scores_of(new) - terms.scores_of(terms.old) @ across.T
        u = weight @ adjusted_scores
        if not robust:
            return _quadratic_form(u, terms.products(new, new, weight) - across @ across.T)
        if groups is None:
            return _quadratic_form(u, adjusted_scores.T @ (weight[:, None] * adjusted_scores))
        sums = np.zeros((groups.max() + 1, u.size))
        np.add.at(sums, groups, weight[:, None] * adjusted_scores)
        return _quadratic_form(u, sums.T @ sums)

    found = np.array(over_genes(one, range(len(tables.gene_names)), n_jobs))
    statistic, df = found[:, 0], found[:, 1].astype(np.int64)
    statistic[~tables.converged.to_numpy() | (df == 0)] = np.nan
    pvalues = np.asarray(chdtrc(np.maximum(df, 1), statistic))
    return pd.DataFrame(
        {
            "statistic": statistic,
            "df": df,
            "p_value": pvalues,
            "p_adjusted": adjusted(pvalues[:, None], method)[:, 0],
            "status": tables.status.to_numpy(),
        },
        index=tables.gene_names,
    )
