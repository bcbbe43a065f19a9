"""The table of genes that people look at first, in the order in which they look at it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import check_choice

if TYPE_CHECKING:
    from nbglm.inference.methods import FitInference

__all__ = ["COLUMNS", "check_sort", "gene_ranking"]

FloatArray = NDArray[np.float64]

COLUMNS = (
    *("base_mean", "estimate", "log2_fold_change", "std_err", "statistic"),
    *("p_value", "p_adjusted", "neg_log10_p", "ci_lower", "ci_upper", "status"),
)
"""Columns of the table."""

_KEYS = MappingProxyType(
    {
        **dict.fromkeys(("p_value", "p_adjusted", "neg_log10_p"), "log_p_value"),
        **dict.fromkeys(("estimate", "log2_fold_change"), "estimate"),
        "statistic": "z",
        "base_mean": "base_mean",
    }
)
"""What a table is sorted by, and the column of the test that holds it without underflow."""

_OTHER_WORDS = MappingProxyType(
    {
        **dict.fromkeys(
            ("p", "pval", "pvals", "pvalue", "pvalues", "logp", "log_p_value"), "p_value"
        ),
        **dict.fromkeys(("padj", "p_adj", "pvals_adj", "fdr", "q_value", "qvalue"), "p_adjusted"),
        **dict.fromkeys(
            ("lfc", "logfc", "log2fc", "log_fc", "log2foldchange", "logfoldchanges"),
            "log2_fold_change",
        ),
        **dict.fromkeys(("coef", "effect", "beta"), "estimate"),
        **dict.fromkeys(("z", "t", "stat", "score", "scores"), "statistic"),
        **dict.fromkeys(("basemean", "mean", "aveexpr"), "base_mean"),
    }
)
"""What limma, DESeq2, scanpy, pertpy and statsmodels call them."""


def check_sort(sort: object) -> None:
    """Refuse what no table of genes is sorted by.

    Parameters
    ----------
    sort : str or None
        A column, or None.

    Raises
    ------
    OptionError
        With what was probably meant.

    Examples
    --------
    >>> check_sort("p_value")
    """
    if sort is not None:
        check_choice("sort", sort, _KEYS, _OTHER_WORDS)


def _order(tests: pd.DataFrame, sort: str) -> NDArray[np.int64]:
    """Positions of the rows, the most telling first; ties as they were, NaN last."""
    key = tests[_KEYS[sort]].to_numpy(dtype=np.float64)
    descending = key if _KEYS[sort] == "log_p_value" else -np.abs(key)
    return np.argsort(descending, kind="stable")


def gene_ranking(
    tables: FitInference,
    hypothesis: object,
    component: str,
    sort: str | None,
    *,
    alpha: float,
    method: str,
) -> pd.DataFrame:
    """The tests of :meth:`t_test` as the table that people look at first.

    Parameters
    ----------
    tables : FitInference
        The fit.
    hypothesis, component, alpha, method
        As in ``t_test``.
    sort : str or None
        A column; None keeps the order of the data.

    Returns
    -------
    DataFrame
        See :meth:`nbglm.NegBinResults.table`.

    Raises
    ------
    HypothesisError
        If the hypothesis cannot be read.
    OptionError, InputTypeError
        If another argument is unknown.
    """
    check_sort(sort)
    tests = tables.t_test(hypothesis, component, alpha=alpha, method=method)
    # A table of one contrast says which one in a corner; one of several, in its index.
    several = isinstance(tests.index, pd.MultiIndex)
    contrast = None if several else tests["contrast"].iloc[0]
    tests["base_mean"] = np.repeat(
        tables.base_mean.to_numpy(), len(tests) // len(tables.counts.genes)
    )
    tests["log2_fold_change"] = tests["estimate"] / np.log(2.0)
    # A p-value of 1 has the logarithm 0, whose negative would be printed as -0.
    tests["neg_log10_p"] = 0.0 - tests["log_p_value"] / np.log(10.0)
    if sort is not None:
        tests = tests.iloc[_order(tests, sort)]
    table = tests.rename(columns={"z": "statistic"})[list(COLUMNS)]
    return table.rename_axis(columns=contrast)
