"""nbglm beside other packages: milliseconds a gene on one core, and the log-likelihood reached.

Mouse pancreas, 2,087 cells x 100 genes. The log-likelihood of every package is evaluated at its own
estimates by nbglm's kernel. Packages that shrink or adjust dispersions, or are given them, do not
aim at the maximum; the table says which. What nbglm does once for all genes is part of its time a
gene, and also has a column of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peer_cases import SHORT, PeerCase, logliks, pancreas_fits
from benchmarks.peer_fits import (
    Fitted,
    fit_by_r,
    fit_gamlss,
    fit_nbglm,
    fit_pydeseq2,
    fit_statsmodels,
)
from benchmarks.report import between, options_of, write_csv, write_markdown
from benchmarks.timing import spread
from nbglm.demo import SIMULATION_FORMULA, simulate_tutorial

SCDESIGNER_SECONDS = 4.65  # for all genes; from its own run, not measured here
COPIES = 20  # of the genes, for packages that share work among them
ADJUSTED, SHRUNKEN, GIVEN = "Cox-Reid", "shrunken", "given"


@dataclass(frozen=True)
class Peer:
    """A package with one way to call it.

    Attributes
    ----------
    package, call : str
        What the table says.
    fit : callable
        Takes the case, the number of runs, and nbglm's dispersions ``alpha``.
    errors : bool
        Whether standard errors of coefficients are part of the time.
    size : str
        How the dispersion is estimated.
    varying : bool
        Whether the dispersion may have covariates.
    """

    package: str
    call: str
    fit: Callable[[PeerCase, int, np.ndarray], Fitted]
    errors: bool = True
    size: str = "ML"
    varying: bool = False


PEERS = (
    Peer("statsmodels", "fit()", lambda case, runs, _: fit_statsmodels(case, runs)),
    Peer(
        "statsmodels",
        "fit(maxiter=1000)",
        lambda case, runs, _: fit_statsmodels(case, runs, maxiter=1000),
    ),
    Peer(
        "statsmodels",
        "fit(method='newton', maxiter=1000)",
        lambda case, runs, _: fit_statsmodels(case, runs, method="newton", maxiter=1000),
    ),
    Peer("gamlss", "NBI()", lambda case, runs, _: fit_gamlss(case, runs), varying=True),
    Peer(
        "gamlss",
        "NBI(), c_crit=1e-8, n_cyc=200",
        lambda case, runs, _: fit_gamlss(case, runs, c_crit=1e-8, n_cyc=200),
        varying=True,
    ),
    Peer("MASS", "glm.nb", fit_by_r("MASS")),
    Peer("glmmTMB", "nbinom2, dispformula", fit_by_r("glmmTMB"), varying=True),
    Peer(
        "glmGamPoi",
        "glm_gp, no adjustment, no shrinkage",
        fit_by_r("glmGamPoi", COPIES),
        errors=False,
    ),
    Peer(
        "glmGamPoi",
        "glm_gp",
        fit_by_r("glmGamPoi_default", COPIES),
        errors=False,
        size=f"{ADJUSTED}, {SHRUNKEN}",
    ),
    Peer("edgeR", "glmFit", fit_by_r("edgeR_given", COPIES), errors=False, size=GIVEN),
    Peer(
        "edgeR",
        "estimateDisp, glmFit",
        fit_by_r("edgeR", COPIES),
        errors=False,
        size=f"{ADJUSTED}, {SHRUNKEN}",
    ),
    Peer("DESeq2", "DESeq", fit_by_r("DESeq2"), size=f"{ADJUSTED}, {SHRUNKEN}"),
    Peer(
        "PyDESeq2",
        "fit_*, run_wald_test",
        lambda case, runs, _: fit_pydeseq2(case, runs),
        size=f"{ADJUSTED}, {SHRUNKEN}",
    ),
)


def row_of(
    case: PeerCase, peer: Peer, fitted: Fitted, ours: np.ndarray | None = None
) -> dict[str, Any]:
    """One row: time and log-likelihood of a package, beside nbglm's on the same genes."""
    row: dict[str, Any] = {
        "fit": case.name,
        "mean": case.mean,
        "dispersion": case.dispersion,
        "package": peer.package,
        "version": fitted.version,
        "call": peer.call,
        "errors": "yes" if peer.errors else "no",
        "size": peer.size,
        "status": fitted.status,
        "cells": len(case.obs),
        "genes": case.counts.shape[1],
    }
    if fitted.beta is None:
        return row
    reached = logliks(case, fitted.beta, fitted.gamma)
    finite = np.isfinite(reached)
    row |= spread("ms", fitted.seconds, 1e3 / case.counts.shape[1])
    row |= {"genes_finite": int(finite.sum()), "loglik": reached[finite].sum()}
    if ours is not None:
        behind = (ours - reached)[finite]
        row |= {
            "loglik_nbglm": ours[finite].sum(),
            "genes_short": int((behind > SHORT).sum()),
            "short_by": behind.sum(),
            "ahead_at_most": max(0.0, float((-behind).max(initial=0.0))),
        }
    return row


