"""What can go wrong with a user's input, and how it is said."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "AlignmentError",
    "CountsError",
    "FormulaError",
    "HypothesisError",
    "NbglmError",
    "NbglmWarning",
    "RankError",
    "did_you_mean",
    "some_of",
]


class NbglmError(Exception):
    """Base of all errors raised on purpose by nbglm."""


class FormulaError(NbglmError, ValueError):
    """A formula, or a column that it uses, cannot be turned into a design."""


class CountsError(NbglmError, ValueError):
    """The data are not raw counts, or not of a supported kind."""


class AlignmentError(NbglmError, ValueError):
    """Lengths or labels of data, obs, offset, weights or names do not match."""


class RankError(NbglmError, ValueError):
    """A design has aliased columns and ``rank_deficient="raise"`` was asked for."""


class HypothesisError(NbglmError, ValueError):
    """A linear hypothesis names unknown coefficients, or combinations that cannot be tested."""


class NbglmWarning(UserWarning):
    """Something about a fit that deserves a second look; at most one for each fit."""


def did_you_mean(name: object, choices: Iterable[object]) -> str:
    """Suggest the valid choice that is nearest to a misspelt name.

    Parameters
    ----------
    name : object
        What was given.
    choices : iterable
        What would have been valid.

    Returns
    -------
    str
        A sentence with a leading space, or the empty string.

    Examples
    --------
    >>> did_you_mean("pseudotme", ["batch", "pseudotime"])
    " Did you mean 'pseudotime'?"
    >>> did_you_mean("x", ["batch"])
    ''
    """
    names = [str(choice) for choice in choices]
    lowered = {choice.lower(): choice for choice in reversed(names)}
    near = difflib.get_close_matches(str(name).lower(), list(lowered), n=1)
    return f" Did you mean {lowered[near[0]]!r}?" if near else ""


def some_of(items: Iterable[object], limit: int = 3) -> str:
    """Name the first few items and count the others.

    Parameters
    ----------
    items : iterable
        What to name.
    limit : int
        How many to spell out.

    Returns
    -------
    str

    Examples
    --------
    >>> some_of(["a", "b", "c", "d", "e"])
    "'a', 'b', 'c' and 2 more"
    """
    listed = [repr(str(item)) for item in items]
    if not listed:
        return "none"
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
