"""Coefficients and their inference as labelled tables: a row a term, a column a gene.

Every table is made anew from the arrays of the fit, which are read-only: whoever writes into one
changes his own copy, and nothing else that the fit says.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import NbglmWarning
from nbglm.fit.clusters import covariance_rule, few_clusters, known_kind
from nbglm.fit.covariance import Covariances, covariances
from nbglm.inference.bounds import LimitTests, limit_tests
from nbglm.inference.evidence import Evidence
from nbglm.inference.fitted import FittedGenes
from nbglm.inference.pvalues import Tail
from nbglm.inference.remains import Remains, refuse
from nbglm.inference.student import t_tail
from nbglm.status import COEF_STATUS

__all__ = ["FitTables"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_OK = COEF_STATUS.index("ok")
_NOT_IDENTIFIED = COEF_STATUS.index("not_identified")


@dataclass(frozen=True)
class FitTables(FittedGenes):
    """:class:`~nbglm.inference.fitted.FittedGenes` with the coefficients and their inference."""

    @property
    def params(self) -> dict[str, pd.DataFrame]:
        """Coefficients: ``beta`` of the log mean and ``gamma`` of the log size, terms x genes.

        Infinite at a limit (see :attr:`coef_status`), NaN for aliased and unidentified terms.
        """
        return self._split(self.arrays.coef)

    @cached_property
    def covariances(self) -> Covariances:
        """Covariances of all genes, and which combinations of coefficients they tell of."""
        if self.remains is not None:
            return self.remains.covariances
        if self.cov.kind == "oim" and not self.cov.use_t:  # without a look at the design
            return Covariances(self.arrays.root, self.arrays.root)
        return covariances(
            self.cov.kind,
            self.arrays,
            self.counts,
            self.design.mean.matrix,
            self.design.dispersion.matrix,
            self.problem.layout,
            rank=int((~self.problem.aliased).sum()),
            groups=self.cov.groups,
            use_correction=self.cov.use_correction,
            use_t=self.cov.use_t,
        )

    @property
    def root(self) -> FloatArray:
        """Factors of the covariances of all genes, ``root @ root.T``, shape (genes, k, k)."""
        return self.covariances.root

    @cached_property
    def _identified(self) -> NDArray[np.bool_]:
        """Which coefficients of which genes the covariances tell of, shape (genes, k)."""
        return self.covariances.identified(np.eye(self.arrays.coef.shape[1]))

    @cached_property
    def _std_err(self) -> FloatArray:
        length = np.linalg.norm(self.root, axis=2)
        return np.where(self.arrays.known & self._identified, length, np.nan)

    @cached_property
    def coef_codes(self) -> NDArray[np.int8]:
        """Positions in ``COEF_STATUS``, shape (genes, k): see :attr:`coef_status`."""
        codes = self.arrays.coef_status
        unknown = (codes == _OK) & ~self._identified
        told = np.where(unknown, _NOT_IDENTIFIED, codes).astype(np.int8)
        told.flags.writeable = False
        return told

    @cached_property
    def degrees(self) -> FloatArray:
        """Degrees of freedom of the tests of all coefficients, shape (genes, k).

        Infinite where they refer to the normal distribution.
        """
        found = self.covariances.degrees(np.eye(self.arrays.coef.shape[1]))
        told = np.where(np.isfinite(self._std_err), found, np.nan) if self.use_t else found
        told.flags.writeable = False
        return told

    @property
    def use_t(self) -> bool:
        """Whether tests and intervals refer to Student's t, and joint tests to F."""
        return self.cov.use_t

    @property
    def df_tests(self) -> dict[str, pd.DataFrame]:
        """Degrees of freedom of the tests that a coefficient is 0, in the shape of :attr:`params`.

        Infinite where they refer to the normal distribution; Satterthwaite's for ``HC2``, ``HC3``,
        ``CR1``, ``CR2`` and ``CR3``; clusters less 1 for ``cluster``.
        """
        return self._split(self.degrees)

    def std_err_of(self, position: int) -> FloatArray:
        """Column of :attr:`bse` for one gene, ``[beta, gamma]``, by its position."""
        return self._std_err[position].copy()

    @property
    def bse(self) -> dict[str, pd.DataFrame]:
        """Standard errors of :attr:`params`; NaN where an estimate is not finite."""
        return self._split(self._std_err)

    @cached_property
    def _z(self) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.arrays.coef / self._std_err)

    @property
    def tvalues(self) -> dict[str, pd.DataFrame]:
        """Coefficients divided by their standard errors (z, or t if :attr:`use_t`)."""
        return self._split(self._z)

    @property
    def _evidence(self) -> Evidence:
        return Evidence.of_design(self.arrays, self.design, self.problem.layout, self.counts)

    @cached_property
    def _tail(self) -> Tail:
        return self._tail_of(np.arange(len(self.counts.genes)))

    def _tail_of(self, genes: IntArray) -> Tail:
        """Wald p-values, and those of likelihood ratios for infinite estimates."""
        wald = t_tail(self._z[genes], self.degrees[genes])
        infinite = np.isinf(self.arrays.coef[genes])
        if not infinite.any():
            return wald
        ratio = self.limit_tests(genes).tail
        return Tail(
            *(np.where(infinite, one, other) for one, other in zip(ratio, wald, strict=True))
        )

    def limit_tests(self, genes: IntArray) -> LimitTests:
        """Likelihood-ratio tests of infinite coefficients; NaN for all others.

        Parameters
        ----------
        genes : ndarray of int
            Positions of the genes.

        Returns
        -------
        LimitTests

        Raises
        ------
        UnavailableError
            If that needs counts, and these were dropped.
        """
        if self.dispersion_method != "ml":  # there is no likelihood ratio of such estimates
            nothing = np.full((genes.size, self.arrays.coef.shape[1]), np.nan)
            return LimitTests(nothing, nothing, nothing)
        if self.remains is None:
            if genes.size == len(self.counts.genes) or "_all_limit_tests" in self.__dict__:
                return self._all_limit_tests.of_genes(genes)
            return limit_tests(self._evidence, self.problem, genes)
        if self.remains.limit_tests is None:
            refuse(
                "the test of an infinite coefficient is a likelihood ratio, and",
                "without_data(limit_tests=True) keeps these tests.",
            )
        return self.remains.limit_tests.of_genes(genes)

    @cached_property
    def _all_limit_tests(self) -> LimitTests:
        genes = np.arange(len(self.counts.genes))
        return limit_tests(self._evidence, self.problem, genes)

    def pvalues_of(self, position: int) -> Tail:
        """Columns of :attr:`pvalues` and :attr:`log_pvalues` for one gene, by its position."""
        return Tail(*(part[0] for part in self._tail_of(np.array([position]))))

    @property
    def pvalues(self) -> dict[str, pd.DataFrame]:
        """Two-sided p-values of the tests that a coefficient is 0.

        Wald tests; likelihood-ratio tests for coefficients whose estimates are infinite, for which
        the genes concerned are fitted again at the first use. For the intercept of the dispersion
        the hypothesis is ``r = 1``, not the absence of overdispersion: see
        :meth:`overdispersion_test`.
        """
        return self._split(self._tail.p)

    @property
    def log_pvalues(self) -> dict[str, pd.DataFrame]:
        """Natural logarithms of :attr:`pvalues`, finite where these underflow to 0.

        ``-log_pvalues["beta"] / numpy.log(10)`` is what a volcano plot shows.
        """
        return self._split(self._tail.log_p)

    def cov_params(self, gene: str) -> pd.DataFrame:
        """Covariance matrix of all coefficients of one gene.

        Parameters
        ----------
        gene : str
            Gene name.

        Returns
        -------
        DataFrame
            Rows and columns labelled ``(component, term)``.

        Raises
        ------
        KeyError
            If there is no such gene.
        """
        names, position = self.coef_names, self._position(gene)
        return pd.DataFrame(self.covariance_of(position), names, names)

    def covariance_of(self, position: int) -> FloatArray:
        """Covariance of one gene's coefficients, by its position; NaN for those without one."""
        root = self.root[position]
        known = np.isfinite(self._std_err[position])
        return np.where(np.outer(known, known), root @ root.T, np.nan)

    @property
    def cov_type(self) -> str:
        """Kind of the covariances."""
        return self.cov.kind

    def with_cov(self, cov_type: str, cov_kwds: Mapping[str, object] | None = None) -> Self:
        """The same estimates with covariances of another kind.

        Parameters
        ----------
        cov_type : str
            ``"oim"`` (observed information; ``"nonrobust"`` is the same), ``"eim"`` (expected),
            ``"HC0"`` to ``"HC3"``, ``"cluster"``, or ``"CR1"`` to ``"CR3"``.
        cov_kwds : mapping, optional
            For clusters: ``groups``, a column of obs or an array. For ``"cluster"`` also
            ``use_correction``. For all: ``use_t``, whether tests refer to Student's t.

        Returns
        -------
        NegBinResults
            Nothing is fitted again.

        Raises
        ------
        OptionError, AlignmentError
            If the type is unknown, or the clusters do not match the cells.
        UnavailableError
            If that needs data which were dropped.

        Warns
        -----
        NbglmWarning
            If fewer than ten clusters carry a term, with the terms concerned.
        """
        if self.remains is not None:
            return self._with_kept_cov(cov_type, dict(cov_kwds or {}), self.remains)
        rule = covariance_rule(cov_type, cov_kwds, self.counts.obs)
        few = few_clusters(rule, self.design, self.weights)
        if few:
            warnings.warn(few, NbglmWarning, stacklevel=2)
        other = replace(self, cov=rule)
        if "problem" in self.__dict__:
            other.__dict__["problem"] = self.problem
        return other

    def _with_kept_cov(self, cov_type: str, options: dict[str, object], remains: Remains) -> Self:
        """Covariances that need no data: the ones that are there, and the observed information."""
        kind = known_kind(cov_type)
        use_t = options.get("use_t")
        if kind == self.cov.kind and use_t in (None, self.cov.use_t):
            return self
        same = kind == self.cov.kind and not use_t
        if kind != "oim" and not same:
            instead = f"res.with_cov({cov_type!r}, ...).without_data() keeps them."
            refuse(f"covariances of the kind {cov_type!r}, which", instead)
        df = max(self.df_resid, 0.0) if use_t else np.inf
        kept = Covariances(self.arrays.root, self.arrays.root, df=df)
        if same:
            kept = replace(remains.covariances, df=np.inf, moments=None)
        rule = replace(self.cov, kind=kind, use_t=bool(use_t))
        return replace(self, cov=rule, remains=replace(remains, covariances=kept))

    @property
    def coef_status(self) -> dict[str, pd.DataFrame]:
        """What happened to each coefficient, in the shape of :attr:`params`.

        A coefficient with an estimate of which the covariance says nothing, such as the effect of
        a treatment that a single cluster received, is ``not_identified`` as well.
        """
        return self._split(np.array(COEF_STATUS, dtype=object)[self.coef_codes])
