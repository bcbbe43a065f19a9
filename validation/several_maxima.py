"""How often the likelihood has several maxima, and what guarding against the lower ones costs.

``python validation/several_maxima.py``

Every start that nbglm would use is climbed by itself. Counted are the genes on which they end at
maxima more than 0.001 apart, those on which the first start alone would have returned a lower one,
and the evaluations of the log-likelihood that one start and all of them take.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from cases import pancreas_cases
from fuzz import random_data
from sparse_cells import sparse_cells

import nbglm
from nbglm.problem.coarse import Coarse
from nbglm.problem.start import Search, gamma_starts
from nbglm.search.climb import climb_block

APART = 1e-3
MAX_EVALUATIONS = 300


def ends(results: nbglm.NegBinResults, gene: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihood, whether it is a maximum, and evaluations, for each start by itself."""
    layout = results.problem.layout
    block = results.counts.block(gene, gene + 1)
    nothing = Coarse(layout, layout.bin_of_row[:0], same_sizes=True)
    single = [
        climb_block(
            *block,
            Search(layout, nothing, layout, start[None], start[None]),
            max_evaluations=MAX_EVALUATIONS,
            screen=False,
        )
        for start in gamma_starts(layout, layout.weight.size)
    ]
    return (
        np.array([fit.value[0] for fit in single]),
        np.array([fit.flags[0] == 0 for fit in single]),
        np.array([fit.evaluations[0] for fit in single]),
    )


def sets() -> Iterator[tuple[str, list[nbglm.NegBinResults]]]:
    """Names and fits of the data sets."""
    for case in pancreas_cases():
        formula = {"mean": case.mean, "dispersion": case.dispersion}
        yield case.name, [nbglm.fit_negbin(case.counts, formula, obs=case.obs)]
    some = sparse_cells()[:, :200]
    for size in ("~ 1", "~ type", "~ time"):
        formula = {"mean": "~ type + time", "dispersion": size}
        yield f"sparse {size}", [nbglm.fit_negbin(some, formula, size_factors="size_factor")]
    hostile = []
    for seed in range(1000):
        y, obs, formula, offset = random_data(np.random.default_rng(seed))
        try:
            fit = nbglm.fit_negbin(pd.DataFrame({"y": y}), formula, obs=obs, offset=offset)
        except nbglm.FormulaError:
            continue
        hostile.append(fit)
    yield "hostile", hostile


def main() -> None:
    """Print one line for each data set; genes at a limit are left out."""
    warnings.simplefilter("ignore")
    rows = []
    for name, fits in sets():
        several = lower = genes = one = every = 0
        losses = []
        for results in fits:
            for gene in np.flatnonzero(results.status == "ok"):
                value, is_maximum, evaluations = ends(results, gene)
                genes += 1
                one += evaluations[0]
                every += evaluations.sum()
                tops = value[is_maximum]
                several += np.ptp(tops) > APART if tops.size else 0
                loss = results.llf.iloc[gene] - value[0]
                lower += loss > APART
                losses.append((loss, results.gene_names[gene]))
        worst = max(losses)
        rows.append(
            {
                "data": name,
                "genes": genes,
                "several maxima": several,
                "first start is lower": lower,
                "by at most": f"{worst[0]:.3g} ({worst[1]})",
                "evaluations, one start": round(one / genes, 1),
                "all starts, unguided": round(every / genes, 1),
                "as fitted": round(sum(r.n_iter[r.status == "ok"].sum() for r in fits) / genes, 1),
            }
        )
        print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)


if __name__ == "__main__":
    main()
