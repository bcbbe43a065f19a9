"""One gene's results in statsmodels' form; summaries, contrasts and tests are statsmodels' code."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.base.model import (
    LikelihoodModel,
    LikelihoodModelResults,
    LikelihoodResultsWrapper,
)
from statsmodels.base.wrapper import populate_wrapper
from statsmodels.iolib.summary import Summary

from nbglm.likelihood import loglik, score
from nbglm.results import NegBinResults

__all__ = ["GeneModel", "GeneResults", "GeneResultsWrapper", "gene_results"]

FloatArray = NDArray[np.float64]

PREFIX = "dispersion-"
_SCALE_NOTE = (
    "Mean: log link. Dispersion: log of the size r; Var = mu + mu^2 / r, "
    "larger r is LESS overdispersion."
)


class GeneModel(LikelihoodModel):
    """Counts and designs of one gene, with its log-likelihood.

    Parameters
    ----------
    endog : Series
        Counts.
    exog, exog_dispersion : DataFrame
        Designs of log mean and log size.
    offset : ndarray
        Offset of the log mean.
    weights : ndarray
        Frequency weights.
    """

    def __init__(
        self,
        endog: pd.Series,
        exog: pd.DataFrame,
        exog_dispersion: pd.DataFrame,
        offset: FloatArray,
        weights: FloatArray,
    ) -> None:
        super().__init__(endog, exog, missing="none", hasconst=None)
        self.exog_dispersion = exog_dispersion.to_numpy()
        self.offset = offset
        self.weights = weights
        self.data.xnames = [*exog.columns, *(PREFIX + name for name in exog_dispersion.columns)]

    def _predictors(self, params: FloatArray) -> tuple[FloatArray, FloatArray]:
        p = self.exog.shape[1]
        return self.offset + self.exog @ params[:p], self.exog_dispersion @ params[p:]

    def loglike(self, params: FloatArray) -> float:
        """Log-likelihood of coefficients ``[beta, gamma]``."""
        return float(self.weights @ loglik(self.endog, *self._predictors(np.asarray(params))))

    def _factors(self, params: FloatArray) -> FloatArray:
        eta, zeta = self._predictors(np.asarray(params))
        return np.asarray(score(self.endog, eta, zeta) * self.weights[:, None])

    def score(self, params: FloatArray) -> FloatArray:
        """Gradient of the log-likelihood."""
        factors = self._factors(params)
        return np.concatenate([self.exog.T @ factors[:, 0], self.exog_dispersion.T @ factors[:, 1]])

    def hessian(self, params: FloatArray) -> FloatArray:
        """Hessian of the log-likelihood."""
        x, z = self.exog, self.exog_dispersion
        factors = self._factors(params)
        cross = x.T @ (factors[:, [3]] * z)
        return np.block(
            [[x.T @ (factors[:, [2]] * x), cross], [cross.T, z.T @ (factors[:, [4]] * z)]]
        )


class GeneResults(LikelihoodModelResults):
    """Fit of one gene: coefficients ``[beta, gamma]`` with statsmodels' inference.

    Coefficients of the dispersion are named ``dispersion-<term>`` and are on the scale of the log
    size. Made by :meth:`nbglm.results.NegBinResults.gene`.

    Parameters
    ----------
    model : GeneModel
        Counts and designs.
    results : NegBinResults
        The fit of all genes.
    position : int
        Which gene.
    """

    def __init__(self, model: GeneModel, results: NegBinResults, position: int) -> None:
        arrays = results.arrays
        super().__init__(model, arrays.coef[position], normalized_cov_params=None, scale=1.0)
        self.cov_params_default = results.covariance_of(position)
        self.cov_type = results.cov_type
        self.use_t = False
        self.gene_name = str(results.gene_names[position])
        self.status = str(results.status.iloc[position])
        self.coef_status = pd.Series(
            np.concatenate([part.iloc[:, position] for part in results.coef_status.values()]),
            index=model.data.xnames,
        )
        self.explanation = results.explain(self.gene_name)
        self.converged = bool(results.converged.iloc[position])
        self.mle_retvals = {"converged": self.converged}
        self.nobs = results.nobs
        self.df_model = results.df_model
        self.df_resid = results.df_resid
        self.aic = float(results.aic.iloc[position])
        self.bic = float(results.bic.iloc[position])
        self.n_iter = int(arrays.evaluations[position])
        self._results = results
        self._position = position

    @property
    def llf(self) -> float:
        """Maximised log-likelihood; its supremum at a limit."""
        return float(self._results.arrays.llf[self._position])

    @cached_property
    def bse(self) -> FloatArray:
        """Standard errors; NaN where an estimate is not finite."""
        variance = np.diag(self.cov_params_default)
        return np.sqrt(np.where(variance >= 0, variance, np.nan))

    @cached_property
    def pvalues(self) -> FloatArray:
        """P-values as in :attr:`nbglm.results.NegBinResults.pvalues`."""
        return self._results.pvalues_of(self._position)

    def conf_int(self, alpha: float = 0.05, method: str = "wald") -> Any:
        """Confidence intervals.

        Parameters
        ----------
        alpha : float
            Significance level.
        method : str
            ``"wald"`` or ``"profile"``, as in :meth:`nbglm.results.NegBinResults.conf_int`.

        Returns
        -------
        array_like, shape (coefficients, 2)
            Lower and upper limits.
        """
        if method == "wald":
            return super().conf_int(alpha)
        tables = self._results.conf_int(alpha, method, genes=self.gene_name)
        return np.vstack([tables["beta"], tables["gamma"]])

    @cached_property
    def fittedvalues(self) -> pd.Series:
        """Fitted means on the count scale."""
        return self.predict()

    @cached_property
    def resid_pearson(self) -> pd.Series:
        """Pearson residuals."""
        mean, size = self.predict(), self.predict(which="dispersion")
        with np.errstate(divide="ignore", invalid="ignore"):
            residual = (self.model.endog - mean) / np.sqrt(mean + mean**2 / size)
        return residual.where((mean > 0) | (self.model.endog > 0), 0.0)

    def predict(
        self,
        obs: pd.DataFrame | None = None,
        *,
        offset: Any = None,
        size_factors: Any = None,
        which: str = "mean",
    ) -> pd.Series:
        """Predict this gene for given rows.

        Parameters
        ----------
        obs : DataFrame, optional
            New rows; those of the fit by default.
        offset, size_factors : array_like or str, optional
            As in :meth:`nbglm.results.NegBinResults.predict`.
        which : str
            ``mean`` (counts), ``dispersion`` (the size ``r``), ``var`` (counts squared),
            ``linear`` (log mean) or ``linear-dispersion`` (log size).

        Returns
        -------
        Series

        Raises
        ------
        ValueError
            If `which` is unknown.
        """
        choices = ("mean", "dispersion", "var", "linear", "linear-dispersion")
        if which not in choices:
            msg = f"which={which!r} is not one of {', '.join(choices)}."
            raise ValueError(msg)
        both = self._results.predict_genes(
            slice(self._position, self._position + 1), obs, offset, size_factors
        )
        mean, size = (both[part].iloc[:, 0] for part in ("mean", "dispersion"))
        with np.errstate(divide="ignore"):
            values = {
                "mean": lambda: mean,
                "dispersion": lambda: size,
                "var": lambda: mean + mean**2 / size,
                "linear": lambda: np.log(mean),
                "linear-dispersion": lambda: np.log(size),
            }[which]()
        return pd.Series(values).rename(self.gene_name)

    def summary(self, alpha: float = 0.05) -> Summary:
        """Table of coefficients for the mean and for the dispersion.

        Parameters
        ----------
        alpha : float
            Significance level of the intervals.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        summary = Summary()
        title = f"Negative binomial regression: {self.gene_name}"
        left = [
            ("Dep. Variable:", [self.gene_name]),
            ("Model:", ["NegBin (mean, size)"]),
            ("Method:", ["MLE"]),
            ("Status:", [self.status]),
            ("Evaluations:", [str(self.n_iter)]),
        ]
        right = [
            ("No. Observations:", [f"{self.nobs:g}"]),
            ("Df Residuals:", [f"{self.df_resid:g}"]),
            ("Log-Likelihood:", [f"{self.llf:#.8g}"]),
            ("AIC:", [f"{self.aic:#.8g}"]),
            ("Covariance Type:", [self.cov_type]),
        ]
        summary.add_table_2cols(self, gleft=left, gright=right, title=title)
        summary.add_table_params(self, alpha=alpha, use_t=False)
        notes = [_SCALE_NOTE]
        notes += [
            f"{name}: {word}"
            for name, word in self.coef_status.items()
            if word not in ("ok", self.status)
        ]
        if self.status != "ok":
            notes.insert(0, self.explanation.splitlines()[0])
        if np.isinf(np.asarray(self.params)).any():
            notes.append("P>|z| of an infinite coefficient is from a likelihood-ratio test.")
        summary.add_extra_txt(notes)
        return summary


class GeneResultsWrapper(LikelihoodResultsWrapper):
    """:class:`GeneResults` with labelled tables, as statsmodels' own results have."""


populate_wrapper(GeneResultsWrapper, GeneResults)


def gene_results(results: NegBinResults, position: int) -> GeneResultsWrapper:
    """Results of one gene of a fit.

    Parameters
    ----------
    results : NegBinResults
        The fit.
    position : int
        Number of the gene.

    Returns
    -------
    GeneResultsWrapper
        A :class:`GeneResults` whose tables carry labels.
    """
    design, counts = results.design, results.counts
    index = counts.obs.index
    weights = np.ones(counts.n_cells) if results.weights is None else results.weights
    model = GeneModel(
        pd.Series(counts.gene(position), index, name=str(counts.genes[position])),
        pd.DataFrame(design.mean.matrix, index, list(design.mean.terms)),
        pd.DataFrame(design.dispersion.matrix, index, list(design.dispersion.terms)),
        design.offset,
        weights,
    )
    return GeneResultsWrapper(GeneResults(model, results, position))
