"""What a fit is made of, and what it says of each gene as a whole.

Arrays are read-only, and every table is made anew from them: whoever writes into one changes his
own copy, and nothing else that the fit says.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.genewise import Components, gene_index
from nbglm.counts.table import Counts
from nbglm.design.design import Design
from nbglm.exceptions import UnavailableError
from nbglm.fit.clusters import CovarianceRule
from nbglm.fit.genes import FitArrays
from nbglm.fit.planted import Planted
from nbglm.inference.aliasing import lines_about_columns
from nbglm.inference.remains import Remains, refuse
from nbglm.inference.selection import gene_position
from nbglm.problem.problem import Problem, make_problem
from nbglm.status import GENE_STATUS

__all__ = ["FittedGenes"]

FloatArray = NDArray[np.float64]

_GENES = 256  # whose counts are looked at at a time


@dataclass(frozen=True)
class FittedGenes:
    """What a fit found, with the names of terms and genes.

    Attributes
    ----------
    arrays : FitArrays
        The numbers.
    design : Design
        Formulas, frozen at the fit.
    counts : Counts
        The data.
    weights : ndarray or None, shape (cells,)
        Frequency weights.
    cov : CovarianceRule
        Kind of the covariances.
    rank_deficient : str
        What was done with aliased columns.
    seconds : float
        Wall time of the fit.
    remains : Remains or None
        What is known of counts and cells if these were dropped; None if they are there.
    edited : Planted or None
        Which coefficients were given other values than those of the fit; None if none was.
    dispersion_method : str
        What the dispersion coefficients maximise: the likelihood (``ml``), or the adjusted profile
        likelihood (``cox_reid``).
    """

    arrays: FitArrays
    design: Design
    counts: Counts
    weights: FloatArray | None
    cov: CovarianceRule
    rank_deficient: str
    seconds: float
    remains: Remains | None = None
    edited: Planted | None = None
    dispersion_method: str = "ml"

    def __post_init__(self) -> None:
        """Let nobody write into what all tables are made of."""
        arrays = [getattr(self.arrays, field.name) for field in fields(self.arrays)]
        for array in (*arrays, self.design.offset, self.weights):
            if array is not None:
                array.flags.writeable = False

    def require_data(self, what: str, instead: str | None = None) -> None:
        """Refuse what needs counts or cells if these were dropped.

        Parameters
        ----------
        what : str
            What was asked for.
        instead : str, optional
            What to do.

        Raises
        ------
        UnavailableError
            If only what ``without_data`` keeps is there.
        """
        if self.remains is not None:
            refuse(what, *(() if instead is None else (instead,)))

    def require_likelihood(self, what: str) -> None:
        """Refuse what compares likelihoods if the estimates do not maximise one.

        Parameters
        ----------
        what : str
            What was asked for.

        Raises
        ------
        UnavailableError
            If the dispersion coefficients maximise something else.
        """
        if self.dispersion_method != "ml":
            msg = (
                f"{what} needs estimates that maximise the likelihood, and this fit has "
                f"dispersion_method={self.dispersion_method!r}. Use t_test() and wald_test(), or "
                f"fit with dispersion_method='ml'."
            )
            raise UnavailableError(msg)

    @cached_property
    def problem(self) -> Problem:
        """Designs, offsets and weights as the fit used them."""
        self.require_data("this")
        return make_problem(
            self.design.mean.matrix,
            self.design.dispersion.matrix,
            self.design.offset,
            self.weights,
            minimum_norm=self.rank_deficient == "min_norm",
        )

    @cached_property
    def column_lines(self) -> list[str]:
        """Which columns are aliased, and why; which terms have no column; a line for each."""
        if self.remains is not None:
            return list(self.remains.column_lines)
        status, rule = self.arrays.coef_status, self.rank_deficient
        return lines_about_columns(self.design, status, rule)

    # Labels ---------------------------------------------------------------------------------

    @property
    def gene_names(self) -> pd.Index:
        """Names of the genes, in the order of the data."""
        return self.counts.genes.copy()

    @property
    def coef_names(self) -> pd.MultiIndex:
        """``(component, term)`` of every coefficient, those of the mean first."""
        pairs = [("mean", term) for term in self.design.mean.terms]
        pairs += [("dispersion", term) for term in self.design.dispersion.terms]
        return pd.MultiIndex.from_tuples(pairs, names=["component", "term"])

    def _split(self, values: NDArray[np.generic]) -> dict[str, pd.DataFrame]:
        """An array of shape (genes, p + q) as tables terms x genes."""
        p = len(self.design.mean.terms)
        parts = (
            ("beta", values[:, :p], self.design.mean),
            ("gamma", values[:, p:], self.design.dispersion),
        )
        # With their dtype, or pandas would look for dates among the words of every gene.
        return Components(
            {
                name: pd.DataFrame(
                    part.T, list(predictor.terms), self.gene_names, part.dtype, copy=True
                )
                for name, part, predictor in parts
            }
        )

    def _per_gene(self, values: NDArray[np.generic], name: str) -> pd.Series:
        return pd.Series(values, gene_index(self.counts.genes), name=name, copy=True)

    def _position(self, gene: str) -> int:
        return gene_position(self.counts.genes, gene)

    # One number for each gene ---------------------------------------------------------------

    @property
    def llf(self) -> pd.Series:
        """Maximised log-likelihood, with its ``lgamma(y + 1)`` terms; its supremum at a limit."""
        return self._per_gene(self.arrays.llf, "llf")

    @property
    def nobs(self) -> float:
        """Number of cells (sum of the frequency weights)."""
        if self.remains is not None:
            return self.remains.nobs
        return float(self.counts.n_cells if self.weights is None else self.weights.sum())

    @cached_property
    def n_params(self) -> int:
        """Number of coefficients that are not aliased in the designs."""
        if self.remains is not None:
            return self.remains.n_params
        return int((~self.problem.aliased).sum())

    @property
    def df_model(self) -> int:
        """Rank of the mean design, less 1 if it can make up a constant."""
        if self.remains is not None:
            return self.remains.df_model
        layout = self.problem.layout
        ones = layout.mean_coordinates(np.ones(layout.weight.size))
        made = layout.log_means(ones) - layout.offset
        return layout.mean_rank - int(np.allclose(made, 1.0, rtol=0.0, atol=1e-8))

    @property
    def df_resid(self) -> float:
        """Number of cells minus the number of coefficients."""
        return self.nobs - self.n_params

    @property
    def aic(self) -> pd.Series:
        """Akaike's criterion, ``-2 llf + 2 n_params``."""
        return (-2.0 * self.llf + 2.0 * self.n_params).rename("aic")

    @property
    def bic(self) -> pd.Series:
        """Bayesian criterion, ``-2 llf + log(nobs) n_params``."""
        return (-2.0 * self.llf + np.log(self.nobs) * self.n_params).rename("bic")

    @cached_property
    def _base_mean(self) -> FloatArray:
        if self.remains is not None:
            return self.remains.base_mean
        sums = []
        for block in self.counts.blocks(_GENES):
            counts = (
                block.counts if self.weights is None else block.counts * self.weights[block.cells]
            )
            # One sum a gene, so that it is the same number in a fit of other genes.
            sums += [counts[a:b].sum() for a, b in pairwise(block.indptr)]
        return np.array(sums) / self.nobs

    @property
    def base_mean(self) -> pd.Series:
        """Mean count per cell of each gene: ``sum(w * y) / sum(w)``, with frequency weights ``w``.

        Over all cells, zeros included, of the counts as they are: neither divided by size factors
        nor fitted.
        """
        return self._per_gene(self._base_mean, "base_mean")

    @property
    def status(self) -> pd.Series:
        """What happened to each gene: one of the words of ``nbglm.status.GENE_STATUS``."""
        return self._per_gene(np.array(GENE_STATUS, dtype=object)[self.arrays.status], "status")

    @property
    def converged(self) -> pd.Series:
        """False for genes whose status is ``not_converged``, True for all others."""
        return self._per_gene(self.arrays.converged, "converged")

    @property
    def n_iter(self) -> pd.Series:
        """Evaluations of log-likelihood, gradient and Hessian, over all starts."""
        return self._per_gene(self.arrays.evaluations, "n_iter")
