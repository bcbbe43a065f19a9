"""What formulas of other languages look like, and how the same is said here.

Users come from R, and their fingers write ``(1|batch)``, ``I(x^2)``, ``factor(g)``. Python reads
some of these as something else, so they are recognised before anything is evaluated.
"""

from __future__ import annotations

import re
import string
import unicodedata

import numpy as np

__all__ = [
    "NO_RANDOM_EFFECTS",
    "QUOTED",
    "foreign_notation",
    "function_hint",
    "masked",
    "shown",
    "strange_keyword",
]

_STRING = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
QUOTED = re.compile(rf"`[^`]*`|\bQ\(\s*(?:{_STRING})\s*\)|{_STRING}")
"""A column in backticks or in ``Q("...")``, or a string."""

_LONGEST_SHOWN = 120  # characters of a formula in a message

_PLAIN_SIGNS = {
    **dict.fromkeys("\u02dc\u223c\uff5e\u2053", "~"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
    **dict.fromkeys("\u00d7\u2217\u22c5\u00b7", "*"),
    **dict.fromkeys("\u2018\u2019\u201c\u201d\u00ab\u00bb", "'"),
    **dict.fromkeys("\u00a0\u2007\u202f\u3000\u200b", " "),
    **dict.fromkeys("\uff0b", "+"),
    **dict.fromkeys("\u2236\uff1a", ":"),
}
_MEANINGFUL = frozenset(string.punctuation + " \t\n\r\f\v") - frozenset("$?#;\\")

NO_RANDOM_EFFECTS = (
    "there are no random effects here: for observations that belong together use "
    "cov_type='cluster' with the groups in cov_kwds, or make the groups a factor; a logical 'or' "
    "of two columns is written I(a | b)"
)
_NUMERIC_BASIS = "write bs(x, df=4), a B-spline, or cr(x, df=4), a natural cubic one"
_FACTOR = "write C(g); a column of strings is a factor by itself"
_CONVERT = "convert the column of obs before the fit"
_SIGNS_OF_R = {
    r"%\w*%": "{!r} is an operator of R; b nested in a is written a:b, and the rest in Python",
    r"\^\s*-?[\d.]": "a power is written **, as in I(x ** 2) or (a + b)**2",
    r"::": "an interaction is written a:b, with one colon",
    r"\|\|": NO_RANDOM_EFFECTS,
    r"&&|!(?!=)": "conditions are written in Python, as in I((a > 1) & ~(b > 2))",
    r"\bas\.(factor|ordered|character)\s*\(": f"{{}} is a function of R; {_FACTOR}",
    r"\b(as|is)\.\w+\s*\(": f"{{}} is a function of R; {_CONVERT}",
}
_FUNCTIONS = {
    "offset": "an offset is no term: give offset= (log scale) or size_factors= (count scale), an "
    "array or the name of a column",
    "poly": "write x + I(x ** 2), or bs(x, df=4)",
    **dict.fromkeys(("ns", "rcs", "s", "lo", "pspline", "smooth", "gam"), _NUMERIC_BASIS),
    **dict.fromkeys(("ti", "t2"), "write te(cr(x, df=4), cr(z, df=4))"),
    **dict.fromkeys(("factor", "as_factor", "ordered", "relevel"), _FACTOR),
    **dict.fromkeys(("cut", "numeric", "droplevels"), _CONVERT),
    **dict.fromkeys(("re", "random", "strata", "cluster", "frailty", "gr"), NO_RANDOM_EFFECTS),
    "interaction": "write a:b",
    "ifelse": "write np.where(condition, a, b)",
    "ln": "write np.log(...)",
    "pmax": "write np.maximum(a, b)",
    "pmin": "write np.minimum(a, b)",
    "weights": "give weights= to the fit",
    "cbind": "a model has one response; fit_negbin takes a table of them",
    "i": _FACTOR,
}
_KEYWORDS = {"C": ("contrast", "levels"), "Treatment": ("reference",)}


def shown(text: object) -> str:
    """A formula as messages show it: quoted, and cut in the middle if it is long.

    Parameters
    ----------
    text : object
        The formula.

    Returns
    -------
    str

    Examples
    --------
    >>> shown("~ x")
    "'~ x'"
    """
    quoted = repr(text)
    if len(quoted) <= _LONGEST_SHOWN:
        return quoted
    half = _LONGEST_SHOWN // 2
    return f"{quoted[:half]} ... {quoted[-half // 2 :]} ({len(str(text))} characters)"


def masked(text: str) -> str:
    """The formula with its strings and quoted names blotted out, each sign in its place.

    Parameters
    ----------
    text : str
        A formula or a part of one.

    Returns
    -------
    str

    Examples
    --------
    >>> masked("`a~b` ~ x")
    "''''' ~ x"
    """
    return QUOTED.sub(lambda match: "'" * len(match[0]), text)


def foreign_notation(text: str) -> str:
    """Say what is wrong with signs that no formula here has.

    Parameters
    ----------
    text : str
        Right side of a formula whose strings and quoted names are blotted out.

    Returns
    -------
    str
        The cause, without a full stop; empty if there is nothing strange.

    Examples
    --------
    >>> foreign_notation("x %in% g")
    "'%in%' is an operator of R; b nested in a is written a:b, and the rest in Python"
    """
    for char in text:
        if char not in _MEANINGFUL and not f"a{char}".isidentifier():
            return _strange_sign(char)
    for pattern, cause in _SIGNS_OF_R.items():
        found = re.search(pattern, text)
        if found:
            return cause.format(found[0].rstrip("( "))
    return ""


def _strange_sign(char: str) -> str:
    name = unicodedata.name(char, "a control character")
    said = f"it holds {char!r} ({name}, U+{ord(char):04X})"
    if char in _PLAIN_SIGNS:
        return f"{said}; write {_PLAIN_SIGNS[char]!r}"
    if char == "$":
        return f"{said}; write the column's name alone"
    if char == "#":
        return f"{said}; comments are not allowed, and odd names go into backticks"
    return f"{said}, which means nothing in a formula; odd names go into backticks"


def function_hint(name: str) -> str:
    """How something is written that other languages write with a function of this name.

    Parameters
    ----------
    name : str
        Name of a function that is not known here.

    Returns
    -------
    str
        Advice without a full stop; empty if there is none.

    Examples
    --------
    >>> function_hint("log")
    'write np.log(...)'
    """
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    if isinstance(getattr(np, name, None), np.ufunc):
        return f"write np.{name}(...)"
    return ""


def strange_keyword(function: str, keyword: str) -> str:
    """How a contrast is chosen, for those who try it with a keyword of another package.

    Parameters
    ----------
    function : str
        Function that was called.
    keyword : str
        Keyword that it was given.

    Returns
    -------
    str
        Advice without a full stop; empty if the keyword is known.

    Examples
    --------
    >>> strange_keyword("C", "ref")
    "C() has no argument 'ref'; a reference level is chosen with C(g, Treatment('b'))"
    """
    known = _KEYWORDS.get(function)
    if known is None or keyword in known:
        return ""
    return (
        f"{function}() has no argument {keyword!r}; a reference level is chosen with "
        f"C(g, Treatment('b'))"
    )