def rows_of(case: PeerCase, runs: int) -> Iterator[dict[str, Any]]:
    """Every package that can do this fit."""
    alone, _ = fit_nbglm(case, runs)
    yield row_of(case, Peer("nbglm", "fit_negbin, these genes alone", fit_nbglm), alone)
    fitted, results = fit_nbglm(case, runs, COPIES)
    words = results.status.value_counts()
    call = "fit_negbin, " + ", ".join(f"{words[word]} {word}" for word in words.index)
    own = row_of(case, Peer("nbglm", call, fit_nbglm), fitted)
    yield own
    ours = logliks(case, fitted.beta, fitted.gamma)
    alpha = np.exp(-fitted.gamma[:, 0])
    for peer in PEERS:
        if case.constant_size or peer.varying:
            print(f"{case.name}: {peer.package} {peer.call}", flush=True)
            row = row_of(case, peer, peer.fit(case, runs, alpha), ours)
            yield {**row, "times_nbglm": row["ms"] / own["ms"]} if "ms" in row else row


def tutorial_rows(runs: int) -> Iterator[dict[str, Any]]:
    """The size of scDesigner's tutorial; its time is quoted."""
    adata = simulate_tutorial(0).adata
    counts = pd.DataFrame(adata.X, columns=adata.var_names)
    obs = adata.obs.reset_index(drop=True)
    mean, dispersion = SIMULATION_FORMULA["mean"], SIMULATION_FORMULA["dispersion"]
    case = PeerCase("tutorial", counts, obs, mean, dispersion, np.zeros(len(obs)))
    fitted, _ = fit_nbglm(case, runs)
    own = row_of(case, Peer("nbglm", "fit_negbin", fit_nbglm), fitted)
    yield own
    quoted = Fitted("quoted from its own run")
    row = row_of(case, Peer("scDesigner", "NegBin", fit_nbglm, errors=False), quoted)
    ms = 1e3 * SCDESIGNER_SECONDS / counts.shape[1]
    yield {**row, "ms": ms, "ms_min": ms, "ms_max": ms, "times_nbglm": ms / own["ms"]}


def _instead(row: pd.Series) -> str:
    """What stands where no time was measured."""
    return f"{row['ms']:.3g}, {row['status']}" if pd.notna(row["ms"]) else row["status"]


def _difference(value: float) -> str:
    """A difference of log-likelihoods, 0 at the level of rounding."""
    return "0" if abs(value) < 1e-5 else f"{value:.3g}"


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table that people read."""
    rows = []
    for _, row in table.iterrows():
        measured = pd.notna(row["genes_finite"])
        peer = pd.notna(row["loglik_nbglm"])
        rows.append(
            {
                "fit": f"`{row['mean']}`, `{row['dispersion']}`",
                "package": f"{row['package']} {row['version'] or ''}".strip(),
                "call": row["call"],
                "dispersion": row["size"],
                "errors": row["errors"],
                "ms a gene": between(row, "ms") if measured else _instead(row),
                "times nbglm": f"{row['times_nbglm']:.3g}" if pd.notna(row["times_nbglm"]) else "",
                "log-likelihood": f"{row['loglik']:.3f}" if measured else "",
                "below nbglm by": _difference(row["short_by"]) if peer else "",
                "genes short": f"{row['genes_short']:.0f}" if peer else "",
                "genes without": f"{row['genes'] - row['genes_finite']:.0f}" if measured else "",
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Measure and write ``peers.csv`` and ``peers.md``."""
    options = options_of(__doc__).parse_args()
    rows = list(tutorial_rows(options.runs))
    for case in pancreas_fits(30 if options.quick else None):
        rows += rows_of(case, options.runs)
    table = write_csv(rows, options.out / "peers.csv", options.note)
    write_markdown(shown(table), table, options.out / "peers.md")


if __name__ == "__main__":
    main()
