"""Confidence intervals of all coefficients, and the long table of everything."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from nbglm.exceptions import NbglmWarning, OptionError, check_choice, did_you_mean, some_of
from nbglm.limits import profile_intervals
from nbglm.status import COEF_STATUS
from nbglm.tables import FitTables

__all__ = ["FitIntervals", "check_level"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def check_level(alpha: float, what: str = "alpha is the significance level") -> None:
    """Refuse what is no significance level.

    Parameters
    ----------
    alpha : float
        Such as 0.05.
    what : str
        How the message begins.

    Raises
    ------
    ValueError
        If it is not between 0 and 1.
    """
    if not 0.0 < alpha < 1.0:
        msg = f"{what}, between 0 and 1; got {alpha}."
        raise OptionError(msg)


@dataclass(frozen=True)
class FitIntervals(FitTables):
    """:class:`~nbglm.tables.FitTables` with confidence intervals."""

    def _limits(self, alpha: float) -> tuple[FloatArray, FloatArray]:
        """Wald limits of all coefficients."""
        with np.errstate(invalid="ignore"):
            half = -ndtri(alpha / 2.0) * self._std_err
            # inf - NaN is NaN: an infinite estimate has no Wald interval.
            return self.arrays.coef - half, self.arrays.coef + half

    @cached_property
    def _warned_of_limits(self) -> bool:
        """Say, at the first use, that some Wald intervals do not exist."""
        infinite = np.isinf(self.arrays.coef)
        if infinite.any():
            genes = self.gene_names[infinite.any(axis=1)]
            msg = (
                f"{infinite.sum()} coefficients of {len(genes)} genes have infinite estimates "
                f"({some_of(genes)}); their Wald intervals are NaN. "
                f"conf_int(method='profile') gives the finite end of each."
            )
            warnings.warn(msg, NbglmWarning, stacklevel=4)
        return True

    def conf_int(
        self,
        alpha: float = 0.05,
        method: str = "wald",
        *,
        genes: str | Iterable[str] | None = None,
        terms: str | Iterable[str] | None = None,
        n_jobs: int | None = None,
        progress: bool | None = None,
    ) -> dict[str, pd.DataFrame]:
        """Confidence intervals of the coefficients.

        Parameters
        ----------
        alpha : float
            Significance level; 0.05 gives 95 % intervals.
        method : str
            ``"wald"``: estimate and standard error; NaN where the estimate is infinite.
            ``"profile"``: the values that a likelihood-ratio test does not reject, with one
            finite end where the estimate is infinite. Each needs some ten fits.
        genes, terms : str or sequence of str, optional
            Some of the genes, and some of the terms (of either component); all by default.
        n_jobs : int, optional
            For profiles, as joblib understands it.
        progress : bool, optional
            For profiles: whether to show a progress bar; by default after a second.

        Returns
        -------
        dict of DataFrame
            ``beta`` and ``gamma``; columns ``(gene, "lower")`` and ``(gene, "upper")``.

        Raises
        ------
        ValueError
            If `alpha` is not between 0 and 1, or `method` or a term is unknown.
        KeyError
            If a gene is unknown.

        Warns
        -----
        NbglmWarning
            Once, if Wald intervals were asked for and some do not exist.

        Notes
        -----
        Profile limits are where ``2 (llf - profile)`` reaches the ``1 - alpha`` quantile of
        chi-squared with one degree of freedom. That holds for one-sided intervals too: for a gene
        without overdispersion it gives a lower limit of the log size, ``r > exp(lower)``.
        """
        check_level(alpha)
        check_choice("method", method, ("wald", "profile"))
        rows = self._chosen_genes(genes)
        columns = self._chosen_terms(terms)
        if method == "profile":
            wanted = np.zeros(self.arrays.coef.shape, dtype=bool)
            wanted[np.ix_(rows, columns)] = True
            limits = profile_intervals(
                self.arrays,
                self.problem,
                self.counts,
                alpha,
                wanted,
                n_jobs=n_jobs,
                progress=progress,
            )
        else:
            limits = np.stack(self._limits(alpha), axis=2)
            _ = self._warned_of_limits
        return self._limit_tables(limits, rows, columns)

    def _chosen_genes(self, genes: str | Iterable[str] | None) -> IntArray:
        if genes is None:
            return np.arange(len(self.gene_names))
        names = [genes] if isinstance(genes, str) else list(genes)
        return np.array([self._position(name) for name in names], dtype=np.int64)

    def _chosen_terms(self, terms: str | Iterable[str] | None) -> IntArray:
        known = self.coef_names.get_level_values("term")
        if terms is None:
            return np.arange(len(known))
        names = [terms] if isinstance(terms, str) else list(terms)
        for name in names:
            if name not in known:
                msg = f"there is no term {name!r}; the terms are {some_of(known.unique(), 9)}."
                raise OptionError(msg + did_you_mean(name, known))
        return np.flatnonzero(known.isin(names))

    def _limit_tables(
        self, limits: FloatArray, rows: IntArray, columns: IntArray
    ) -> dict[str, pd.DataFrame]:
        """Limits of shape (genes, p + q, 2) as tables terms x (gene, lower or upper)."""
        p = len(self.design.mean.terms)
        header = pd.MultiIndex.from_product(
            [self.gene_names[rows], ["lower", "upper"]], names=["gene", "limit"]
        )
        out = {}
        for part, chosen in (("beta", columns[columns < p]), ("gamma", columns[columns >= p])):
            values = limits[np.ix_(rows, chosen)].transpose(1, 0, 2)
            index = self.coef_names.get_level_values("term")[chosen]
            out[part] = pd.DataFrame(
                values.reshape(chosen.size, 2 * rows.size), list(index), header
            )
        return out

    def to_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """All coefficients in one long table.

        Parameters
        ----------
        alpha : float
            Significance level of the intervals.

        Returns
        -------
        DataFrame
            One row a coefficient: gene, component, term, coef, std_err, z, p_value, log_p_value
            (natural logarithm, finite where p_value underflows to 0), ci_lower, ci_upper, status.
        """
        check_level(alpha)
        lower, upper = self._limits(alpha)
        genes, width = self.arrays.coef.shape
        return pd.DataFrame(
            {
                "gene": np.repeat(self.gene_names.to_numpy(), width),
                "component": np.tile(self.coef_names.get_level_values(0), genes),
                "term": np.tile(self.coef_names.get_level_values(1), genes),
                "coef": self.arrays.coef.ravel(),
                "std_err": self._std_err.ravel(),
                "z": self._z.ravel(),
                "p_value": self._tail.p.ravel(),
                "log_p_value": self._tail.log_p.ravel(),
                "ci_lower": lower.ravel(),
                "ci_upper": upper.ravel(),
                "status": np.array(COEF_STATUS, dtype=object)[self.coef_codes].ravel(),
            }
        )
