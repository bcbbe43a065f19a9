"""Offsets and size factors: values or the name of a column, and where new rows find theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import AlignmentError
from nbglm.labels import quoted, row_values
from nbglm.reals import as_real

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
                f"{quoted(obs.index[row])} is {values[row]:g}. Give log factors as offset= instead."
            )
            raise AlignmentError(msg)
        return np.asarray(np.log(values))


def _numbers(source: str, given: object) -> FloatArray:
    """Real numbers as they are, in memory of their own; text, dates and the like are none."""
    if isinstance(given, pd.Series) and pd.api.types.is_numeric_dtype(given.dtype):
        values = np.asarray(given.to_numpy(na_value=np.nan) if given.hasnans else given)
    else:
        values = np.asarray(given)
    if values.dtype == object:
        try:
            values = np.array([as_real(value) for value in values])
        except TypeError as error:
            msg = f"{source} must hold numbers, and {error}."
            raise AlignmentError(msg) from error
    if values.dtype.kind not in "biuf":
        msg = f"{source} must hold real numbers; its dtype is {values.dtype}."
        raise AlignmentError(msg)
    return values.astype(np.float64)


def cell_values(what: str, given: object, obs: pd.DataFrame) -> FloatArray:
    """One finite number for each cell, from an array or a column of obs.

    Parameters
    ----------
    what : str
        Name of the argument, for messages.
    given : array_like, Series, DataFrame of one column, or str
        Values, or a column. What has labels must have those of `obs`, in the same order; an
        index 0, 1, 2, ... in order is none.
    obs : DataFrame
        Cells.

    Returns
    -------
    ndarray, shape (cells,)
        Of its own memory.

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
    source, given = row_values(what, given, obs)
    values = _numbers(source, given)
    if not np.all(np.isfinite(values)):
        row = int(np.argmax(~np.isfinite(values)))
        msg = f"{source} must be finite; the value at {quoted(obs.index[row])} is {values[row]}."
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
