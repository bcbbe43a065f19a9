"""What a formula may do that comes from a stranger.

patsy evaluates the factors of a formula as Python. With ``scope="columns"`` each of them is first
compared with the list below, node by node of its syntax tree, and nothing is evaluated of a
formula in which anything else occurs: arithmetic and comparisons of columns and numbers, patsy's
functions, and numpy's elementwise ones, none of which reads a file or keeps what it is given.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType, ModuleType, SimpleNamespace

import numpy as np

__all__ = ["numpy_of_formulas", "stranger_in"]

_ONE = (
    *("abs", "absolute", "fabs", "sign", "negative", "positive", "reciprocal", "square", "sqrt"),
    *("cbrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan"),
    *("arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
    *("deg2rad", "rad2deg", "floor", "ceil", "rint", "trunc", "isfinite", "isinf"),
    *("isnan", "logical_not"),
)
_TWO = (
    *("add", "subtract", "multiply", "divide", "power", "mod", "hypot", "arctan2", "minimum"),
    *("maximum", "fmin", "fmax", "logaddexp", "heaviside", "equal", "not_equal", "less"),
    *("less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor"),
)
# With no more arguments than these, so that none is the array into which numpy writes.
_ARGUMENTS = {**dict.fromkeys(_ONE, 1), **dict.fromkeys(_TWO, 2), "round": 2, "where": 3, "clip": 3}
_NUMBERS = ("pi", "e")

_SPLINE = frozenset({"df", "knots", "degree", "include_intercept", "lower_bound", "upper_bound"})
_CUBIC = frozenset({"df", "knots", "lower_bound", "upper_bound", "constraints"})
_CENTRED = frozenset({"center", "rescale", "ddof"})
_PATSY: dict[str, frozenset[str]] = {
    "C": frozenset({"contrast", "levels"}),
    "Treatment": frozenset({"reference"}),
    "Poly": frozenset({"scores"}),
    "Sum": frozenset({"omit"}),
    **dict.fromkeys(("Helmert", "Diff", "I", "center"), frozenset()),
    "bs": _SPLINE,
    **dict.fromkeys(("cr", "cc"), _CUBIC),
    "te": frozenset({"constraints"}),
    **dict.fromkeys(("scale", "standardize"), _CENTRED),
}
_CONTRASTS = frozenset({"Treatment", "Poly", "Sum", "Helmert", "Diff"})
_SMOOTHS = frozenset({"bs", "cr", "cc"})
_OPERATORS = (
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.BitAnd, ast.BitOr),
    *(ast.BitXor, ast.UAdd, ast.USub, ast.Invert, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt),
    ast.GtE,
)
_LARGEST_POWER = 100
_MOST_COLUMNS = 1000  # of a spline
_COUNTS = ("df", "degree")


def numpy_of_formulas() -> SimpleNamespace:
    """The part of numpy that such formulas see."""
    return SimpleNamespace(**{name: getattr(np, name) for name in (*_ARGUMENTS, *_NUMBERS)})


def stranger_in(
    tree: ast.Expression,
    is_column: Callable[[str], bool],
    given: Mapping[str, object] = MappingProxyType({}),
    numbers: Collection[str] = (),
) -> str:
    """What in an expression is not on the list.

    Parameters
    ----------
    tree : ast.Expression
        A factor of a formula.
    is_column : callable
        Whether a name is a column of obs.
    given : mapping of str to object
        Functions, modules and values that are allowed besides. Of modules the public attributes
        are; those of values could write files.
    numbers : collection of str
        Names of numbers that are allowed besides.

    Returns
    -------
    str
        The first such thing in words; empty if all of it is allowed.

    Examples
    --------
    >>> stranger_in(ast.parse("np.log(x)", mode="eval"), lambda name: name == "x")
    ''
    >>> stranger_in(ast.parse("open('x')", mode="eval"), lambda name: name == "x")
    "the function 'open'"
    """
    return _Check(is_column, given, numbers).expression(tree.body)


def _number(node: ast.AST) -> float | None:
    """The value of a number that is written out, with its sign."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _number(node.operand)
        return None if value is None else -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value  # type: ignore[return-value]
    return None


