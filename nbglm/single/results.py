"""Results of one response; summaries, contrasts and tests are statsmodels' code."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc
from statsmodels.base.model import LikelihoodModelResults
from statsmodels.base.wrapper import populate_wrapper
from statsmodels.discrete.discrete_model import CountResultsWrapper

from nbglm.counts.genewise import own_table
from nbglm.exceptions import OptionError, UnavailableError, check_choice
from nbglm.inference.dropping import without_data
from nbglm.inference.explain import explain_gene
from nbglm.inference.levels import check_alpha
from nbglm.inference.methods import FitInference
from nbglm.inference.student import half_width
from nbglm.single.display import results_html, results_text
from nbglm.single.keeping import Keeping
from nbglm.single.likelihood import NegBinLikelihood
from nbglm.single.refused import RefusedOfResults, refuse_unknown_options
from nbglm.single.summaries import Summaries
from nbglm.single.trials import Trials
from nbglm.status import COEF_STATUS, GENE_STATUS

__all__ = ["NegBinModelResults", "NegBinModelResultsWrapper"]

FloatArray = NDArray[np.float64]


class NegBinModelResults(Keeping, Trials, RefusedOfResults, Summaries):
    """Fit of one response: coefficients ``[beta, gamma]`` with statsmodels' inference.

    Coefficients of the dispersion are named ``dispersion-<term>`` and are on the scale of the log
    size. Made by :meth:`nbglm.NegBinModel.fit` and :meth:`nbglm.NegBinResults.gene`.

    Parameters
    ----------
    model : NegBinLikelihood
        Counts and designs.
    tables : FitInference
        The fit of this response alone.
    """

    _data_attr: list[str]

    def __init__(self, model: NegBinLikelihood, tables: FitInference) -> None:
        LikelihoodModelResults.__init__(
            self, model, tables.arrays.coef[0].copy(), normalized_cov_params=None, scale=1.0
        )
        self._tables = tables
        self._keep_null = False
        self.method = "MLE"
        self.cov_params_default = tables.covariance_of(0)
        self.cov_type = tables.cov_type
        self.cov_kwds: dict[str, Any] = {}
        self.gene_name = str(tables.gene_names[0])
        self.status = GENE_STATUS[tables.arrays.status[0]]
        self.coef_status = pd.Series(
            np.array(COEF_STATUS, dtype=object)[tables.coef_codes[0]],
            index=model.data.xnames,
        )
        self.explanation = explain_gene(tables, 0)
        self.converged = bool(tables.arrays.converged[0])
        self.mle_retvals = {"converged": self.converged}
        self.nobs = tables.nobs
        self.df_model, self.df_resid = tables.df_model, tables.df_resid
        self.n_params = tables.n_params
        self.n_iter = int(tables.arrays.evaluations[0])
        self._data_attr = [*self._data_attr, "model.offset", "model.exposure", "model.weights"]

    @property
    def use_t(self) -> bool:
        """Whether tests refer to Student's t (and F); chosen at the fit, or by ``with_cov``."""
        return self._tables.use_t

    @use_t.setter
    def use_t(self, value: bool) -> None:
        if bool(value) != self._tables.use_t:
            msg = "use_t is chosen at the fit, or by with_cov(cov_type, {'use_t': ...})."
            raise UnavailableError(msg)

    @property
    def df_tests(self) -> FloatArray:
        """Degrees of freedom of the tests of all coefficients; infinite for normal ones."""
        return self._tables.degrees[0].copy()

    def __repr__(self) -> str:
        return results_text(self)

    def _repr_html_(self) -> str:
        return results_html(self)

    # Estimates ------------------------------------------------------------------------------

    @cached_property
    def llf(self) -> float:
        """Maximised log-likelihood; its supremum at a limit."""
        return float(self._tables.arrays.llf[0])

    @cached_property
    def aic(self) -> float:
        """Akaike's criterion."""
        return 2.0 * self.n_params - 2.0 * self.llf

    @cached_property
    def bic(self) -> float:
        """Schwarz' criterion."""
        return float(np.log(self.nobs)) * self.n_params - 2.0 * self.llf

    @cached_property
    def llnull(self) -> float:
        """Log-likelihood with a constant mean (beside the offset) and a constant size."""
        self._require_data("llnull")
        model = self.model
        ones = np.ones(model.endog.size)
        null = type(model)(np.asarray(model.endog), ones, **model.null_arguments()).fit()
        if self._keep_null:
            self.res_null = null
        return float(null.llf)

    @cached_property
    def llr(self) -> float:
        """Likelihood-ratio statistic against the null model."""
        return -2.0 * (self.llnull - self.llf)

    @cached_property
    def prsquared(self) -> float:
        """McFadden's pseudo R-squared; NaN without a count, of which every model is certain."""
        return 1.0 - self.llf / self.llnull if self.llnull < 0.0 else float("nan")

    @cached_property
    def llr_pvalue(self) -> float:
        """P-value of the likelihood-ratio test against the null model."""
        df = self.n_params - 2
        if df <= 0 or self.status == "all_zero":
            return float("nan")
        return float(chdtrc(df, max(self.llr, 0.0)))

    def set_null_options(
        self, llnull: float | None = None, attach_results: bool = True, **kwargs: Any
    ) -> None:
        """Set the log-likelihood of the null model, or keep its results as ``res_null``.

        Parameters
        ----------
        llnull : float, optional
            Its log-likelihood, in place of that of a fit.
        attach_results : bool
            Whether to keep the results of the null model when it is fitted.
        **kwargs
            Options of statsmodels' optimisers, of which none is needed.
        """
        refuse_unknown_options("set_null_options", kwargs)
        for name in ("llnull", "llr", "llr_pvalue", "prsquared", "res_null"):
            self.__dict__.pop(name, None)
        if llnull is not None:
            self.llnull = float(llnull)
        self._keep_null = attach_results

    def info_criteria(self, crit: str, dk_params: float = 0) -> Any:
        """Information criteria.

        Parameters
        ----------
        crit : str
            ``"aic"``, ``"bic"``, ``"tic"`` (Takeuchi's) or ``"gbic"`` (of misspecified models; a
            pair, as in statsmodels).
        dk_params : float
            To be added to the number of coefficients, which counts those of the dispersion too.

        Returns
        -------
        float, or a pair of float

        Raises
        ------
        OptionError
            If the criterion is unknown.
        """
        check_choice("crit", crit, ("aic", "bic", "tic", "gbic"))
        k = self.n_params + dk_params
        if crit == "aic":
            return -2.0 * self.llf + 2.0 * k
        bic = -2.0 * self.llf + float(np.log(self.nobs)) * k
        if crit == "bic":
            return bic
        known = np.isfinite(np.diag(self.im_ratio))
        ratio = self.im_ratio[np.ix_(known, known)]
        trace = float(np.trace(ratio))
        if crit == "tic":
            return -2.0 * self.llf + 2.0 * trace
        gbic = bic - float(np.linalg.slogdet(ratio)[1])
        return gbic, gbic + trace

    @cached_property
    def bse(self) -> FloatArray:
        """Standard errors; NaN where an estimate is not finite."""
        return self._tables.std_err_of(0)

    @cached_property
    def pvalues(self) -> FloatArray:
        """P-values as in :attr:`nbglm.NegBinResults.pvalues`."""
        return self._tables.pvalues_of(0).p

    @cached_property
    def log_pvalues(self) -> FloatArray:
        """Natural logarithms of the p-values, finite where these underflow to 0."""
        return self._tables.pvalues_of(0).log_p

    def cov_params(self, *args: Any, **options: Any) -> FloatArray:
        """Covariance of the coefficients, or of combinations of them, as in statsmodels."""
        if any(isinstance(part, str) for part in (*args, *options.values())):
            msg = "cov_params() takes no names; take them from its table: cov_params().loc[...]."
            raise OptionError(msg)
        return np.array(super().cov_params(*args, **options))

    def conf_int(self, alpha: float = 0.05, method: str = "wald", cols: Any = None) -> Any:
        """Confidence intervals.

        Parameters
        ----------
        alpha : float
            Significance level.
        method : str
            ``"wald"`` or ``"profile"``, as in :meth:`nbglm.NegBinResults.conf_int`.
        cols : sequence of int, optional
            Positions of some coefficients.

        Returns
        -------
        array_like, shape (coefficients, 2)
            Lower and upper limits.

        Raises
        ------
        OptionError
            If `alpha` is no significance level, or another argument is unknown.
        """
        check_alpha(alpha)
        check_choice("method", method, ("wald", "profile"))
        if method == "wald":
            params = np.asarray(self.params, dtype=np.float64)
            half = half_width(alpha, self._tables.std_err_of(0), self._tables.degrees[0])
            with np.errstate(invalid="ignore"):
                limits = np.column_stack([params - half, params + half])
        else:
            self._require_data("conf_int(method='profile')")
            tables = self._tables.conf_int(alpha, method)
            limits = np.vstack([tables["beta"], tables["gamma"]])
        return limits if cols is None else limits[self._chosen(cols)]

    def _chosen(self, cols: Any) -> Any:
        chosen = np.atleast_1d(np.asarray(cols))
        width = len(self.model.data.xnames)
        whole = chosen.ndim == 1 and chosen.dtype.kind in "iub"
        inside = whole and (
            chosen.size == width
            if chosen.dtype.kind == "b"
            else ((chosen >= -width) & (chosen < width)).all()
        )
        if not inside:
            msg = f"cols must be positions of coefficients, 0 to {width - 1}; got {cols!r}."
            raise OptionError(msg)
        return chosen

    def with_cov(
        self, cov_type: str, cov_kwds: Mapping[str, Any] | None = None
    ) -> NegBinModelResultsWrapper:
        """The same estimates with another covariance: :meth:`nbglm.NegBinResults.with_cov`."""
        self._require_data("with_cov")
        tables = self._tables.with_cov(cov_type, cov_kwds)
        return NegBinModelResultsWrapper(type(self)(self.model, tables))

    def remove_data(self) -> None:
        """Drop what is as long as the data, as in statsmodels.

        New rows can still be predicted, and all coefficients tested; ``summary()`` leaves out the
        null model, unless it was fitted before.
        """
        if self._has_data:
            self._tables = without_data(self._tables, limit_tests=True)
            self.forget_rows()

    def forget_rows(self) -> None:
        """Drop the rows of the model, once its tables do without data."""
        super().remove_data()
        self.model.forget_data(self._tables.design)


