"""What statsmodels' classes have and these do not offer: each says what to use instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from nbglm.exceptions import InputTypeError, UnavailableError, did_you_mean

__all__ = ["RefusedOfModel", "RefusedOfResults", "refuse_unknown_options"]

_OPTIMISER_OPTIONS = (
    *("start_params", "method", "maxiter", "full_output", "disp", "callback", "retall"),
    *("skip_hessian", "warn_convergence", "optim_score", "tol", "gtol"),
)


def _refuse(what: str, instead: str) -> NoReturn:
    msg = f"{what} is not offered. {instead}"
    raise UnavailableError(msg)


def refuse_unknown_options(what: str, options: Mapping[str, object]) -> None:
    """Accept the options of statsmodels' optimisers, of which none is needed, and no others.

    Parameters
    ----------
    what : str
        What was given them, for messages.
    options : mapping
        Keyword arguments.

    Raises
    ------
    InputTypeError
        If an option is unknown to statsmodels too.
    """
    for name in options:
        if name not in _OPTIMISER_OPTIONS:
            msg = f"{what} has no argument {name!r}."
            known = ("cov_type", "cov_kwds", "rank_deficient", *_OPTIMISER_OPTIONS)
            raise InputTypeError(msg + did_you_mean(name, known))


class RefusedOfModel:
    """Methods of statsmodels' count models that the likelihood has no use for."""

    def fit_regularized(self, *_args: Any, **_options: Any) -> NoReturn:
        """Refuse a penalty."""
        _refuse(
            "fit_regularized",
            "Leave columns out by nbglm.lr_test or compare(); with a constant dispersion "
            "statsmodels' NegativeBinomial has an L1 penalty.",
        )

    def fit_constrained(self, *_args: Any, **_options: Any) -> NoReturn:
        """Refuse a fit with coefficients held at values."""
        _refuse(
            "fit_constrained",
            "Test restrictions by wald_test or nbglm.lr_test, or hold a coefficient at a value by "
            "an offset.",
        )

    def cov_params_func_l1(self, *_args: Any, **_options: Any) -> NoReturn:
        """Refuse the covariance of a penalised fit."""
        _refuse("cov_params_func_l1", "It belongs to fit_regularized, which is not offered either.")

    def cdf(self, *_args: Any, **_options: Any) -> NoReturn:
        """Refuse the distribution function of a latent variable."""
        _refuse("cdf of a linear predictor", "get_distribution(params).cdf(counts) is of counts.")

    def pdf(self, *_args: Any, **_options: Any) -> NoReturn:
        """Refuse the density of a latent variable."""
        _refuse("pdf of a linear predictor", "get_distribution(params).pmf(counts) is of counts.")


class RefusedOfResults:
    """Methods of statsmodels' results that would change these in place."""

    def get_robustcov_results(self, *_args: Any, **_options: Any) -> NoReturn:
        """Refuse to change the covariance in place."""
        _refuse("get_robustcov_results", "with_cov(cov_type, cov_kwds) gives results with another.")

    _get_robustcov_results = get_robustcov_results
