"""The factors of a formula as Python: which names they use, and for what."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from nbglm.design.notation import NO_RANDOM_EFFECTS, strange_keyword

__all__ = ["Expression", "read_expression"]


_NO_SPLINES = ("I", "C", "center", "scale", "standardize")


@dataclass(frozen=True)
class Expression:
    """A factor of a formula.

    Attributes
    ----------
    code : str
        As Python.
    tree : ast.Expression
        Its syntax.
    variables : list of str
        Names that are used as values.
    functions : list of str
        Names that are called, and those whose attributes are.
    """

    code: str
    tree: ast.Expression
    variables: list[str]
    functions: list[str]

    @property
    def is_name(self) -> bool:
        """Whether it is nothing but a name."""
        return isinstance(self.tree.body, ast.Name)

    def misuse(self) -> str:
        """What is wrong with it whatever its names stand for; empty if nothing is.

        Returns
        -------
        str
            A cause, without a full stop.

        Examples
        --------
        >>> read_expression("x[0]").misuse()
        ''
        >>> read_expression("te(x, z)").misuse()
        'te() takes splines, as in te(cr(x, df=4), cr(z, df=4))'
        """
        root = self.tree.body
        if isinstance(root, ast.BinOp) and isinstance(root.op, ast.BitOr):
            return NO_RANDOM_EFFECTS
        if isinstance(root, ast.Tuple | ast.List | ast.Set | ast.Dict):
            return "terms are joined with +, as in a + b"
        if isinstance(root, ast.Constant):
            return "it is no column; a name goes without quotes or into backticks"
        return next((wrong for node in ast.walk(self.tree) if (wrong := _wrong(node))), "")


def _wrong(node: ast.AST) -> str:
    """What is wrong with one node by itself."""
    if isinstance(node, ast.BoolOp) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    ):
        return "conditions on columns are joined with &, | and ~, as in I((a > 0) & ~(b > 1))"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _wrong_call(node, node.func.id)
    return ""


def _wrong_call(node: ast.Call, name: str) -> str:
    """What is wrong with a call of one of patsy's functions."""
    for word in node.keywords:
        strange = strange_keyword(name, word.arg or "**")
        if strange:
            return strange
    if name == "Q":
        return 'Q() takes the name of a column in quotes, as in Q("cell type")'
    if name == "te" and not all(
        isinstance(part, ast.Call) and ast.unparse(part.func) not in _NO_SPLINES
        for part in node.args
    ):
        return "te() takes splines, as in te(cr(x, df=4), cr(z, df=4))"
    contrast = node.args[1] if name == "C" and len(node.args) > 1 else None
    if isinstance(contrast, ast.Constant) and isinstance(contrast.value, str):
        return f"a reference level is chosen with C(g, Treatment({contrast.value!r}))"
    return ""


def read_expression(code: str) -> Expression:
    """Read a factor.

    Parameters
    ----------
    code : str
        A Python expression.

    Returns
    -------
    Expression

    Raises
    ------
    SyntaxError
        If it is none; also RecursionError and MemoryError if it is nested too deeply.

    Examples
    --------
    >>> expression = read_expression("np.log(x) + C(y, Treatment('b'))")
    >>> expression.variables, expression.functions
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
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    values = [node.id for node in names if id(node) not in called and node.id not in bound]
    return Expression(code, tree, list(dict.fromkeys(values)), list(dict.fromkeys(functions)))
