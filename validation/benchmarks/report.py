"""Results as CSV files, and as markdown tables that can stand in the documentation."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from benchmarks.machine import conditions

__all__ = ["between", "caption", "markdown", "options_of", "write_csv", "write_markdown"]


def options_of(description: str | None) -> argparse.ArgumentParser:
    """The options that all parts have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--runs", type=int, default=5, help="runs of each measurement")
    parser.add_argument("--note", default="", help="a remark that every table is to carry")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it out")
    return parser


def write_csv(rows: Iterable[Mapping[str, object]], path: Path, note: str) -> pd.DataFrame:
    """Write rows with the conditions of the run beside each; return them as a table."""
    table = pd.DataFrame([{**row, **conditions(note)} for row in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    rounded = table.copy()
    for name in rounded.select_dtypes("float"):
        digits = 10 if "loglik" in name else 4
        shown = [f"{value:.{digits}g}" if pd.notna(value) else "" for value in rounded[name]]
        rounded[name] = shown
    rounded.to_csv(path, index=False)
    return table


def between(row: pd.Series, name: str, digits: int = 3) -> str:
    """``median (smallest-largest)`` of the columns that :func:`timing.spread` made."""
    if pd.isna(row.get(name)):
        return ""
    low, high = f"{row[name + '_min']:.{digits}g}", f"{row[name + '_max']:.{digits}g}"
    return f"{row[name]:.{digits}g} ({low}-{high})"


def markdown(table: pd.DataFrame) -> str:
    """A table in markdown; its cells are text already."""
    lines = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def caption(table: pd.DataFrame) -> str:
    """The conditions under which a table of results was measured, as a sentence."""
    first = table.iloc[0]
    runs = table["runs"].dropna() if "runs" in table else pd.Series([])
    text = (
        f"{first['cpu']}, {first['cores']} cores, one BLAS thread; nbglm {first['nbglm']} "
        f"({first['commit']}), Python {first['python']}, NumPy {first['numpy']}, "
        f"numba {first['numba']}; {first['date']} UTC, load {first['load']} at the end."
    )
    if len(runs):
        few, many = int(runs.min()), int(runs.max())
        count = f"{few}" if few == many else f"{few} to {many}"
        text += f" Median (smallest-largest) of {count} run{'s' * (many > 1)}."
    return text + (f" **{first['note']}**" if first["note"] else "")


def write_markdown(shown: pd.DataFrame, measured: pd.DataFrame, path: Path) -> None:
    """Write the table that people read, with the conditions of the measurement below it."""
    text = f"{markdown(shown)}\n{caption(measured)}\n"
    path.write_text(text)
    print(text, flush=True)
