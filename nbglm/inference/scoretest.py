"""Score tests: what further columns would explain, without fitting them.

With the scores ``U`` of the new coefficients and the information of old and new ones, the
statistic ``U' (I_22 - I_21 I_11^-1 I_12)^-1 U`` is chi-squared under the fitted model (Rao 1948;
Cox and Hinkley 1974, section 9.3). With a robust covariance the middle matrix is the sum of the
outer products of the new scores, cleared of the old ones (White 1982; Boos 1992).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.genewise import gene_table
from nbglm.exceptions import HypothesisError
from nbglm.fit.prediction import predict
from nbglm.inference.hypotheses import status_of_tests
from nbglm.inference.pvalues import chi2_tail, p_columns
from nbglm.kernels.expected import expected_mean_information, expected_size_information
from nbglm.kernels.likelihood import score
from nbglm.parallel.threads import over_genes
from nbglm.problem.basis import orthonormal_basis
from nbglm.problem.layout import Layout, make_layout

if TYPE_CHECKING:
    from nbglm.inference.tables import FitTables

__all__ = ["score_statistics", "score_test"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_IDLE = 1e-10  # information, relative to the most informative direction, that counts as none


def _new_directions(extra: FloatArray, old: FloatArray, weight: FloatArray) -> FloatArray:
    """Orthonormal columns of what `extra` adds to the space of `old`."""
    basis = orthonormal_basis(np.hstack([old, extra]), weight)
    first = basis.kept[: old.shape[1]].sum()
    return basis.q[:, first:]


class _Rows(NamedTuple):
    """Cells that share their rows of all designs, old and new, and their cluster."""

    layout: Layout
    x: FloatArray
    z: FloatArray
    new: tuple[FloatArray, FloatArray]
    cluster: IntArray


def _merged_rows(tables: FitTables, new: tuple[FloatArray, FloatArray]) -> _Rows:
    x, z = tables.design.mean.matrix, tables.design.dispersion.matrix
    n = x.shape[0]
    groups = np.zeros(n, dtype=np.int64) if tables.cov.groups is None else tables.cov.groups
    keys = np.column_stack([x, *new, groups])
    layout = make_layout(keys, z, tables.design.offset, tables.weights)
    first = layout.cell_of_row
    return _Rows(layout, x[first], z[first], (new[0][first], new[1][first]), groups[first])


class _Terms:
    """Scores and information of one gene: of every row without a count, and of every count."""

    def __init__(
        self, tables: FitTables, rows: _Rows, gene: int, root: FloatArray, *, expected: bool
    ) -> None:
        layout = rows.layout
        one = slice(gene, gene + 1)
        mean, size = (
            part[:, 0] for part in predict(tables.arrays, rows.x, rows.z, layout.offset, one)
        )
        _, cells, counts = tables.counts.block(gene, gene + 1)
        used = layout.row_of_cell[cells] >= 0
        row, counts = layout.row_of_cell[cells[used]], counts[used]
        weight = layout.cell_weight[cells[used]]
        empty = layout.weight - np.bincount(row, weight, layout.weight.size)
        # A size of 0 leaves the likelihood of a cell without a count at 1, whatever else changes.
        still = np.flatnonzero((empty > 0.0) & (size > 0.0))
        self.row = np.concatenate([still, row])
        self.weight = np.concatenate([empty[still], weight])
        y = np.concatenate([np.zeros(still.size), counts])
        with np.errstate(divide="ignore"):
            eta, zeta = np.log(mean), np.log(size)
        factors = score(y, eta[self.row], zeta[self.row])
        self.scores = factors[:, :2]
        self.information = -factors[:, 2:]
        if expected:
            self.information[:, 0] = expected_mean_information(mean, zeta)[self.row]
            self.information[:, 1] = 0.0
            self.information[:, 2] = expected_size_information(eta, zeta)[self.row]
        p = rows.x.shape[1]
        self.old = (rows.x @ root[:p])[self.row], (rows.z @ root[p:])[self.row]
        self.new = rows.new[0][self.row], rows.new[1][self.row]
        self.cluster = rows.cluster[self.row]

    def products(
        self, left: tuple[FloatArray, FloatArray], right: tuple[FloatArray, FloatArray]
    ) -> FloatArray:
        """Information between two sets of columns, each of both components."""
        (xl, zl), (xr, zr) = left, right
        mean, cross, size = ((self.weight * part)[:, None] for part in self.information.T)
        return np.asarray(
            xl.T @ (mean * xr) + zl.T @ (size * zr) + xl.T @ (cross * zr) + zl.T @ (cross * xr)
        )

    def scores_of(self, columns: tuple[FloatArray, FloatArray]) -> FloatArray:
        """Scores of the coefficients of some columns."""
        return self.scores[:, [0]] * columns[0] + self.scores[:, [1]] * columns[1]


def _quadratic_form(u: FloatArray, v: FloatArray, whole: FloatArray) -> tuple[float, int]:
    """``u' v^-1 u`` on the directions that `v` tells of, and how many; NaN if it is indefinite.

    `whole` is the information before that of the old coefficients was taken off, which says how
    large rounding is.
    """
    if not (np.isfinite(v).all() and np.isfinite(u).all()):
        return np.nan, 0
    values, vectors = np.linalg.eigh(v)
    largest = max(np.abs(values).max(initial=0.0), np.abs(np.diag(whole)).max(initial=0.0))
    told = np.abs(values) > _IDLE * largest
    if not told.any() or (values[told] < 0.0).any():
        return np.nan, int(told.sum())
    along = vectors[:, told].T @ u
    return float(along @ (along / values[told])), int(told.sum())


class _Gene:
    """What the test of one gene needs: the scores of the new columns, and their variance."""

    def __init__(self, terms: _Terms) -> None:
        self._terms = terms
        # In the coordinates of the root the information of the old coefficients is the identity.
        self.across = terms.products(terms.new, terms.old)
        self.whole = terms.products(terms.new, terms.new)
        self.cleared = terms.scores_of(terms.new) - terms.scores_of(terms.old) @ self.across.T
        self.u = terms.weight @ self.cleared
        if all(part.any() for part in terms.new):
            # Columns of both components, whose information may be of any size.
            length = np.sqrt(np.abs(np.diag(self.whole)))
            unit = 1.0 / np.where(length > 0.0, length, 1.0)
            self.across *= unit[:, None]
            self.whole *= np.outer(unit, unit)
            self.cleared *= unit
            self.u *= unit

    def by_information(self) -> tuple[float, int]:
        v = self.whole - self.across @ self.across.T
        return _quadratic_form(self.u, v, self.whole)

    def by_cells(self) -> tuple[float, int]:
        products = self.cleared.T @ (self._terms.weight[:, None] * self.cleared)
        return _quadratic_form(self.u, products, self.whole)

    def by_clusters(self, clusters: int) -> tuple[float, int]:
        sums = np.zeros((clusters, self.u.size))
        np.add.at(sums, self._terms.cluster, self._terms.weight[:, None] * self.cleared)
        return _quadratic_form(self.u, sums.T @ sums, self.whole)


def score_statistics(
    tables: FitTables,
    mean: FloatArray | None,
    size: FloatArray | None,
    *,
    observed: bool,
    n_jobs: int | None = None,
) -> tuple[FloatArray, IntArray]:
    """Score statistics of columns that are not in a fit, and their degrees of freedom.

    Parameters
    ----------
    tables : FitTables
        The fit; its kind of covariance says how robust the test is.
    mean, size : ndarray, shape (cells, k), or None
        Columns for the log mean and for the log size.
    observed : bool
        Whether to use the observed information in place of the expected.
    n_jobs : int, optional
        As joblib understands it.

    Returns
    -------
    statistic : ndarray, shape (genes,)
        NaN where the counts tell nothing of the new columns.
    df : ndarray of int, shape (genes,)

    Raises
    ------
    HypothesisError
        If the columns add nothing to the designs.
    """
    weight = tables.problem.layout.cell_weight
    parts = [
        np.zeros((weight.size, 0)) if extra is None else _new_directions(extra, old, weight)
        for extra, old in (
            (mean, tables.design.mean.matrix),
            (size, tables.design.dispersion.matrix),
        )
    ]
    if not sum(part.shape[1] for part in parts):
        where = "mean" if size is None else "dispersion" if mean is None else "model"
        msg = f"the {where} has all these terms already; name others."
        raise HypothesisError(msg)
    new = (
        np.hstack([parts[0], np.zeros_like(parts[1])]),
        np.hstack([np.zeros_like(parts[0]), parts[1]]),
    )
    robust = tables.cov.kind not in ("oim", "eim")
    expected = not (robust or observed)
    roots = tables.with_cov("eim").root if expected else tables.arrays.root
    rows = _merged_rows(tables, new)
    groups = tables.cov.groups

    def one(gene: int) -> tuple[float, int]:
        found = _Gene(_Terms(tables, rows, gene, roots[gene], expected=expected))
        if not robust:
            return found.by_information()
        return found.by_cells() if groups is None else found.by_clusters(int(groups.max()) + 1)

    tested = np.array(over_genes(one, range(tables.counts.n_genes), n_jobs))
    statistic, df = tested[:, 0], tested[:, 1].astype(np.int64)
    statistic[~tables.arrays.estimated | (df == 0)] = np.nan
    return statistic, df


def score_test(
    tables: FitTables,
    extra: FloatArray,
    component: str,
    method: str,
    n_jobs: int | None,
    *,
    observed: bool,
) -> pd.DataFrame:
    """Test columns that are not in a fit: see :meth:`nbglm.NegBinResults.score_test`."""
    of_mean = component == "mean"
    statistic, df = score_statistics(
        tables,
        extra if of_mean else None,
        None if of_mean else extra,
        observed=observed,
        n_jobs=n_jobs,
    )
    return gene_table(
        tables.gene_names,
        {
            "statistic": statistic,
            "df": df,
            **p_columns(chi2_tail(statistic, df), method),
            "status": status_of_tests(tables.status.to_numpy(), np.isfinite(statistic)),
        },
    )
