"""Offsets and size factors: values or the name of a column, and where new rows find theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import AlignmentError, did_you_mean, some_of

__all__ = ["OffsetRule", "cell_values", "offset_rules"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class OffsetRule:
    """Where the values of an offset come from.

    Attributes
    ----------
    what : str
        ``offset`` (log scale) or ``size_factors`` (count scale).
    source : str
        ``none``, ``column`` or ``array``.
    column : str
        Name of the column of obs.
    """

    what: str
    source: str
    column: str = ""

    def values(self, obs: pd.DataFrame, given: object) -> FloatArray:
        """Offset of the log mean for these rows.

        Parameters
        ----------
        obs : DataFrame
            Rows.
        given : array_like, str or None
            What was passed explicitly; it goes before the column of the fit.

        Returns
        -------
        ndarray, shape (rows,)

        Raises
        ------
        AlignmentError
            If values are needed and not given, or do not match the rows.
        """
        if given is None:
            if self.source == "none":
                return np.zeros(len(obs))
            if self.source == "array":
                msg = (
                    f"the fit was given {self.what} as an array, so new rows need their own: "
                    f"pass {self.what}= ({len(obs)} values), or fit with the name of an obs column."
                )
                raise AlignmentError(msg)
            given = self.column
        values = cell_values(self.what, given, obs)
        if self.what == "offset":
            return values
        if not np.all(values > 0):
            row = int(np.argmax(~(values > 0)))
            msg = (
                f"size_factors must be positive (they multiply the mean); the value at "
                f"{obs.index[row]!r} is {values[row]:g}. Give log factors as offset= instead."
            )
            raise AlignmentError(msg)
        return np.asarray(np.log(values))


def cell_values(what: str, given: object, obs: pd.DataFrame) -> FloatArray:
    """One finite number for each cell, from an array or a column of obs.

    Parameters
    ----------
    what : str
        Name of the argument, for messages.
    given : array_like or str
        Values, or a column.
    obs : DataFrame
        Cells.

    Returns
    -------
    ndarray, shape (cells,)

    Raises
    ------
    AlignmentError
        If the column is missing, or values are of the wrong length, order, dtype or not finite.

    Examples
    --------
    >>> import pandas as pd
    >>> cell_values("offset", "depth", pd.DataFrame({"depth": [1, 2]}))
    array([1., 2.])
    """
    source = f"{what}="
    if isinstance(given, str):
        names = [str(column) for column in obs.columns]
        if given not in names:
            msg = f"{what}={given!r} is no column of obs, which has {some_of(names, 8)}."
            raise AlignmentError(msg + did_you_mean(given, names))
        source = f"column {given!r}, used as {what},"
        given = obs.iloc[:, names.index(given)]
    elif isinstance(given, pd.Series) and not given.index.equals(obs.index):
        same = set(given.index) == set(obs.index)
        msg = (
            f"{what}= is a Series whose index is not that of obs"
            f"{' (same labels in another order)' if same else ''}; "
            f"use {what}.reindex(obs.index), or pass a plain array."
        )
        raise AlignmentError(msg)
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{source} must hold numbers: {error}."
        raise AlignmentError(msg) from error
    if values.shape != (len(obs),):
        msg = (
            f"{source} must have {len(obs)} values, one for each cell; its shape is {values.shape}."
        )
        raise AlignmentError(msg)
    if not np.all(np.isfinite(values)):
        row = int(np.argmax(~np.isfinite(values)))
        msg = f"{source} must be finite; the value at {obs.index[row]!r} is {values[row]}."
        raise AlignmentError(msg)
    return values


def offset_rules(obs: pd.DataFrame, offset: object, size_factors: object) -> tuple[OffsetRule, ...]:
    """The rules for both kinds of offset.

    Parameters
    ----------
    obs : DataFrame
        Cells of the fit.
    offset, size_factors : array_like, str or None
        As given to the fit.

    Returns
    -------
    tuple of OffsetRule

    Raises
    ------
    AlignmentError
        If a named column does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> offset_rules(pd.DataFrame({"depth": [1, 2]}), None, "depth")[1].source
    'column'
    """
    rules = []
    for what, given in (("offset", offset), ("size_factors", size_factors)):
        if given is None:
            rules.append(OffsetRule(what, "none"))
        elif isinstance(given, str):
            cell_values(what, given, obs)
            rules.append(OffsetRule(what, "column", given))
        else:
            rules.append(OffsetRule(what, "array"))
    return tuple(rules)
