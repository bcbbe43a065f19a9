"""The stages on the way to a limit: which rows still count, and the ordinary fit that remains.

Which rows separate depends on a gene only by where its counts are positive. With few distinct
design rows many genes share that, and each stage is worked out once for all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from nbglm.problem.basis import null_space, orthonormal_basis
from nbglm.problem.layout import Layout
from nbglm.problem.problem import Problem
from nbglm.problem.recession import recession_direction
from nbglm.problem.standard import Matrix, Rows, block_matrix, orthonormal_columns
from nbglm.problem.start import Search, make_search
from nbglm.problem.strata import StrataRows

__all__ = ["Geometry", "Stage"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_WHOLE = b"whole"
_STILL = 1e-9  # relative change of a predictor along a direction below which it stands still
_REMEMBERED_ROWS = 512  # with more distinct rows hardly two genes share their positive rows
_REMEMBERED_ENTRIES = 1 << 22  # of the designs that remain beside limits


@dataclass
class _State:
    """What has been decided so far about one gene."""

    active: BoolArray  # rows whose counts take part
    poisson: BoolArray  # groups of infinite size
    beta_direction: FloatArray
    gamma_direction: FloatArray


@dataclass(frozen=True)
class Stage:
    """A set of limits, and what remains to be fitted beside them.

    Attributes
    ----------
    problem : Problem
        Designs of the fit.
    key : bytes
        How the stage was reached.
    active : ndarray of bool, shape (rows,)
        Rows whose counts take part.
    poisson : ndarray of bool, shape (groups,)
        Groups of infinite size.
    direction : ndarray, shape (p + q,)
        Where the coefficients go, in standardised columns.
    layout : Layout or None
        The ordinary fit that remains; None if no row takes part.
    groups : ndarray of int
        The original numbers of its groups.
    transform : ndarray or sparse array, shape (p + q, rank)
        From its coordinates to the user's coefficients.
    """

    problem: Problem
    key: bytes
    active: BoolArray
    poisson: BoolArray
    direction: FloatArray
    layout: Layout | None
    groups: IntArray
    transform: Matrix

    @cached_property
    def search(self) -> Search:
        """Where the maximum of what remains is looked for; there must be some rows."""
        if self.key == _WHOLE and self.problem.prepared is not None:
            return self.problem.prepared
        return make_search(cast("Layout", self.layout))

    @cached_property
    def undetermined(self) -> FloatArray:
        """Directions that change nothing for the rows that take part, in standardised columns."""
        problem = self.problem
        finite = self.groups[~self.poisson[self.groups]]
        return np.asarray(
            block_diag(_null_space(problem.x_rows[self.active]), null_space(problem.z_rows[finite]))
        )


def _null_space(rows: Rows) -> FloatArray:
    return rows.null_space() if isinstance(rows, StrataRows) else null_space(rows)


def _recession_direction(fixed: Rows, free: Rows) -> FloatArray | None:
    if isinstance(fixed, StrataRows):
        return fixed.recession_direction(cast("StrataRows", free))
    return recession_direction(fixed, cast("FloatArray", free))


def _append(direction: FloatArray, later: FloatArray, rows: Rows) -> FloatArray:
    """Combine directions so that the earlier one decides every row it moves."""
    if not direction.any():
        return later
    earlier = np.abs(rows @ direction)
    moved = earlier[earlier > _STILL * earlier.max(initial=0.0)]
    factor = (1.0 + np.abs(rows @ later).max()) / moved.min() * 2.0
    return direction * factor + later


def _moved(rows: Rows, direction: FloatArray) -> BoolArray:
    """Rows whose predictor a direction lowers."""
    product = rows @ direction
    if isinstance(rows, StrataRows):
        largest = max(1e-300, rows.largest_term(direction))
    else:
        largest = np.abs(rows * direction).max(initial=1e-300)
    return np.asarray(product < -_STILL * largest)


def _remove_separated(problem: Problem, positive_rows: BoolArray, state: _State) -> bool:
    """Take out the cells that one direction of either design sends to zero; False if none."""
    group = problem.layout.group_of_row
    positive = state.active & positive_rows
    zero = state.active & ~positive_rows
    direction = _recession_direction(problem.x_rows[positive], problem.x_rows[zero])
    if direction is not None:
        gone = zero & _moved(problem.x_rows, direction)
        if gone.any():
            state.active &= ~gone
            state.beta_direction = _append(state.beta_direction, direction, problem.x_rows)
            return True
    groups = problem.z_rows.shape[0]
    has_rows = np.bincount(group[state.active], minlength=groups) > 0
    has_counts = np.bincount(group[positive], minlength=groups) > 0
    # Groups that are Poisson already went first: no later direction reaches them.
    silent = has_rows & ~has_counts & ~state.poisson
    standing = has_counts & ~state.poisson
    direction = recession_direction(problem.z_rows[standing], problem.z_rows[silent])
    if direction is not None:
        gone_groups = silent & _moved(problem.z_rows, direction)
        if gone_groups.any():
            state.active &= ~gone_groups[group]
            state.gamma_direction = _append(state.gamma_direction, direction, problem.z_rows)
            return True
    return False


def _remaining(problem: Problem, state: _State) -> tuple[Layout, IntArray, Matrix]:
    """Restrict the layout to active rows and orthonormalise again.

    Returns the layout, the original numbers of its groups, and the way back to the user's
    coefficients.
    """
    full = problem.layout
    rows = np.flatnonzero(state.active)
    groups, group_of_row = np.unique(full.group_of_row[rows], return_inverse=True)
    poisson = state.poisson[groups]
    weight = full.weight[rows]
    columns = orthonormal_columns(problem.x_rows[rows], weight)
    finite_rows = ~poisson[group_of_row]
    z_all = problem.z_rows[groups]
    z_basis = orthonormal_basis(
        z_all[group_of_row][finite_rows], weight[finite_rows], prepared=True
    )
    new_row = np.full(state.active.size + 1, -1)  # the last entry is for cells of weight 0
    new_row[rows] = np.arange(rows.size)
    layout = columns.in_place_of(full)._replace(
        z_columns=np.ascontiguousarray(
            np.where(poisson[:, None], 0.0, z_all @ z_basis.transform).T
        ),
        offset=full.offset[rows],
        size_offset=np.where(poisson, math.inf, full.size_offset[groups]),
        weight=weight,
        row_of_cell=new_row[full.row_of_cell],
        group_of_row=group_of_row.astype(np.int64),
        bin_of_row=full.bin_of_row[rows] if full.bin_of_row.size else full.bin_of_row,
    )
    return layout, groups, problem.back @ block_matrix(columns.transform, z_basis.transform)


class Geometry:
    """Stages of the genes of one problem.

    Parameters
    ----------
    problem : Problem
        Designs of the fit.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._known: dict[bytes, Stage | None] = {}
        self._remains: dict[bytes, tuple[Layout, IntArray, Matrix]] = {}
        self._remembers = problem.x_rows.shape[0] <= _REMEMBERED_ROWS

    @cached_property
    def search(self) -> Search:
        """Where the maxima of the whole problem are looked for."""
        return self.problem.search

    def _remember(self, key: bytes, stage: Stage | None) -> Stage | None:
        if self._remembers:
            self._known[key] = stage
        return stage

    def _remaining(self, state: _State) -> tuple[Layout | None, IntArray, Matrix]:
        """What remains beside a set of limits; genes of other positive rows often share it."""
        problem = self.problem
        if not state.active.any():
            return None, np.zeros(0, dtype=np.int64), np.zeros((problem.aliased.size, 0))
        key = np.packbits(np.concatenate([state.active, state.poisson])).tobytes()
        found = self._remains.get(key)
        if found is None:
            found = _remaining(problem, state)
            if len(self._remains) * problem.x_rows.size > _REMEMBERED_ENTRIES:
                self._remains.clear()
            self._remains[key] = found
        return found

    def _stage(self, key: bytes, state: _State) -> Stage:
        return Stage(
            self.problem,
            key,
            state.active,
            state.poisson,
            np.concatenate([state.beta_direction, state.gamma_direction]),
            *self._remaining(state),
        )

    def beside(self, stage: Stage) -> Layout | None:
        """What remains beside the limits of a stage of another problem with the same designs.

        Parameters
        ----------
        stage : Stage
            Of a problem that differs in its offsets alone.

        Returns
        -------
        Layout or None
            In the coordinates of the stage's own; None if no row is left.
        """
        nothing = np.zeros(0)
        return self._remaining(_State(stage.active, stage.poisson, nothing, nothing))[0]

    def whole(self) -> Stage:
        """No limit but those of the problem itself."""
        problem = self.problem
        groups = problem.z_rows.shape[0]
        return Stage(
            problem,
            _WHOLE,
            np.ones(problem.x_rows.shape[0], dtype=bool),
            np.isinf(problem.layout.size_offset),
            np.zeros(problem.x_rows.shape[1] + problem.z_rows.shape[1]),
            problem.layout,
            np.arange(groups),
            block_matrix(problem.x_transform, problem.z_transform),
        )

    def separated(self, positive: BoolArray) -> Stage:
        """Without the rows that separate, given where the counts are positive.

        Parameters
        ----------
        positive : ndarray of bool, shape (rows,)
            Rows with a positive count.

        Returns
        -------
        Stage
        """
        key = np.packbits(positive).tobytes()
        stage = self._known.get(key)
        if stage is not None:
            return stage
        problem = self.problem
        state = _State(
            active=np.ones(positive.size, dtype=bool),
            poisson=np.isinf(problem.layout.size_offset),
            beta_direction=np.zeros(problem.x_rows.shape[1]),
            gamma_direction=np.zeros(problem.z_rows.shape[1]),
        )
        while _remove_separated(problem, positive, state):
            pass
        stage = self._stage(key, state)
        self._remember(key, stage)
        return stage

    def further(
        self, stage: Stage, raised: BoolArray, lowered: BoolArray, positive: BoolArray
    ) -> Stage | None:
        """The stage in which some sizes have reached infinity or 0.

        Parameters
        ----------
        stage : Stage
            Where to start.
        raised, lowered : ndarray of bool, shape (groups of the stage,)
            Groups that may be on the way to infinity, and to 0.
        positive : ndarray of bool, shape (rows,)
            Rows with a positive count.

        Returns
        -------
        Stage or None
            None if no direction takes any of them there, or no row would be left.
        """
        key = b"|".join(
            [stage.key, np.packbits(positive).tobytes(), np.packbits([raised, lowered]).tobytes()]
        )
        if key in self._known:
            return self._known[key]
        problem = self.problem
        standing = ~stage.poisson[stage.groups] & ~raised & ~lowered
        z_rows = problem.z_rows[stage.groups]
        bound = np.vstack([-z_rows[raised & ~lowered], z_rows[lowered & ~raised]])
        direction = recession_direction(z_rows[standing], bound)
        if direction is None:
            return self._remember(key, None)
        p = problem.x_rows.shape[1]
        gone = np.isin(np.arange(stage.poisson.size), stage.groups[lowered])
        gone &= _moved(problem.z_rows, direction)
        after = _State(
            stage.active & ~gone[problem.layout.group_of_row],
            stage.poisson | (_moved(-problem.z_rows, direction) & ~gone),
            stage.direction[:p],
            _append(stage.direction[p:], direction, problem.z_rows),
        )
        while _remove_separated(problem, positive, after):
            pass
        # A row at rounding distance from those that stay may look as if it moved, and does not.
        moved = np.any(after.active != stage.active) or np.any(after.poisson != stage.poisson)
        left = moved and after.active.any()
        return self._remember(key, self._stage(key, after) if left else None)