class NegBinModelResultsWrapper(CountResultsWrapper):
    """:class:`NegBinModelResults` with labelled tables, as statsmodels' own results have.

    Tables are copies: who writes into one changes nothing else that the fit says.
    """

    _wrap_attrs: ClassVar = {**CountResultsWrapper._wrap_attrs, "log_pvalues": "columns"}  # noqa: SLF001

    def __repr__(self) -> str:
        return repr(self._results)

    def _repr_html_(self) -> str:
        return str(self._results._repr_html_())

    def save(self, path: Any, *, data: bool = False, overwrite: bool | None = None) -> None:
        """Keep the fit in a file: :meth:`NegBinModelResults.save`."""
        self._results.save(path, data=data, overwrite=overwrite)

    @classmethod
    def load(cls, fname: Any) -> NoReturn:
        """Refuse a pickle, which can do all that a Python program can."""
        NegBinModelResults.load(fname)

    def __getattribute__(self, name: str) -> Any:
        """An attribute, with labels; a copy if it could be written into."""
        value = super().__getattribute__(name)
        if isinstance(value, np.ndarray):
            return value.copy()
        return own_table(value) if isinstance(value, pd.Series | pd.DataFrame) else value


populate_wrapper(NegBinModelResultsWrapper, NegBinModelResults)
