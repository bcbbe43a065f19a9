"""The tests of :mod:`nbglm.diagnostics.moments` for many genes, as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.genewise import gene_table
from nbglm.diagnostics.cells import GeneCells, cells_of_one
from nbglm.diagnostics.moments import Information, Moment, dispersion, uniformity, zeros
from nbglm.diagnostics.residuals import uniform_shares
from nbglm.exceptions import check_choice
from nbglm.inference.pvalues import Tail, check_method, chi2_tail, p_columns
from nbglm.inference.selection import names_of
from nbglm.inference.tables import FitTables
from nbglm.parallel.threads import in_threads
from nbglm.simulate.draws import Seed, seed_entropy
from nbglm.status import GENE_STATUS, NOTHING_TOLD

__all__ = ["TESTS", "goodness_of_fit"]

IntArray = NDArray[np.int64]

TESTS = ("zeros", "dispersion", "uniformity")
"""What is tested."""

_UNTESTED = Moment(np.nan, np.nan, np.nan, 0)


def _moments(
    results: FitTables, gene: int, tests: list[str], entropy: tuple[int, ...]
) -> list[Moment]:
    """The tests of one gene."""
    if GENE_STATUS[results.arrays.status[gene]] in NOTHING_TOLD:
        return [_UNTESTED] * len(tests)
    cells = cells_of_one(results, gene)
    design = results.design
    root = results.arrays.root[gene]
    information = Information(cells, design.mean.matrix, design.dispersion.matrix, root)

    def uniform(cells: GeneCells, information: Information) -> Moment:
        share = uniform_shares(entropy, cells.name, cells.y.size)
        return uniformity(cells, information, share)

    known: dict[str, Callable[[GeneCells, Information], Moment]] = {
        "zeros": zeros,
        "dispersion": dispersion,
        "uniformity": uniform,
    }
    return [known[name](cells, information) for name in tests]


def goodness_of_fit(
    results: FitTables,
    positions: IntArray,
    tests: str | Iterable[str] | None,
    seed: Seed,
    method: str,
    n_jobs: int | None,
) -> pd.DataFrame:
    """Test what the fit does not say of the counts of some genes.

    Parameters
    ----------
    results : FitTables
        The fit.
    positions : ndarray of int
        Which genes.
    tests, seed, method, n_jobs
        As in :meth:`nbglm.NegBinResults.goodness_of_fit`.

    Returns
    -------
    DataFrame

    Raises
    ------
    OptionError
        If a test or the method is unknown.
    """
    chosen = list(TESTS) if tests is None else names_of("tests", tests)
    for name in chosen:
        check_choice("tests", name, TESTS)
    check_method(method)
    results.require_data("goodness_of_fit()")
    entropy = seed_entropy(seed)

    def task(gene: int) -> list[Moment]:
        return _moments(results, gene, chosen, entropy)

    found = list(in_threads(task, [int(gene) for gene in positions], n_jobs))
    shape = (positions.size, len(chosen))
    numbers = [
        np.array([[getattr(one, name) for one in row] for row in found], dtype=np.float64)
        for name in ("observed", "expected", "statistic", "df")
    ]
    observed, expected, statistic, df = (part.reshape(shape) for part in numbers)
    tail = chi2_tail(statistic.ravel(), df.ravel().astype(np.int64))
    parts = (np.where(np.isnan(statistic), np.nan, part.reshape(shape)) for part in tail)
    whole = np.array(GENE_STATUS, dtype=object)[results.arrays.status[positions]]
    untold = np.isin(whole.astype(str), NOTHING_TOLD)
    status = np.where(np.isnan(statistic), "not_identified", "ok").astype(object)
    status[untold] = whole[untold, None]
    columns = {
        "observed": observed,
        "expected": expected,
        "statistic": statistic,
        "df": df.astype(np.int64),
        **p_columns(Tail(*parts), method),
        "status": status,
    }
    return gene_table(results.gene_names[positions], columns, pd.DataFrame({"test": chosen}))
