"""Results of a fit: its tables, predictions for any rows, samples, and single genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from nbglm.diagnostics.methods import FitDiagnostics
from nbglm.editing.methods import FitEdits
from nbglm.editing.truth import edited_lines, total_likelihood
from nbglm.files.saving import FitFiles
from nbglm.inference.dropping import of_genes, without_data
from nbglm.inference.explain import explain_gene
from nbglm.report.methods import FitReports
from nbglm.shrinkage.methods import FitShrinkage
from nbglm.simulate.methods import FitSamples
from nbglm.status import GENE_STATUS
from nbglm.trials.methods import FitTrials

if TYPE_CHECKING:
    from nbglm.single.results import NegBinModelResultsWrapper

__all__ = ["NegBinResults"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class NegBinResults(
    FitEdits, FitTrials, FitReports, FitShrinkage, FitSamples, FitDiagnostics, FitFiles
):
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
        columns = "".join(f"\n  {line}" for line in (*self.column_lines, *edited_lines(self)))
        method = "" if self.dispersion_method == "ml" else f" by {self.dispersion_method!r}"
        return (
            f"NegBinResults: {genes} gene{'s' * (genes != 1)} x {self.counts.n_cells} cells "
            f"({statuses})\n"
            f"  mean        {self.design.mean.formula.expanded}  (log mean; params['beta'])\n"
            f"  dispersion  {self.design.dispersion.formula.expanded}  (log size; "
            f"params['gamma']; Var = mean + mean^2 / size){method}\n"
            f"  log-likelihood {total_likelihood(self):.6g} in all, cov_type {self.cov_type!r}, "
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

        self.require_likelihood("gene()")

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
