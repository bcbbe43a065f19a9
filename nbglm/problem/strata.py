"""Rows of designs of which most columns only tell strata apart, as those of a large factor do.

Indicators of strata have no row in common, so that whatever is a matrix of all columns otherwise
is a diagonal and a few further columns here, and an ascent that would take time with the cube of
their number takes time with the number of rows. The coordinates are the indicators of all strata,
with that of a reference level, which has no column of its own, and then the other columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.problem.basis import Basis, null_space, orthonormal_basis
from nbglm.problem.layout import Layout
from nbglm.problem.recession import recession_direction

__all__ = ["Columns", "StrataRows", "columns_of_strata", "deviations"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class StrataRows:
    """Rows of a design in its coordinates: indicators of strata, and other columns.

    Attributes
    ----------
    stratum : ndarray of int, shape (rows,)
        Stratum of each row; -1 for none.
    strata : int
        How many there are, with those that have no row here.
    others : ndarray, shape (rows, columns)
        The other columns, of comparable size.
    """

    stratum: IntArray
    strata: int
    others: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of coordinates."""
        return self.stratum.size, self.strata + self.others.shape[1]

    @property
    def size(self) -> int:
        """Number of entries in memory."""
        return self.stratum.size + self.others.size

    def __getitem__(self, rows: BoolArray | IntArray) -> StrataRows:
        """Some of the rows."""
        return StrataRows(self.stratum[rows], self.strata, self.others[rows])

    def __matmul__(self, coefficients: FloatArray) -> FloatArray:
        """Linear predictors."""
        # The last entry is for rows that are in no stratum.
        of_stratum = np.append(coefficients[: self.strata], 0.0)
        return np.asarray(of_stratum[self.stratum] + self.others @ coefficients[self.strata :])

    def largest_term(self, coefficients: FloatArray) -> float:
        """Largest absolute value of an entry times its coefficient."""
        inside = self.stratum[self.stratum >= 0]
        return max(
            float(np.abs(coefficients[: self.strata][inside]).max(initial=0.0)),
            float(np.abs(self.others * coefficients[self.strata :]).max(initial=0.0)),
        )

    def with_rows(self) -> BoolArray:
        """Which strata have rows here."""
        found = np.zeros(self.strata, dtype=bool)
        found[self.stratum[self.stratum >= 0]] = True
        return found

    def references(self) -> FloatArray:
        """The other columns on one row of each stratum, which all rows of it share; 0 without."""
        made = np.zeros((self.strata + 1, self.others.shape[1]))
        made[self.stratum] = self.others
        made[-1] = 0.0  # for rows in no stratum
        return made

    def null_space(self) -> FloatArray:
        """As :func:`nbglm.problem.basis.null_space`."""
        silent = np.flatnonzero(~self.with_rows())
        references = self.references()
        among = null_space(np.unique(self.others - references[self.stratum], axis=0))
        made = np.zeros((self.shape[1], silent.size + among.shape[1]))
        made[silent, np.arange(silent.size)] = 1.0
        made[: self.strata, silent.size :] = -references[:-1] @ among
        made[self.strata :, silent.size :] = among
        return made

    def recession_direction(self, free: StrataRows) -> FloatArray | None:
        """As :func:`nbglm.problem.recession.recession_direction`, with these rows fixed.

        A stratum without a fixed row falls by itself. In all others the coefficient of the stratum
        makes up for what the other columns do to its fixed rows, which leaves their differences.
        The last stratum may be the reference of the others, whose coefficients are differences to
        it. These fall as well, and so the others fall further than the last.
        """
        fixed = self.with_rows()
        bound = np.append(fixed, True)[free.stratum]  # the last entry is for rows in no stratum
        references = self.references()
        among = recession_direction(
            self.others - references[self.stratum],
            free.others[bound] - references[free.stratum[bound]],
        )
        silent = free.with_rows() & ~fixed
        if among is None and not silent.any():
            return None
        direction = np.zeros(self.shape[1])
        if among is not None:
            direction[self.strata :] = among
            direction[: self.strata][fixed] = -(references[:-1] @ among)[fixed]
        rise = (free[~bound].others @ direction[self.strata :]).max(initial=0.0)
        fall = np.where(np.arange(self.strata) < self.strata - 1, 2.0, 1.0)
        direction[: self.strata][silent] = -rise - fall[silent]
        return direction

    def with_others(self, strata: IntArray) -> StrataRows:
        """Some strata as ordinary columns, before the other ones.

        Parameters
        ----------
        strata : ndarray of int
            Which; the others are numbered anew in the same order.

        Returns
        -------
        StrataRows
        """
        number = np.full(self.strata + 1, -1)
        number[np.setdiff1d(np.arange(self.strata), strata)] = np.arange(self.strata - strata.size)
        columns = (self.stratum[:, None] == strata).astype(np.float64)
        return StrataRows(
            number[self.stratum],
            self.strata - strata.size,
            np.hstack([columns, self.others]),
        )

    def plain(self) -> FloatArray:
        """All coordinates as one matrix."""
        made = np.zeros(self.shape)
        inside = np.flatnonzero(self.stratum >= 0)
        made[inside, self.stratum[inside]] = 1.0
        made[:, self.strata :] = self.others
        return made


