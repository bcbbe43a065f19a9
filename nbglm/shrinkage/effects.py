"""Shrunken effects of all genes, with the probability that their sign is wrong.

References
----------
Stephens, M. (2017). False discovery rates: a new deal. *Biostatistics* 18, 275-294.
Zhu, A., Ibrahim, J. G. and Love, M. I. (2019). Heavy-tailed prior distributions for sequence count
data: removing the noise and preserving large differences. *Bioinformatics* 35, 2084-2092.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtr

from nbglm.counts.genewise import gene_table
from nbglm.exceptions import HypothesisError, OptionError, some_of
from nbglm.fit.contrasts import Combinations, estimable
from nbglm.fit.prediction import predict
from nbglm.inference.hypotheses import combinations_of
from nbglm.inference.quantities import embedded
from nbglm.inference.statements import Hypothesis
from nbglm.parallel.blas import one_blas_thread
from nbglm.shrinkage.posterior import Rows, posterior_modes
from nbglm.shrinkage.priors import Prior, effect_scale
from nbglm.status import COEF_STATUS, GENE_STATUS

if TYPE_CHECKING:
    from nbglm.inference.tables import FitTables

__all__ = ["s_values", "shrunken_effects"]

FloatArray = NDArray[np.float64]

_ENTRIES = 1 << 19  # genes times rows at a time
_FEWEST = 2  # effects that have a variance
_CODE = {word: code for code, word in enumerate(COEF_STATUS)}
_TOLD = [_CODE[word] for word in ("ok", "separated", "poisson_limit")]


def s_values(false_sign_rate: FloatArray) -> FloatArray:
    """Expected share of wrong signs among the genes that are at least as sure.

    Parameters
    ----------
    false_sign_rate : ndarray, shape (genes,)
        Probability of each gene that the effect has the other sign, or is 0; NaN where unknown.

    Returns
    -------
    ndarray, shape (genes,)
        Means of all rates that are no larger: equal rates have equal values.

    Examples
    --------
    >>> s_values(np.array([0.3, 0.1, np.nan, 0.1])).round(3)
    array([0.167, 0.1  ,   nan, 0.1  ])
    """
    out = np.full(false_sign_rate.shape, np.nan)
    known = np.flatnonzero(np.isfinite(false_sign_rate))
    rates = np.sort(false_sign_rate[known])
    if rates.size:
        last = np.searchsorted(rates, false_sign_rate[known], side="right")
        out[known] = (np.cumsum(rates) / np.arange(1, rates.size + 1))[last - 1]
    return out


class _Data(NamedTuple):
    """The design of the mean in orthonormal coordinates, and its distinct rows.

    The effect is the first coordinate, but for a factor: as a difference of large ones, such as the
    intercept of a covariate that is far from 0, it would lose its digits.
    """

    tables: FitTables
    x: FloatArray
    to_coef: FloatArray
    to_theta: FloatArray

    @classmethod
    def of(cls, tables: FitTables, row: FloatArray) -> _Data:
        problem = tables.problem
        p, rank = len(tables.design.mean.terms), problem.layout.mean_rank
        transform = problem.transform
        dense = transform.toarray() if sparse.issparse(transform) else np.asarray(transform)
        to_coef = dense[:p, :rank]
        turn = np.linalg.qr((row[:p] @ to_coef)[:, None], mode="complete")[0]
        x, turned = problem.layout.x @ turn, to_coef @ turn
        return cls(tables, np.ascontiguousarray(x), turned, turn.T @ np.linalg.pinv(to_coef))

    def rows(self, genes: slice, along: FloatArray, precision: FloatArray) -> Rows:
        """What the genes of a block counted in each row."""
        layout = self.tables.problem.layout
        block = self.tables.counts.block(genes.start, genes.stop)
        shape = (genes.stop - genes.start, layout.weight.size)
        row = layout.row_of_cell[block.cells]
        used = row >= 0
        gene = np.repeat(np.arange(shape[0]), np.diff(block.indptr))
        where = (gene * shape[1] + row)[used]
        counts = (block.counts * layout.cell_weight[block.cells])[used]
        total = np.bincount(where, counts, shape[0] * shape[1]).reshape(shape)
        size = self._sizes(genes)
        # A size of 0 leaves the likelihood of a row without counts at 1.
        weight = np.where(size > 0.0, layout.weight, 0.0)
        size = np.where(size > 0.0, size, 1.0)
        return Rows(self.x, layout.offset, weight, total, size, along, precision)

    def _sizes(self, genes: slice) -> FloatArray:
        """The size of each row; of rows that tell nothing of it, by that of the others."""
        tables, layout = self.tables, self.tables.problem.layout
        cells = layout.cell_of_row
        x, z = tables.design.mean.matrix[cells], tables.design.dispersion.matrix[cells]
        size = predict(tables.arrays, x, z, layout.offset, genes)[1].T
        distinct, group = np.unique(layout.group_of_row, return_index=True)[1], layout.group_of_row
        here = tables.arrays.of_genes(np.arange(genes.start, genes.stop))
        told = estimable(here, x, z, embedded(tables, z[distinct], "dispersion"))[:, group]
        infinite = ~np.isfinite(size) | (size == 0.0)
        told |= infinite
        known = told & (size > 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = np.where(known, layout.weight / size, 0.0).sum(axis=1)
            mean = excess / np.where(known, layout.weight, 0.0).sum(axis=1)
            return np.where(told, size, (1.0 / mean)[:, None])

    def starts(self, genes: NDArray[np.intp], rows: Rows) -> FloatArray:
        """The fit where it is finite; logarithms of counts drawn to their mean elsewhere."""
        layout, arrays = self.tables.problem.layout, self.tables.arrays
        finite = arrays.finite[genes, : self.to_coef.shape[0]]
        theta = np.matmul(self.to_theta, finite[:, :, None])[:, :, 0]
        at_limit = arrays.direction[genes, : self.to_coef.shape[0]].any(axis=1)
        for lane in np.flatnonzero(at_limit):
            total = rows.total[lane]
            mean = total.sum() / layout.weight.sum()
            log_mean = np.log((total + mean) / (layout.weight + 1.0))
            theta[lane] = self.x.T @ (layout.weight * (log_mean - layout.offset))
        return theta


def _refuse(tables: FitTables, hypothesis: Hypothesis, nuisance_scale: float | None) -> None:
    if hypothesis.constants.any():
        msg = (
            f"{some_of(hypothesis.labels)} is an equation; what is drawn towards 0 is an effect: "
            f"leave its value out."
        )
        raise HypothesisError(msg)
    if nuisance_scale is not None and (np.count_nonzero(hypothesis.matrix, axis=1) > 1).any():
        msg = (
            f"nuisance_scale= is of the coefficients beside one that is shrunken, and "
            f"{some_of(hypothesis.labels)} is a combination of several; leave it out."
        )
        raise OptionError(msg)
    if tables.cov.kind not in ("oim", "eim"):
        msg = (
            f"shrink() asks the likelihood, in which cells are independent, and this fit has "
            f"cov_type={tables.cov.kind!r}; res.with_cov('oim').shrink(...) if they are, and the "
            f"sums over each donor (nbglm.pseudobulk) if they are not."
        )
        raise OptionError(msg)


def _scale(found: Combinations, column: int, label: str) -> float:
    """The scale of the prior that the effects of all genes tell of."""
    estimate, error = found.estimate[:, column], found.std_err[:, column]
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(estimate) & np.isfinite(error) & (error > 0.0)
    if np.count_nonzero(finite) < _FEWEST:
        msg = (
            f"{np.count_nonzero(finite)} genes have a finite estimate of {label!r} with a standard "
            f"error, and the scale of the prior needs at least {_FEWEST}; give scale=."
        )
        raise OptionError(msg)
    return effect_scale(estimate[finite], error[finite])


def _effects_of(
    tables: FitTables,
    row: FloatArray,
    chosen: NDArray[np.bool_],
    prior: Prior,
    wide: float | None,
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Modes, errors, and which genes were climbed to their end, of one combination."""
    data = _Data.of(tables, row)
    p = data.to_coef.shape[0]
    along = row[:p] @ data.to_coef
    along[1:] = 0.0
    precision = np.zeros((data.to_coef.shape[1],) * 2)
    if wide is not None:
        others = data.to_coef[row[:p] == 0.0]
        precision = others.T @ others / wide**2
    effect, error = np.full(chosen.size, np.nan), np.full(chosen.size, np.nan)
    found = np.zeros(chosen.size, dtype=bool)
    step = max(1, _ENTRIES // data.x.shape[0])
    for start in range(0, chosen.size, step):
        genes = slice(start, min(start + step, chosen.size))
        lanes = np.flatnonzero(chosen[genes])
        if not lanes.size:
            continue
        rows = data.rows(genes, along, precision).of_genes(lanes)
        modes = posterior_modes(rows, data.starts(start + lanes, rows), prior)
        effect[start + lanes], error[start + lanes] = modes.effect, modes.error
        found[start + lanes] = modes.found & np.isfinite(modes.error)
    return effect, error, found


@one_blas_thread
def shrunken_effects(
    tables: FitTables,
    hypothesis: Hypothesis,
    kind: str,
    scale: float | None,
    nuisance_scale: float | None,
) -> pd.DataFrame:
    """Shrink combinations of mean coefficients: see :meth:`nbglm.NegBinResults.shrink`."""
    _refuse(tables, hypothesis, nuisance_scale)
    found = combinations_of(tables, hypothesis.matrix)
    shape = found.estimate.shape
    columns = {name: np.full(shape, np.nan) for name in ("shrunken", "posterior_sd")}
    rates, sure, scales = (np.full(shape, np.nan) for _ in range(3))
    empty = tables.arrays.status == GENE_STATUS.index("all_zero")
    status = found.status.copy()
    for k, label in enumerate(hypothesis.labels):
        chosen = np.isin(status[:, k], _TOLD) & ~empty
        if not chosen.any():
            continue
        prior = Prior(kind, _scale(found, k, label) if scale is None else scale)
        effect, error, ended = _effects_of(
            tables, hypothesis.matrix[k], chosen, prior, nuisance_scale
        )
        status[chosen & ~ended, k] = _CODE["not_converged"]
        columns["shrunken"][:, k] = np.where(ended, effect, np.nan)
        columns["posterior_sd"][:, k] = np.where(ended, error, np.nan)
        with np.errstate(invalid="ignore"):
            rates[:, k] = np.where(ended, ndtr(-np.abs(effect) / error), np.nan)
        sure[:, k] = s_values(rates[:, k])
        scales[:, k] = prior.scale
    words = np.array(COEF_STATUS, dtype=object)
    return gene_table(
        tables.gene_names,
        {
            "estimate": found.estimate,
            "std_err": found.std_err,
            **columns,
            "false_sign_rate": rates,
            "s_value": sure,
            "prior_scale": scales,
            "status": np.where(empty[:, None], "all_zero", words[status]).astype(object),
        },
        pd.DataFrame({"contrast": list(hypothesis.labels)}),
    )
