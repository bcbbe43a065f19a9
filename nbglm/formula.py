"""Formulas as users write them, made ready for patsy.

Three conveniences are added to patsy's language: ``.`` stands for every column of obs; any column
name may be used, plainly if it is made of words, spaces and dots, and else in backticks or
``Q("...")``; and labels show such names as they are. Inside, an odd name travels under an alias
that is a plain identifier.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nbglm.exceptions import FormulaError, did_you_mean, some_of

__all__ = ["PreparedFormula", "prepare_formula", "split_formulas", "variables_in"]

_ALIAS = "nbglm_column_{}_"
_ALIAS_PATTERN = re.compile(r"nbglm_column_(\d+)_")
_QUOTED = re.compile(r"""`([^`]+)`|\bQ\(\s*(?:"([^"]*)"|'([^']*)')\s*\)""")
_PATSY_NAMES = frozenset(
    [
        *("C", "Q", "I", "Treatment", "Poly", "Sum", "Helmert", "Diff", "ContrastMatrix"),
        *("center", "scale", "standardize", "bs", "cr", "cc", "te", "np", "numpy"),
    ]
)
KEYS = ("mean", "dispersion")


@dataclass(frozen=True)
class PreparedFormula:
    """A formula in patsy's language.

    Attributes
    ----------
    given : str
        As the user wrote it.
    expanded : str
        With ``.`` written out, in the user's names.
    patsy : str
        With aliases for odd names.
    columns : tuple of str
        All columns of obs; alias ``k`` is column ``k``.
    """

    given: str
    expanded: str
    patsy: str
    columns: tuple[str, ...]

    def restore(self, text: str) -> str:
        """Put the user's column names back in place of aliases."""
        return _ALIAS_PATTERN.sub(lambda match: self.columns[int(match[1])], text)

    def column_of(self, name: str) -> str:
        """The column that a name in the patsy formula stands for."""
        match = _ALIAS_PATTERN.fullmatch(name)
        return self.columns[int(match[1])] if match else name


def split_formulas(formula: str | Mapping[str, str]) -> dict[str, str]:
    """Check the keys of a formula dict; a missing dispersion is constant.

    Parameters
    ----------
    formula : str or mapping
        Mean formula, or formulas for the keys ``mean`` and ``dispersion``.

    Returns
    -------
    dict
        Both keys.

    Raises
    ------
    FormulaError
        If a key is unknown, ``mean`` is missing, or a formula is not a string.

    Examples
    --------
    >>> split_formulas("~ x")
    {'mean': '~ x', 'dispersion': '~ 1'}
    """
    if isinstance(formula, str):
        formula = {"mean": formula}
    if not isinstance(formula, Mapping):
        msg = (
            f"formula must be a string or a dict with the keys 'mean' and 'dispersion', "
            f"not {type(formula).__name__}."
        )
        raise FormulaError(msg)
    for key, value in formula.items():
        if key not in KEYS:
            msg = f"unknown formula key {key!r}; the keys are 'mean' and 'dispersion'."
            raise FormulaError(msg + did_you_mean(key, KEYS))
        if not isinstance(value, str):
            msg = f"formula[{key!r}] must be a string such as '~ x', not {type(value).__name__}."
            raise FormulaError(msg)
    if "mean" not in formula:
        msg = "the formula for 'mean' is missing; give at least {'mean': '~ 1'}."
        raise FormulaError(msg)
    return {"mean": formula["mean"], "dispersion": formula.get("dispersion", "~ 1")}


def _right_side(key: str, text: str) -> str:
    left, tilde, right = text.partition("~")
    if tilde and left.strip():
        msg = (
            f"the {key} formula {text!r} has a left-hand side ({left.strip()!r}); the counts are "
            f"the response, so write '~{right}'."
        )
        raise FormulaError(msg)
    right = (right if tilde else text).strip()
    if not right:
        msg = f"the {key} formula {text!r} is empty; write '~ 1' for a constant."
        raise FormulaError(msg)
    if "~" in right:
        msg = f"the {key} formula {text!r} has more than one '~'."
        raise FormulaError(msg)
    return right


def _is_plain(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and name not in _PATSY_NAMES


def _spell(name: str) -> str:
    return name if _is_plain(name) else f"Q({name!r})"


def _dots(text: str) -> list[int]:
    """Positions of ``.`` that stand alone: not in a number, an attribute or a quoted name."""
    found = []
    quote = ""
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'`":
            quote = char
        elif char == ".":
            before, after = text[i - 1 : i], text[i + 1 : i + 2]
            if not re.match(r"[\w)\]\"'`.]", before) and not re.match(r"[\w.]", after):
                found.append(i)
    return found


