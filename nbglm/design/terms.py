"""The terms of a formula: patsy's, with a second look at what it would pass over.

patsy removes what is not there without a word, takes ``x**2`` for ``x``, and walks a formula by
recursion, which a sum of some hundreds of columns is too deep for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import patsy
from patsy.parse_formula import ParseNode, parse_formula

from nbglm.design.formula import PreparedFormula
from nbglm.design.notation import shown
from nbglm.exceptions import FormulaError, did_you_mean, some_of

__all__ = ["Terms", "cannot_be_read", "read_terms", "single_expression"]

_MOST_TERMS = 20_000
_CONSTANTS = ("ZERO", "ONE")
_EXPRESSION = "PYTHON_EXPR"


@dataclass(frozen=True)
class Terms:
    """What a formula consists of.

    Attributes
    ----------
    description : patsy.ModelDesc
        Its terms.
    factors : tuple of str
        The code of every factor that it mentions, those that it removes included.
    """

    description: patsy.ModelDesc
    factors: tuple[str, ...]

    @property
    def kept(self) -> tuple[str, ...]:
        """The code of the factors of its terms."""
        terms = self.description.rhs_termlist
        return tuple(dict.fromkeys(factor.code for term in terms for factor in term.factors))


def cannot_be_read(key: str, formula: PreparedFormula, error: Exception) -> FormulaError:
    """The error for a formula that patsy or Python cannot parse."""
    if isinstance(error, RecursionError | MemoryError):
        cause = "it is too long, or nested too deeply"
    else:
        text = str(error).strip()
        cause = formula.restore(text.splitlines()[0]) if text else "it is no formula"
    msg = f"the {key} formula {shown(formula.given)} cannot be read: {cause.rstrip('.')}."
    return FormulaError(msg)


def read_terms(key: str, formula: PreparedFormula) -> Terms:
    """The terms of a formula.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``, for messages.
    formula : PreparedFormula
        The formula.

    Returns
    -------
    Terms

    Raises
    ------
    FormulaError
        If it cannot be read, or removes a term that is not there.
    """
    try:
        tree = _balanced(_tree(formula.patsy))
        nodes = list(_walk(tree))
        _refuse(key, formula, nodes)
        description = patsy.ModelDesc.from_formula(tree)
    except FormulaError:
        raise
    except Exception as error:
        raise cannot_be_read(key, formula, error) from error
    return Terms(description, _codes(nodes))


def single_expression(key: str, formula: PreparedFormula) -> bool:
    """Whether a formula is one column or one expression, and not a sum of terms.

    Parameters
    ----------
    key : str
        For messages.
    formula : PreparedFormula
        The formula.

    Returns
    -------
    bool

    Raises
    ------
    FormulaError
        If it cannot be read.
    """
    try:
        return _tree(formula.patsy).args[0].type == _EXPRESSION
    except Exception as error:
        raise cannot_be_read(key, formula, error) from error


def _tree(text: str) -> ParseNode:
    return parse_formula(f"~ {text}")


def _walk(tree: ParseNode) -> Iterator[ParseNode]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.args[::-1]


def _codes(nodes: list[ParseNode]) -> tuple[str, ...]:
    codes = (node.token.extra for node in nodes if node.type == _EXPRESSION)
    return tuple(dict.fromkeys(codes))


def _node(operator: str, left: ParseNode, right: ParseNode, like: ParseNode) -> ParseNode:
    return ParseNode(operator, like.token, [left, right], like.origin)


def _joined(parts: list[ParseNode], like: ParseNode) -> ParseNode:
    """A sum as a balanced tree, whose depth is the logarithm of its length."""
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        parts = [_node("+", a, b, like) for a, b in pairs] + parts[len(parts) // 2 * 2 :]
    return parts[0]


def _balanced(tree: ParseNode) -> ParseNode:
    """The same formula with long sums and differences made shallow.

    ``a + b - c - d`` becomes ``(a + b) - (c + d)``. Constants stay where they are: ``+ 0`` and
    ``- 1`` are no terms but switches.
    """
    spine: list[ParseNode] = []
    node = tree
    while node.type in ("+", "-") and len(node.args) == 2:
        spine.append(node)
        node = node.args[0]
    result = (
        node
        if not node.args
        else ParseNode(node.type, node.token, [_balanced(arg) for arg in node.args], node.origin)
    )
    operator, run = "", list[ParseNode]()
    for step in reversed(spine):
        right = step.args[1]
        if run and (step.type != operator or right.type in _CONSTANTS):
            result, run = _node(operator, result, _joined(run, step), step), []
        if right.type in _CONSTANTS:
            result = _node(step.type, result, right, step)
        else:
            operator, run = step.type, [*run, _balanced(right)]
    return _node(operator, result, _joined(run, spine[0]), spine[0]) if run else result


def _terms_of(node: ParseNode) -> list[patsy.Term]:
    formula = patsy.ModelDesc.from_formula(ParseNode("~", None, [node], node.origin))
    return [term for term in formula.rhs_termlist if term.factors]


def _refuse(key: str, formula: PreparedFormula, nodes: list[ParseNode]) -> None:
    """Refuse what patsy would take for something else than was meant."""
    if len(nodes[0].args) != 1 or any(node.type == "~" for node in nodes[1:]):
        msg = f"the {key} formula {shown(formula.given)} has more than one '~'."
        raise FormulaError(msg)
    sizes: dict[int, float] = {}
    for node in reversed(nodes):
        sizes[id(node)] = _most_terms(node, sizes)
        if sizes[id(node)] > _MOST_TERMS:
            msg = (
                f"the {key} formula {shown(formula.given)} has up to {sizes[id(node)]:.3g} terms; "
                f"{_MOST_TERMS:,} are the most."
            )
            raise FormulaError(msg)
        if node.type == "-" and len(node.args) == 2 and node.args[1].type not in _CONSTANTS:
            _refuse_idle_removal(key, formula, node)
        if node.type == "**":
            _refuse_idle_power(key, formula, node)


def _most_terms(node: ParseNode, sizes: dict[int, float]) -> float:
    """An upper bound of the number of terms, before any is made."""
    sides = [sizes[id(arg)] for arg in node.args]
    if len(sides) < 2:
        return sides[0] if sides else 1.0
    left, right = sides
    if node.type == "*":
        return left + right + left * right
    if node.type == ":":
        return left * right
    if node.type == "**":
        code = node.args[1].token.extra if node.args[1].token else ""
        power = min(int(code) if str(code).isdecimal() else 1, int(left))
        return float(sum(math.comb(int(left), k) for k in range(1, min(power, 50) + 1)))
    return left + right if node.type in ("+", "/") else left


def _refuse_idle_removal(key: str, formula: PreparedFormula, node: ParseNode) -> None:
    there = _terms_of(node.args[0])
    for term in _terms_of(node.args[1]):
        codes = [factor.code for factor in term.factors]
        if term in there or all(formula.column_of(code) in formula.response for code in codes):
            continue
        names = [formula.restore(other.name()) for other in there]
        columns = [name for name in formula.columns if name not in names]
        name = formula.restore(term.name())
        msg = (
            f"the {key} formula {shown(formula.given)} removes {name!r}, which is not among the "
            f"terms before it: {some_of(names, 8)}."
        )
        if name.lower() == "intercept":
            msg += " The intercept is removed with '- 1'."
        elif name not in formula.columns:
            msg += did_you_mean(name, names) or did_you_mean(name, columns)
        raise FormulaError(msg)


def _refuse_idle_power(key: str, formula: PreparedFormula, node: ParseNode) -> None:
    terms = _terms_of(node.args[0])
    exponent = node.args[1].token.extra if node.args[1].token else ""
    if len(terms) == 1 and exponent != "1":
        name = formula.restore(terms[0].name())
        msg = (
            f"in the {key} formula {shown(formula.given)}, ** makes interactions of several terms "
            f"and leaves {name!r} as it is; a power of its values is written "
            f"I({name} ** {exponent or 2})."
        )
        raise FormulaError(msg)
