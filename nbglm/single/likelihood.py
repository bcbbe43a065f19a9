"""A count model of statsmodels with a design for the mean and one for the size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from statsmodels.discrete.discrete_model import DiscreteModel

from nbglm.design.offset import check_offset_scale
from nbglm.exceptions import AlignmentError, check_choice
from nbglm.kernels.likelihood import loglik
from nbglm.single.derivatives import Derivatives
from nbglm.single.newrows import counts_asked, design_rows
from nbglm.single.rows import (
    check_kinds,
    check_rows,
    refuse_unknown,
    require_complete,
    row_numbers,
    size_design,
    without_missing,
)

__all__ = ["PREFIX", "WHICH", "NegBinLikelihood"]

FloatArray = NDArray[np.float64]

PREFIX = "dispersion-"
"""Begins the names of the coefficients of the log size."""

WHICH = ("mean", "dispersion", "var", "linear", "linear-dispersion", "prob")
"""What can be predicted."""

_MISSING = ("none", "drop", "raise")


def _own(values: Any) -> FloatArray:
    """A copy that nobody writes into, whatever becomes of the array that the caller gave."""
    copy = np.array(values, dtype=np.float64)
    copy.flags.writeable = False
    return copy


class NegBinLikelihood(Derivatives):
    """Data, likelihood and predictions of :class:`nbglm.NegBinModel`, which documents them."""

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
        refuse_unknown(kwargs)
        z, names = size_design(exog_dispersion, (*np.shape(endog), 0)[0])
        parts = {"offset": offset, "exposure": exposure, "weights": weights}
        data = check_kinds({"endog": endog, "exog": exog, "exog_dispersion": z, **parts})
        check_rows(data)
        data = without_missing(data, missing)
        require_complete(data)
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
        for name in parts:
            if getattr(self, name) is None:
                delattr(self, name)
            else:
                setattr(self, name, _own(getattr(self, name)))
        if hasattr(self, "exposure"):
            self.exposure = _own(np.log(self.exposure))  # as CountModel keeps it
        self.exog, self.endog = _own(self.exog), _own(self.endog)
        self.k_mean, self.k_extra = self.exog.shape[1], self.exog_dispersion.shape[1]
        self.data.xnames = [*self.data.xnames, *(PREFIX + name for name in names)]
        check_offset_scale(self.total_offset(), rows)
        self._init_keys.extend(["exog_dispersion", "weights"])
        self._null_drop_keys = ["exog_dispersion"]

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
        theta, p = self.check_params(params), self.k_mean
        if exog is None:
            self.require_data()
        else:
            exog = design_rows("exog", exog, p)
        if which in ("dispersion", "linear-dispersion"):
            zeta = self.size_rows(exog, exog_dispersion) @ theta[p:]
            with np.errstate(over="ignore"):  # a size of infinity is one
                return np.exp(zeta) if which == "dispersion" else zeta
        linear = super().predict(theta, exog, exposure, offset, which="linear")
        if which == "linear":
            return np.asarray(linear)
        if which == "mean":
            return np.exp(linear)
        zeta = self.size_rows(exog, exog_dispersion) @ theta[p:]
        if which == "var":
            return np.exp(linear) + np.exp(2.0 * linear - zeta)
        counts = counts_asked(y_values, self.endog[self.frequencies() > 0])
        return np.exp(loglik(counts, linear[:, None], zeta[:, None]))

    def null_arguments(self) -> dict[str, Any]:
        """What a model without covariates takes over from this one."""
        weights = getattr(self, "weights", None)
        return {"offset": self.total_offset(), "weights": weights}

    def size_rows(self, exog: ArrayLike | None, exog_dispersion: ArrayLike | None) -> FloatArray:
        """Rows of the design of the size that go with rows of that of the mean."""
        rows = self.exog if exog is None else np.atleast_2d(np.asarray(exog))
        if exog_dispersion is not None:
            z = design_rows("exog_dispersion", exog_dispersion, self.k_extra)
            if z.shape[0] != rows.shape[0]:
                msg = f"exog_dispersion has {z.shape[0]} rows and exog {rows.shape[0]}."
                raise AlignmentError(msg)
            return z
        if exog is None:
            return self.exog_dispersion
        if not self.exog_dispersion.size or np.ptp(self.exog_dispersion, axis=0).any():
            msg = "new rows need exog_dispersion too, since the size depends on covariates."
            raise AlignmentError(msg)
        return np.repeat(self.exog_dispersion[:1], rows.shape[0], axis=0)

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
        from nbglm.simulate.distribution import negbin

        mean = self.predict(params, exog, exposure, offset)
        size = self.predict(params, exog, which="dispersion", exog_dispersion=exog_dispersion)
        return negbin(mean, size)
