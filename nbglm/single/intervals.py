"""Predictions with intervals in statsmodels' form, for levels that are levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.base._prediction_inference import (
    PredictionResultsBase,
    PredictionResultsMonotonic,
)

from nbglm.inference.levels import check_alpha
from nbglm.inference.methods import FitInference

__all__ = ["LinearPredictions", "LogPredictions", "Predicted", "degrees_of", "student_of"]

FloatArray = NDArray[np.float64]


def _exp(values: FloatArray) -> FloatArray:
    """Exponentials, of which large ones are infinite."""
    with np.errstate(over="ignore"):
        return np.exp(values)


def degrees_of(tables: FitInference, rows: FloatArray) -> FloatArray | None:
    """Degrees of freedom of combinations of all coefficients; None for normal quantiles."""
    return np.asarray(tables.covariances.degrees(rows)[0]) if tables.use_t else None


def student_of(degrees: FloatArray | None) -> dict[str, Any]:
    """What statsmodels' predictions are told of their reference."""
    return {} if degrees is None else {"dist": "t", "df": degrees}


class Predicted(PredictionResultsBase):
    """Predictions whose intervals are symmetric."""

    def conf_int(self, *, alpha: float = 0.05, **options: Any) -> FloatArray:
        """Confidence intervals, as in statsmodels."""
        check_alpha(alpha)
        return np.asarray(super().conf_int(alpha=alpha, **options))


class _Monotonic(PredictionResultsMonotonic):
    def conf_int(self, method: str = "endpoint", alpha: float = 0.05, **options: Any) -> FloatArray:
        """Confidence intervals, as in statsmodels."""
        check_alpha(alpha)
        return np.asarray(super().conf_int(method, alpha, **options))


class LogPredictions(_Monotonic):
    """Positive predictions, whose intervals are made on the log scale.

    Parameters
    ----------
    linear, error : ndarray
        Their logarithms, with standard errors.
    labels : Index or None
        Labels of the rows.
    degrees : ndarray or None
        Degrees of freedom; None for normal quantiles.
    """

    def __init__(
        self, linear: FloatArray, error: FloatArray, labels: Any, degrees: FloatArray | None = None
    ) -> None:
        value = _exp(linear)
        with np.errstate(over="ignore", invalid="ignore"):
            variance = (value * error) ** 2
        super().__init__(
            value, variance, linear, error, _exp, _exp, row_labels=labels, **student_of(degrees)
        )


class LinearPredictions(_Monotonic):
    """Logarithms that were predicted.

    Parameters
    ----------
    linear, error : ndarray
        With their standard errors.
    labels : Index or None
        Labels of the rows.
    degrees : ndarray or None
        Degrees of freedom; None for normal quantiles.
    """

    def __init__(
        self, linear: FloatArray, error: FloatArray, labels: Any, degrees: FloatArray | None = None
    ) -> None:
        super().__init__(
            linear,
            error**2,
            linear,
            error,
            np.asarray,
            np.ones_like,
            row_labels=labels,
            **student_of(degrees),
        )
