"""Orthonormal coordinates for a design, and which of its columns are aliased.

A covariate in units of a million, or shifted by a hundred thousand, must not change how a fit
converges. Fits therefore run on ``Q = X[:, kept] @ inverse`` with orthonormal columns (under the
cell weights), and the estimates are mapped back by ``beta = transform @ b``.

A column is aliased if what the earlier ones leave of it is no more than rounding. Where little is
left, that is decided in twice the working precision: a date in seconds hardly varies beside its
size, and all that it tells of the cells is in its last digits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nbglm.problem.compensated import remainder

__all__ = ["Basis", "null_space", "orthonormal_basis"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# A column whose part outside the span of the earlier ones is below this share of its length needs
# a closer look: that part may be nothing but rounding, theirs or its own. Below the second share
# it has also lost half of its digits, and is computed again.
_DOUBTFUL, _CLOSE = 1e-6, 1e-8
_ROUNDING = 2.0**-53
# Rounding of the entries, of this column and of the multiples of others that make it up, leaves at
# most so much. Sums of many terms were seen to leave 2.9; all else below 1.
_OF_ENTRIES = 3.0 * _ROUNDING
# The same without the means of the columns: a covariate that the user has computed from others
# carries the rounding of all the steps on the way.
_OF_DEVIATIONS = 1024.0 * _ROUNDING
_PASSES = 8
_ORTHOGONAL = 2.0**-40  # relative; one more pass in working precision does the rest


@dataclass(frozen=True)
class Basis:
    """Coordinates in which the kept columns of a design are orthonormal.

    Attributes
    ----------
    q : ndarray, shape (rows, rank)
        The design in these coordinates.
    transform : ndarray, shape (columns, rank)
    kept : ndarray of bool, shape (columns,)
    close : ndarray of bool, shape (columns,)
        Kept columns that nearly depend on the earlier ones.
    """

    q: FloatArray
    transform: FloatArray
    kept: BoolArray
    close: BoolArray

    @property
    def rank(self) -> int:
        """Number of kept columns."""
        return self.q.shape[1]


@dataclass
class _Kept:
    """The columns that have been kept so far.

    Attributes
    ----------
    design, weighted : ndarray, shape (rows, columns)
        The whole design, as given and times the roots of the weights.
    root : ndarray, shape (rows,)
    q : ndarray, shape (rows, at most columns)
        Orthonormal columns, with the roots of the weights in them.
    columns : list of int
        Which are kept.
    close : dict
        For those that nearly depend on the earlier ones, by their place among the kept: the
        multiples of the kept columns that make up the orthonormal one.
    """

    design: FloatArray
    weighted: FloatArray
    root: FloatArray
    q: FloatArray
    columns: list[int] = field(default_factory=list)
    close: dict[int, FloatArray] = field(default_factory=dict)

    @property
    def orthonormal(self) -> FloatArray:
        return self.q[:, : len(self.columns)]

    def append(self, j: int, column: FloatArray) -> None:
        self.q[:, len(self.columns)] = column
        self.columns.append(j)

    def transform(self) -> FloatArray:
        """From coordinates to multiples of the kept columns, shape (rank, rank)."""
        triangle = self.orthonormal.T @ self.weighted[:, self.columns]
        if not self.close:
            return _invert_upper(triangle)
        inverse = np.zeros_like(triangle)
        for k in range(len(triangle)):
            if k in self.close:
                inverse[: k + 1, k] = self.close[k]
            else:
                inverse[k, k] = 1.0
                inverse[:k, k] = -inverse[:k, :k] @ triangle[:k, k]
                inverse[: k + 1, k] /= triangle[k, k]
        return inverse

    def look_closer(self, j: int, found: FloatArray | None) -> None:
        """Keep a column of which little is left, if that is not rounding.

        `found` is the column to append if it has its digits, or None.
        """
        # Powers of 2 change no digit, and let nothing overflow.
        size = 2.0 ** np.floor(np.log2(np.abs(self.design[:, [*self.columns, j]]).max(axis=0)))
        columns, target = self.design[:, self.columns] / size[:-1], self.design[:, j] / size[-1]
        transform = self.transform() * size[:-1, None]
        rest, parts = target, np.zeros((0, len(self.columns)))
        for _ in range(_PASSES):
            along = self.orthonormal.T @ (self.root * rest)
            length = np.linalg.norm(self.root * rest)
            if np.linalg.norm(along) <= _ORTHOGONAL * length:
                break
            parts = np.vstack([parts, transform @ along])
            rest = remainder(target, columns, parts)
        multiples = parts.sum(axis=0)
        weighted = np.column_stack([columns, target]) * self.root[:, None]
        if length <= self._rounding(weighted, np.append(np.abs(multiples), 1.0)):
            return
        if found is not None:
            self.append(j, found)
            return
        rest = self.root * rest
        rest -= self.orthonormal @ (self.orthonormal.T @ rest)
        remaining = np.linalg.norm(rest)
        self.close[len(self.columns)] = np.append(-multiples, 1.0) / (size * remaining)
        self.append(j, rest / remaining)

    def _rounding(self, columns: FloatArray, multiples: FloatArray) -> float:
        """What rounding may leave of the last column beside those multiples of the others."""
        of_entries = _OF_ENTRIES * (multiples @ np.linalg.norm(columns, axis=0))
        unit = self.root / np.linalg.norm(self.root)
        columns = columns - np.outer(unit, unit @ columns)
        of_deviations = _OF_DEVIATIONS * (multiples @ np.linalg.norm(columns, axis=0))
        return float(max(of_entries, of_deviations))


def orthonormal_basis(
    design: FloatArray, weight: FloatArray | None = None, *, prepared: bool = False
) -> Basis:
    """Orthonormalise columns from left to right, dropping those that add nothing.

    This is R's convention for aliased terms: of a set of dependent columns the later ones go.

    Parameters
    ----------
    design : ndarray, shape (rows, columns)
        Design matrix.
    weight : ndarray, shape (rows,), optional
        Weights of the inner product, for rows that stand for several cells.
    prepared : bool
        Whether the columns are centred or combined already, so that their entries do not show any
        longer what rounding there is in them. Little is then as good as nothing.

    Returns
    -------
    Basis

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 2.0, -1.0]])
    >>> orthonormal_basis(x).kept
    array([ True,  True, False])
    >>> x[:, 2] = x[:, 1] + [1e10, 1e10, 1e10 + 1.0]
    >>> orthonormal_basis(x).kept
    array([ True,  True,  True])
    """
    rows, columns = design.shape
    root = np.ones(rows) if weight is None else np.sqrt(weight)
    weighted = design * root[:, None]
    found = _Kept(design, weighted, root, np.empty((rows, min(rows, columns))))
    for j in range(columns):
        scale = np.abs(weighted[:, j]).max(initial=0.0)
        if scale == 0.0 or len(found.columns) == found.q.shape[1]:
            continue
        rest = weighted[:, j] / scale
        length = np.linalg.norm(rest)
        # Twice is enough (Giraud, Langou & Rozloznik 2005): the second pass removes what
        # rounding left of the earlier directions after the first.
        for _ in range(2):
            along = found.orthonormal.T @ rest
            rest = rest - found.orthonormal @ along
        remaining = np.linalg.norm(rest)
        column = rest / remaining if remaining > _CLOSE * length else None
        if column is not None and (prepared or remaining > _DOUBTFUL * length):
            found.append(j, column)
        elif not prepared:
            found.look_closer(j, column)
    kept, close = np.zeros((2, columns), dtype=bool)
    kept[found.columns] = True
    close[[found.columns[k] for k in found.close]] = True
    transform = np.zeros((columns, len(found.columns)))
    transform[kept] = found.transform()
    unweighted = np.divide(
        found.orthonormal,
        root[:, None],
        out=np.zeros_like(found.orthonormal),
        where=root[:, None] > 0,
    )
    return Basis(np.ascontiguousarray(unweighted), transform, kept, close)


def _invert_upper(triangle: FloatArray) -> FloatArray:
    """Inverse of an upper triangular matrix (entries below the diagonal are rounding)."""
    # Elimination finds nothing below the diagonal to do, so this is back substitution.
    return np.asarray(np.linalg.inv(np.triu(triangle)))


def null_space(design: FloatArray, kept: BoolArray | None = None) -> FloatArray:
    """Directions that a design maps to zero.

    Parameters
    ----------
    design : ndarray, shape (rows, columns)
        Any matrix, 0 rows allowed, whose columns are of comparable size.
    kept : ndarray of bool, shape (columns,), optional
        False for columns that are known to depend on the earlier ones.

    Returns
    -------
    ndarray, shape (columns, nullity)
        One direction for each aliased column: that column minus the combination of kept columns
        that equals it. Entries at rounding level are set to 0.

    Examples
    --------
    >>> import numpy as np
    >>> null_space(np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]))
    array([[-1.],
           [ 1.],
           [ 1.]])
    """
    basis = orthonormal_basis(design if kept is None else design * kept, prepared=True)
    aliased = np.flatnonzero(~basis.kept)
    directions = np.zeros((design.shape[1], aliased.size))
    for k, j in enumerate(aliased):
        directions[:, k] = -basis.transform @ (basis.q.T @ design[:, j])
        directions[j, k] = 1.0
    size = np.abs(directions).max(axis=0, initial=0.0)
    return np.where(np.abs(directions) < 1e-10 * size, 0.0, directions)
