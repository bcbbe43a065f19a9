r"""The adjusted profile likelihood of dispersion coefficients, for many genes at once.

With ``c`` the coefficients of the log size and ``b(c)`` the mean coefficients that are best for
them, it is (Cox and Reid 1987; McCarthy, Chen and Smyth 2012)::

    A(c) = l(b(c), c) - 1/2 log det I(b(c), c),      I = B' diag(w) B,   w = mu r / (mu + r)

where ``B`` is the mean design, ``I`` the expected information of its coefficients. The adjustment
takes out the bias towards too little dispersion that comes of fitting the mean to the same counts:
it is to the dispersion what ``n - p`` in place of ``n`` is to a variance. Its gradient is exact::

    dA/dc = sum_i l_zeta,i z_i - 1/2 sum_i h_i (w_i^2 / r_i z_i + w_i^2 / mu_i d eta_i / dc)
    d eta / dc = -B (B' diag(l_eta eta) B)^-1 B' diag(l_eta zeta) Z,       h_i = b_i' I^-1 b_i

The first sum is all that the likelihood contributes, since ``b(c)`` is a maximum. The second is the
derivative of the determinant; its last term is there because the mean follows the size. The
curvature of ``A`` comes from differences of this gradient.

References
----------
Cox, D. R. and Reid, N. (1987). Parameter orthogonality and approximate conditional inference.
*Journal of the Royal Statistical Society B* 49, 1-39. McCarthy, D. J., Chen, Y. and Smyth, G. K.
(2012). Differential expression analysis of multifactor RNA-Seq experiments with respect to
biological variation. *Nucleic Acids Research* 40, 4288-4297. The derivatives are worked out here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nbglm.dispersions.means import GivenSizes, MeanFit, fit_means, products, times
from nbglm.kernels.expected import expected_mean_information

__all__ = ["Adjusted", "Profile"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_DIFFERENCE = 1e-4  # in a log size, for second derivatives


@dataclass(frozen=True)
class Adjusted:
    """The adjusted profile likelihood at some dispersion coefficients.

    Attributes
    ----------
    value : ndarray, shape (genes,)
        ``A(c)``.
    gradient : ndarray, shape (genes, k)
        By ``c``.
    fit : MeanFit
        The mean there.
    """

    value: FloatArray
    gradient: FloatArray
    fit: MeanFit


@dataclass(frozen=True)
class Profile:
    """Genes that share both designs.

    Attributes
    ----------
    given : GivenSizes
        Counts and mean design.
    z : ndarray, shape (rows, k)
        Orthonormal columns of the dispersion design; rows of the Poisson are 0.
    poisson : ndarray of bool, shape (rows,)
        Rows whose size is infinite.
    adjust : bool
        Whether the determinant is taken off; the plain profile likelihood otherwise.
    """

    given: GivenSizes
    z: FloatArray
    poisson: BoolArray
    adjust: bool = True

    def of_genes(self, chosen: IntArray | BoolArray) -> Profile:
        """The same of some genes."""
        return replace(self, given=self.given.of_genes(chosen))

    def log_sizes(self, c: FloatArray) -> FloatArray:
        """Log sizes, shape (genes, rows)."""
        zeta = times(self.z, c)
        return np.where(self.poisson, np.inf, zeta)

    def at(self, c: FloatArray, start: FloatArray) -> Adjusted:
        """Value and gradient.

        Parameters
        ----------
        c : ndarray, shape (genes, k)
            Dispersion coefficients.
        start : ndarray, shape (genes, p)
            Mean coefficients to begin with.

        Returns
        -------
        Adjusted
        """
        zeta = self.log_sizes(c)
        fit = fit_means(self.given, zeta, start)
        weight, basis = self.given.weight, self.given.basis
        by_zeta = weight * fit.terms[:, :, 2]
        value = np.sum(weight * fit.terms[:, :, 0], axis=1)
        gradient = _along(by_zeta, self.z)
        if self.adjust and basis.shape[1]:
            with np.errstate(over="ignore", divide="ignore"):
                mean = np.exp(fit.eta)
                size_share = 1.0 / (1.0 + np.exp(zeta - fit.eta))  # w / r
            information = expected_mean_information(mean, zeta)
            matrix = products(basis, weight * information, basis)
            sign, log_determinant = np.linalg.slogdet(matrix)
            value = value - 0.5 * np.where(sign > 0, log_determinant, np.inf)
            leverage = _leverages(basis, matrix) * weight * information
            follows = self._follow(fit)
            gradient = gradient - 0.5 * _along(leverage * size_share, self.z)
            moved = (leverage * (1.0 - size_share))[:, None, :] @ follows
            gradient = gradient - 0.5 * moved[:, 0, :]
        return Adjusted(value, gradient, fit)

    def _follow(self, fit: MeanFit) -> FloatArray:
        """How the log means follow the dispersion coefficients, shape (genes, rows, k)."""
        weight, basis = self.given.weight, self.given.basis
        observed = products(basis, weight * fit.terms[:, :, 3], basis)
        cross = products(basis, weight * fit.terms[:, :, 4], self.z)
        return np.asarray(basis @ -np.linalg.solve(observed, cross))

    def curvature(self, c: FloatArray, fit: MeanFit) -> FloatArray:
        """Minus the second derivatives, by differences of the gradient, shape (genes, k, k)."""
        k = c.shape[1]
        rows = []
        for j in range(k):
            step = np.zeros(k)
            step[j] = _DIFFERENCE / max(np.abs(self.z[:, j]).max(), 1e-300)
            up, down = self.at(c + step, fit.b), self.at(c - step, fit.b)
            rows.append((down.gradient - up.gradient) / (2.0 * step[j]))
        matrix = np.stack(rows, axis=1)
        return 0.5 * (matrix + np.swapaxes(matrix, 1, 2))


def _along(values: FloatArray, design: FloatArray) -> FloatArray:
    """``design.T @ values`` for each gene."""
    return np.asarray((values[:, None, :] @ design)[:, 0, :])


def _leverages(basis: FloatArray, matrix: FloatArray) -> FloatArray:
    """``b_i' matrix^-1 b_i`` of each row, shape (genes, rows)."""
    solved = np.linalg.solve(matrix, np.broadcast_to(basis.T, (len(matrix), *basis.T.shape)))
    return np.asarray(np.sum(basis.T * solved, axis=1))
