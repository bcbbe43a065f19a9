"""What was planted in a fit in place of estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbglm.fit.genes import FitArrays
from nbglm.status import GENE_STATUS

__all__ = ["Planted", "without_planted"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_PLANTED = GENE_STATUS.index("planted")


@dataclass(frozen=True)
class Planted:
    """The coefficients that were edited, and what they were estimated to be.

    Attributes
    ----------
    estimates : ndarray, shape (genes, p + q)
        All coefficients before the first edit.
    edited : ndarray of bool, shape (genes, p + q)
        Which of them were given another value since.
    edits : tuple of str
        The calls that did so, in order.
    """

    estimates: FloatArray
    edited: BoolArray
    edits: tuple[str, ...]

    def __post_init__(self) -> None:
        """Let nobody write into the truth."""
        self.estimates.flags.writeable = False
        self.edited.flags.writeable = False

    def of_genes(self, positions: NDArray[np.int64]) -> Planted:
        """The same of some genes, by their positions."""
        return Planted(self.estimates[positions], self.edited[positions], self.edits)


def without_planted(
    fit: FitArrays, tests: Mapping[str, NDArray[np.generic]]
) -> dict[str, NDArray[np.generic]]:
    """Take what tests say of edited genes out of a table with their status.

    Parameters
    ----------
    fit : FitArrays
        The fit.
    tests : mapping of str to ndarray, shape (genes,)
        Numbers, and ``status``.

    Returns
    -------
    dict of ndarray, shape (genes,)
        NaN for edited genes, whose status is ``planted``.
    """
    planted = fit.status == _PLANTED
    out: dict[str, NDArray[np.generic]] = {}
    for name, column in tests.items():
        nothing: object = "planted" if name == "status" else np.nan
        out[name] = np.where(planted, np.array(nothing, dtype=column.dtype), column)
    return out
