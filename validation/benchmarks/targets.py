"""What the package is held to beside what was found, from the CSV files of the results."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.report import markdown

__all__ = ["compare"]

Table = pd.DataFrame


def _peer(fit: str, package: str, call: str) -> Callable[[Table], Table]:
    """How many times the time of nbglm a package takes."""

    def find(table: Table) -> Table:
        same = (table["fit"] == fit) & (table["package"] == package) & (table["call"] == call)
        return table.loc[same, "times_nbglm"]

    return find


def _evaluations(design: str) -> Callable[[Table], Table]:
    """Mean evaluations a gene where there are many cells."""

    def find(table: Table) -> Table:
        many = (table["varies"] == "cells") & (table["cells"] >= 100_000)
        return table.loc[many & (table["design"] == design), "evaluations"]

    return find


def _memory(design: str) -> Callable[[Table], Table]:
    """Peak memory of the largest fit."""

    def find(table: Table) -> Table:
        full = (table["cells"] >= 1_000_000) & (table["genes"] >= 2_000)
        return table.loc[full & (table["design"] == design), "peak_gib_max"]

    return find


def _evaluation(table: Table) -> Table:
    """Nanoseconds a cell of one evaluation with four coefficients."""
    return table.loc[table["what"] == "one evaluation, 2 + 2 coefficients", "cost"]


def _startup(cache: str, column: str) -> Callable[[Table], Table]:
    """Seconds with a state of the cache."""

    def find(table: Table) -> Table:
        return table.loc[table["cache"].fillna("") == cache, column]

    return find


AT_LEAST = (
    (60, "statsmodels `fit()`, continuous, times slower", "peers",
     _peer("continuous", "statsmodels", "fit()")),
    (500, "statsmodels `fit()`, categorical, times slower", "peers",
     _peer("categorical", "statsmodels", "fit()")),
    (20, "glmGamPoi as maximum likelihood, continuous, times slower", "peers",
     _peer("continuous", "glmGamPoi", "glm_gp, no adjustment, no shrinkage")),
    (20, "glmGamPoi as it comes, continuous, times slower", "peers",
     _peer("continuous", "glmGamPoi", "glm_gp")),
    (1_000, "glmmTMB with `dispformula`, times slower", "peers",
     _peer("both", "glmmTMB", "nbinom2, dispformula")),
)  # fmt: skip
AT_MOST = (
    (4, "evaluations a gene, 100,000 cells and more, continuous, dispersion `~ 1`", "scaling",
     _evaluations("continuous, dispersion ~ 1")),
    (4, "evaluations a gene, 100,000 cells and more, continuous, dispersion too", "scaling",
     _evaluations("continuous, dispersion too")),
    (10, "ns a cell of one evaluation, 2 + 2 coefficients", "roofline", _evaluation),
    (4, "peak memory, 1,000,000 cells x 2,000 genes, categorical, GiB", "million",
     _memory("categorical")),
    (4, "peak memory, 1,000,000 cells x 2,000 genes, continuous, GiB", "million",
     _memory("continuous")),
    (1.5, "`import nbglm`, s", "startup", _startup("", "import_s")),
    (10, "first fit of a fresh install, s", "startup", _startup("cache empty", "fit_s")),
    (2, "first process after that, from start to end, s", "startup",
     _startup("cache filled", "process_s")),
)  # fmt: skip


def _when(row: pd.Series) -> str:
    """Day, commit and note of a measurement."""
    parts = (str(row[name]) for name in ("date", "commit", "note") if pd.notna(row[name]))
    return ", ".join(parts)


def compare(folder: Path) -> Table:
    """One row for each target, with the worst that was found; what was not measured says so."""
    rows = []
    for targets, words in ((AT_LEAST, "at least"), (AT_MOST, "at most")):
        for bound, what, part, find in targets:
            path = folder / f"{part}.csv"
            table = pd.read_csv(path) if path.exists() else None
            found = find(table).dropna() if table is not None else pd.Series([])
            row = {"what": what, "held to": f"{words} {bound:,}", "found": "not measured"}
            if len(found):
                worst = found.min() if words == "at least" else found.max()
                met = worst >= bound if words == "at least" else worst <= bound
                row |= {"found": f"{worst:.3g}", "met": "yes" if met else "**no**"}
                row["measured"] = _when(table.iloc[0])
            rows.append(row)
    return pd.DataFrame(rows).fillna("")


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
