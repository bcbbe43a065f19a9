"""Coefficients and their inference as labelled tables: a row a term, a column a gene."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from nbglm.counts import Counts
from nbglm.design import Design
from nbglm.exceptions import did_you_mean
from nbglm.fit import FitArrays
from nbglm.status import COEF_STATUS, GENE_STATUS, SENTENCES

__all__ = ["FitTables"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class FitTables:
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
    cov_type : str
        Kind of the covariances.
    seconds : float
        Wall time of the fit.
    """

    arrays: FitArrays
    design: Design
    counts: Counts
    weights: FloatArray | None
    cov_type: str
    seconds: float

    # Labels ---------------------------------------------------------------------------------

    @property
    def gene_names(self) -> pd.Index:
        """Names of the genes, in the order of the data."""
        return self.counts.genes

    @cached_property
    def coef_names(self) -> pd.MultiIndex:
        """``(component, term)`` of every coefficient, those of the mean first."""
        pairs = [("mean", term) for term in self.design.mean.terms]
        pairs += [("dispersion", term) for term in self.design.dispersion.terms]
        return pd.MultiIndex.from_tuples(pairs, names=["component", "term"])

    def _split(self, values: NDArray[np.generic]) -> dict[str, pd.DataFrame]:
        """An array of shape (genes, p + q) as tables terms x genes."""
        p = len(self.design.mean.terms)
        genes = self.gene_names
        return {
            "beta": pd.DataFrame(values[:, :p].T, list(self.design.mean.terms), genes),
            "gamma": pd.DataFrame(values[:, p:].T, list(self.design.dispersion.terms), genes),
        }

    def _per_gene(self, values: NDArray[np.generic], name: str) -> pd.Series:
        return pd.Series(values, index=self.gene_names, name=name)

    def _position(self, gene: str) -> int:
        if gene not in self.gene_names:
            msg = f"there is no gene {gene!r} among the {len(self.gene_names)} of this fit."
            raise KeyError(msg + did_you_mean(gene, self.gene_names))
        return int(self.gene_names.get_loc(gene))

    # Coefficients ---------------------------------------------------------------------------

    @cached_property
    def params(self) -> dict[str, pd.DataFrame]:
        """Coefficients: ``beta`` of the log mean and ``gamma`` of the log size, terms x genes.

        Infinite at a limit (see :attr:`coef_status`), NaN for aliased and unidentified terms.
        """
        return self._split(self.arrays.coef)

    @cached_property
    def _std_err(self) -> FloatArray:
        variance = np.diagonal(self.arrays.covariance, axis1=1, axis2=2)
        return np.sqrt(np.where(variance >= 0, variance, np.nan))

    @cached_property
    def bse(self) -> dict[str, pd.DataFrame]:
        """Standard errors of :attr:`params`; NaN where an estimate is not finite."""
        return self._split(self._std_err)

    @cached_property
    def _z(self) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.arrays.coef / self._std_err)

    @cached_property
    def tvalues(self) -> dict[str, pd.DataFrame]:
        """Coefficients divided by their standard errors (asymptotically normal)."""
        return self._split(self._z)

    @cached_property
    def pvalues(self) -> dict[str, pd.DataFrame]:
        """Two-sided p-values of the Wald tests that a coefficient is 0.

        For the intercept of the dispersion that is the hypothesis ``r = 1``, not the absence of
        overdispersion.
        """
        return self._split(2.0 * ndtr(-np.abs(self._z)))

    def _limits(self, alpha: float) -> tuple[FloatArray, FloatArray]:
        if not 0.0 < alpha < 1.0:
            msg = f"alpha is the significance level, between 0 and 1; got {alpha}."
            raise ValueError(msg)
        with np.errstate(invalid="ignore"):
            half = -ndtri(alpha / 2.0) * self._std_err
            return self.arrays.coef - half, self.arrays.coef + half

    def conf_int(self, alpha: float = 0.05) -> dict[str, pd.DataFrame]:
        """Wald confidence intervals of the coefficients.

        Parameters
        ----------
        alpha : float
            Significance level; 0.05 gives 95 % intervals.

        Returns
        -------
        dict of DataFrame
            ``beta`` and ``gamma``; columns ``(gene, "lower")`` and ``(gene, "upper")``.

        Raises
        ------
        ValueError
            If `alpha` is not between 0 and 1.
        """
        lower, upper = (self._split(limit) for limit in self._limits(alpha))
        columns = pd.MultiIndex.from_product(
            [self.gene_names, ["lower", "upper"]], names=["gene", "limit"]
        )
        out = {}
        for part in ("beta", "gamma"):
            both = np.stack([lower[part].to_numpy(), upper[part].to_numpy()], axis=2)
            out[part] = pd.DataFrame(both.reshape(len(both), -1), lower[part].index, columns)
        return out

    def cov_params(self, gene: str) -> pd.DataFrame:
        """Covariance matrix of all coefficients of one gene.

        Parameters
        ----------
        gene : str
            Gene name.

        Returns
        -------
        DataFrame
            Rows and columns labelled ``(component, term)``.

        Raises
        ------
        KeyError
            If there is no such gene.
        """
        names = self.coef_names
        return pd.DataFrame(self.arrays.covariance[self._position(gene)], names, names)

    # One number for each gene ---------------------------------------------------------------

    @cached_property
    def llf(self) -> pd.Series:
        """Maximised log-likelihood, with its ``lgamma(y + 1)`` terms; its supremum at a limit."""
        return self._per_gene(self.arrays.llf, "llf")

    @property
    def nobs(self) -> float:
        """Number of cells (sum of the frequency weights)."""
        return float(self.counts.n_cells if self.weights is None else self.weights.sum())

    @cached_property
    def n_params(self) -> int:
        """Number of coefficients that are not aliased in the designs."""
        aliased = self.arrays.coef_status == COEF_STATUS.index("aliased")
        return int((~aliased.all(axis=0)).sum())

    @property
    def df_model(self) -> int:
        """Number of coefficients of the mean that are not aliased, without the intercept."""
        p = len(self.design.mean.terms)
        aliased = self.arrays.coef_status[:, :p] == COEF_STATUS.index("aliased")
        constant = int("Intercept" in self.design.mean.terms)
        return int((~aliased.all(axis=0)).sum()) - constant

    @property
    def df_resid(self) -> float:
        """Number of cells minus the number of coefficients."""
        return self.nobs - self.n_params

    @cached_property
    def aic(self) -> pd.Series:
        """Akaike's criterion, ``-2 llf + 2 n_params``."""
        return (-2.0 * self.llf + 2.0 * self.n_params).rename("aic")

    @cached_property
    def bic(self) -> pd.Series:
        """Bayesian criterion, ``-2 llf + log(nobs) n_params``."""
        return (-2.0 * self.llf + np.log(self.nobs) * self.n_params).rename("bic")

    @cached_property
    def status(self) -> pd.Series:
        """What happened to each gene: one of the words of :data:`nbglm.status.GENE_STATUS`."""
        return self._per_gene(np.array(GENE_STATUS, dtype=object)[self.arrays.status], "status")

    @cached_property
    def coef_status(self) -> dict[str, pd.DataFrame]:
        """What happened to each coefficient, in the shape of :attr:`params`."""
        return self._split(np.array(COEF_STATUS, dtype=object)[self.arrays.coef_status])

    @cached_property
    def converged(self) -> pd.Series:
        """False for genes whose status is ``not_converged``, True for all others."""
        return (self.status != "not_converged").rename("converged")

    @cached_property
    def n_iter(self) -> pd.Series:
        """Evaluations of log-likelihood, gradient and Hessian, over all starts."""
        return self._per_gene(self.arrays.evaluations, "n_iter")

    def explain(self, gene: str) -> str:
        """Say in sentences what happened to a gene.

        Parameters
        ----------
        gene : str
            Gene name.

        Returns
        -------
        str

        Raises
        ------
        KeyError
            If there is no such gene.
        """
        word = str(self.status[gene] if gene in self.gene_names else self._position(gene))
        lines = [f"{gene}: {word}. {SENTENCES[word]}"]
        for (component, term), code in zip(
            self.coef_names, self.arrays.coef_status[self._position(gene)], strict=True
        ):
            if COEF_STATUS[code] != "ok":
                name = COEF_STATUS[code]
                lines.append(f"  {component} {term}: {name}. {SENTENCES[name]}")
        return "\n".join(lines)

    # Tables ---------------------------------------------------------------------------------

    def to_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """All coefficients in one long table.

        Parameters
        ----------
        alpha : float
            Significance level of the intervals.

        Returns
        -------
        DataFrame
            One row a coefficient: gene, component, term, coef, std_err, z, p_value, ci_lower,
            ci_upper, status.
        """
        lower, upper = self._limits(alpha)
        genes, width = self.arrays.coef.shape
        return pd.DataFrame(
            {
                "gene": np.repeat(self.gene_names.to_numpy(), width),
                "component": np.tile(self.coef_names.get_level_values(0), genes),
                "term": np.tile(self.coef_names.get_level_values(1), genes),
                "coef": self.arrays.coef.ravel(),
                "std_err": self._std_err.ravel(),
                "z": self._z.ravel(),
                "p_value": 2.0 * ndtr(-np.abs(self._z)).ravel(),
                "ci_lower": lower.ravel(),
                "ci_upper": upper.ravel(),
                "status": np.array(COEF_STATUS, dtype=object)[self.arrays.coef_status].ravel(),
            }
        )