class _Check:
    """Walk an expression; every method returns the first stranger that it finds."""

    def __init__(
        self,
        is_column: Callable[[str], bool],
        given: Mapping[str, object],
        numbers: Collection[str],
    ) -> None:
        self.is_column, self.given, self.numbers = is_column, given, numbers

    def first(self, nodes: list[ast.expr]) -> str:
        return next((found for node in nodes if (found := self.expression(node))), "")

    def expression(self, node: ast.expr) -> str:
        """An operand: anything that becomes numbers or levels."""
        found = f"a piece of Python ({type(node).__name__})"
        match node:
            case ast.Constant():
                known = type(node.value) in (int, float, bool)
                found = "" if known else f"the constant {node.value!r}"
            case ast.Name():
                known = self.is_column(node.id) or self.is_value(node.id)
                found = "" if known else f"the name {node.id!r}"
            case ast.Attribute():
                known = _of_numpy(node) in _NUMBERS or self.is_given(node)
                found = "" if known else f"the attribute {node.attr!r}"
            case ast.UnaryOp():
                found = _operator(node.op) or self.expression(node.operand)
            case ast.BinOp():
                found = _operator(node.op) or self.power(node)
                found = found or self.first([node.left, node.right])
            case ast.Compare():
                strange = next((found for op in node.ops if (found := _operator(op))), "")
                found = strange or self.compared([node.left, *node.comparators])
            case ast.Call():
                found = self.call(node)
        return found

    def power(self, node: ast.BinOp) -> str:
        """Powers of plain numbers have no end of digits."""
        if not isinstance(node.op, ast.Pow):
            return ""
        exponent = _number(node.right)
        if exponent is None or abs(exponent) > _LARGEST_POWER:
            return f"a power that is not a number up to {_LARGEST_POWER}"
        base = isinstance(node.left, ast.BinOp | ast.UnaryOp)
        named = any(isinstance(part, ast.Name) for part in ast.walk(node.left))
        return "a power of numbers" if base and not named else ""

    def compared(self, nodes: list[ast.expr]) -> str:
        """Levels may be compared with, but not calculated with."""
        return self.first([node for node in nodes if not _is_text(node)])

    def is_value(self, name: str) -> bool:
        """Whether this is the name of something that was given."""
        return name in self.given or name in self.numbers

    def is_given(self, node: ast.expr) -> bool:
        """Whether this is a name that was given, or a public attribute of a module that was."""
        whole = node
        while isinstance(node, ast.Attribute) and not node.attr.startswith("_"):
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.given:
            return False
        return node is whole or isinstance(self.given[node.id], ModuleType)

    def call(self, node: ast.Call) -> str:
        if self.is_given(node.func):
            return self.call_of_given(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _PATSY:
            return self.call_of_patsy(name, node)
        ours = _of_numpy(node.func)
        if ours not in _ARGUMENTS:
            return f"the function {ast.unparse(node.func)[:40]!r}"
        if node.keywords or len(node.args) > _ARGUMENTS[ours]:
            return f"np.{ours}() with more than its operands"
        if ours == "where":
            return self.compared(node.args)
        return self.first(node.args)

    def call_of_patsy(self, name: str, node: ast.Call) -> str:
        for word in node.keywords:
            if word.arg not in _PATSY[name]:
                return f"the argument {word.arg!r} of {name}()"
        data = len(node.args) if name == "te" else 0 if name in _CONTRASTS else 1
        options = [*node.args[data:], *(word.value for word in node.keywords)]
        counts = [*node.args[1:], *(word.value for word in node.keywords if word.arg in _COUNTS)]
        if name in _SMOOTHS and any((_number(value) or 0) > _MOST_COLUMNS for value in counts):
            return f"a spline of more than {_MOST_COLUMNS} columns"
        return self.first(node.args[:data]) or self.options(options)

    def call_of_given(self, node: ast.Call) -> str:
        """Its arguments may be data or options."""
        parts = [*node.args, *(word.value for word in node.keywords)]
        return next(
            (found for part in parts if self.option(part) and (found := self.expression(part))), ""
        )

    def options(self, nodes: list[ast.expr]) -> str:
        """Arguments that are no data: numbers, texts, lists of them, contrasts."""
        return next((found for node in nodes if (found := self.option(node))), "")

    def option(self, node: ast.expr) -> str:
        match node:
            case ast.List() | ast.Tuple():
                return self.options(node.elts)
            case ast.Constant(value=value) if value is None or type(value) in (str, bool):
                return ""
            case ast.Name(id=name) if name in _CONTRASTS or self.is_value(name):
                return ""
            case ast.Call(func=function) if self.is_given(function):
                return self.call(node)
            case ast.Call(func=ast.Name(id=name)) if name in _CONTRASTS:
                return self.call(node)
        return "" if _number(node) is not None else f"the argument {ast.unparse(node)[:40]!r}"


def _operator(node: ast.AST) -> str:
    return "" if isinstance(node, _OPERATORS) else f"the operator {type(node).__name__!r}"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is str


def _of_numpy(node: ast.expr) -> str:
    """The name of what is taken from numpy itself; empty for anything else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id in ("np", "numpy") else ""
    return ""
