"""Diagnostics of one response: statsmodels' own, with frequency weights as repeated rows."""

from __future__ import annotations

from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.discrete.diagnostic import CountDiagnostic
from statsmodels.stats.outliers_influence import MLEInfluence

from nbglm.diagnostics.residuals import residual_table
from nbglm.exceptions import UnavailableError
from nbglm.simulate.draws import Seed
from nbglm.single.margins import Margins
from nbglm.single.predictions import Predictions

__all__ = ["Diagnostics"]

FloatArray = NDArray[np.float64]

_MOST_ROWS = 10_000_000


class Diagnostics(Predictions):
    """Effects and diagnostics of :class:`~nbglm.single.results.NegBinModelResults`."""

    def _require_data(self, what: str) -> None:
        if not self._has_data:
            msg = f"{what} needs the data, which were removed; use it before remove_data()."
            raise UnavailableError(msg)

    def _require_finite(self, what: str, instead: str) -> None:
        """Refuse coefficients that are infinite or missing, but for aliased ones."""
        known = np.isfinite(np.asarray(self.params)) | (self.coef_status == "aliased").to_numpy()
        if not known.all() or not self.converged:
            word = self.status if self.status != "ok" else self.coef_status[~known].iloc[0]
            msg = f"{what} needs finite coefficients; this fit is {word!r}. {instead}"
            raise UnavailableError(msg)

    def get_margeff(
        self,
        at: str = "overall",
        method: str = "dydx",
        atexog: Any = None,
        dummy: bool = False,
        count: bool = False,
    ) -> Margins:
        """Marginal effects on the mean, as in statsmodels; rows count by their weights.

        Parameters
        ----------
        at : str
            ``"overall"`` (the average over the rows), ``"mean"``, ``"median"``, ``"zero"`` or
            ``"all"``.
        method : str
            ``"dydx"``, ``"eyex"``, ``"dyex"`` or ``"eydx"``.
        atexog : dict or array_like, optional
            Values for columns of the design by their number, or rows in its place.
        dummy, count : bool
            Whether columns of 0 and 1, and of counts, change by one.

        Returns
        -------
        statsmodels.discrete.discrete_margins.DiscreteMargins
            At an exposure of 1, as in statsmodels.

        Raises
        ------
        UnavailableError
            With an offset, or infinite coefficients of the mean.
        OptionError
            If an option is unknown.
        """
        self._require_data("get_margeff")
        if getattr(self.model, "offset", None) is not None:
            msg = (
                "marginal effects with an offset are not offered; compare "
                "get_prediction(rows, average=True) of rows that differ in a covariate."
            )
            raise UnavailableError(msg)
        infinite = np.isinf(np.asarray(self.params)[: self.model.exog.shape[1]])
        unknown = (self.coef_status == "not_identified").to_numpy() & np.isnan(self.params)
        if infinite.any() or unknown[: infinite.size].any():
            self._require_finite("get_margeff", "predict() knows the limits.")
        return Margins(self, (at, method, atexog, dummy, count))

    def residuals(self, kind: str = "quantile", *, seed: Seed = None) -> pd.Series:
        """Residuals of every row: :meth:`nbglm.NegBinResults.residuals` of this response.

        Parameters
        ----------
        kind : str
            ``"quantile"`` (randomised quantile residuals, standard normal under the true model),
            ``"pearson"``, ``"deviance"`` or ``"response"``.
        seed : int, SeedSequence, Generator or None
            Of quantile residuals. The stream is keyed by the name of the response, so that those of
            ``results.gene(name)`` are a column of those of ``results``.

        Returns
        -------
        Series
            One for each row, frequency weights or not.

        Raises
        ------
        OptionError
            If the kind is unknown.
        UnavailableError
            If the data were removed.
        """
        self._require_data("residuals")
        table = residual_table(self._tables, np.array([0]), kind, seed)
        return pd.Series(table.to_numpy()[:, 0], self._row_labels, name=self.gene_name)

    def get_diagnostic(self, y_max: int | None = None) -> CountDiagnostic:
        """Diagnostics of the predicted probabilities, as in statsmodels.

        Parameters
        ----------
        y_max : int, optional
            Largest count; that of the data by default.

        Returns
        -------
        statsmodels.discrete.diagnostic.CountDiagnostic
            Of the rows, repeated by their weights.

        Raises
        ------
        UnavailableError
            If weights are not whole numbers, or coefficients not finite.
        """
        self._require_data("get_diagnostic")
        self._require_finite("get_diagnostic", "predict(which='prob') knows the limits.")
        model = self.model
        frequency = model.frequencies()
        if (frequency % 1.0).any() or frequency.sum() > _MOST_ROWS:
            msg = (
                f"get_diagnostic repeats rows by their weights, which must be whole numbers that "
                f"sum to {_MOST_ROWS:,} at most."
            )
            raise UnavailableError(msg)
        rows = np.repeat(np.arange(frequency.size), frequency.astype(np.int64))
        aliased = (self.coef_status == "aliased").to_numpy()
        params = np.where(aliased, 0.0, np.asarray(self.params))
        scores = model.score_obs(params)[rows][:, ~aliased] / frequency[rows, None]

        def repeated(**options: Any) -> FloatArray:
            return np.asarray(self.predict(**options))[rows]

        data = SimpleNamespace(endog=model.endog[rows], score_obs=lambda _: scores)
        return CountDiagnostic(
            SimpleNamespace(model=data, params=params, predict=repeated), y_max=y_max
        )

    def get_influence(self) -> MLEInfluence:
        """Influence of each observation, as in statsmodels.

        Returns
        -------
        statsmodels.stats.outliers_influence.MLEInfluence

        Raises
        ------
        UnavailableError
            With frequency weights, aliased or infinite coefficients, or coefficients of which the
            covariance says nothing.
        """
        self._require_data("get_influence")
        if getattr(self.model, "weights", None) is not None:
            msg = "get_influence knows no weights; repeat the rows, and fit them without."
            raise UnavailableError(msg)
        if not np.isfinite(self.cov_params_default).all():
            lacking = self.coef_status[np.isnan(np.diag(self.cov_params_default))]
            name, word = (lacking.index[0], lacking.iloc[0]) if len(lacking) else ("", self.status)
            msg = (
                f"get_influence needs the covariance of all coefficients; {name} is {word!r}. "
                f"Leave it out of the model, or compare fits without the rows in question."
            )
            raise UnavailableError(msg)
        return MLEInfluence(self)

    @cached_property
    def im_ratio(self) -> FloatArray:
        """Ratio of the covariances with and without robustness to a wrong model, as a matrix.

        ``HC0`` (or the covariance of the fit, if it is another than that of the observed
        information) times the observed information; NaN for coefficients without a covariance.
        """
        self._require_data("im_ratio")
        tables = self._tables
        plain = tables.with_cov("oim").covariance_of(0)
        robust = tables if tables.cov_type != "oim" else tables.with_cov("HC0")
        ratio = robust.covariance_of(0)
        known = np.isfinite(np.diag(plain)) & np.isfinite(np.diag(ratio))
        out = np.full(plain.shape, np.nan)
        both = np.ix_(known, known)
        out[both] = np.linalg.solve(plain[both], ratio[both]).T
        return out
