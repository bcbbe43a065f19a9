"""A fit of many genes on one page, in text and for notebooks."""

from __future__ import annotations

from textwrap import wrap
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nbglm.editing.truth import total_likelihood
from nbglm.report.html import as_block, as_facts, as_grid, as_heading, as_note
from nbglm.report.overview import (
    coefficient_quantiles,
    formula_facts,
    significant_genes,
    status_counts,
    told_number,
)
from nbglm.status import SENTENCES

if TYPE_CHECKING:
    from nbglm.inference.methods import FitInference
    from nbglm.report.safesummary import SafeSummary

__all__ = ["fit_html", "fit_summary"]

_MOST = 40  # coefficients that are shown
_WIDTH = 92  # characters of a line of notes

_SCALE = "Var = mean + mean^2 / size: a larger size is LESS overdispersion."


def _size(tables: FitInference) -> str:
    genes = len(tables.counts.genes)
    return f"{genes:,} gene{'s' * (genes != 1)} x {tables.counts.n_cells:,} cells"


def _coefficient_rows(tables: FitInference) -> tuple[list[str], list[list[str]]]:
    """Names of columns, and the rows of a table of coefficients, as far as these are shown."""
    table = coefficient_quantiles(tables)
    # What no coefficient has needs no column.
    table = table.drop(columns=[name for name in ("infinite", "missing") if not table[name].any()])
    rows = [
        [component, term, *(told_number(float(value)) for value in values)]
        for (component, term), values in zip(
            table.index[:_MOST], table.to_numpy()[:_MOST], strict=True
        )
    ]
    return ["", "term", *table.columns], rows


def _more(tables: FitInference) -> list[str]:
    width = tables.arrays.coef.shape[1]
    return [f"{width - _MOST:,} more coefficients: res.params has all."] * (width > _MOST)


def _top(tables: FitInference) -> tuple[list[tuple[str, list[str]]], list[tuple[str, list[str]]]]:
    """What stands at the left and at the right of the head of a summary."""
    genes = len(tables.counts.genes)
    left = [(f"{name}:", [text]) for name, text in formula_facts(tables)]
    left += [
        ("No. Genes:", [f"{genes:,}"]),
        ("No. Observations:", [f"{tables.nobs:,g}"]),
        ("Coefs. per Gene:", [str(tables.n_params)]),
        ("Covariance Type:", [tables.cov_type]),
    ]
    likelihood = total_likelihood(tables)
    right = [
        ("Method:", ["MLE, gene by gene"]),
        ("Log-Likelihood, sum:", [f"{likelihood:#.8g}"]),
        ("AIC, sum:", [f"{tables.aic.sum():#.8g}"]),
        ("BIC, sum:", [f"{tables.bic.sum():#.8g}"]),
        ("Base Mean, median:", [told_number(float(tables.base_mean.median()))]),
        ("Seconds:", [f"{tables.seconds:.2g}"]),
    ]
    return left, right


def fit_summary(tables: FitInference, alpha: float, method: str) -> SafeSummary:
    """A fit on one page: see :meth:`nbglm.NegBinResults.summary`."""
    from statsmodels.iolib.table import SimpleTable
    from statsmodels.iolib.tableformatting import fmt_params

    from nbglm.report.safesummary import SafeSummary

    narrow = {**fmt_params, "colsep": " ", "colwidths": 8}
    summary = SafeSummary()
    left, right = _top(tables)
    # statsmodels asks results for names that are not shown.
    nobody = SimpleNamespace(model=SimpleNamespace(endog_names="", exog_names=[]))
    genes = len(tables.counts.genes)
    title = f"Negative binomial regression of {genes:,} gene{'s' * (genes != 1)}"
    summary.add_table_2cols(nobody, gleft=left, gright=right, title=title)
    words = status_counts(tables)
    shown = [[f"{count:,}", f"{count / genes:.1%}"] for count in words.values()]
    summary.tables.append(SimpleTable(shown, ["genes", "share"], list(words), txt_fmt=narrow))
    header, rows = _coefficient_rows(tables)
    found = significant_genes(tables, alpha, method)
    if found is not None:
        header.append(f"p_adj<{alpha:g}")
        for row, count in zip(rows, found[:_MOST], strict=True):
            # That a mean or a size is 1 is nobody's hypothesis.
            row.append("" if row[1] == "Intercept" else str(count))
    stubs = [f"{row[0]} {row[1]}" for row in rows]
    body: list[list[Any]] = [row[2:] for row in rows]
    summary.tables.append(SimpleTable(body, header[2:], stubs, txt_fmt=narrow))
    notes = _notes(tables, words, method, tested=found is not None)
    summary.add_extra_txt([line for note in notes for line in wrap(note, _WIDTH)])
    return summary


def _notes(tables: FitInference, words: dict[str, int], method: str, *, tested: bool) -> list[str]:
    notes = _more(tables)
    notes.append(f"Quantiles of coefficients (natural log) over genes with finite ones. {_SCALE}")
    if tables.use_t:
        notes.append(f"Tests and intervals: {tables.cov.reference}.")
    if tested:
        notes.append(
            f"p_adj: genes with a significant coefficient, adjusted for their number ({method})."
        )
    else:
        notes.append(
            "Tests of infinite coefficients were dropped with the data (limit_tests=False)."
        )
    notes += [f"{word}: {SENTENCES[word]}" for word in words if word != "ok"]
    return notes + list(tables.column_lines)


def fit_html(tables: FitInference, name: str) -> str:
    """A fit for a notebook.

    Parameters
    ----------
    tables : FitInference
        The fit.
    name : str
        What it is called.

    Returns
    -------
    str
        HTML, made without any test.
    """
    words = ", ".join(f"{count:,} {word}" for word, count in status_counts(tables).items())
    facts = [
        *formula_facts(tables),
        ("Status", words),
        ("Log-likelihood", f"{total_likelihood(tables):.6g} in all"),
        (
            "Covariance",
            f"{tables.cov_type} ({tables.cov.reference}); fitted in {tables.seconds:.2g} s",
        ),
    ]
    notes = [*_more(tables), f"Quantiles over genes with finite coefficients. {_SCALE}"]
    return as_block(
        as_heading(name, _size(tables)),
        as_facts(facts),
        as_grid(*_coefficient_rows(tables), labels=2),
        *(as_note(line) for line in (*notes, *tables.column_lines)),
    )
