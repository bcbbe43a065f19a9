"""nbglm beside the stored fits of glmmTMB (validation/references), all dispersion formulas.

``python validation/compare_glmmtmb.py``

Where glmmTMB claims a higher log-likelihood, mpmath evaluates both estimates in 50 digits. Exits
with an error if the log-likelihood of nbglm is truly the lower anywhere.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from cases import Case, pancreas_cases, small_cases
from compare_statsmodels import exact_loglik

import nbglm

REFERENCES = Path(__file__).resolve().parent / "references"
CLAIM = 1e-6  # a higher claim than this, absolutely, is checked with mpmath


def compare(case: Case) -> tuple[dict[str, object], list[dict[str, object]]]:
    """One row of the table, and the genes whose log-likelihoods differ."""
    reference = pd.read_csv(REFERENCES / f"{case.name}.glmmtmb.csv")
    results = nbglm.fit_negbin(
        case.counts,
        {"mean": case.mean, "dispersion": case.dispersion},
        obs=case.obs,
        offset=case.offset,
        progress=False,
    )
    x, z = (np.asarray(part) for part in case.designs())
    p = x.shape[1]
    apart, coef_gap, error_gap, same = [], 0.0, 0.0, 0
    for position, (gene, table) in enumerate(reference.groupby("gene", sort=False)):
        ours, theirs = results.arrays.coef[position], table["coef"].to_numpy()
        claimed, found = table["llf"].iloc[0], results.llf[gene]
        if abs(claimed - found) <= CLAIM and table["max_gradient"].max() < 1e-6:
            error = np.sqrt(np.diag(results.covariance_of(position)))
            coef_gap = max(coef_gap, np.max(np.abs(ours - theirs) / error))
            error_gap = max(error_gap, np.max(np.abs(table["std_err"] / error - 1)))
            same += 1
            continue
        y = case.counts[gene].to_numpy()
        exact = [exact_loglik(y, case.offset + x @ c[:p], z @ c[p:]) for c in (theirs, ours)]
        apart.append(
            {
                "data": case.name,
                "gene": gene,
                "glmmTMB claims": claimed,
                "mpmath at its estimate": exact[0],
                "nbglm reports": found,
                "mpmath at nbglm's": exact[1],
                "nbglm ahead by": exact[1] - exact[0],
            }
        )
    first = reference.groupby("gene", sort=False).first()
    row = {
        "data": case.name,
        "genes": len(first),
        "ok": int((results.status == "ok").sum()),
        "same maximum": same,
        "coef (in SE)": coef_gap,
        "SE (rel)": error_gap,
        "glmmTMB default: not converged": int((~first["converged_default"]).sum()),
        "s a gene, glmmTMB": first["seconds"].mean(),
        "s a gene, nbglm": results.seconds / len(first),
    }
    return row, apart


def main() -> int:
    """Compare all data sets; 1 if nbglm is behind anywhere."""
    rows, apart = [], []
    for case in [*small_cases(), *pancreas_cases()]:
        row, genes = compare(case)
        rows.append(row)
        apart += genes
    print(pd.DataFrame(rows).to_string(index=False))
    behind = 0
    if apart:
        table = pd.DataFrame(apart)
        print(f"\n{len(table)} genes whose log-likelihoods, or gradients, differ:\n")
        print(table.to_string(index=False))
        behind = int((table["nbglm ahead by"] < -1e-7).sum())
    print(f"\nnbglm is behind on {behind} genes.")
    return int(behind > 0)


if __name__ == "__main__":
    sys.exit(main())
