"""What people read of a fit, as methods of its results."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from nbglm.inference.methods import FitInference
from nbglm.report.ranking import gene_ranking

__all__ = ["FitReports"]


@dataclass(frozen=True, repr=False)
class FitReports(FitInference):
    """:class:`~nbglm.inference.methods.FitInference` with what people read."""

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
