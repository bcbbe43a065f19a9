"""Levels of intervals: of significance (alpha) here, of confidence (interval) there.

0.95 for one of them is 0.05 for the other, and nobody wants an interval of 5 %: levels on the wrong
side of one half are refused. At one half the two words agree.
"""

from __future__ import annotations

from numbers import Real

from nbglm.exceptions import InputTypeError, OptionError

__all__ = ["check_alpha", "check_interval"]


def check_alpha(alpha: object) -> None:
    """Refuse what is no significance level.

    Parameters
    ----------
    alpha : float
        Such as 0.05, above 0 and at most 0.5.

    Raises
    ------
    InputTypeError
        If it is no number.
    OptionError
        If it is not between 0 and 1, or meant as a confidence level.

    Examples
    --------
    >>> check_alpha(0.05)
    >>> check_alpha(0.95)
    Traceback (most recent call last):
    ...
    nbglm.exceptions.OptionError: alpha=0.95 would give 5 % intervals; alpha is the significance
    level, and alpha=0.05 gives 95 % intervals.
    """
    level = _between_0_and_1("alpha", alpha, "the significance level", "alpha=0.05")
    if level > 0.5:
        msg = (
            f"alpha={alpha} would give {100 * (1 - level):.3g} % intervals; alpha is the "
            f"significance level, and alpha={1 - level:.3g} gives {100 * level:.3g} % intervals."
        )
        raise OptionError(msg)


def check_interval(interval: object) -> None:
    """Refuse what is no confidence level.

    Parameters
    ----------
    interval : float
        Such as 0.95, at least 0.5 and below 1.

    Raises
    ------
    InputTypeError
        If it is no number.
    OptionError
        If it is not between 0 and 1, or meant as a significance level.

    Examples
    --------
    >>> check_interval(0.95)
    """
    level = _between_0_and_1("interval", interval, "a confidence level", "interval=0.95")
    if level < 0.5:
        msg = (
            f"interval={interval} would give {100 * level:.3g} % intervals; interval is the "
            f"confidence level, and interval={1 - level:.3g} gives {100 * (1 - level):.3g} % "
            f"intervals."
        )
        raise OptionError(msg)


def _between_0_and_1(name: str, level: object, what: str, example: str) -> float:
    if isinstance(level, bool) or not isinstance(level, Real):
        msg = (
            f"{name} is {what}, a number between 0 and 1; got {level!r} "
            f"({type(level).__name__}). {example} gives 95 % intervals."
        )
        raise InputTypeError(msg)
    number = float(level)
    if not 0.0 < number < 1.0:
        msg = f"{name} is {what}, between 0 and 1; got {level}. {example} gives 95 % intervals."
        raise OptionError(msg)
    return number
