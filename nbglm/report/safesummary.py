"""statsmodels' Summary, in which names are text.

statsmodels puts names into HTML as they are: in a notebook, the summary of a gene called
``<script>...`` would run what the name says.
"""

from __future__ import annotations

from copy import deepcopy
from html import escape

from statsmodels.iolib.summary import Summary

__all__ = ["SafeSummary"]


_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
    }
)


class SafeSummary(Summary):
    """A summary whose HTML and LaTeX show every name as it is."""

    def as_latex(self) -> str:
        r"""The summary for a document, each table by itself.

        statsmodels makes one table of all, which fails where a later one is narrower.

        Returns
        -------
        str

        Examples
        --------
        >>> summary = SafeSummary()
        >>> summary.add_extra_txt(["mu^2 / r"])
        >>> print(summary.as_latex().strip())
        mu\textasciicircum{}2 / r
        """
        parts = [table.as_latex_tabular() for table in self.tables]
        notes = (self.extra_txt or "").translate(_LATEX).replace("\n", " \\newline\n")
        return "\n\n".join([*parts, notes])

    def as_html(self) -> str:
        """The summary for a notebook.

        Returns
        -------
        str

        Examples
        --------
        >>> summary = SafeSummary()
        >>> summary.add_extra_txt(["of <b>Pyy</b>"])
        >>> summary.as_html()
        '<br/><br/>of &lt;b&gt;Pyy&lt;/b&gt;'
        """
        safe = Summary()
        safe.tables = deepcopy(self.tables)
        for table in safe.tables:
            table.title = escape(table.title) if table.title else table.title
            for cell in (cell for row in table for cell in row):
                if isinstance(cell.data, str):
                    cell.data = escape(cell.data)
        if self.extra_txt is not None:
            safe.extra_txt = escape(self.extra_txt)
        return str(safe.as_html())
