"""A count model of statsmodels with a design for the mean and one for the size.

The likelihood and its derivatives are offered observation by observation, so that what statsmodels
can do with a count model works here too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from statsmodels.discrete.discrete_model import CountModel, DiscreteModel
from statsmodels.tools.sm_exceptions import MissingDataError

from nbglm.exceptions import AlignmentError, UnavailableError, check_choice, some_of
from nbglm.likelihood import loglik, score
from nbglm.offset import check_offset_scale
from nbglm.single.rows import check_rows, row_numbers

__all__ = ["PREFIX", "WHICH", "NegBinLikelihood"]

FloatArray = NDArray[np.float64]

PREFIX = "dispersion-"
"""Begins the names of the coefficients of the log size."""

WHICH = ("mean", "dispersion", "var", "linear", "linear-dispersion", "prob")
"""What can be predicted."""

_MISSING = ("none", "drop", "raise")


def _size_design(exog_dispersion: Any, n: int) -> tuple[Any, list[str]]:
    """The design of the size with the names of its columns."""
    if exog_dispersion is None:
        return np.ones((n, 1)), ["const"]
    columns = getattr(exog_dispersion, "columns", None)
    if columns is not None:
        return exog_dispersion, [str(column) for column in columns]
    matrix = np.asarray(exog_dispersion)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    return matrix, [f"z{k + 1}" for k in range(matrix.shape[1])]


def _own(values: Any) -> FloatArray:
    """A copy that nobody writes into, whatever becomes of the array that the caller gave."""
    copy = np.array(values, dtype=np.float64)
    copy.flags.writeable = False
    return copy


def _without_missing(data: dict[str, Any], missing: str) -> dict[str, Any]:
    """Drop or refuse rows that lack a value; statsmodels can do that with one design only."""
    if missing == "none":
        return data
    lacking = {name: pd.isna(part) for name, part in data.items() if part is not None}
    rows = np.zeros(len(data["endog"]), dtype=bool)
    for mask in lacking.values():
        rows |= np.asarray(mask).reshape(rows.size, -1).any(axis=1)
    if not rows.any():
        return data
    if missing == "raise":
        names = [name for name, mask in lacking.items() if np.asarray(mask).any()]
        msg = f"{rows.sum()} of {rows.size} rows lack a value, in {some_of(names)}."
        raise MissingDataError(msg)
    return {
        name: part
        if part is None
        else part[~rows]
        if isinstance(part, pd.Series | pd.DataFrame)
        else np.asarray(part)[~rows]
        for name, part in data.items()
    }


class NegBinLikelihood(CountModel):
    """Data, likelihood and predictions of :class:`nbglm.NegBinModel`, which documents them."""

    endog: FloatArray
    exog: FloatArray
    exog_dispersion: FloatArray
    exposure: FloatArray

    def __init__(
        self,
        endog: ArrayLike,
        exog: ArrayLike,
        exog_dispersion: ArrayLike | None = None,
        *,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        missing: str = "none",
        hasconst: bool | None = None,
        **kwargs: Any,
    ) -> None:
        check_choice("missing", missing, _MISSING)
        self._check_kwargs(kwargs)
        z, names = _size_design(exog_dispersion, (*np.shape(endog), 0)[0])
        parts = {"offset": offset, "exposure": exposure, "weights": weights}
        data = {"endog": endog, "exog": exog, "exog_dispersion": z, **parts}
        check_rows(data)
        data = _without_missing(data, missing)
        rows = getattr(data["endog"], "index", pd.RangeIndex(len(data["endog"])))
        for name in parts:
            if data[name] is not None:
                data[name] = row_numbers(name, data[name], rows)
        # Past CountModel, whose constructor knows neither a second design nor weights.
        DiscreteModel.__init__(
            self,
            data.pop("endog"),
            data.pop("exog"),
            check_rank=False,
            missing="none",
            hasconst=hasconst,
            **data,
            **kwargs,
        )
        self.exog_dispersion = _own(self.exog_dispersion)
        if not np.isfinite(self.exog_dispersion).all():
            msg = "exog_dispersion contains inf or nans; use missing='drop', or remove the rows."
            raise AlignmentError(msg)
        for name in parts:
            if getattr(self, name) is None:
                delattr(self, name)
            else:
                setattr(self, name, _own(getattr(self, name)))
        if hasattr(self, "exposure"):
            self.exposure = _own(np.log(self.exposure))  # as CountModel keeps it
        self.exog, self.endog = _own(self.exog), _own(self.endog)
        self.k_extra = self.exog_dispersion.shape[1]
        self.data.xnames = [*self.data.xnames, *(PREFIX + name for name in names)]
        check_offset_scale(self.total_offset(), rows)
        self._init_keys.extend(["exog_dispersion", "weights"])
        self._null_drop_keys = ["exog_dispersion"]

    def _get_exogs(self) -> tuple[FloatArray, FloatArray]:
        return self.exog, self.exog_dispersion

    def total_offset(self) -> FloatArray:
        """Offset and log exposure of the rows of the model."""
        total = np.zeros(self.exog.shape[0])
        for name in ("offset", "exposure"):
            total = total + getattr(self, name, 0.0)
        return np.asarray(total)

    def _frequencies(self) -> FloatArray:
        return np.asarray(getattr(self, "weights", np.ones(self.exog.shape[0])))

    def _predictors(self, params: ArrayLike) -> tuple[FloatArray, FloatArray]:
        theta, p = np.asarray(params, dtype=np.float64), self.exog.shape[1]
        return self.total_offset() + self.exog @ theta[:p], self.exog_dispersion @ theta[p:]

    def loglikeobs(self, params: ArrayLike) -> FloatArray:
        """Log-likelihood of each observation, times its weight, at ``[beta, gamma]``."""
        return self._frequencies() * loglik(self.endog, *self._predictors(params))

    def loglike(self, params: ArrayLike) -> float:
        """Log-likelihood at ``[beta, gamma]``."""
        return float(self.loglikeobs(params).sum())

    def score_hessian_factor(
        self, params: ArrayLike, return_hessian: bool = False, observed: bool = True
    ) -> Any:
        """Derivatives by the linear predictors, observation by observation.

        Parameters
        ----------
        params : array_like, shape (p + q,)
            Coefficients ``[beta, gamma]``.
        return_hessian : bool
            Whether to give the second derivatives too.
        observed : bool
            Only the observed ones are offered.

        Returns
        -------
        tuple of ndarray
            By log mean and log size; then the second derivatives, if wanted.
        """
        if not observed:
            msg = "expected second derivatives are offered as cov_type='eim' only."
            raise UnavailableError(msg)
        factors = score(self.endog, *self._predictors(params)) * self._frequencies()[:, None]
        first, second = tuple(factors.T[:2]), tuple(factors.T[2:])
        return (first, second) if return_hessian else first

    def score_factor(self, params: ArrayLike) -> Any:
        """First derivatives by log mean and log size, observation by observation."""
        return self.score_hessian_factor(params)

    def hessian_factor(self, params: ArrayLike, observed: bool = True) -> Any:
        """Second derivatives by the linear predictors, observation by observation."""
        return self.score_hessian_factor(params, return_hessian=True, observed=observed)[1]

    def score_obs(self, params: ArrayLike) -> FloatArray:
        """Scores of each observation, shape (n, p + q)."""
        by_eta, by_zeta = self.score_factor(params)
        return np.hstack([by_eta[:, None] * self.exog, by_zeta[:, None] * self.exog_dispersion])

    def score(self, params: ArrayLike) -> FloatArray:
        """Gradient of the log-likelihood."""
        return np.asarray(self.score_obs(params).sum(axis=0))

    def hessian(self, params: ArrayLike) -> FloatArray:
        """Hessian of the log-likelihood."""
        x, z = self._get_exogs()
        mean, cross, size = self.hessian_factor(params)
        mixed = x.T @ (cross[:, None] * z)
        return np.block([[x.T @ (mean[:, None] * x), mixed], [mixed.T, z.T @ (size[:, None] * z)]])

    # Prediction -----------------------------------------------------------------------------

    def predict(
        self,
        params: ArrayLike,
        exog: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        which: str = "mean",
        *,
        exog_dispersion: ArrayLike | None = None,
        y_values: ArrayLike | None = None,
    ) -> FloatArray:
        """Predict from coefficients.

        Parameters
        ----------
        params : array_like, shape (p + q,)
            Coefficients ``[beta, gamma]``.
        exog : array_like, optional
            Rows of the design of the mean; those of the model by default.
        exposure, offset : array_like, optional
            Of these rows; those of the model if `exog` is not given, else none.
        which : str
            ``"mean"`` (counts), ``"dispersion"`` (the size ``r``), ``"var"`` (counts squared),
            ``"linear"`` (log mean), ``"linear-dispersion"`` (log size), or ``"prob"``.
        exog_dispersion : array_like, optional
            Rows of the design of the size; needed with new rows unless it is a constant.
        y_values : array_like, optional
            Counts whose probabilities are wanted; 0 to the largest count by default.

        Returns
        -------
        ndarray, shape (rows,) or (rows, counts)

        Raises
        ------
        ValueError
            If `which` is unknown.
        AlignmentError
            If rows of the size are needed and not given.
        """
        check_choice("which", which, WHICH)
        # Not made real: statsmodels differentiates predictions by complex steps.
        theta, p = np.asarray(params), self.exog.shape[1]
        if which in ("dispersion", "linear-dispersion"):
            zeta = self.size_rows(exog, exog_dispersion) @ theta[p:]
            return np.exp(zeta) if which == "dispersion" else zeta
        linear = super().predict(theta, exog, exposure, offset, which="linear")
        if which == "linear":
            return np.asarray(linear)
        if which == "mean":
            return np.exp(linear)
        zeta = self.size_rows(exog, exog_dispersion) @ theta[p:]
        if which == "var":
            return np.exp(linear) + np.exp(2.0 * linear - zeta)
        counts = np.arange(self.endog.max() + 1) if y_values is None else np.asarray(y_values)
        return np.exp(loglik(counts, linear[:, None], zeta[:, None]))

    @staticmethod
    def new_offset(offset: Any, exposure: Any, rows: int) -> FloatArray:
        """Offset of new rows."""
        total = np.zeros(rows)
        if offset is not None:
            total = total + np.asarray(offset, dtype=np.float64)
        if exposure is not None:
            total = total + np.log(np.asarray(exposure, dtype=np.float64))
        return total

    def null_arguments(self) -> dict[str, Any]:
        """What a model without covariates takes over from this one."""
        weights = getattr(self, "weights", None)
        return {"offset": self.total_offset(), "weights": weights}

    def size_rows(self, exog: ArrayLike | None, exog_dispersion: ArrayLike | None) -> FloatArray:
        """Rows of the design of the size that go with rows of that of the mean."""
        if exog_dispersion is not None:
            return np.atleast_2d(np.asarray(exog_dispersion, dtype=np.float64))
        if exog is None:
            return self.exog_dispersion
        if not self.exog_dispersion.size or np.ptp(self.exog_dispersion, axis=0).any():
            msg = "new rows need exog_dispersion too, since the size depends on covariates."
            raise AlignmentError(msg)
        rows = np.atleast_2d(np.asarray(exog)).shape[0]
        return np.repeat(self.exog_dispersion[:1], rows, axis=0)

    def _deriv_mean_dparams(self, params: ArrayLike) -> FloatArray:
        mean = self.predict(params)
        return np.hstack([mean[:, None] * self.exog, np.zeros_like(self.exog_dispersion)])

    def get_distribution(
        self,
        params: ArrayLike,
        exog: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exog_dispersion: ArrayLike | None = None,
    ) -> Any:
        """Predictive distribution of each row, as a frozen distribution of scipy.

        Parameters
        ----------
        params : array_like, shape (p + q,)
            Coefficients ``[beta, gamma]``.
        exog, exposure, offset, exog_dispersion : array_like, optional
            As in :meth:`predict`.

        Returns
        -------
        scipy.stats.rv_frozen
        """
        from nbglm.distribution import negbin

        mean = self.predict(params, exog, exposure, offset)
        size = self.predict(params, exog, which="dispersion", exog_dispersion=exog_dispersion)
        return negbin(mean, size)
