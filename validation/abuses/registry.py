"""How a misuse is written down, and how the answer of the package is judged.

A misuse is a function that does what a user might do by mistake::

    @refused(CountsError, "masked", "filled")
    def masked_counts_with_a_masked_entry():
        nbglm.fit_negbin(masked, "~ 1", obs=obs)


    @answered
    def a_permuted_integer_index_is_matched():
        assert ...

It is *refused* if it raises the package's error of that class whose message, one readable
paragraph, contains each of the words; it is *answered* if it returns and its assertions hold. A
warning that is not the package's own, another exception, or an error that says less is neither.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import nbglm
from nbglm.exceptions import NbglmError

__all__ = ["MISUSES", "Misuse", "answered", "answered_slowly", "judge", "refused"]

LONGEST = 700  # characters of a message that somebody will read


@dataclass(frozen=True)
class Misuse:
    """Something that a user might do, and what must come of it.

    Attributes
    ----------
    name : str
        Module and function, which say what is done.
    act : callable
        Does it.
    error : type or None
        What must be raised; None if it must be answered.
    words : tuple of str
        What the message must contain.
    slow : bool
        Whether it starts processes.
    """

    name: str
    act: Callable[[], object]
    error: type[Exception] | None
    words: tuple[str, ...]
    slow: bool = False


MISUSES: list[Misuse] = []
"""All of them, in the order in which their modules were imported."""


def _name(act: Callable[[], object]) -> str:
    return f"{act.__module__.rpartition('.')[2]}.{act.__name__}"


def refused(
    error: type[Exception], *words: str, slow: bool = False
) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Decorate a misuse that must raise `error` with all of `words` in its message."""

    def register(act: Callable[[], object]) -> Callable[[], object]:
        MISUSES.append(Misuse(_name(act), act, error, words, slow))
        return act

    return register


def answered(act: Callable[[], object]) -> Callable[[], object]:
    """Decorate a misuse, or an unusual use, that must return with its assertions true."""
    MISUSES.append(Misuse(_name(act), act, None, ()))
    return act


def answered_slowly(act: Callable[[], object]) -> Callable[[], object]:
    """Decorate as :func:`answered` what starts processes."""
    MISUSES.append(Misuse(_name(act), act, None, (), slow=True))
    return act


def refused_in_words(raised: BaseException, misuse: Misuse) -> str:
    """What is wrong with an error, as a sentence; empty if nothing is."""
    message = str(raised)
    if misuse.error is None:
        return f"raised {type(raised).__name__}: {message[:200]}"
    if not isinstance(raised, misuse.error):
        return f"raised {type(raised).__name__}, not {misuse.error.__name__}: {message[:200]}"
    if not isinstance(raised, NbglmError | SystemExit):
        return f"raised {type(raised).__name__}, which is not the package's: {message[:200]}"
    lacking = [word for word in misuse.words if word not in message]
    if lacking:
        return f"the message lacks {lacking}: {message[:400]}"
    if len(message) > LONGEST:
        return f"the message has {len(message)} characters"
    return ""


def judge(misuse: Misuse) -> str:
    """Do it, and say what is wrong with what came of it.

    Parameters
    ----------
    misuse : Misuse
        What to do.

    Returns
    -------
    str
        Empty if it was answered right or refused in words.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        # The cells of these tables come from donors, which most misuses have nothing to do with.
        warnings.filterwarnings("ignore", ".* varies only between the", UserWarning)
        try:
            misuse.act()
        except Exception as raised:  # noqa: BLE001 - whatever it is, it is the answer
            return refused_in_words(raised, misuse)
    return "" if misuse.error is None else f"was not refused ({misuse.error.__name__} is due)"
