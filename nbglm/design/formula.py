"""Formulas as users write them, made ready for patsy.

Three conveniences are added to patsy's language: ``.`` stands for every column of obs; any column
name may be used, plainly if it is made of words, spaces and dots, and else in backticks or
``Q("...")``; and labels show such names as they are. Inside, an odd name travels under an alias
that is a plain identifier.
"""

from __future__ import annotations

import ast
import contextlib
import keyword
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from nbglm.design.notation import QUOTED, foreign_notation, masked, shown
from nbglm.design.sides import right_side
from nbglm.exceptions import FormulaError, did_you_mean, some_of

__all__ = ["PreparedFormula", "prepare_formula", "spell"]

_PREFIX = "nbglm_column_"
_DOT = re.compile(r"""(?<![\w)\]"'`.])\.(?![\w.])""")
_CALLED = re.compile(r"(?<![\w.])([^\W\d]\w*)\s*[(.]")
_PATSY_NAMES = frozenset(
    [
        *("C", "Q", "I", "Treatment", "Poly", "Sum", "Helmert", "Diff", "ContrastMatrix"),
        *("center", "scale", "standardize", "bs", "cr", "cc", "te", "np", "numpy", "Intercept"),
    ]
)
# A column of such a name must be quoted: without quotes they are what they are in Python.
_PYTHON_WORDS = frozenset(
    ["True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "for"]
)


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
    prefix : str
        How aliases begin.
    response : tuple of str
        Columns of the response, for which ``.`` does not stand.
    """

    given: str
    expanded: str
    patsy: str
    columns: tuple[str, ...]
    prefix: str = _PREFIX
    response: tuple[str, ...] = ()

    @property
    def _alias(self) -> re.Pattern[str]:
        return re.compile(rf"{self.prefix}(\d+)_")

    def restore(self, text: str) -> str:
        """Put the user's column names back in place of aliases."""
        return self._alias.sub(lambda match: self.columns[int(match[1])], text)

    def column_of(self, name: str) -> str:
        """The column that a name in the patsy formula stands for."""
        match = self._alias.fullmatch(name)
        return self.columns[int(match[1])] if match else name

    def inside(self, column: str) -> str:
        """The name under which patsy knows a column."""
        alias = f"{self.prefix}{self.columns.index(column)}_"
        return alias if alias in self.patsy else column


def _is_plain(name: str) -> bool:
    return (
        name.isidentifier()
        and not keyword.iskeyword(name)
        and name not in _PATSY_NAMES
        and name.lower() not in ("inf", "infinity", "nan")  # numbers to patsy
        # Python takes other spellings of a character, such as a ligature, for its plain one.
        and unicodedata.normalize("NFKC", name) == name
    )


def _spell(name: str) -> str:
    return name if _is_plain(name) else f"Q({name!r})"


def spell(name: str) -> str:
    """How a column is written in a formula.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    str

    Examples
    --------
    >>> spell("n.umi"), spell("cell-type"), spell("a`b")
    ('n.umi', '`cell-type`', "Q('a`b')")
    """
    if _is_plain(name) or _may_go_unquoted(name):
        return name
    return _spell(name) if "`" in name else f"`{name}`"


def _may_go_unquoted(name: str) -> bool:
    """Whether an odd name is made of words, spaces and dots: no operation can look like it."""
    return (
        (name.isidentifier() or re.fullmatch(r"[^\W\d][\w. ]*", name) is not None)
        and name == name.strip()
        and name not in _PYTHON_WORDS
    )


def _literal(quoted: str) -> str:
    """The text between quotes, whose backslashes Python reads if it can."""
    if "\\" in quoted:
        with contextlib.suppress(SyntaxError, ValueError):
            return str(ast.literal_eval(quoted))
    return quoted[1:-1]


@dataclass(frozen=True)
class _Piece:
    """A part of a formula that does not stay as it was written."""

    start: int
    end: int
    expanded: str
    inside: str


class _Reader:
    """One formula with the columns of obs, on the way to patsy."""

    def __init__(
        self, key: str, text: str, columns: Sequence[str], reserved: Collection[str]
    ) -> None:
        self.key, self.text, self.columns = key, text, columns
        self.right = right_side(key, text)
        self.masked = masked(self.right)
        self.called = set(_CALLED.findall(self.masked))
        self.position = {name: k for k, name in reversed(list(enumerate(columns)))}
        self.prefix = _PREFIX
        while any(self.prefix in other for other in (self.right, *columns, *reserved)):
            self.prefix += "_"

    def fail(self, cause: str) -> FormulaError:
        return FormulaError(f"the {self.key} formula {shown(self.text)} cannot be read: {cause}.")

    def is_plain(self, name: str) -> bool:
        """Whether patsy may see a name as it is; one that is also a function's may not."""
        return _is_plain(name) and name not in self.called

    def inside(self, name: str) -> str:
        return name if self.is_plain(name) else f"{self.prefix}{self.position[name]}_"

    def quoted_names(self) -> Iterator[_Piece]:
        for match in QUOTED.finditer(self.right):
            said = match[0]
            if said[0] not in "`Q":
                continue
            name = said[1:-1] if said[0] == "`" else _literal(said[2:-1].strip())
            if name not in self.position:
                msg = (
                    f"the {self.key} formula {shown(self.text)} names a column {name!r}, but obs "
                    f"has {some_of(self.columns, 8)}."
                )
                raise FormulaError(msg + did_you_mean(name, self.columns))
            yield _Piece(*match.span(), said, self.inside(name))

    def odd_names(self) -> Iterator[_Piece]:
        """Odd names without quotes; one that is called, or has an attribute, is a function."""
        odd = [name for name in self.position if not self.is_plain(name) and _may_go_unquoted(name)]
        if not odd:
            return
        either = "|".join(re.escape(name) for name in sorted(odd, key=len, reverse=True))
        pattern = re.compile(rf"(?<![\w.])(?:{either})(?![\w.]|\s*\(|\s*=(?!=))")
        for match in pattern.finditer(self.masked):
            yield _Piece(*match.span(), match[0], self.inside(match[0]))

    def dots(self, taken: Sequence[_Piece], response: Collection[str]) -> Iterator[_Piece]:
        """Dots that stand alone: not in a number, an attribute or a name."""
        for match in _DOT.finditer(self.masked):
            if any(piece.start <= match.start() < piece.end for piece in taken):
                continue
            names = [name for name in self.columns if name not in response]
            if not names:
                besides = " besides the response" if response else ""
                msg = (
                    f"the {self.key} formula {shown(self.text)} uses '.', but obs has no columns"
                    f"{besides}."
                )
                raise FormulaError(msg)
            if _inside_a_call(self.masked[: match.start()]):
                msg = "'.' stands for several terms and cannot be inside a function; name columns"
                raise self.fail(msg)
            spelled = " + ".join(_spell(name) for name in names)
            inside = " + ".join(self.inside(name) for name in names)
            yield _Piece(*match.span(), f"({spelled})", f"({inside})")


def _inside_a_call(before: str) -> bool:
    """Whether the end of this text is within brackets that are more than a group of terms."""
    opened: list[bool] = []
    previous = ""
    for char in before:
        if char in "([{":
            opened.append(char != "(" or re.match(r"[\w)\]]", previous) is not None)
        elif char in ")]}" and opened:
            opened.pop()
        previous = previous if char.isspace() else char
    return any(opened)


def prepare_formula(
    key: str,
    text: str,
    columns: Sequence[str],
    *,
    response: Collection[str] = (),
    reserved: Collection[str] = (),
) -> PreparedFormula:
    """Write out ``.`` and give odd names an alias.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``, for messages.
    text : str
        Formula, with or without ``~``.
    columns : sequence of str
        Columns of obs, in order.
    response : collection of str
        Columns of the response, for which ``.`` does not stand.
    reserved : collection of str
        Texts in which no alias must occur, such as the levels of factors.

    Returns
    -------
    PreparedFormula

    Raises
    ------
    FormulaError
        If there is a left-hand side, the formula is empty, ``.`` has nothing to stand for, a
        quoted name is no column, or something is written as in another language.

    Examples
    --------
    >>> prepare_formula("mean", "~ . - batch", ["cell type", "batch"]).expanded
    "~ (Q('cell type') + batch) - batch"
    """
    reader = _Reader(key, text, columns, reserved)
    foreign = foreign_notation(reader.masked)
    if foreign:
        raise reader.fail(foreign)
    pieces = [*reader.quoted_names(), *reader.odd_names()]
    pieces += reader.dots(pieces, response)
    expanded, inside, end = "", "", 0
    for piece in sorted(pieces, key=lambda piece: piece.start):
        between = reader.right[end : piece.start]
        expanded += between + piece.expanded
        inside += between + piece.inside
        end = piece.end
    rest = reader.right[end:]
    return PreparedFormula(
        given=text,
        expanded=f"~ {expanded}{rest}",
        patsy=inside + rest,
        columns=tuple(columns),
        prefix=reader.prefix,
        response=tuple(response),
    )
