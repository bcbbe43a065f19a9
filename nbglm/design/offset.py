"""Offsets and size factors: values or the name of a column, and where new rows find theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.labels import quoted
from nbglm.design.reals import LARGEST_WHOLE, as_real
from nbglm.design.rowvalues import row_values
from nbglm.exceptions import AlignmentError

__all__ = [
    "OffsetRule",
    "cell_values",
    "check_offset_scale",
    "offset_remark",
    "offset_rules",
    "total_offset",
]

FloatArray = NDArray[np.float64]

_LARGEST = 300.0  # exp of twice this, as of the difference of two offsets, is still a number
_MOST_COMMON_RANGE = float(np.log(LARGEST_WHOLE))  # two counts cannot differ by a larger factor


@dataclass(frozen=True)
class OffsetRule:
    """Where the values of an offset come from.

    Attributes
    ----------
    what : str
        ``offset`` (log scale) or ``size_factors`` (count scale).
    source : str
        ``none``, ``column`` or ``array``, or the way in which the fit computed size factors from
        its counts, such as ``median_ratio``.
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
            if self.source != "column":
                msg = (
                    f"the fit computed {self.what} from its counts ({self.source}), so new rows "
                    f"need their own: pass {self.what}= ({len(obs)} values), ones for a cell of "
                    f"ordinary depth."
                )
                raise AlignmentError(msg)
            given = self.column
        values = cell_values(self.what, given, obs)
        if self.what == "offset":
            return values
        if np.any(values > 0) and not np.all(np.abs(np.log(values[values > 0])) <= _LARGEST):
            extreme = values[np.abs(np.log(np.where(values > 0, values, 1.0))).argmax()]
            msg = (
                f"size_factors multiply the mean and must lie between 1e-130 and 1e130; one is "
                f"{extreme:g}. Divide them by a typical one."
            )
            raise AlignmentError(msg)
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


def total_offset(
    rules: Iterable[OffsetRule], obs: pd.DataFrame, given: Mapping[str, object]
) -> FloatArray:
    """Offset of the log mean for some rows: the sum over all rules.

    Parameters
    ----------
    rules : iterable of OffsetRule
        Where the parts come from.
    obs : DataFrame
        Rows.
    given : mapping
        What was passed explicitly for each kind of offset.

    Returns
    -------
    ndarray, shape (rows,)

    Raises
    ------
    AlignmentError
        If values are missing, do not match the rows, or are of another scale.

    Examples
    --------
    >>> obs = pd.DataFrame({"depth": [1.0, np.e]})
    >>> total_offset(offset_rules(obs, None, "depth"), obs, {"offset": None, "size_factors": None})
    array([0., 1.])
    """
    total = np.zeros(len(obs))
    for rule in rules:
        total += rule.values(obs, given[rule.what])
    check_offset_scale(total, obs.index)
    return total


def check_offset_scale(offset: FloatArray, rows: pd.Index) -> None:
    """Refuse an offset of which no exponential can be taken: it was meant for another scale.

    Parameters
    ----------
    offset : ndarray, shape (rows,)
        Offset of the log mean.
    rows : Index
        Labels of the rows.

    Raises
    ------
    AlignmentError
        If a value is beyond 300 on either side.

    Examples
    --------
    >>> check_offset_scale(np.array([500.0, 20000.0]), pd.Index(["a", "b"]))
    Traceback (most recent call last):
    nbglm.exceptions.AlignmentError: the offset of the log mean is 20000 at 'b', but on the log
    scale it must lie between -300 and 300. Are these counts or factors of the mean? Pass them as
    size_factors=, which takes the logarithm, or pass numpy.log of them as offset=.
    """
    if not offset.size or float(np.abs(offset).max()) <= _LARGEST:
        return
    row = int(np.abs(offset).argmax())
    msg = (
        f"the offset of the log mean is {offset[row]:g} at {quoted(rows[row])}, but on the log "
        f"scale it must lie between {-_LARGEST:g} and {_LARGEST:g}. Are these counts or factors of "
        f"the mean? Pass them as size_factors=, which takes the logarithm, or pass numpy.log of "
        f"them as offset=."
    )
    raise AlignmentError(msg)


def offset_remark(offset: FloatArray) -> str:
    """What is odd about the range of an offset; empty if nothing is.

    Parameters
    ----------
    offset : ndarray, shape (cells,)
        Offset of the log mean.

    Returns
    -------
    str

    Examples
    --------
    >>> offset_remark(np.array([0.0, 2.0]))
    ''
    """
    low, high = (float(end(offset)) for end in (np.min, np.max)) if offset.size else (0.0, 0.0)
    if high - low <= _MOST_COMMON_RANGE:
        return ""
    return (
        f"The offset is on the log scale and reaches from {low:.4g} to {high:.4g}, so that the "
        f"means of two cells differ by a factor of {np.exp(high - low):.0e}, more than two counts "
        f"can. If it holds counts or factors, pass them as size_factors= instead."
    )
