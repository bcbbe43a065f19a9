"""Predictions of one response, with the limits of infinite coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.discrete.discrete_model import CountResults

from nbglm.exceptions import AlignmentError, OptionError, UnavailableError, check_choice
from nbglm.fit.contrasts import estimable
from nbglm.fit.prediction import excess_variance, predict
from nbglm.inference.hypotheses import distinct_rows
from nbglm.inference.methods import FitInference
from nbglm.inference.quantities import embedded
from nbglm.kernels.likelihood import loglik, score
from nbglm.single.intervals import (
    LinearPredictions,
    LogPredictions,
    Predicted,
    degrees_of,
    student_of,
)
from nbglm.single.likelihood import WHICH, NegBinLikelihood
from nbglm.single.newrows import (
    average_weights,
    counts_asked,
    design_rows,
    offset_of_rows,
    row_index,
)

__all__ = ["Predictions"]

FloatArray = NDArray[np.float64]


class Predictions(CountResults):
    """What :class:`~nbglm.single.results.NegBinModelResults` predicts."""

    model: NegBinLikelihood
    gene_name: str
    status: str
    converged: bool
    coef_status: pd.Series
    cov_params_default: FloatArray
    _tables: FitInference

    @property
    def _has_data(self) -> bool:
        return self._tables.remains is None

    def _rows(
        self,
        exog: Any,
        exog_dispersion: Any,
        offset: Any,
        exposure: Any,
        *,
        transform: bool,
    ) -> tuple[FloatArray, FloatArray, FloatArray, pd.Index | None]:
        """Designs and offset of new rows, or of those of the fit."""
        model = self.model
        if exog is None:
            if not self._has_data:
                msg = "the data were removed; pass the rows to predict for (exog)."
                raise UnavailableError(msg)
            total, labels = model.total_offset(), self._row_labels
            if offset is not None or exposure is not None:
                index = pd.RangeIndex(total.size) if labels is None else labels
                total = offset_of_rows(offset, exposure, index)
            return model.exog, model.size_rows(None, exog_dispersion), total, labels
        design = self._tables.design
        if transform and hasattr(model, "formula"):
            if exog_dispersion is not None:
                msg = (
                    "the formulas make the rows of the dispersion from exog; pass "
                    "transform=False for rows of both designs."
                )
                raise OptionError(msg)
            of_one = isinstance(exog, Mapping) and all(map(np.isscalar, exog.values()))
            frame = pd.DataFrame([exog] if of_one else exog)
            x, z, total = design.replay(frame, offset, exposure)
            return x, z, total, frame.index
        x = design_rows("exog", exog, len(design.mean.terms))
        z = model.size_rows(x, exog_dispersion)
        labels = row_index(exog)
        index = pd.RangeIndex(x.shape[0]) if labels is None else labels
        return x, z, offset_of_rows(offset, exposure, index), labels

    @property
    def _row_labels(self) -> pd.Index | None:
        labels = self.model.data.row_labels
        return None if labels is None else pd.Index(labels)

    def _counts_asked(self, y_values: Any) -> NDArray[Any]:
        if y_values is None and not self._has_data:
            msg = "the data were removed; pass y_values, the counts whose probabilities to give."
            raise UnavailableError(msg)
        counts = np.zeros(0) if y_values is not None else self.model.endog
        return counts_asked(
            y_values, counts[self.model.frequencies() > 0] if counts.size else counts
        )

    def _mean_and_size(
        self, x: FloatArray, z: FloatArray, offset: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        mean, size = predict(self._tables.arrays, x, z, offset, slice(0, 1))
        return mean[:, 0], size[:, 0]

    def predict(
        self,
        exog: Any = None,
        transform: bool = True,
        *,
        exog_dispersion: Any = None,
        offset: Any = None,
        exposure: Any = None,
        which: str = "mean",
        y_values: Any = None,
    ) -> Any:
        """Predict, with the limits of infinite coefficients.

        Parameters
        ----------
        exog : DataFrame or array_like, optional
            New rows: of the data if the model has formulas, else of the design of the mean. Those
            of the fit by default.
        transform : bool
            Whether to apply the formulas to `exog`.
        exog_dispersion : array_like, optional
            Rows of the design of the size, without formulas.
        offset, exposure : array_like or str, optional
            Of the new rows.
        which : str
            ``"mean"`` (counts), ``"dispersion"`` (the size ``r``), ``"var"`` (counts squared),
            ``"linear"`` (log mean), ``"linear-dispersion"`` (log size), or ``"prob"``.
        y_values : array_like, optional
            Counts whose probabilities are wanted; 0 to the largest count by default.

        Returns
        -------
        Series or DataFrame (probabilities)

        Raises
        ------
        ValueError
            If `which` is unknown.
        """
        check_choice("which", which, WHICH)
        x, z, total, index = self._rows(
            exog, exog_dispersion, offset, exposure, transform=transform
        )
        mean, size = self._mean_and_size(x, z, total)
        if which == "prob":
            from nbglm.simulate.distribution import negbin

            y = self._counts_asked(y_values)
            return pd.DataFrame(negbin.pmf(y, mean[:, None], size[:, None]), index, y)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = {
                "mean": mean,
                "dispersion": size,
                "var": mean + excess_variance(mean, size),
                "linear": np.log(mean),
                "linear-dispersion": np.log(size),
            }[which]
        return pd.Series(values, index, name=self.gene_name)

    def get_prediction(
        self,
        exog: Any = None,
        transform: bool = True,
        which: str = "mean",
        row_labels: Any = None,
        average: bool = False,
        agg_weights: Any = None,
        *,
        exog_dispersion: Any = None,
        offset: Any = None,
        exposure: Any = None,
        y_values: Any = None,
    ) -> Any:
        """Predictions with standard errors and intervals, as statsmodels' own results have them.

        Parameters
        ----------
        exog, transform, which, exog_dispersion, offset, exposure, y_values
            As in :meth:`predict`.
        row_labels : sequence, optional
            Labels of the rows.
        average : bool
            Average over the rows, with `agg_weights`.
        agg_weights : array_like, optional
            Weights of the average, not normalised. Frequency weights of the fit enter the average
            over its rows besides.

        Returns
        -------
        statsmodels.base._prediction_inference.PredictionResultsBase
            Means and sizes have intervals that are made on the log scale.
        """
        check_choice("which", which, WHICH)
        x, z, total, index = self._rows(
            exog, exog_dispersion, offset, exposure, transform=transform
        )
        labels = index if row_labels is None else row_labels
        if labels is not None and len(labels) != x.shape[0]:
            msg = f"row_labels has {len(labels)} labels for {x.shape[0]} rows."
            raise AlignmentError(msg)
        if which in ("var", "prob") or average:
            # Rows of the data count by their weights, new ones once each.
            frequency = self.model.frequencies() if exog is None else np.ones(x.shape[0])
            share = average_weights(agg_weights, frequency) if average else None
            return self._by_delta_method(which, x, z, total, y_values, labels, share)
        of_mean = which in ("mean", "linear")
        linear, error = self._linear_with_error(x, z, total, of_mean=of_mean)
        part = "mean" if of_mean else "dispersion"
        rows = embedded(self._tables, x if of_mean else z, part)
        kind = LinearPredictions if which.startswith("linear") else LogPredictions
        return kind(linear, error, labels, degrees_of(self._tables, rows))

    def _by_delta_method(
        self,
        which: str,
        x: FloatArray,
        z: FloatArray,
        offset: FloatArray,
        y_values: Any,
        labels: Any,
        share: FloatArray | None,
    ) -> Predicted:
        """Predictions, or their average, with errors from derivatives by the coefficients."""
        value, slopes = self._value_and_slopes(which, x, z, offset, y_values)
        # Where an estimate is infinite there is no standard error.
        of_mean, of_size = "dispersion" not in which, which not in ("mean", "linear")
        parts = [part for part, needed in ((True, of_mean), (False, of_size)) if needed]
        told = np.all([self._told(x, z, of_mean=part) for part in parts], axis=0)
        slopes[~told] = np.nan
        if share is not None:
            used = share != 0.0
            value = np.atleast_1d(share[used] @ value[used])
            slopes = np.tensordot(share[used], slopes[used], axes=1)
            labels = None
        elif value.ndim == 2:
            y = self._counts_asked(y_values)
            rows = np.arange(value.shape[0]) if labels is None else labels
            labels = pd.MultiIndex.from_product([rows, y], names=[None, "y"])
        slopes = slopes.reshape(value.size, -1)
        variance = ((slopes @ self._tables.root[0]) ** 2).sum(axis=1)
        student = student_of(degrees_of(self._tables, np.nan_to_num(slopes)))
        return Predicted(value.ravel(), variance, row_labels=labels, **student)

    def _told(self, x: FloatArray, z: FloatArray, *, of_mean: bool) -> NDArray[np.bool_]:
        """Which rows have a finite log mean or log size."""
        tables = self._tables
        rows = embedded(tables, x if of_mean else z, "mean" if of_mean else "dispersion")
        told = estimable(tables.arrays, *distinct_rows(tables), rows)
        return (told & tables.covariances.identified(rows))[0]

    def _value_and_slopes(
        self, which: str, x: FloatArray, z: FloatArray, offset: FloatArray, y_values: Any
    ) -> tuple[FloatArray, FloatArray]:
        """What is predicted, and its derivatives by all coefficients along a last axis."""
        mean, size = self._mean_and_size(x, z, offset)
        none = np.zeros_like(mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            eta, zeta = np.log(mean), np.log(size)
        square = excess_variance(mean, size)
        if which == "prob":
            y = self._counts_asked(y_values)
            factors = score(y, eta[:, None], zeta[:, None])
            value = np.exp(loglik(y, eta[:, None], zeta[:, None]))
            by_eta, by_zeta = value * factors[..., 0], value * factors[..., 1]
            x, z = x[:, None, :], z[:, None, :]
        else:
            value, by_eta, by_zeta = {
                "mean": (mean, mean, none),
                "linear": (eta, none + 1.0, none),
                "var": (mean + square, mean + 2.0 * square, -square),
                "dispersion": (size, none, size),
                "linear-dispersion": (zeta, none, none + 1.0),
            }[which]
        with np.errstate(invalid="ignore"):  # rows at a limit have no slopes
            parts = [by_eta[..., None] * x, by_zeta[..., None] * z]
        return value, np.concatenate(parts, axis=-1)

    def _linear_with_error(
        self, x: FloatArray, z: FloatArray, offset: FloatArray, *, of_mean: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Log means or log sizes with their standard errors; NaN where these do not exist."""
        tables, p = self._tables, x.shape[1]
        root = tables.root[0]
        error = np.linalg.norm(x @ root[:p] if of_mean else z @ root[p:], axis=1)
        error[~self._told(x, z, of_mean=of_mean)] = np.nan
        with np.errstate(divide="ignore"):
            return np.log(self._mean_and_size(x, z, offset)[0 if of_mean else 1]), error

    def get_distribution(
        self,
        exog: Any = None,
        transform: bool = True,
        *,
        exog_dispersion: Any = None,
        offset: Any = None,
        exposure: Any = None,
    ) -> Any:
        """Predictive distribution of each row, as a frozen distribution of scipy.

        Parameters
        ----------
        exog, transform, exog_dispersion, offset, exposure
            As in :meth:`predict`.

        Returns
        -------
        scipy.stats.rv_frozen
            A size of infinity is the Poisson, a mean of 0 the constant 0.
        """
        from nbglm.simulate.distribution import negbin

        x, z, total, _ = self._rows(exog, exog_dispersion, offset, exposure, transform=transform)
        return negbin(*self._mean_and_size(x, z, total))

    @cached_property
    def fittedvalues(self) -> pd.Series:
        """Fitted means on the count scale."""
        return self.predict()

    @cached_property
    def resid(self) -> pd.Series:
        """Counts less fitted means."""
        return self.model.endog - self.fittedvalues

    @cached_property
    def resid_response(self) -> pd.Series:
        """Counts less fitted means."""
        return self.resid

    @cached_property
    def resid_pearson(self) -> pd.Series:
        """Pearson residuals; 0 where the fitted mean is 0, as only counts of 0 have it.

        Rows of weight 0 may have an infinite mean; their residual is the limit, ``-sqrt(r)``.
        """
        deviation = np.sqrt(self.predict(which="var"))
        with np.errstate(invalid="ignore"):
            residual = self.resid / deviation
        residual = residual.where((self.fittedvalues > 0) | (self.model.endog > 0), 0.0)
        return residual.where(
            np.isfinite(self.fittedvalues), -np.sqrt(self.predict(which="dispersion"))
        )
