"""Results of a fit: its tables, predictions for any rows, samples, and single genes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.genewise import Components
from nbglm.diagnostics.methods import FitDiagnostics
from nbglm.exceptions import AlignmentError
from nbglm.files.saving import FitFiles
from nbglm.fit.prediction import predict
from nbglm.inference.dropping import of_genes, without_data
from nbglm.inference.estimates import predict_intervals
from nbglm.inference.explain import explain_gene
from nbglm.inference.levels import check_interval
from nbglm.report.methods import FitReports
from nbglm.simulate.draws import Seed
from nbglm.simulate.samples import simulate
from nbglm.status import GENE_STATUS

if TYPE_CHECKING:
    from anndata import AnnData

    from nbglm.single.results import NegBinModelResultsWrapper

__all__ = ["NegBinResults"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class NegBinResults(FitReports, FitDiagnostics, FitFiles):
    """A negative binomial GLM for each gene, with inference.

    The model is ``Y ~ NB(mean mu, size r)`` with ``Var Y = mu + mu**2 / r``,
    ``log mu = offset + X beta`` and ``log r = Z gamma``. A larger size is *less* overdispersion;
    ``gamma`` is ``-log(alpha)`` of statsmodels and the dispersion coefficient of glmmTMB's
    ``nbinom2``. Made by :func:`nbglm.fit_negbin`.

    Tables are indexed by gene, or by term with a column for each gene; each is a copy.
    """

    def __repr__(self) -> str:
        genes = len(self.gene_names)
        words = self.status.value_counts()
        statuses = ", ".join(f"{words[word]} {word}" for word in GENE_STATUS[::-1] if word in words)
        columns = "".join(f"\n  {line}" for line in self.column_lines)
        return (
            f"NegBinResults: {genes} gene{'s' * (genes != 1)} x {self.counts.n_cells} cells "
            f"({statuses})\n"
            f"  mean        {self.design.mean.formula.expanded}  (log mean; params['beta'])\n"
            f"  dispersion  {self.design.dispersion.formula.expanded}  (log size; "
            f"params['gamma']; Var = mean + mean^2 / size)\n"
            f"  log-likelihood {self.arrays.llf.sum():.6g} in all, cov_type {self.cov_type!r}, "
            f"{self.seconds:.2g} s{columns}"
        )

    def explain(self, gene: str) -> str:
        """Say in sentences what happened to a gene.

        Parameters
        ----------
        gene : str
            Gene name.

        Returns
        -------
        str

        Raises
        ------
        KeyError
            If there is no such gene.
        """
        return explain_gene(self, self._position(gene))

    # Predictions and samples ----------------------------------------------------------------

    @cached_property
    def _every_gene(self) -> slice:
        return slice(0, len(self.gene_names))

    @property
    def fittedvalues(self) -> pd.DataFrame:
        """Fitted means on the count scale, cells x genes."""
        return self.predict()["mean"]

    def _rows(
        self, obs: pd.DataFrame | None, offset: object, size_factors: object
    ) -> tuple[pd.DataFrame, FloatArray, FloatArray, FloatArray]:
        """New rows (or those of the fit) with their designs and offset."""
        if obs is None:
            instead = "Pass obs=, a DataFrame of rows."
            self.require_data("a prediction or a sample for the rows of the fit", instead)
            obs = self.counts.obs
            if offset is None and size_factors is None:
                matrices = self.design.mean.matrix, self.design.dispersion.matrix
                return obs, *matrices, self.design.offset
        elif not isinstance(obs, pd.DataFrame):
            if hasattr(obs, "obs"):
                obs = obs.obs
            else:
                raise AlignmentError(_no_rows(obs))
        return obs, *self.design.replay(obs, offset, size_factors)

    def predict(
        self,
        obs: pd.DataFrame | None = None,
        offset: object = None,
        *,
        size_factors: object = None,
        interval: float | None = None,
    ) -> dict[str, pd.DataFrame]:
        """Mean and size of every gene for given rows.

        Parameters
        ----------
        obs : DataFrame, optional
            New rows; those of the fit by default. Levels, contrasts and knots stay those of the
            fit.
        offset, size_factors : array_like or str, optional
            As in :func:`nbglm.fit_negbin`; needed for new rows if the fit was given arrays.
        interval : float, optional
            Level of confidence intervals for the mean and the size, such as 0.95.

        Returns
        -------
        dict of DataFrame
            ``mean`` (counts) and ``dispersion`` (the size ``r``), cells x genes. A mean is 0
            where the counts were separated, a size infinite at a Poisson limit. With `interval`
            also ``mean_lower``, ``mean_upper``, ``dispersion_lower`` and ``dispersion_upper``:
            Wald intervals of the logarithms, mapped back; NaN where there are none.

        Raises
        ------
        FormulaError
            If a column is missing or a level is unknown to the fit.
        AlignmentError
            If an offset is missing or does not match.
        """
        if interval is None:
            return self.predict_genes(self._every_gene, obs, offset, size_factors)
        check_interval(interval)
        obs, x, z, total = self._rows(obs, offset, size_factors)
        tables = predict_intervals(self, x, z, total, interval)
        return Components(
            {
                name: pd.DataFrame(values, obs.index.copy(deep=True), self.gene_names)
                for name, values in tables.items()
            }
        )

    def predict_genes(
        self,
        genes: slice,
        obs: pd.DataFrame | None = None,
        offset: object = None,
        size_factors: object = None,
    ) -> dict[str, pd.DataFrame]:
        """Predict some of the genes: :meth:`predict` for a slice of their positions."""
        obs, x, z, total = self._rows(obs, offset, size_factors)
        mean, size = predict(self.arrays, x, z, total, genes)
        names = self.gene_names[genes]
        return Components(
            mean=pd.DataFrame(mean, obs.index.copy(deep=True), names),
            dispersion=pd.DataFrame(size, obs.index.copy(deep=True), names.copy()),
        )

    def sample(
        self,
        obs: pd.DataFrame | None = None,
        *,
        offset: object = None,
        size_factors: object = None,
        seed: Seed = None,
        n_jobs: int | None = None,
    ) -> AnnData:
        """Draw new counts from the fit.

        Parameters
        ----------
        obs : DataFrame, optional
            New rows; those of the fit by default.
        offset, size_factors : array_like or str, optional
            As in :meth:`predict`.
        seed : int, SeedSequence, Generator or None
            Each gene has a random stream of its own, keyed by its name, so a seed gives the same
            draws for any `n_jobs` and any subset of genes. A Generator is advanced by four
            integers, a SeedSequence is not changed. None takes fresh entropy.
        n_jobs : int, optional
            As joblib understands it.

        Returns
        -------
        AnnData
            ``X`` is a CSR matrix of integers (32 bits; 64 if a count needs them), beside `obs` and,
            if the fit was of an AnnData, its ``var``.

        Raises
        ------
        NbglmError
            If a gene did not converge.
        ValueError
            If a gene has no finite mean on these rows, or the seed is negative.
        TypeError
            If the seed is of another kind, such as a float.
        """
        obs, x, z, total = self._rows(obs, offset, size_factors)
        return simulate(self, obs, x, z, total, seed=seed, n_jobs=n_jobs)

    def gene(self, name: str) -> NegBinModelResultsWrapper:
        """Results of one gene in statsmodels' form.

        Parameters
        ----------
        name : str
            Gene name.

        Returns
        -------
        NegBinModelResultsWrapper
            With ``summary()``, ``t_test``, ``wald_test`` and the rest of statsmodels' code.

        Raises
        ------
        KeyError
            If there is no such gene.
        """
        from nbglm.single.model import gene_results  # and statsmodels, when it is needed

        return gene_results(self, self._position(name))

    def one_gene(self, position: int) -> Self:
        """The fit of one gene by itself.

        Parameters
        ----------
        position : int
            Number of the gene.

        Returns
        -------
        NegBinResults
        """
        return of_genes(self, np.array([position]))

    def without_data(self, *, limit_tests: bool = True) -> Self:
        """The same results without counts and cells.

        What needs neither works as before, to the last bit: all tables, :meth:`t_test`,
        :meth:`wald_test`, :meth:`estimate`, :meth:`marginal_means`, and :meth:`predict` and
        :meth:`sample` for given rows. What needs them says so: fitted values and residuals,
        profile intervals, score and likelihood-ratio tests, other covariances. Where a gene is at
        a limit, the test of a single coefficient is kept; that of a combination is a likelihood
        ratio of its own, for which the counts are needed: leave such genes out with
        :meth:`subset`, or test before.

        Parameters
        ----------
        limit_tests : bool
            Whether to make the likelihood-ratio tests of infinite coefficients now, if they have
            not been made yet: each costs about a fit of the genes concerned. Without them there
            are no p-values of such genes later on.

        Returns
        -------
        NegBinResults
            Of the designs only the distinct rows are left.
        """
        return without_data(self, limit_tests=limit_tests)


def _no_rows(obs: object) -> str:
    """What to do with something that is no DataFrame of rows."""
    msg = f"obs must be a DataFrame of new rows, not {type(obs).__name__}."
    if isinstance(obs, pd.Series):
        return f"{msg} obs.to_frame().T is one, of one row."
    if isinstance(obs, Mapping):
        return (
            f"{msg} pandas.DataFrame(obs) makes one of columns, pandas.DataFrame([obs]) of a row."
        )
    return msg
