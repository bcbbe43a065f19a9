"""Python's own numbers as floats; text and times are none, however well they convert."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

__all__ = ["LARGEST_WHOLE", "as_real"]

LARGEST_WHOLE = 2**53 - 1
"""The largest whole number that a float tells from its neighbours."""

_OTHERS = (str, bytes, np.datetime64, np.timedelta64, dt.date, dt.timedelta)
_MOST = 10**300


def as_real(value: object) -> float:
    """One number, or NaN for a missing one.

    Parameters
    ----------
    value : object
        Such as an int of any size, a Decimal, a Fraction, None, or ``pandas.NA``.

    Returns
    -------
    float
        A whole number beyond ``LARGEST_WHOLE`` becomes one that is beyond it as well.

    Raises
    ------
    TypeError
        If it is no number.

    Examples
    --------
    >>> as_real(3), as_real(None), as_real(-(10**400))
    (3.0, nan, -1e+300)
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return np.nan
    if isinstance(value, _OTHERS):
        msg = f"{value!r} is a {type(value).__name__}"
        raise TypeError(msg)
    if isinstance(value, int):
        return float(min(max(value, -_MOST), _MOST))
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"{value!r} is a {type(value).__name__}"
        raise TypeError(msg) from error
