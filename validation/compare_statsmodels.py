"""nbglm beside statsmodels' NegativeBinomial on the same data, dispersion ``~ 1``.

``python validation/compare_statsmodels.py [--markdown]``

Prints one row a data set and one a gene on which the two part, and exits with an error unless nbglm
is right on every one of them: where coefficients, standard errors or log-likelihoods differ by more
than the tolerances, the log-likelihoods of both are computed in 50 digits by mpmath, and that of
nbglm must be the larger.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from dataclasses import dataclass

import mpmath
import numpy as np
import pandas as pd
import statsmodels
import statsmodels.api as sm
from cases import Case, pancreas_cases, small_cases

import nbglm

COEF, ERROR, LOGLIK = 1e-5, 1e-4, 1e-8


@dataclass(frozen=True)
class Theirs:
    """What statsmodels reports for one gene, in nbglm's parameters."""

    coef: np.ndarray
    error: np.ndarray
    llf: float
    converged: bool
    seconds: float


def exact_loglik(y: np.ndarray, eta: np.ndarray, zeta: np.ndarray) -> float:
    """Log-likelihood in 50 correct digits; NaN if a predictor is not finite."""
    if not (np.isfinite(eta).all() and np.isfinite(zeta).all()):
        return math.nan
    # lgamma(y + r) - lgamma(r) loses as many digits as r has
    with mpmath.workdps(60 + int(max(zeta.max(), 0.0) / 2)):
        total = mpmath.mpf(0)
        for count, e, z in zip(y, eta, zeta, strict=True):
            n, r, log_mu = mpmath.mpf(int(count)), mpmath.exp(float(z)), mpmath.mpf(float(e))
            log_share = mpmath.log1p(mpmath.exp(log_mu) / r)
            total += mpmath.loggamma(n + r) - mpmath.loggamma(r) - mpmath.loggamma(n + 1)
            total += n * (log_mu - mpmath.mpf(float(z)) - log_share) - r * log_share
        return float(total)


def fit_statsmodels(y: pd.Series, x: pd.DataFrame, method: str) -> Theirs:
    """Fit with statsmodels; its alpha becomes ``gamma = -log(alpha)`` by the delta method."""
    started = time.perf_counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            fit = sm.NegativeBinomial(y, x).fit(method=method, maxiter=1000, disp=0)
            alpha = float(fit.params.iloc[-1])
            coef, error = fit.params.to_numpy().copy(), fit.bse.to_numpy().copy()
            coef[-1] = -math.log(alpha) if alpha > 0 else math.nan
            error[-1] = error[-1] / alpha
            llf, converged = float(fit.llf), bool(fit.mle_retvals["converged"])
        except np.linalg.LinAlgError:
            coef = error = np.full(x.shape[1] + 1, math.nan)
            llf, converged = math.nan, False
    return Theirs(coef, error, llf, converged, time.perf_counter() - started)


def compare(case: Case, method: str) -> tuple[dict[str, object], list[dict[str, object]]]:
    """One row of the table, and the genes on which the two part."""
    x, _ = case.designs()
    nbglm.fit_negbin(case.counts.iloc[:, :1], case.mean, obs=case.obs, progress=False)  # warm up
    results = nbglm.fit_negbin(case.counts, case.mean, obs=case.obs, progress=False)
    parted, agreed, seconds = [], [], 0.0
    for position, gene in enumerate(case.counts):
        theirs = fit_statsmodels(case.counts[gene], x, method)
        seconds += theirs.seconds
        coef = results.arrays.coef[position]
        error = np.sqrt(np.diag(results.covariance_of(position)))
        gaps = [
            float(np.max(np.abs(theirs.coef - coef))),
            float(np.max(np.abs(theirs.error / error - 1.0))),
            float(abs(theirs.llf / results.llf[gene] - 1.0)),
        ]
        if all(gap <= limit for gap, limit in zip(gaps, (COEF, ERROR, LOGLIK), strict=True)):
            agreed.append(gaps)
            continue
        y, p = case.counts[gene].to_numpy(), x.shape[1]
        ours_exact, theirs_exact = (
            exact_loglik(y, x.to_numpy() @ c[:p], np.full(y.size, c[p]))
            for c in (coef, theirs.coef)
        )
        parted.append(
            {
                "data": case.name,
                "gene": gene,
                "says converged": theirs.converged,
                "statsmodels reports": theirs.llf,
                "mpmath at its estimate": theirs_exact,
                "nbglm reports": results.llf[gene],
                "mpmath at nbglm's": ours_exact,
                "nbglm ahead by": ours_exact - theirs_exact,
                "largest coef gap": gaps[0],
                "largest SE gap": gaps[1],
            }
        )
    worst = np.max(agreed, axis=0) if agreed else [math.nan] * 3
    row = {
        "data": case.name,
        "method": method,
        "genes": case.counts.shape[1],
        "agree": len(agreed),
        "coef (abs)": worst[0],
        "SE (rel)": worst[1],
        "llf (rel)": worst[2],
        "ms a gene, nbglm": 1e3 * results.seconds / case.counts.shape[1],
        "ms a gene, statsmodels": 1e3 * seconds / case.counts.shape[1],
    }
    return row, parted


def main() -> int:
    """Compare all data sets; 1 if nbglm is behind anywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print tables as Markdown")
    markdown = parser.parse_args().markdown
    cases = [case for case in [*small_cases(), *pancreas_cases()] if case.dispersion == "~ 1"]
    cases = [case for case in cases if not case.offset.any()]
    rows, parted = [], []
    for case in cases:
        for method in ("bfgs", "newton"):
            row, apart = compare(case, method)
            rows.append(row)
            parted += [{"method": method, **gene} for gene in apart]

    def show(table: pd.DataFrame) -> str:
        render = {"index": False, "floatfmt": ".6g"} if markdown else {"index": False}
        return table.to_markdown(**render) if markdown else table.to_string(**render)

    print(f"nbglm {nbglm.__version__}, statsmodels {statsmodels.__version__}, dispersion ~ 1\n")
    print(show(pd.DataFrame(rows)))
    table = pd.DataFrame(parted)
    behind = 0
    if len(table):
        print(f"\n{len(table)} fits on which the two part:\n")
        print(show(table))
        lead = table["nbglm ahead by"]
        # Equal log-likelihoods with other coefficients are an early stop of statsmodels.
        short = lead < -1e-8 * table["nbglm reports"].abs()
        false = (table["nbglm reports"] / table["mpmath at nbglm's"] - 1).abs() > LOGLIK
        behind = int((short | false).sum())
    print(f"\nnbglm is behind, or reports a wrong log-likelihood, on {behind} fits.")
    return int(behind > 0)


if __name__ == "__main__":
    sys.exit(main())
