"""Confidence intervals of all coefficients, and the long table of everything."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nbglm.counts.genewise import Components
from nbglm.exceptions import NbglmWarning, OptionError, check_choice, some_of
from nbglm.inference.bounds import ProfileIntervals, profile_intervals
from nbglm.inference.levels import check_alpha
from nbglm.inference.selection import gene_positions, term_positions
from nbglm.inference.student import half_width
from nbglm.inference.tables import FitTables
from nbglm.status import COEF_STATUS

__all__ = ["FitIntervals"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_METHODS = ("wald", "profile")
_BEATEN = 1e-3  # log-likelihood by which a fit may be beaten before anybody is told


@dataclass(frozen=True)
class FitIntervals(FitTables):
    """:class:`~nbglm.inference.tables.FitTables` with confidence intervals."""

    def _limits(self, alpha: float) -> tuple[FloatArray, FloatArray]:
        """Wald limits of all coefficients."""
        with np.errstate(invalid="ignore"):
            half = half_width(alpha, self._std_err, self.degrees)
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
        genes: str | Iterable[str] | ArrayLike | None = None,
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
        genes : str, sequence of str, or array or Series of bool, optional
            Some of the genes, by their names or a mask; all by default.
        terms : str or sequence of str, optional
            Some of the coefficients (of either component), or all those of a term of the formulas.
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
        OptionError, InputTypeError
            If `alpha` is no significance level, `method` or a term is unknown, or a gene or term
            is named twice.
        UnknownNameError, AlignmentError
            If a gene is unknown, or a mask does not match the genes.

        Warns
        -----
        NbglmWarning
            Once, if Wald intervals were asked for and some do not exist. If a profile limit is NaN
            since no search could establish it, or a profile is higher than the fit.

        Notes
        -----
        Profile limits are where the deviance ``2 (llf - profile)`` reaches the ``1 - alpha``
        quantile of chi-squared with one degree of freedom. That holds for one-sided intervals too:
        for a gene without overdispersion it gives a lower limit of the log size,
        ``r > exp(lower)``.

        With covariates in the dispersion the values with a smaller deviance may lie in several
        pieces, since each end of a covariate's range can claim the overdispersion of a few counts.
        The interval is the smallest that holds the estimate and all pieces that were found; each
        finite limit was checked by a search from all starts, to 1e-6 of the deviance. A limit is
        infinite if the deviance at the far end is below the quantile, whatever it is on the way:
        the counts do not tell the estimate from a size that changes as steeply as you like.
        """
        if isinstance(alpha, str) and alpha in _METHODS:
            msg = f"conf_int({alpha!r}) takes its level first; write conf_int(method={alpha!r})."
            raise OptionError(msg)
        check_alpha(alpha)
        check_choice("method", method, _METHODS)
        rows = gene_positions(self.counts.genes, genes)
        columns = term_positions(self.coef_names, self._coefs_of_terms(), terms)
        if method == "profile":
            self.require_data('conf_int(method="profile")')
            self.require_likelihood('conf_int(method="profile")')
            wanted = np.zeros(self.arrays.coef.shape, dtype=bool)
            wanted[np.ix_(rows, columns)] = True
            found = profile_intervals(
                self.arrays,
                self.problem,
                self.counts,
                alpha,
                wanted,
                n_jobs=n_jobs,
                progress=progress,
            )
            self._warn_of_profiles(found)
            limits = found.limits
        else:
            limits = np.stack(self._limits(alpha), axis=2)
            _ = self._warned_of_limits
        return self._limit_tables(limits, rows, columns)

    def _warn_of_profiles(self, found: ProfileIntervals) -> None:
        """Say which limits are not known, and which fits a profile has beaten."""
        sentences = []
        if found.unsure.any():
            genes = self.gene_names[found.unsure.any(axis=1)]
            sentences.append(
                f"The profile limits of {found.unsure.sum()} coefficients of {len(genes)} genes "
                f"({some_of(genes)}) are NaN where no search could establish them."
            )
        lower = found.beaten > _BEATEN
        if lower.any():
            genes = self.gene_names[lower]
            sentences.append(
                f"The profiles of {len(genes)} genes ({some_of(genes)}) are higher than the fit, "
                f"by up to {found.beaten.max():.3g}: its maximum was missed there. Their "
                f"intervals are those of the higher maximum, widened to hold the estimate."
            )
        if sentences:
            warnings.warn(" ".join(sentences), NbglmWarning, stacklevel=3)

    def _coefs_of_terms(self) -> dict[str, list[int]]:
        """Positions of the coefficients of each term of either formula."""
        mean, size = self.design.mean, self.design.dispersion
        out: dict[str, list[int]] = {}
        for predictor, start in ((mean, 0), (size, len(mean.terms))):
            for name, where in predictor.term_slices.items():
                out.setdefault(name, []).extend(range(start + where.start, start + where.stop))
        return out

    def _limit_tables(
        self, limits: FloatArray, rows: IntArray, columns: IntArray
    ) -> dict[str, pd.DataFrame]:
        """Limits of shape (genes, p + q, 2) as tables terms x (gene, lower or upper)."""
        p = len(self.design.mean.terms)
        header = pd.MultiIndex.from_product(
            [self.gene_names[rows], ["lower", "upper"]], names=["gene", "limit"]
        )
        out = Components()
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
            After z the degrees of freedom ``df``, if tests refer to Student's t.
        """
        check_alpha(alpha)
        lower, upper = self._limits(alpha)
        degrees = {"df": self.degrees.ravel()} if self.use_t else {}
        genes, width = self.arrays.coef.shape
        return pd.DataFrame(
            {
                "gene": np.repeat(self.gene_names.to_numpy(), width),
                "component": np.tile(self.coef_names.get_level_values(0), genes),
                "term": np.tile(self.coef_names.get_level_values(1), genes),
                "coef": self.arrays.coef.ravel(),
                "std_err": self._std_err.ravel(),
                "z": self._z.ravel(),
                **degrees,
                "p_value": self._tail.p.ravel(),
                "log_p_value": self._tail.log_p.ravel(),
                "ci_lower": lower.ravel(),
                "ci_upper": upper.ravel(),
                "status": np.array(COEF_STATUS, dtype=object)[self.coef_codes].ravel(),
            }
        )
