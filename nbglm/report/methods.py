"""What people read of a fit, as methods of its results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from nbglm.exceptions import InputTypeError, OptionError
from nbglm.inference.dropping import of_genes
from nbglm.inference.levels import check_alpha
from nbglm.inference.methods import FitInference
from nbglm.inference.pvalues import check_method
from nbglm.inference.selection import gene_position, gene_positions
from nbglm.report.ranked import rank_genes, write_ranking
from nbglm.report.ranking import gene_ranking
from nbglm.report.summary import fit_html, fit_summary

if TYPE_CHECKING:
    from anndata import AnnData

    from nbglm.report.safesummary import SafeSummary

__all__ = ["FitReports"]


@dataclass(frozen=True, repr=False)
class FitReports(FitInference):
    """:class:`~nbglm.inference.methods.FitInference` with what people read.

    A fit is also the collection of its genes: ``len(res)`` is their number, ``"Pyy" in res`` says
    whether one is among them, ``for name in res`` goes through their names, and ``res[genes]`` is
    the fit of some of them.
    """

    def __len__(self) -> int:
        """Number of genes."""
        return len(self.counts.genes)

    def __iter__(self) -> Iterator[str]:
        """Names of the genes, in the order of the data."""
        return iter(self.counts.genes.tolist())

    def __contains__(self, gene: object) -> bool:
        """Whether there is a gene of that name."""
        return isinstance(gene, str) and gene in self.counts.genes

    def __getitem__(self, genes: object) -> Self:
        """The fit of some genes: :meth:`subset`, or a slice of their positions."""
        if isinstance(genes, int | np.integer):
            gene_position(self.counts.genes, genes)  # says which gene is there
        if not isinstance(genes, slice):
            return self.subset(genes)
        for end in (genes.start, genes.stop, genes.step):
            if end is not None and not isinstance(end, int | np.integer):
                msg = (
                    f"a slice of genes is one of positions, such as res[:10]; it has {end!r}. "
                    f"Several names go into a list."
                )
                raise InputTypeError(msg)
        return self.subset(self.counts.genes[genes])

    def subset(self, genes: object) -> Self:
        """The fit of some genes; nothing is fitted again.

        ``res[genes]`` is the same, and takes a slice of positions, too.

        Parameters
        ----------
        genes : str, sequence of str, or array or Series of bool
            Their names, in the order that is wanted, or which of them: such as
            ``results.status == "ok"``.

        Returns
        -------
        NegBinResults
            With the same numbers. P-values are adjusted for these genes alone.

        Raises
        ------
        KeyError
            If there is no such gene.
        ValueError
            If none is chosen.
        """
        positions = gene_positions(self.counts.genes, genes)
        if not positions.size:
            msg = "subset() was given no gene; at least one is needed."
            raise OptionError(msg)
        return of_genes(self, positions)

    def summary(self, alpha: float = 0.05, *, method: str = "fdr_bh") -> SafeSummary:
        """The fit on one page: how many genes have which status, and where coefficients lie.

        The summary of one gene is ``res.gene(name).summary()``.

        Parameters
        ----------
        alpha : float
            Level at which adjusted p-values are significant.
        method : str
            Adjustment for the number of genes, as in statsmodels' ``multipletests``; made for
            each coefficient by itself.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            With ``as_text()``, ``as_html()``, ``as_latex()`` and ``as_csv()``. Log-likelihoods and
            criteria are summed over genes. Quantiles of coefficients are over the genes in which
            they are finite. Genes with a significant coefficient are those whose adjusted p-value
            is below `alpha`; none are counted for intercepts.

        Raises
        ------
        OptionError
            If an argument is unknown.

        Notes
        -----
        P-values of infinite coefficients are those of likelihood ratios, for which the genes
        concerned are fitted again at the first use.
        """
        check_alpha(alpha)
        check_method(method)
        return fit_summary(self, alpha, method)

    def _repr_html_(self) -> str:
        """The fit in a notebook."""
        return fit_html(self, "NegBinResults")

    def rank_genes_groups(
        self,
        groupby: str,
        groups: str | Iterable[str] = "all",
        reference: str = "rest",
        *,
        component: str = "mean",
        method: str = "fdr_bh",
        adata: AnnData | None = None,
        key_added: str = "rank_genes_groups",
    ) -> pd.DataFrame:
        """Rank genes for each group, in the shape of ``sc.get.rank_genes_groups_df``.

        Parameters
        ----------
        groupby : str
            A factor of the formula.
        groups : str or sequence of str
            Groups to compare; ``"all"`` of them (but the reference).
        reference : str
            A group, or ``"rest"``: the average of the means of all other groups, with equal
            weights (for ``component="dispersion"``, of their log sizes). Other factors are
            averaged, and covariates held at their means, as in :meth:`marginal_means`.
        component : str
            ``"mean"``, or ``"dispersion"``: then of the log size, which is larger where there is
            *less* overdispersion.
        method : str
            Adjustment for the number of genes, as in statsmodels' ``multipletests``; made for
            each group by itself. (scanpy's ``corr_method``.)
        adata : AnnData, optional
            Write the ranking into its ``uns`` as well, as scanpy does, so that
            ``sc.get.rank_genes_groups_df`` and ``sc.pl.rank_genes_groups`` find it.
        key_added : str
            Name in ``uns``.

        Returns
        -------
        DataFrame
            group, names (of genes), scores (Wald statistics; where the estimate is infinite, as
            where one side has no count at all, the signed root of the likelihood ratio's
            p-value), logfoldchanges (base 2), pvals, pvals_adj. A row for each group and gene;
            the highest scores of each group first, NaN last.

        Raises
        ------
        HypothesisError
            If the formula does not use the factor, or it has one level.
        OptionError, InputTypeError
            If a group is unknown, or `adata` lacks genes of the fit.

        Notes
        -----
        scanpy compares a group with the pooled cells of all others; here every other group counts
        the same, however many cells it has.
        """
        check_method(method)
        ranking = rank_genes(self, groupby, groups, reference, component, method)
        if adata is not None:
            write_ranking(
                adata,
                key_added,
                ranking,
                self.counts.genes,
                groupby=groupby,
                reference=str(reference),
                method=method,
            )
        return ranking

    def table(
        self,
        hypothesis: object,
        component: str = "mean",
        sort: str | None = "p_value",
        *,
        alpha: float = 0.05,
        method: str = "fdr_bh",
    ) -> pd.DataFrame:
        """One row a gene for one question, the most telling genes first.

        The numbers are those of :meth:`t_test`, with what people look for beside them.

        Parameters
        ----------
        hypothesis : str, sequence of str, mapping, DataFrame or array_like
            As in :meth:`t_test`: a coefficient such as ``"pseudotime"``, a term of the formula, a
            combination such as ``"g[T.b] - g[T.c]"``.
        component : str
            ``"mean"`` or ``"dispersion"``.
        sort : str or None
            ``"p_value"``, ``"p_adjusted"`` or ``"neg_log10_p"``: smallest p-value first, told
            apart by logarithms where they underflow to 0. ``"estimate"``,
            ``"log2_fold_change"`` or ``"statistic"``: farthest from 0 first. ``"base_mean"``:
            largest first. NaN come last, ties keep the order of the data, as does None.
        alpha : float
            Significance level of the intervals.
        method : str
            Adjustment for the number of genes, as in statsmodels' ``multipletests``; made for
            each contrast by itself, before sorting.

        Returns
        -------
        DataFrame
            Indexed by gene (by gene and contrast if there are several):

            ``base_mean``
                Mean count per cell, ``sum(w * y) / sum(w)`` with the frequency weights ``w`` of
                the fit, over all cells; not divided by size factors.
            ``estimate``, ``std_err``
                On the scale of the natural logarithm: of the mean, or of the size.
            ``log2_fold_change``
                ``estimate / log(2)``. With ``component="dispersion"`` of the size ``r``, which is
                larger where there is *less* overdispersion.
            ``statistic``
                Wald, standard normal; NaN where the estimate is infinite, where the p-value is
                that of a likelihood ratio.
            ``p_value``, ``p_adjusted``
                Two-sided.
            ``neg_log10_p``
                ``-log10(p_value)``, finite where p_value underflows to 0.
            ``ci_lower``, ``ci_upper``
                Wald limits of ``estimate``; NaN where it is infinite.
            ``status``
                Of the contrast: why it is infinite or missing.

            The name of the columns, which is printed above the genes, is the contrast if there is
            one.

        Raises
        ------
        HypothesisError
            If the hypothesis cannot be read, or can be read in two ways.
        OptionError, InputTypeError
            If another argument is unknown.
        UnavailableError
            If the test of a gene at a limit needs counts that were dropped.

        Examples
        --------
        >>> import numpy as np, pandas as pd, nbglm
        >>> obs = pd.DataFrame({"dose": np.arange(8) % 2})
        >>> counts = {"flat": [3, 2, 1, 5, 2, 4, 4, 2], "up": [1, 9, 0, 5, 2, 4, 0, 8]}
        >>> res = nbglm.fit_negbin(pd.DataFrame(counts), "~ dose", obs=obs, progress=False)
        >>> res.table("dose")[["base_mean", "log2_fold_change", "p_value", "status"]].round(3)
        dose  base_mean  log2_fold_change  p_value status
        gene
        up        3.625             3.115    0.000     ok
        flat      2.875             0.379    0.533     ok
        """
        return gene_ranking(self, hypothesis, component, sort, alpha=alpha, method=method)
