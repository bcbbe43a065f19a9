"""What can go wrong with a user's input, and how it is said."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

__all__ = [
    "AlignmentError",
    "CacheError",
    "CountsError",
    "FileError",
    "FormulaError",
    "HypothesisError",
    "InputTypeError",
    "MissingPackageError",
    "NbglmError",
    "NbglmWarning",
    "OptionError",
    "RankError",
    "UnavailableError",
    "UnknownNameError",
    "WorkerError",
    "check_choice",
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


class OptionError(NbglmError, ValueError):
    """An argument has a value that it cannot have."""


class InputTypeError(NbglmError, TypeError):
    """An argument is of a kind that it cannot be."""


class UnknownNameError(NbglmError, KeyError):
    """A gene, a column or another thing of that name does not exist."""

    def __str__(self) -> str:
        """The message itself, of which KeyError shows the ``repr``."""
        return str(self.args[0]) if self.args else ""


class UnavailableError(NbglmError, NotImplementedError):
    """Something that this fit or this class does not offer; the message says what does."""


class MissingPackageError(NbglmError, ImportError):
    """A package that only some users need is not installed; the message says which extra has it."""


class WorkerError(NbglmError, RuntimeError):
    """A process that worked for a fit is gone; the message says what that may come from."""


class CacheError(NbglmError, OSError):
    """Compiled kernels cannot be kept; the message says where they could be."""


class FileError(NbglmError, OSError):
    """A file is not there, damaged, of another kind, or cannot be written; it is named."""


class NbglmWarning(UserWarning):
    """Something about a fit that deserves a second look; at most one for each fit."""


def check_choice(
    what: str,
    value: object,
    choices: Iterable[str],
    other_words: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Refuse a word that an option does not know.

    Parameters
    ----------
    what : str
        Name of the argument.
    value : object
        What was given.
    choices : iterable of str
        What is valid.
    other_words : mapping of str to str, optional
        What other packages call the choices, in lower case.

    Raises
    ------
    OptionError
        With all valid choices, and the nearest one.

    Examples
    --------
    >>> check_choice("scale", "log", ("log", "response"))
    """
    known = tuple(choices)
    if not isinstance(value, str) or value not in known:
        meant = other_words.get(value.lower()) if isinstance(value, str) else None
        hint = f" Did you mean {meant!r}?" if meant else did_you_mean(value, known)
        msg = f"{what}={value!r} is not one of {some_of(known, 12)}."
        raise OptionError(msg + hint)


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
