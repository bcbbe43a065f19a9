"""Of which fit, gene and contrast a picture is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import HypothesisError, InputTypeError, OptionError, some_of
from nbglm.inference.methods import FitInference
from nbglm.inference.selection import gene_position
from nbglm.plots.edges import missing_note
from nbglm.report.ranking import gene_ranking
from nbglm.status import NOTHING_TOLD

__all__ = ["fit_of", "one_contrast", "one_gene", "told_genes"]

IntArray = NDArray[np.int64]


def fit_of(results: object) -> FitInference:
    """The fit behind results of many genes, or of one response.

    Parameters
    ----------
    results : NegBinResults or NegBinModelResults
        What the user gave.

    Returns
    -------
    FitInference

    Raises
    ------
    InputTypeError
        If it is neither.
    """
    tables = getattr(results, "_tables", results)
    if not isinstance(tables, FitInference):
        hint = " Fit the model first: model.fit()." if hasattr(results, "fit") else ""
        msg = (
            f"nbglm.plots draws results: of fit_negbin, of NegBinModel(...).fit(), or a gene of "
            f"them; it was given a {type(results).__name__}.{hint}"
        )
        raise InputTypeError(msg)
    return tables


def one_gene(tables: FitInference, gene: str | None) -> int:
    """Position of the gene that is asked for, or of the only one.

    Parameters
    ----------
    tables : FitInference
        The fit.
    gene : str or None
        Its name.

    Returns
    -------
    int

    Raises
    ------
    OptionError
        If no gene is named and there are several.
    UnknownNameError
        If there is no such gene.
    """
    genes = tables.counts.genes
    if gene is not None:
        return gene_position(genes, gene)
    if len(genes) != 1:
        msg = f"name a gene: this fit has {len(genes)} ({some_of(genes)})."
        raise OptionError(msg)
    return 0


def told_genes(tables: FitInference, asked: IntArray) -> tuple[IntArray, str]:
    """Which genes have a distribution that their counts can be held against.

    Parameters
    ----------
    tables : FitInference
        The fit.
    asked : ndarray of int
        Positions of the genes that are asked for.

    Returns
    -------
    positions : ndarray of int
        Of those that have one.
    note : str
        How many have none, and why.
    """
    status = tables.status.iloc[asked]
    told = ~status.isin(NOTHING_TOLD)
    return asked[told.to_numpy()], missing_note(status, told)


def one_contrast(
    tables: FitInference, hypothesis: object, component: str, **options: Any
) -> tuple[pd.DataFrame, str]:
    """One row a gene for one contrast, as ``results.table()`` has them, and what it is called.

    Parameters
    ----------
    tables : FitInference
        The fit.
    hypothesis : object
        As in ``t_test``.
    component : str
        ``"mean"`` or ``"dispersion"``.
    **options
        ``alpha`` and ``method``, as in ``table``.

    Returns
    -------
    table : DataFrame
        In the order of the genes.
    name : str

    Raises
    ------
    HypothesisError
        If there are several contrasts.
    """
    table = gene_ranking(tables, hypothesis, component, None, **options)
    if isinstance(table.index, pd.MultiIndex):
        names = table.index.get_level_values(1).unique()
        msg = (
            f"a picture of all genes is of one contrast; {hypothesis!r} stands for {len(names)}: "
            f"{some_of(names, 9)}. Choose one of them."
        )
        raise HypothesisError(msg)
    name = str(table.columns.name)
    table.columns.name = None
    # A gene without a count has no estimate for that reason, whatever the contrast.
    whole = tables.status.isin(NOTHING_TOLD)
    table["reason"] = table["status"].where(~whole, tables.status)
    return table, name
