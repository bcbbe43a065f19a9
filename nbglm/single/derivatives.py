"""The likelihood of one response and its derivatives, observation by observation.

In the form in which statsmodels' own code takes them: what it can do with a count model works here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import polygamma
from statsmodels.discrete.discrete_model import CountModel

from nbglm.exceptions import OptionError, UnavailableError
from nbglm.kernels.expected import expected_mean_information, expected_size_information
from nbglm.kernels.likelihood import loglik, score
from nbglm.single.refused import RefusedOfModel

__all__ = ["Derivatives"]

FloatArray = NDArray[np.float64]


class Derivatives(RefusedOfModel, CountModel):
    """Log-likelihood and derivatives of :class:`~nbglm.single.likelihood.NegBinLikelihood`."""

    endog: FloatArray
    exog: FloatArray
    exog_dispersion: FloatArray
    k_mean: int
    k_extra: int

    def _get_exogs(self) -> tuple[FloatArray, FloatArray]:
        return self.exog, self.exog_dispersion

    def require_data(self) -> None:
        """Refuse to go on without the data.

        Raises
        ------
        UnavailableError
            If ``remove_data`` was called.
        """
        if self.exog is None:
            msg = "the data of this model were removed by remove_data(); make the model again."
            raise UnavailableError(msg)

    def total_offset(self) -> FloatArray:
        """Offset and log exposure of the rows of the model."""
        self.require_data()
        total = np.zeros(self.exog.shape[0])
        for name in ("offset", "exposure"):
            total = total + getattr(self, name, 0.0)
        return np.asarray(total)

    def frequencies(self) -> FloatArray:
        """Frequency weights of the rows of the model; 1 if there are none."""
        self.require_data()
        return np.asarray(getattr(self, "weights", np.ones(self.exog.shape[0])))

    def check_params(self, params: ArrayLike) -> NDArray[Any]:
        """Coefficients as an array of the right length.

        Parameters
        ----------
        params : array_like
            ``[beta, gamma]``; complex numbers are left as they are.

        Returns
        -------
        ndarray, shape (p + q,)

        Raises
        ------
        OptionError
            If there are more or fewer.
        """
        theta = np.asarray(params)
        p, q = self.k_mean, self.k_extra
        if theta.shape != (p + q,):
            msg = (
                f"params must hold {p + q} coefficients, {p} of the mean and then {q} of the "
                f"dispersion; its shape is {theta.shape}."
            )
            raise OptionError(msg)
        return theta

    def _predictors(self, params: ArrayLike) -> tuple[FloatArray, FloatArray]:
        theta, p = self.check_params(params).astype(np.float64), self.k_mean
        self.require_data()
        return self.total_offset() + self.exog @ theta[:p], self.exog_dispersion @ theta[p:]

    def loglikeobs(self, params: ArrayLike) -> FloatArray:
        """Log-likelihood of each observation, times its weight, at ``[beta, gamma]``."""
        return self.frequencies() * loglik(self.endog, *self._predictors(params))

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
            Whether these are the observed ones, or their expectations.

        Returns
        -------
        tuple of ndarray
            By log mean and log size; then the second derivatives, if wanted.
        """
        eta, zeta = self._predictors(params)
        weight = self.frequencies()
        factors = score(self.endog, eta, zeta) * weight[:, None]
        first, second = tuple(factors.T[:2]), tuple(factors.T[2:])
        if not observed:
            second = (
                -weight * expected_mean_information(np.exp(eta), zeta),
                np.zeros_like(eta),
                -weight * expected_size_information(eta, zeta),
            )
        return (first, second) if return_hessian else first

    def score_factor(self, params: ArrayLike) -> Any:
        """First derivatives by log mean and log size, observation by observation."""
        return self.score_hessian_factor(params)

    def hessian_factor(self, params: ArrayLike, observed: bool = True) -> Any:
        """Second derivatives by the linear predictors, observation by observation."""
        return self.score_hessian_factor(params, return_hessian=True, observed=observed)[1]

    def score_obs(self, params: ArrayLike) -> FloatArray:
        """Scores of each observation, times its weight, shape (n, p + q)."""
        by_eta, by_zeta = self.score_factor(params)
        return np.hstack([by_eta[:, None] * self.exog, by_zeta[:, None] * self.exog_dispersion])

    def score(self, params: ArrayLike) -> FloatArray:
        """Gradient of the log-likelihood."""
        return np.asarray(self.score_obs(params).sum(axis=0))

    def hessian(self, params: ArrayLike, observed: bool = True) -> FloatArray:
        """Hessian of the log-likelihood, or its expectation."""
        x, z = self._get_exogs()
        mean, cross, size = self.hessian_factor(params, observed)
        mixed = x.T @ (cross[:, None] * z)
        return np.block([[x.T @ (mean[:, None] * x), mixed], [mixed.T, z.T @ (size[:, None] * z)]])

    def information(self, params: ArrayLike) -> FloatArray:
        """Fisher information of ``[beta, gamma]``, shape (p + q, p + q)."""
        return -self.hessian(params, observed=False)

    def _deriv_mean_dparams(self, params: ArrayLike) -> FloatArray:
        mean = np.exp(self._predictors(params)[0])
        return np.hstack([mean[:, None] * self.exog, np.zeros_like(self.exog_dispersion)])

    def _deriv_score_obs_dendog(self, params: ArrayLike) -> FloatArray:
        """Derivative of the scores by the counts, as if these could be any number."""
        eta, zeta = self._predictors(params)
        # With r log(r / (r + mu)) + ... the score of zeta holds r psi(y + r) - y r / (r + mu).
        r = np.exp(np.minimum(zeta, 700.0))
        share = 1.0 / (1.0 + np.exp(eta - zeta))
        by_zeta = r * polygamma(1, self.endog + r) - share
        by_zeta = np.where(np.isfinite(by_zeta), by_zeta, 0.0)
        weight = self.frequencies()[:, None]
        return weight * np.hstack(
            [share[:, None] * self.exog, by_zeta[:, None] * self.exog_dispersion]
        )
