"""Summaries of one response, as statsmodels prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary, summary_params, summary_params_frame

from nbglm.exceptions import OptionError, UnavailableError
from nbglm.inference.levels import check_alpha
from nbglm.report.safesummary import SafeSummary
from nbglm.single.likelihood import PREFIX
from nbglm.single.testing import Tests

__all__ = ["Summaries"]

_NEEDS_DATA = "needs the data"
_SCALE_NOTE = (
    "Mean: log link. Dispersion: log of the size r; Var = mu + mu^2 / r, "
    "larger r is LESS overdispersion."
)


class Summaries(Tests):
    """The tables of :class:`~nbglm.single.results.NegBinModelResults`."""

    def _columns(self, alpha: float, irr: bool) -> tuple[Any, ...]:
        """Estimates, errors, statistics, p-values and limits; the mean's as ratios if wanted."""
        check_alpha(alpha)
        params, error, limits = (
            np.array(part, dtype=np.float64)
            for part in (self.params, self.bse, cast("Any", self).conf_int(alpha))
        )
        if irr:
            mean = slice(0, len(self._tables.design.mean.terms))
            with np.errstate(over="ignore"):
                params[mean], limits[mean] = np.exp(params[mean]), np.exp(limits[mean])
            error[mean] *= params[mean]
        return self, params, error, np.asarray(self.tvalues), np.asarray(self.pvalues), limits

    def summary_frame(self, alpha: float = 0.05, *, irr: bool = False) -> pd.DataFrame:
        """Table of coefficients.

        Parameters
        ----------
        alpha : float
            Significance level of the intervals.
        irr : bool
            Incidence-rate ratios ``exp(beta)`` in place of the mean's coefficients.

        Returns
        -------
        DataFrame
        """
        return summary_params_frame(
            self._columns(alpha, irr),
            xname=self._names(None),
            alpha=alpha,
            use_t=self._tables.use_t,
        )

    def _names(self, xname: Sequence[str] | None) -> list[str]:
        names = [str(name) for name in self.model.data.xnames]
        if xname is None:
            return names
        if isinstance(xname, str) or len(xname) != len(names):
            msg = (
                f"xname must have a name for each of the {len(names)} coefficients; got {xname!r}."
            )
            raise OptionError(msg)
        return [str(name) for name in xname]

    def summary(
        self,
        alpha: float = 0.05,
        *,
        irr: bool = False,
        title: str | None = None,
        yname: str | None = None,
        xname: Sequence[str] | None = None,
    ) -> Summary:
        """Table of coefficients for the mean and for the dispersion.

        Parameters
        ----------
        alpha : float
            Significance level of the intervals.
        irr : bool
            Incidence-rate ratios ``exp(beta)`` in place of the mean's coefficients; the tests are
            still those of the coefficients.
        title : str, optional
            In place of the default.
        yname, xname : str and sequence of str, optional
            Names of the response and of the coefficients, in place of those of the model.

        Returns
        -------
        statsmodels.iolib.summary.Summary

        Raises
        ------
        OptionError
            If `alpha` is no significance level, or `xname` has another length.
        """
        names = self._names(xname)
        response = yname or self.gene_name
        left = [
            ("Dep. Variable:", [response]),
            ("Model:", ["NegBin (mean, size)"]),
            ("Method:", ["MLE"]),
            ("Status:", [self.status]),
            ("Evaluations:", [str(self.n_iter)]),
            ("Covariance Type:", [self.cov_type]),
            ("AIC:", [f"{self.aic:#.8g}"]),
        ]
        right = [
            ("No. Observations:", [f"{self.nobs:g}"]),
            ("Df Residuals:", [f"{self.df_resid:g}"]),
            ("Df Model:", [f"{self.df_model:g}"]),
            ("Pseudo R-squ.:", [self._beside_null("prsquared", 4)]),
            ("Log-Likelihood:", [f"{self.llf:#.8g}"]),
            ("LL-Null:", [self._beside_null("llnull", 8)]),
            ("LLR p-value:", [self._beside_null("llr_pvalue", 4)]),
        ]
        summary = SafeSummary()
        heading = title or f"Negative binomial regression: {response}"
        summary.add_table_2cols(self, gleft=left, gright=right, title=heading)
        table = summary_params(
            self._columns(alpha, irr), xname=names, alpha=alpha, use_t=self._tables.use_t
        )
        if irr:
            table[0][1].data = "IRR"
        summary.tables.append(table)
        summary.add_extra_txt(self._notes(irr))
        return summary

    def _beside_null(self, name: str, digits: int) -> str:
        """A number that needs the fit of the null model, and that of the data."""
        try:
            return f"{getattr(self, name):#.{digits}g}"
        except UnavailableError:
            return _NEEDS_DATA

    def _notes(self, irr: bool) -> list[str]:
        notes = [] if self.status == "ok" else [self.explanation.splitlines()[0]]
        if self._tables.use_t:
            notes.append(f"Tests and intervals: {self._tables.cov.reference} (df_tests).")
        if irr:
            notes.append(f"IRR: exp(coef) of the mean; rows '{PREFIX}...' are coefficients.")
        notes.append(_SCALE_NOTE)
        unknown = self._tables.coef_codes[0] != self._tables.arrays.coef_status[0]
        notes += [
            f"{name}: {word}"
            for (name, word), lost in zip(self.coef_status.items(), unknown, strict=True)
            if lost or word not in ("ok", self.status)
        ]
        if np.isinf(np.asarray(self.params)).any():
            notes.append("The p-value of an infinite coefficient is from a likelihood-ratio test.")
        return notes
