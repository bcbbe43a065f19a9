"""How deeply each cell or sample was sequenced: factors of its mean counts."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from nbglm.counts.budget import Budget
from nbglm.counts.opening import open_counts
from nbglm.counts.table import Counts, read_table
from nbglm.design.labels import quoted
from nbglm.design.rowvalues import row_values
from nbglm.exceptions import (
    AlignmentError,
    CountsError,
    OptionError,
    check_choice,
    did_you_mean,
    some_of,
)
from nbglm.memory import default_budget, parse_memory
from nbglm.preprocessing.pooling import pooled_factors

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["SIZE_FACTORS", "factors_of", "method_named", "size_factors"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SIZE_FACTORS = ("total", "median_ratio", "poscounts", "pooled")
"""Ways to compute size factors."""

_GENES = 256  # read at a time
_ENTRIES = 1 << 26  # ratios of counts to references that are in memory at a time
_OTHER_WORDS = {
    "ratio": "median_ratio",
    "rle": "median_ratio",
    "deseq2": "median_ratio",
    "median": "median_ratio",
    "sum": "total",
    "library_size": "total",
    "libsize": "total",
    "normed_sum": "total",
    "deconvolution": "pooled",
    "scran": "pooled",
}


def size_factors(
    data: AnnData | pd.DataFrame | NDArray[Any] | sparse.spmatrix | str | PathLike[str],
    method: str = "total",
    *,
    groups: ArrayLike | str | None = None,
    obs: pd.DataFrame | Mapping[str, Any] | None = None,
    layer: str | None = None,
    max_memory: int | str | None = None,
) -> pd.Series:
    """Compute a factor for each cell that says how deeply it was sequenced.

    Parameters
    ----------
    data : AnnData, path, DataFrame, array or scipy sparse matrix, shape (cells, genes)
        Raw counts, in memory or not, as in :func:`nbglm.fit_negbin`.
    method : str
        ``"total"``: the sum of a cell's counts, divided by the mean of these sums.

        ``"median_ratio"``: the median, over all genes with counts in every cell, of the ratio of
        a count to the gene's geometric mean. For bulk samples, and for sums over many cells.

        ``"poscounts"``: the same over the positive counts of a cell, beside geometric means that
        take zeros for ones; the geometric mean of the factors is 1. For samples of which every
        gene misses some.

        ``"pooled"``: from sums over pools of cells, deconvolved. For cells, which are nearly
        empty, where some genes differ so much that totals would follow them.
    groups : array_like or str, optional
        For ``"pooled"``: groups of similar cells, such as clusters, or the name of a column of
        obs. Pools have cells of one group.
    obs : DataFrame or mapping, optional
        Columns of the cells; an AnnData brings its own.
    layer : str, optional
        Layer of an AnnData to use in place of ``X``.
    max_memory : int or str, optional
        Memory for counts that lie outside memory; see :func:`nbglm.fit_negbin`.

    Returns
    -------
    Series, indexed by cell
        Factors of the mean (count scale, positive), named ``size_factor``.

    Raises
    ------
    CountsError
        If the data are not counts, a cell has none, or too few for the method.
    OptionError
        If the method is unknown, or does not take groups.
    AlignmentError
        If `groups` does not match the cells.

    Notes
    -----
    ``"median_ratio"`` is the estimator of Anders and Huber (2010, Genome Biology 11:R106) as in
    DESeq2, and so is ``"poscounts"``; ``"pooled"`` is that of Lun, Bach and Marioni (2016, Genome
    Biology 17:75) with scran's defaults. All agree with these packages (``docs/parity.md``).

    A fit with ``size_factors="median_ratio"`` computes them from the counts that it is given. Where
    only some genes are fitted, compute them from all genes beforehand.

    Examples
    --------
    >>> import pandas as pd
    >>> counts = pd.DataFrame({"g": [10, 20, 40], "h": [5, 10, 21]}, index=["a", "b", "c"])
    >>> size_factors(counts, "median_ratio").round(3).to_dict()
    {'a': 0.496, 'b': 0.992, 'c': 2.033}
    >>> size_factors(counts).round(3).to_dict()
    {'a': 0.425, 'b': 0.849, 'c': 1.726}
    """
    check_choice("method", method, SIZE_FACTORS, _OTHER_WORDS)
    memory = default_budget() if max_memory is None else parse_memory(max_memory)
    table = open_counts(data, obs=obs, layer=layer)
    group = _numbers_of_groups(groups, method, table.obs)
    counts = read_table(table, Budget(memory, 0), False)
    factors = factors_of(counts, method, group)
    return pd.Series(factors, index=counts.cells, name="size_factor")


def factors_of(counts: Counts, method: str, group: IntArray | None = None) -> FloatArray:
    """Size factors of counts that are read and checked.

    Parameters
    ----------
    counts : Counts
        Of all cells.
    method : str
        One of `SIZE_FACTORS`.
    group : ndarray of int, shape (cells,), optional
        Number of each cell's group, for ``"pooled"``.

    Returns
    -------
    ndarray, shape (cells,)

    Raises
    ------
    CountsError
        If a cell has no counts, or too few for the method.
    OptionError
        If a group has too few cells.
    """
    totals = _totals(counts)
    _refuse_cells(totals > 0, counts, "has no counts", "Leave it out: it says nothing.")
    if method == "total":
        return totals / totals.mean()
    if method == "pooled":
        group = np.zeros(counts.n_cells, dtype=np.int64) if group is None else group
        factors = pooled_factors(_by_cells(counts), group)
        _refuse_cells(
            factors > 0,
            counts,
            "has no positive factor: pools with it are not larger than pools without",
            "Leave out cells with very few counts, give groups= of similar cells, or use "
            "method='total'.",
        )
        return factors
    factors = _medians(counts, _references(counts, method))
    if method == "poscounts":
        factors /= np.exp(np.log(factors).mean())
    return factors


def method_named(given: object, obs: pd.DataFrame) -> str | None:
    """The way to compute size factors that a fit asks for, if it is no column of obs.

    Parameters
    ----------
    given : object
        What was given as size factors.
    obs : DataFrame
        Columns of the cells.

    Returns
    -------
    str or None

    Raises
    ------
    AlignmentError
        If it is text, and neither a column nor a method.

    Examples
    --------
    >>> import pandas as pd
    >>> method_named("total", pd.DataFrame(index=["a"]))
    'total'
    >>> method_named("total", pd.DataFrame({"total": [2.0]}))
    """
    if not isinstance(given, str) or given in [str(column) for column in obs.columns]:
        return None
    if given in SIZE_FACTORS:
        return given
    near = did_you_mean(given, [*obs.columns, *SIZE_FACTORS])
    msg = (
        f"size_factors={given!r} is no column of obs, which has {some_of(obs.columns, 8)}, and no "
        f"way to compute them: {some_of(SIZE_FACTORS, 8)}.{near}"
    )
    raise AlignmentError(msg)


def _numbers_of_groups(groups: object, method: str, obs: pd.DataFrame) -> IntArray | None:
    if groups is None:
        return None
    if method != "pooled":
        msg = f"groups= goes with method='pooled'; method={method!r} looks at each cell by itself."
        raise OptionError(msg)
    codes, _ = pd.factorize(np.asarray(row_values("groups", groups, obs).values))
    if (codes < 0).any():
        first = quoted(obs.index[int(np.argmax(codes < 0))])
        msg = f"groups= has no value for {(codes < 0).sum()} cells, the first of which is {first}."
        raise AlignmentError(msg)
    return np.asarray(codes, dtype=np.int64)


def _refuse_cells(good: NDArray[np.bool_], counts: Counts, what: str, advice: str) -> None:
    if not good.all():
        cells = counts.cells[~good]
        others = f" (and so have {len(cells) - 1} more)" if len(cells) > 1 else ""
        msg = f"cell {quoted(cells[0])} {what}{others}. {advice}"
        raise CountsError(msg)


def _totals(counts: Counts) -> FloatArray:
    totals = np.zeros(counts.n_cells)
    for block in counts.blocks(_GENES):
        totals += np.bincount(block.cells, weights=block.counts, minlength=counts.n_cells)
    return totals


def _by_cells(counts: Counts) -> sparse.csr_matrix:
    """All counts by cells: what is summed over pools is whole cells."""
    parts = [
        sparse.csc_matrix(
            (block.counts, block.cells, block.indptr),
            shape=(counts.n_cells, block.indptr.size - 1),
        )
        for block in counts.blocks(_GENES)
    ]
    return sparse.csr_matrix(sparse.hstack(parts, format="csr"))


def _references(counts: Counts, method: str) -> FloatArray:
    """Logarithm of each gene's geometric mean; NaN where a gene is not used."""
    parts = []
    for block in counts.blocks(_GENES):
        found = np.diff(block.indptr)
        of_gene = np.repeat(np.arange(found.size), found)
        sums = np.bincount(of_gene, weights=np.log(block.counts), minlength=found.size)
        used = found == counts.n_cells if method == "median_ratio" else found > 0
        parts.append(np.where(used, sums / counts.n_cells, np.nan))
    references = np.concatenate(parts)
    if np.isnan(references).all():
        msg = (
            f"method='median_ratio' uses genes with counts in every cell, and there is none among "
            f"{counts.n_genes} genes of {counts.n_cells} cells. Use 'poscounts' for samples, "
            f"'total' or 'pooled' for cells."
        )
        raise CountsError(msg)
    return references


def _medians(counts: Counts, references: FloatArray) -> FloatArray:
    """Median over genes of the ratio of a positive count to the gene's reference, by cell."""
    density = max(1, int(np.isfinite(references).sum()))
    step = max(1, _ENTRIES // density)
    medians = np.empty(counts.n_cells)
    for first in range(0, counts.n_cells, step):
        last = min(first + step, counts.n_cells)
        medians[first:last] = _medians_of(counts, references, first, last)
    return np.asarray(np.exp(medians))


def _medians_of(counts: Counts, references: FloatArray, first: int, last: int) -> FloatArray:
    cells, ratios = [], []
    gene = 0
    for block in counts.blocks(_GENES):
        found = np.diff(block.indptr)
        reference = np.repeat(references[gene : gene + found.size], found)
        here = (block.cells >= first) & (block.cells < last) & ~np.isnan(reference)
        cells.append(block.cells[here])
        ratios.append(np.log(block.counts[here]) - reference[here])
        gene += found.size
    by_cell = pd.Series(np.concatenate(ratios)).groupby(np.concatenate(cells)).median()
    return np.asarray(by_cell.reindex(range(first, last)).to_numpy(), dtype=np.float64)
