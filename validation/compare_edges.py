"""Genes at an edge: how many there are, and what others make of them.

``python validation/compare_edges.py`` counts statuses on the pancreas data and on 3,000 simulated
cells x 2,000 genes, and puts nbglm beside statsmodels (fitted here), glmmTMB and PyDESeq2 (stored
fits, see ``R/edges.R`` and ``pydeseq2_fits.py``) on 120 of those genes.
``--write FOLDER`` writes these genes for the others.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from cases import pancreas_cases
from compare_statsmodels import exact_loglik
from sparse_cells import sparse_cells
from statsmodels.discrete.discrete_model import NegativeBinomial

import nbglm

REFERENCES = Path(__file__).parent / "references"
MEAN = "~ type + time"
SIZES = ("~ 1", "~ type", "~ time")
SHORT = 1e-2  # of log-likelihood, that makes a result a wrong one
SAMPLE = 120
CLAIM = 1e-4  # a higher log-likelihood than this, absolutely, is checked with mpmath


def fit(data: AnnData, size: str) -> nbglm.NegBinResults:
    """The sparse cells with a dispersion formula."""
    formula = {"mean": MEAN, "dispersion": size}
    return nbglm.fit_negbin(data, formula, size_factors="size_factor", n_jobs=2, progress=False)


def statuses(name: str, results: nbglm.NegBinResults) -> dict[str, object]:
    """One line of the table of statuses."""
    return {
        "data": name,
        "genes": len(results.status),
        "seconds": round(results.seconds, 1),
        **results.status.value_counts().to_dict(),
    }


def verdict(llf: float, errors_finite: bool, ours: nbglm.NegBinResults, gene: str) -> str:
    """What a fit that calls itself converged is worth."""
    coef = np.concatenate([ours.params[part][gene] for part in ("beta", "gamma")])
    if llf < ours.llf[gene] - SHORT:
        return f"converged, but more than {SHORT} short"
    if np.isinf(coef).any():
        return "finite numbers for an infinite coefficient"
    return "right" if errors_finite else "right, standard errors NaN"


def statsmodels_word(y: np.ndarray, ours: nbglm.NegBinResults, gene: str, method: str) -> str:
    """What statsmodels makes of one gene."""
    x, offset = ours.design.mean.matrix, ours.design.offset
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = NegativeBinomial(y, x, offset=offset).fit(method=method, maxiter=200, disp=0)
        except Exception as error:  # noqa: BLE001 - that is what is counted
            return f"raises {type(error).__name__}"
        errors_finite = bool(np.isfinite(theirs.bse).all())
    converged = theirs.mle_retvals["converged"]
    if not np.isfinite(theirs.llf):
        return "NaN log-likelihood" + (", converged" if converged else "")
    if not converged:
        return "says it has not converged"
    return verdict(theirs.llf, errors_finite, ours, gene)


def tmb_word(row: pd.Series, ours: nbglm.NegBinResults) -> str:
    """What glmmTMB makes of one gene."""
    if isinstance(row["error"], str) and row["error"]:
        return "raises an error"
    if not row["converged"]:
        return "warns (convergence, Hessian or NaN)"
    return verdict(row["llf"], row["missing_se"] == 0, ours, row["gene"])


def higher_claims(
    table: pd.DataFrame, ours: nbglm.NegBinResults, counts: pd.DataFrame
) -> tuple[int, list[str]]:
    """How often glmmTMB claims more than we do, and where mpmath agrees at its estimate."""
    x, z = ours.design.mean.matrix, ours.design.dispersion.matrix
    claims, true = 0, []
    for _, row in table.iterrows():
        gene = str(row["gene"])
        if not row["llf"] > ours.llf[gene] + CLAIM:
            continue
        claims += 1
        par = np.array(str(row["par"]).split(), dtype=float)
        eta, zeta = ours.design.offset + x @ par[: x.shape[1]], z @ par[x.shape[1] :]
        if exact_loglik(counts[gene].to_numpy(), eta, zeta) > ours.llf[gene] + CLAIM:
            true.append(gene)
    return claims, true


def deseq_word(table: pd.DataFrame, ours: nbglm.NegBinResults, gene: str) -> str:
    """What PyDESeq2 makes of one gene (its dispersions are shrunken: only limits are judged)."""
    if table["coef"].isna().any():
        return "NaN for the whole gene"
    if not table["converged"].all():
        return "says it has not converged"
    if np.isinf(ours.params["beta"][gene].to_numpy()).any():
        return "finite numbers for an infinite coefficient"
    return "a finite fit"


def crosstab(title: str, ours: nbglm.NegBinResults, words: pd.Series) -> None:
    """Print a peer's words against our statuses."""
    print(f"\n{title}")
    status = ours.status[words.index].rename("status")
    print(pd.crosstab(words.rename("peer"), status).to_string())


def main() -> int:
    """Print all tables; fail if a peer is truly above ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    folder = parser.parse_args().write
    data = sparse_cells()
    some = data[:, :SAMPLE]
    counts = pd.DataFrame(some.X.toarray(), columns=some.var_names)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        counts.to_csv(folder / "edges.counts.csv", index=False)
        some.obs.to_csv(folder / "edges.obs.csv", index=False)
        return 0
    fit(some[:, :2], "~ 1")  # compiles
    rows = []
    for case in pancreas_cases():
        formula = {"mean": case.mean, "dispersion": case.dispersion}
        results = nbglm.fit_negbin(case.counts, formula, obs=case.obs, n_jobs=2, progress=False)
        rows.append(statuses(case.name, results))
    rows += [statuses(f"sparse, dispersion {size}", fit(data, size)) for size in SIZES]
    print(pd.DataFrame(rows).fillna(0).astype({"genes": int}).to_string(index=False))

    above = 0
    ours = {size: fit(some, size) for size in SIZES}
    for method in ("bfgs", "newton"):
        started = time.perf_counter()
        words = {
            gene: statsmodels_word(counts[gene].to_numpy(), ours["~ 1"], gene, method)
            for gene in counts
        }
        seconds = time.perf_counter() - started
        title = f"statsmodels NegativeBinomial ({method}), {seconds:.1f} s"
        crosstab(title, ours["~ 1"], pd.Series(words))
    stored = pd.read_csv(REFERENCES / "edges.glmmtmb.csv")
    for size, table in stored.groupby("dispersion", sort=False):
        fits = ours[str(size)]
        words = {row["gene"]: tmb_word(row, fits) for _, row in table.iterrows()}
        title = f"glmmTMB, dispersion {size}, {table['seconds'].sum():.1f} s"
        crosstab(f"{title} (nbglm {fits.seconds:.1f} s)", fits, pd.Series(words))
        claims, true = higher_claims(table, fits, counts)
        print(f"a higher log-likelihood claimed on {claims} genes, rightly on {len(true)} {true}")
        above += len(true)
    stored = pd.read_csv(REFERENCES / "edges.pydeseq2.csv")
    words = {
        str(gene): deseq_word(table, ours["~ 1"], str(gene))
        for gene, table in stored.groupby("gene", sort=False)
    }
    title = f"PyDESeq2, {stored['seconds_for_all'].iloc[0]:.1f} s"
    crosstab(title, ours["~ 1"], pd.Series(words))
    return int(above > 0)


if __name__ == "__main__":
    sys.exit(main())
