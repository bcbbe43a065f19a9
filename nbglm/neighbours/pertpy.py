"""A method of differential expression for pertpy, which tests dispersions as well as means."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nbglm.counts.table import read_counts
from nbglm.exceptions import UnavailableError
from nbglm.neighbours.extras import import_extra
from nbglm.results import NegBinResults

__all__ = ["negbin_method"]

_THEIR_NAMES = {"log2_fold_change": "log_fc", "p_adjusted": "adj_p_value"}

_COLUMNS = (
    *("p_value", "log_fc", "adj_p_value", "log_fc_se", "statistic", "neg_log10_p"),
    *("base_mean", "status"),
)

_DESIGN = "design"
"""The word for a dispersion with the design of the mean."""


class _Method:
    """The methods of a backend of pertpy; :func:`negbin_method` adds its base class."""

    adata: Any
    design: Any
    data: Any
    _results: NegBinResults | None = None

    def _check_counts(self) -> None:
        read_counts(self.data)

    @property
    def results(self) -> NegBinResults:
        """The fit, with everything that it offers."""
        if self._results is None:
            msg = "this method has not been fitted; call fit() first."
            raise UnavailableError(msg)
        return self._results

    def fit(self, *, dispersion: str = "~ 1", **options: Any) -> NegBinResults:
        """Fit every gene; see :func:`negbin_method`."""
        from anndata import AnnData

        from nbglm.negbin import fit_negbin

        obs, mean = self._columns_of_design()
        same = dispersion == _DESIGN
        formula = {"mean": mean, "dispersion": mean if same else dispersion}
        genes = pd.DataFrame(index=self.adata.var_names)
        options = {"progress": False, **options}
        self._results = fit_negbin(AnnData(self.data, obs, genes), formula, **options)
        return self._results

    def _columns_of_design(self) -> tuple[pd.DataFrame, str]:
        """The columns of obs with those of the design beside them, and the formula of these."""
        matrix = np.asarray(self.design, dtype=np.float64)
        names = getattr(self.design, "columns", [f"x{k}" for k in range(matrix.shape[1])])
        # In quotation marks, whatever pertpy's own formulas call their columns.
        columns = {f"design {name}": part for name, part in zip(names, matrix.T, strict=True)}
        obs = self.adata.obs.assign(**columns)
        return obs, "~ 0 + " + " + ".join(f"Q({name!r})" for name in columns)

    def _test_single_contrast(
        self,
        contrast: ArrayLike,
        *,
        component: str = "mean",
        alpha: float = 0.05,
        method: str = "fdr_bh",
    ) -> pd.DataFrame:
        """One contrast for every gene, the smallest p-value first."""
        weights = np.atleast_2d(np.asarray(contrast, dtype=np.float64))
        table = self.results.table(weights, component, alpha=alpha, method=method)
        table["log_fc_se"] = table["std_err"] / np.log(2.0)
        table = table.rename(columns=_THEIR_NAMES).rename_axis(index="variable", columns=None)
        return table[list(_COLUMNS)].reset_index()


@cache
def negbin_method() -> type:
    """The class of a pertpy method that fits with this package.

    Returns
    -------
    type
        A subclass of pertpy's ``LinearModelBase``, used as its others are::

            NegBin = negbin_method()
            method = NegBin(adata, design="~ condition + batch")
            method.fit(dispersion="design", size_factors="size_factor")
            contrast = method.contrast("condition", "control", "treated")
            method.test_contrasts(contrast)
            method.test_contrasts(contrast, component="dispersion")

        ``fit`` takes ``dispersion``, a formula of the columns of obs or the word ``"design"`` for
        the design of the mean, and all options of :func:`nbglm.fit_negbin`. Tests take
        ``component``, ``alpha`` and ``method`` of :meth:`nbglm.NegBinResults.table`, and give
        variable, p_value, log_fc and log_fc_se (base 2; of the size ``r`` for a dispersion, larger
        where there is less of it), adj_p_value, statistic, neg_log10_p, base_mean and status, the
        smallest p-value first. ``compare_groups`` hands ``fit_kwargs`` and ``test_kwargs`` on.
        ``results`` is the whole fit.

    Raises
    ------
    UnavailableError
        If pertpy is not installed (``pip install 'nbglm[pertpy]'``).

    Notes
    -----
    Counts are not normalised unless ``size_factors=`` or ``offset=`` says so. For cells of several
    donors use ``cov_type="cluster"``, or sum over donors first, as pertpy's guides do.
    """
    # Where it stands in pertpy 1.0; its public names are those of finished methods alone.
    theirs = import_extra("pertpy.tools._differential_gene_expression", "pertpy")
    base = theirs.LinearModelBase
    docs = "Negative binomial regression of means and dispersions, by nbglm."
    return type("NegBin", (_Method, base), {"__module__": __name__, "__doc__": docs})
