"""Small pieces of HTML for notebooks, in which every name is text and nothing has a colour.

What a gene is called comes from files of others, so ``<script>`` in a name is shown and not run.
Colours are left to the notebook, which knows whether it is dark or light.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["as_block", "as_facts", "as_grid", "as_heading", "as_note"]

_TABLE = 'style="margin:0.4em 0 0.6em 0"'
_CELL = "padding:0.15em 0.7em;white-space:nowrap"
_RULE = "border-bottom:1px solid rgba(128,128,128,0.5)"


def as_heading(name: str, text: str) -> str:
    """What something is, and what it is of.

    Parameters
    ----------
    name : str
        Name of the class.
    text : str
        What follows it.

    Returns
    -------
    str

    Examples
    --------
    >>> as_heading("NegBinResults", "of <b>")
    '<div><strong>NegBinResults</strong>: of &lt;b&gt;</div>'
    """
    return f"<div><strong>{escape(name)}</strong>: {escape(text)}</div>"


def as_note(text: str) -> str:
    """A line of small print.

    Parameters
    ----------
    text : str
        The line.

    Returns
    -------
    str

    Examples
    --------
    >>> as_note("x & y")
    '<div style="font-size:90%;opacity:0.85">x &amp; y</div>'
    """
    return f'<div style="font-size:90%;opacity:0.85">{escape(text)}</div>'


def as_facts(facts: Iterable[tuple[str, str]]) -> str:
    """A table of two columns: what is said, and what it is.

    Parameters
    ----------
    facts : iterable of pairs of str
        Its rows.

    Returns
    -------
    str

    Examples
    --------
    >>> "<code>~ x</code>" in as_facts([("mean", "~ x")])
    True
    """
    left = f'style="text-align:left;{_CELL}"'
    wide = 'style="text-align:left;padding:0.15em 0.7em"'
    rows = "".join(
        f"<tr><th {left}>{escape(name)}</th><td {wide}>"
        f"{f'<code>{escape(value)}</code>' if value.startswith('~') else escape(value)}</td></tr>"
        for name, value in facts
    )
    return f"<table {_TABLE}><tbody>{rows}</tbody></table>"


def as_grid(header: Sequence[str], rows: Iterable[Sequence[str]], labels: int = 1) -> str:
    """A table with a header.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : iterable of sequences of str
        A string for each column.
    labels : int
        How many of the first columns are labels, which begin at the left; numbers end at the right.

    Returns
    -------
    str

    Examples
    --------
    >>> as_grid(["term", "coef"], [["x", "1.0"]]).count("<tr>")
    2
    """

    def cell(tag: str, column: int, text: str, more: str = "") -> str:
        side = "left" if column < labels else "right"
        return f'<{tag} style="text-align:{side};{_CELL}{more}">{escape(text)}</{tag}>'

    top = "".join(cell("th", k, name, f";{_RULE}") for k, name in enumerate(header))
    body = ""
    for row in rows:
        cells = (cell("th" if k < labels else "td", k, text) for k, text in enumerate(row))
        body += f"<tr>{''.join(cells)}</tr>"
    return f"<table {_TABLE}><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def as_block(*parts: str) -> str:
    """All parts below each other; what is too wide scrolls by itself.

    Parameters
    ----------
    *parts : str
        HTML.

    Returns
    -------
    str

    Examples
    --------
    >>> as_block("<p>x</p>")
    '<div style="overflow-x:auto"><p>x</p></div>'
    """
    return f'<div style="overflow-x:auto">{"".join(parts)}</div>'