class Columns(NamedTuple):
    """Orthonormal columns of the mean design, as fields of a layout, and the way back.

    Attributes
    ----------
    x_columns, stratum_of_row, stratum_value
        See :class:`nbglm.problem.layout.Layout`.
    transform : ndarray or sparse array, shape (coordinates of the rows, rank)
    """

    x_columns: FloatArray
    stratum_of_row: IntArray
    stratum_value: FloatArray
    transform: Any

    @classmethod
    def of_basis(cls, basis: Basis) -> Columns:
        """Without strata."""
        nothing = np.zeros(0)
        columns = np.ascontiguousarray(basis.q.T)
        return cls(columns, nothing.astype(np.int64), nothing, basis.transform)

    def in_place_of(self, layout: Layout) -> Layout:
        """A layout with these columns."""
        return layout._replace(
            x_columns=self.x_columns,
            stratum_of_row=self.stratum_of_row,
            stratum_value=self.stratum_value,
        )


def deviations(
    values: FloatArray, stratum: IntArray, strata: int, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Deviations of columns from their means in each stratum, and these means.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        The columns.
    stratum : ndarray of int, shape (rows,)
        Stratum of each row; -1 for none, where the mean is 0.
    strata : int
        How many there are.
    weight : ndarray, shape (rows,)
        Weights of the means.

    Returns
    -------
    deviations : ndarray, shape (rows, columns)
    means : ndarray, shape (strata, columns)
    """
    inside = np.flatnonzero(stratum >= 0)
    own, heavy = stratum[inside], weight[inside]
    total = np.bincount(own, heavy, strata)
    total[total == 0.0] = 1.0
    means = np.zeros((strata + 1, values.shape[1]))  # the last is for rows in no stratum
    # The second pass takes out what rounding left of large means.
    for _ in range(2):
        rest = (values - means[stratum])[inside]
        for j in range(values.shape[1]):
            means[:-1, j] += np.bincount(own, heavy * rest[:, j], strata) / total
    return values - means[stratum], means[:-1]


def columns_of_strata(rows: StrataRows, weight: FloatArray) -> Columns:
    """Orthonormalise rows with strata.

    Parameters
    ----------
    rows : StrataRows
        The rows.
    weight : ndarray, shape (rows,)
        Weights of the inner product.

    Returns
    -------
    Columns
    """
    there = rows.with_rows()
    number = np.append(np.where(there, np.cumsum(there) - 1, -1), -1)
    of_row = number[rows.stratum]
    count = int(there.sum())
    inside = of_row >= 0
    value = 1.0 / np.sqrt(np.bincount(of_row[inside], weight[inside], count))
    within, means = deviations(rows.others, of_row, count, weight)
    basis = orthonormal_basis(within, weight, prepared=True)
    transform = sparse.lil_array((rows.shape[1], count + basis.rank))
    strata = np.flatnonzero(there)
    transform[strata, np.arange(count)] = value
    transform[strata[:, None], count + np.arange(basis.rank)] = -means @ basis.transform
    transform[rows.strata :, count:] = basis.transform
    columns = np.ascontiguousarray(basis.q.T)
    if count == 1:  # an arrow is one from two strata on
        only = np.where(inside, value[0], 0.0)
        return Columns(np.vstack([only, columns]), of_row[:0], value[:0], transform.tocsr())
    return Columns(columns, of_row, value, transform.tocsr())
