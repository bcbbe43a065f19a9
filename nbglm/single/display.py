"""How the results of one response look where they are merely named: a terminal, a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from statsmodels.base.model import LikelihoodModelResults

from nbglm.report.html import as_block, as_facts, as_grid, as_heading, as_note
from nbglm.report.overview import formula_facts, told_number

if TYPE_CHECKING:
    from nbglm.single.summaries import Summaries

__all__ = ["results_html", "results_text"]

_MOST = 20  # coefficients that are shown


def _table(results: Summaries) -> pd.DataFrame:
    """Coefficients as text; their status where one is not ``ok``."""
    limits = LikelihoodModelResults.conf_int(results, 0.05)
    numbers = {
        "coef": np.asarray(results.params),
        "std err": results.bse,
        "[0.025": limits[:, 0],
        "0.975]": limits[:, 1],
    }
    names = [str(name) for name in results.model.data.xnames]
    table = pd.DataFrame(
        {name: [told_number(float(value)) for value in part] for name, part in numbers.items()},
        names,
    )
    words = results.coef_status.to_numpy()
    if (words != "ok").any():
        table["status"] = words
    return table


def _facts(results: Summaries) -> list[tuple[str, str]]:
    return [
        *formula_facts(results._tables),  # noqa: SLF001 - of the same package
        ("Status", results.status),
        ("Log-likelihood", f"{results.llf:.8g}"),
        ("Covariance", results.cov_type),
    ]


def _more(table: pd.DataFrame) -> list[str]:
    hidden = len(table) - _MOST
    return [f"{hidden} more coefficients: summary() has all."] * (hidden > 0)


def results_text(results: Summaries) -> str:
    """The results in a terminal.

    Parameters
    ----------
    results : Summaries
        Of one response.

    Returns
    -------
    str
    """
    table = _table(results)
    facts = _facts(results)
    width = max(len(name) for name, _ in facts)
    lines = [f"  {name:{width}}  {value}" for name, value in facts]
    shown = table.head(_MOST).to_string().splitlines()
    return "\n".join(
        [
            f"NegBinModelResults: {results.gene_name}, {results.nobs:,g} observations",
            *lines,
            *(f"  {line}" for line in (*shown, *_more(table))),
        ]
    )


def results_html(results: Summaries) -> str:
    """The results in a notebook.

    Parameters
    ----------
    results : Summaries
        Of one response.

    Returns
    -------
    str
        HTML, in which every name is text.
    """
    table = _table(results)
    rows = [[name, *row] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    return as_block(
        as_heading("NegBinModelResults", f"{results.gene_name}, {results.nobs:,g} observations"),
        as_facts(_facts(results)),
        as_grid(["", *table.columns], rows[:_MOST]),
        *(as_note(line) for line in _more(table)),
    )
