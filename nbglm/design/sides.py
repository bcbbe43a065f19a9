"""Which formulas a user gave, and what stands on their two sides."""

from __future__ import annotations

from collections.abc import Mapping

from nbglm.design.notation import masked, shown
from nbglm.exceptions import FormulaError, did_you_mean

__all__ = ["require_text", "right_side", "split_formulas", "split_sides"]

KEYS = ("mean", "dispersion")


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
            begun = [known for known in KEYS if str(key).lower()[:4] == known[:4]]
            msg = f"unknown formula key {key!r}; the keys are 'mean' and 'dispersion'."
            raise FormulaError(msg + did_you_mean(begun[0] if begun else key, KEYS))
        require_text(f"formula[{key!r}]", value)
    if "mean" not in formula:
        msg = "the formula for 'mean' is missing; give at least {'mean': '~ 1'}."
        raise FormulaError(msg)
    return {"mean": formula["mean"], "dispersion": formula.get("dispersion", "~ 1")}


def require_text(what: str, value: object, example: str = "~ x") -> None:
    """Refuse a formula that is not a string.

    Parameters
    ----------
    what : str
        Name of the argument.
    value : object
        What was given.
    example : str
        What could have been given.

    Raises
    ------
    FormulaError
        With the type that was given.
    """
    if not isinstance(value, str):
        msg = f"{what} must be a string such as {example!r}, not {type(value).__name__}."
        raise FormulaError(msg)


def split_sides(text: str) -> tuple[str, str]:
    """What stands before and after the first ``~``.

    Parameters
    ----------
    text : str
        A formula.

    Returns
    -------
    left, right : str
        The left side is empty if there is no ``~``.

    Examples
    --------
    >>> split_sides("`a~b` ~ x")
    ('`a~b`', 'x')
    """
    tilde = masked(text).find("~")
    return text[: max(tilde, 0)].strip(), text[tilde + 1 :].strip()


def right_side(key: str, text: str) -> str:
    """The terms of a formula that has no left side.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``, for messages.
    text : str
        The formula, with or without ``~``.

    Returns
    -------
    str

    Raises
    ------
    FormulaError
        If there is a left side, or nothing at all.

    Examples
    --------
    >>> right_side("mean", "~ x + z")
    'x + z'
    """
    require_text(f"the {key} formula", text)
    left, right = split_sides(text)
    if left:
        msg = (
            f"the {key} formula {shown(text)} has a left-hand side ({shown(left)}); the "
            f"counts are the response, so write {shown('~ ' + right)}."
        )
        raise FormulaError(msg)
    if not right:
        msg = f"the {key} formula {shown(text)} is empty; write '~ 1' for a constant."
        raise FormulaError(msg)
    return right
