"""Marginal effects of one response: statsmodels' code on what it can take as it is.

Frequency weights enter every average over rows. Coefficients of the dispersion, which the mean does
not depend on, and aliased ones, which are left out of it, take no part.
"""

from __future__ import annotations

from copy import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.discrete.discrete_margins import DiscreteMargins

from nbglm.exceptions import AlignmentError, OptionError, UnavailableError, check_choice
from nbglm.single.likelihood import NegBinLikelihood

__all__ = ["Margins"]

FloatArray = NDArray[np.float64]

_AT = ("overall", "mean", "median", "zero", "all")
_METHODS = ("dydx", "eyex", "dyex", "eydx")


class _Averaged(NegBinLikelihood):
    """A model whose rows count by their weights when effects are averaged over them."""

    share: FloatArray | None = None
    named: list[str] | None = None  # the columns that a summary lists, if not all

    @property
    def exog_names(self) -> list[str]:
        """Names of the columns, of which a summary lists all but the first constant one."""
        return list(super().exog_names) if self.named is None else self.named

    @classmethod
    def of(cls, model: NegBinLikelihood) -> _Averaged:
        """A copy of a model, without rows of weight 0, offset and exposure."""
        averaged = object.__new__(cls)
        averaged.__dict__.update(model.__dict__)
        used = model.frequencies() > 0
        for name in ("endog", "exog", "exog_dispersion"):
            setattr(averaged, name, getattr(model, name)[used])
        for name in ("offset", "exposure", "weights"):
            averaged.__dict__.pop(name, None)
        return averaged

    def _weighted(self, effects: Any) -> Any:
        if self.share is None:
            return effects
        return effects * self.share[:, None]

    def _derivative_exog(self, *args: Any, **options: Any) -> Any:
        return self._weighted(super()._derivative_exog(*args, **options))

    def _derivative_predict(self, *args: Any, **options: Any) -> Any:
        return self._weighted(super()._derivative_predict(*args, **options))


def _median(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Medians of the columns if each row stood there as often as its weight says."""
    if (weight % 1.0).any():
        msg = "at='median' needs weights that are whole numbers; use at='mean' or 'overall'."
        raise UnavailableError(msg)
    order = np.argsort(values, axis=0, kind="stable")
    ends = np.cumsum(weight[order], axis=0)
    half = 0.5 * weight.sum()
    low = (ends < half).sum(axis=0)
    high = (ends <= half).sum(axis=0)
    columns = np.arange(values.shape[1])
    picked = (values[order[rows, columns], columns] for rows in (low, high))
    return np.asarray(sum(picked) * 0.5)


class Margins(DiscreteMargins):
    """statsmodels' ``DiscreteMargins`` of a :class:`~nbglm.single.results.NegBinModelResults`.

    Parameters
    ----------
    fit : NegBinModelResults
        The fit.
    options : tuple
        ``at, method, atexog, dummy, count`` of ``get_margeff``.
    """

    def __init__(self, fit: Any, options: tuple[Any, ...]) -> None:
        self._fit = fit
        super().__init__(None, options)

    def _averaged_fit(self, at: str, atexog: Any) -> tuple[SimpleNamespace, Any]:
        """What statsmodels is to take for the fit, and the rows that it is to use."""
        model = _Averaged.of(self._fit.model)
        params = np.asarray(self._fit.params, dtype=np.float64)
        cov = np.array(self._fit.cov_params_default)
        p = model.exog.shape[1]
        unused = self._aliased.copy()
        unused[p:] = True
        cov[unused] = cov[:, unused] = 0.0
        averaged = SimpleNamespace(
            model=model,
            params=np.where(unused, 0.0, params),
            cov_params=lambda: cov,
            _get_endog_name=self._fit._get_endog_name,  # noqa: SLF001 - of statsmodels
        )
        frequency = self._fit.model.frequencies()
        frequency = frequency[frequency > 0]
        if np.ptp(frequency) == 0.0 or isinstance(atexog, np.ndarray):
            return averaged, atexog
        if at == "overall":
            model.share = frequency / frequency.mean()
        if at in ("mean", "median"):
            rows = model.exog.copy()
            for column, value in (atexog or {}).items():
                rows[:, column] = value
            middle = np.average(rows, axis=0, weights=frequency) if at == "mean" else None
            return averaged, np.atleast_2d(_median(rows, frequency) if middle is None else middle)
        return averaged, atexog

    @property
    def _aliased(self) -> NDArray[np.bool_]:
        return np.asarray(self._fit.coef_status == "aliased")

    def get_margeff(
        self,
        at: str = "overall",
        method: str = "dydx",
        atexog: Any = None,
        dummy: bool = False,
        count: bool = False,
    ) -> None:
        """Compute the effects: see :meth:`NegBinModelResults.get_margeff`."""
        at, method = (text.lower() if isinstance(text, str) else text for text in (at, method))
        check_choice("at", at, _AT)
        check_choice("method", method, _METHODS)
        width = self._fit.model.exog.shape[1]
        if isinstance(atexog, dict):
            for column in atexog:
                if not isinstance(column, int | np.integer) or not -width <= column < width:
                    msg = f"atexog has the key {column!r}; keys are columns, 0 to {width - 1}."
                    raise OptionError(msg)
        elif atexog is not None:
            atexog = np.array(atexog, dtype=np.float64, ndmin=2)
            if atexog.shape[1] != width:
                msg = f"atexog has {atexog.shape[1]} columns; exog has {width}."
                raise AlignmentError(msg)
        self.results, rows = self._averaged_fit(at, atexog)
        try:
            with np.errstate(invalid="ignore"):  # the root of a negative variance: see below
                super().get_margeff(at, method, rows, dummy, count)
        except ValueError as error:
            # Combinations that statsmodels rules out, such as dummy=True with at="zero".
            raise OptionError(str(error)) from error
        if at != "all" and (np.diag(np.atleast_2d(self.margeff_cov)) < 0.0).any():
            msg = (
                "rounding leaves no variance of the marginal effects, since a column of exog "
                "hardly varies beside its size; fit with that column centred."
            )
            raise UnavailableError(msg)
        varies = self.results.model.exog.var(axis=0) != 0.0
        lost = self._aliased[:width][varies]
        self.margeff[..., lost] = np.nan
        if at != "all":
            self.margeff_se[lost] = np.nan

    def summary(self, alpha: float = 0.05) -> Any:
        """Table of the effects, as statsmodels makes it."""
        # It takes one constant column out of the names, and all of them out of the effects.
        model = copy(self.results.model)
        further = np.flatnonzero(model.exog.var(axis=0) == 0.0)[1:]
        model.named = [name for j, name in enumerate(model.exog_names) if j not in further]
        listed = copy(self)
        listed.results = SimpleNamespace(**{**vars(self.results), "model": model})
        summary = super(Margins, listed).summary(alpha)
        summary.tables[0].title = "NegBinModel Marginal Effects"
        return summary