def prepare_formula(key: str, text: str, columns: Sequence[str]) -> PreparedFormula:
    """Write out ``.`` and give odd names an alias.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``, for messages.
    text : str
        Formula, with or without ``~``.
    columns : sequence of str
        Columns of obs, in order.

    Returns
    -------
    PreparedFormula

    Raises
    ------
    FormulaError
        If there is a left-hand side, the formula is empty, ``.`` has nothing to stand for, or a
        quoted name is no column.

    Examples
    --------
    >>> prepare_formula("mean", "~ . - batch", ["cell type", "batch"]).expanded
    "~ (Q('cell type') + batch) - batch"
    """
    right = _right_side(key, text)
    if _ALIAS_PATTERN.search(right):
        msg = f"the {key} formula {text!r} uses a reserved name, {_ALIAS.format('N')}."
        raise FormulaError(msg)
    dots = _dots(right)
    if dots and not columns:
        msg = f"the {key} formula {text!r} uses '.', but obs has no columns."
        raise FormulaError(msg)
    everything = "(" + " + ".join(_spell(name) for name in columns) + ")"
    for i in reversed(dots):
        right = right[:i] + everything + right[i + 1 :]

    def alias(match: re.Match[str]) -> str:
        name = next(group for group in match.groups() if group is not None)
        if name not in columns:
            msg = (
                f"the {key} formula {text!r} names a column {name!r}, but obs has "
                f"{some_of(columns, 8)}."
            )
            raise FormulaError(msg + did_you_mean(name, columns))
        return _ALIAS.format(list(columns).index(name))

    aliased = _alias_plain(_QUOTED.sub(alias, right), columns)
    return PreparedFormula(text, f"~ {right}", aliased, tuple(columns))


def _alias_plain(text: str, columns: Sequence[str]) -> str:
    """Give an alias to odd names that were written without quotes.

    Only names made of words, spaces and dots: they cannot be mistaken for an operation. A name of
    patsy's is a column where it is not called.
    """
    odd = [
        name for name in columns if not _is_plain(name) and re.fullmatch(r"[^\W\d][\w. ]*", name)
    ]
    if not odd:
        return text
    longest_first = sorted(odd, key=len, reverse=True)
    either = "|".join(re.escape(name) for name in longest_first)
    pattern = re.compile(rf"(?<![\w.])(?:{either})(?![\w.]|\s*\()")
    pieces = re.split(r"""("[^"]*"|'[^']*')""", text)
    for i in range(0, len(pieces), 2):
        pieces[i] = pattern.sub(
            lambda match: _ALIAS.format(list(columns).index(match[0])), pieces[i]
        )
    return "".join(pieces)


def variables_in(code: str) -> tuple[list[str], list[str]]:
    """Names in an expression: those used as values, and those called as functions.

    Parameters
    ----------
    code : str
        A Python expression.

    Returns
    -------
    values, functions : list of str

    Examples
    --------
    >>> variables_in("np.log(x) + C(y, Treatment('b'))")
    (['x', 'y'], ['np', 'C', 'Treatment'])
    """
    tree = ast.parse(code, mode="eval")
    called: set[int] = set()
    functions: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            target = node.func
            while isinstance(target, ast.Attribute):
                target = target.value
            if isinstance(target, ast.Name):
                called.add(id(target))
                functions.append(target.id)
    values = [
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called
    ]
    return list(dict.fromkeys(values)), list(dict.fromkeys(functions))
