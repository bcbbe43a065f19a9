"""Which cells a sample has: the rows asked for, drawn anew, or several times over."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import InputTypeError, OptionError

__all__ = ["REPLICATE", "SAMPLED_FROM", "NewCells", "check_count", "new_cells"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SAMPLED_FROM = "sampled_from"
"""Column of obs that names the row which a resampled cell was drawn from."""

REPLICATE = "replicate"
"""Column of obs that numbers the repeats of the same rows."""

_ROWS = 0x726F7773  # the letters of "rows": the stream that chooses rows


@dataclass(frozen=True)
class NewCells:
    """The cells of a sample, before a count is drawn.

    Attributes
    ----------
    obs : DataFrame
        Covariates of the rows.
    x, z, offset : ndarray
        Designs and offset of the rows.
    chosen : ndarray of int, shape (cells,)
        The row of each cell, of one replicate.
    replicates : int
        How often the chosen cells are drawn.
    resampled : bool
        Whether the rows were drawn with replacement.
    """

    obs: pd.DataFrame
    x: FloatArray
    z: FloatArray
    offset: FloatArray
    chosen: IntArray = field(repr=False)
    replicates: int = 1
    resampled: bool = False

    @property
    def count(self) -> int:
        """Number of cells, of all replicates."""
        return self.chosen.size * self.replicates

    def part(self, lo: int, hi: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Designs and offset of some cells of one replicate, by their numbers in it."""
        rows = self.chosen[lo:hi]
        return self.x[rows], self.z[rows], self.offset[rows]

    def frame(self) -> pd.DataFrame:
        """``obs`` of the sample: a row a cell, with labels that are strings and distinct.

        Returns
        -------
        DataFrame
            Rows drawn with replacement are numbered, with the label of the row in a column
            ``sampled_from``; of several replicates the number is in a column ``replicate`` and
            at the end of each label.
        """
        # AnnData wants strings; map() would leave an empty index as it is.
        labels = np.array([str(label) for label in self.obs.index], dtype=object)
        frame = self.obs.iloc[self.chosen].copy()
        name = self.obs.index.name
        if self.resampled:
            frame[SAMPLED_FROM] = labels[self.chosen]
            labels = np.array([f"sample{k}" for k in range(self.chosen.size)], dtype=object)
            name = None
        frame.index = pd.Index(labels, dtype=object, name=name)
        if self.replicates == 1:
            return frame
        parts = [
            frame.set_axis(pd.Index([f"{label}-{k}" for label in labels], name=name)).assign(
                **{REPLICATE: k}
            )
            for k in range(self.replicates)
        ]
        return pd.concat(parts)


def check_count(value: object, name: str, least: int) -> int:
    """A whole number from some least one on.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        Of the argument.
    least : int
        The smallest number allowed.

    Returns
    -------
    int

    Raises
    ------
    InputTypeError, OptionError
        If it is no whole number, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        msg = f"{name} must be a whole number, not {value!r} ({type(value).__name__})."
        raise InputTypeError(msg)
    if value < least:
        msg = f"{name} must be at least {least}; got {value}."
        raise OptionError(msg)
    return int(value)


def _refuse_taken(obs: pd.DataFrame, column: str, why: str) -> None:
    if column in obs:
        msg = (
            f"obs has a column {column!r} already, which {why}; rename it before, for example "
            f"obs.rename(columns={{{column!r}: 'earlier_{column}'}})."
        )
        raise OptionError(msg)


def new_cells(
    obs: pd.DataFrame,
    designs: tuple[FloatArray, FloatArray, FloatArray],
    entropy: tuple[int, ...],
    *,
    n_cells: int | None = None,
    replicates: int = 1,
    weights: FloatArray | None = None,
) -> NewCells:
    """Choose the cells of a sample.

    Parameters
    ----------
    obs : DataFrame
        Covariates of the rows.
    designs : tuple of ndarray
        Their designs and offset.
    entropy : tuple of int
        From :func:`nbglm.simulate.draws.seed_entropy`.
    n_cells : int, optional
        So many rows, drawn with replacement; by default each row once.
    replicates : int
        How often these are repeated.
    weights : ndarray, shape (rows,), optional
        Frequency weights of the rows, in proportion to which they are drawn.

    Returns
    -------
    NewCells

    Raises
    ------
    InputTypeError, OptionError
        If a number is none, or too small, or obs has one of the columns that are added.
    """
    replicates = check_count(replicates, "replicates", 1)
    if replicates > 1:
        _refuse_taken(obs, REPLICATE, "numbers the replicates of a sample")
    if n_cells is None:
        chosen = np.arange(len(obs))
        return NewCells(obs, *designs, chosen, replicates)
    n_cells = check_count(n_cells, "n_cells", 0)
    _refuse_taken(obs, SAMPLED_FROM, "names the rows that cells were drawn from")
    share = None if weights is None else weights / weights.sum()
    if n_cells and not len(obs):
        msg = f"n_cells={n_cells} asks for cells, but obs has no rows to draw them from."
        raise OptionError(msg)
    rng = np.random.default_rng(np.random.SeedSequence([*entropy, _ROWS]))
    chosen = rng.choice(len(obs), n_cells, p=share) if n_cells else np.zeros(0, dtype=np.int64)
    return NewCells(obs, *designs, chosen, replicates, resampled=True)
