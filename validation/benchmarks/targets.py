"""What the package is held to beside what was found, from the CSV files of the results."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.report import markdown

__all__ = ["compare"]

Table = pd.DataFrame
Found = tuple[float, float] | None  # what was found, and the bound


def _peer(fit: str, package: str, call: str, bound: float) -> Callable[[Table], Found]:
    """How many times the time of nbglm a package takes."""

    def find(table: Table) -> Found:
        same = (table["fit"] == fit) & (table["package"] == package) & (table["call"] == call)
        times = table.loc[same, "times_nbglm"].dropna()
        return (float(times.iloc[0]), bound) if len(times) else None

    return find


def _evaluations(design: str) -> Callable[[Table], Found]:
    """Mean evaluations a gene with many cells, the largest number of all sizes."""

    def find(table: Table) -> Found:
        many = (table["varies"] == "cells") & (table["cells"] >= 100_000)
        found = table.loc[many & (table["design"] == design), "evaluations"]
        return (float(found.max()), 4.0) if len(found) else None

    return find


def _memory(design: str) -> Callable[[Table], Found]:
    """Peak memory of the largest fit."""

    def find(table: Table) -> Found:
        full = table[(table["cells"] >= 1_000_000) & (table["genes"] >= 2_000)]
        found = full.loc[full["design"] == design, "peak_gib_max"]
        return (float(found.max()), 4.0) if len(found) else None

    return find


def _evaluation(table: Table) -> Found:
    """Nanoseconds a cell of one evaluation with four coefficients."""
    found = table.loc[table["what"] == "one evaluation, 2 + 2 coefficients", "cost"]
    return (float(found.iloc[0]), 10.0) if len(found) else None


def _startup(cache: str, column: str, bound: float) -> Callable[[Table], Found]:
    """The slowest median of a state of the cache."""

    def find(table: Table) -> Found:
        found = table.loc[table["cache"].fillna("") == cache, column]
        return (float(found.max()), bound) if len(found) else None

    return find


AT_LEAST = (
    ("statsmodels `fit()`, continuous, times slower", "peers",
     _peer("continuous", "statsmodels", "fit()", 60)),
    ("statsmodels `fit()`, categorical, times slower", "peers",
     _peer("categorical", "statsmodels", "fit()", 500)),
    ("glmGamPoi as maximum likelihood, continuous, times slower", "peers",
     _peer("continuous", "glmGamPoi", "glm_gp, no adjustment, no shrinkage", 20)),
    ("glmGamPoi as it comes, continuous, times slower", "peers",
     _peer("continuous", "glmGamPoi", "glm_gp", 20)),
    ("glmmTMB with `dispformula`, times slower", "peers",
     _peer("both", "glmmTMB", "nbinom2, dispformula", 1_000)),
)  # fmt: skip
AT_MOST = (
    ("evaluations a gene, 100,000 cells and more, continuous, dispersion `~ 1`", "scaling",
     _evaluations("continuous, dispersion ~ 1")),
    ("evaluations a gene, 100,000 cells and more, continuous, dispersion too", "scaling",
     _evaluations("continuous, dispersion too")),
    ("ns a cell of one evaluation, 2 + 2 coefficients", "roofline", _evaluation),
    ("peak memory, 1,000,000 cells x 2,000 genes, categorical, GiB", "million",
     _memory("categorical")),
    ("peak memory, 1,000,000 cells x 2,000 genes, continuous, GiB", "million",
     _memory("continuous")),
    ("`import nbglm`, s", "startup", _startup("", "import_s", 1.5)),
    ("first fit of a fresh install, s", "startup", _startup("cache empty", "fit_s", 10.0)),
    ("first process after that, from start to end, s", "startup",
     _startup("cache filled", "process_s", 2.0)),
)  # fmt: skip


def compare(folder: Path) -> Table:
    """One row for each target; what was not measured says so."""
    rows = []
    for targets, words in ((AT_LEAST, "at least"), (AT_MOST, "at most")):
        for what, part, find in targets:
            path = folder / f"{part}.csv"
            found, bound = (find(pd.read_csv(path)) if path.exists() else None) or (math.nan,) * 2
            met = found >= bound if words == "at least" else found <= bound
            held = f"{words} {bound:g}" if math.isfinite(bound) else ""
            rows.append(
                {
                    "what": what,
                    "held to": held,
                    "found": f"{found:.3g}" if held else "not measured",
                    "met": ("yes" if met else "**no**") if held else "",
                }
            )
    return pd.DataFrame(rows)


def main() -> None:
    """Write ``targets.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    folder = parser.parse_args().out
    text = markdown(compare(folder))
    (folder / "targets.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
