"""Orthonormal coordinates, aliased columns and directions of recession."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nbglm.limits.stages import Geometry
from nbglm.problem.basis import null_space, orthonormal_basis
from nbglm.problem.problem import make_problem
from nbglm.problem.recession import recession_direction

small = arrays(
    np.float64, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=st.integers(-3, 3)
)


@settings(max_examples=300, deadline=None)
@given(small)
def test_basis_spans_the_design(design):
    basis = orthonormal_basis(design)
    assert basis.rank == np.linalg.matrix_rank(design)
    np.testing.assert_allclose(basis.q.T @ basis.q, np.eye(basis.rank), atol=1e-12)
    np.testing.assert_allclose(design @ basis.transform, basis.q, atol=1e-10)
    projected = basis.q @ (basis.q.T @ design)
    np.testing.assert_allclose(projected, design, atol=1e-10)


@settings(max_examples=300, deadline=None)
@given(small)
def test_null_space_is_complete(design):
    directions = null_space(design)
    assert directions.shape[1] == design.shape[1] - np.linalg.matrix_rank(design)
    np.testing.assert_allclose(design @ directions, 0.0, atol=1e-9)
    assert np.linalg.matrix_rank(directions) == directions.shape[1]


def test_later_columns_are_the_aliased_ones():
    x = np.array([[1.0, 0, 1, 2], [1, 1, 0, 5], [1, 2, -1, 1], [1, 5, -4, 0]])
    assert orthonormal_basis(x).kept.tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("shift", "scale"), [(0.0, 1.0), (1e5, 1.0), (0.0, 1e6), (1e9, 1e3), (0.0, 1e-6)]
)
def test_units_do_not_make_a_column_aliased(rng, shift, scale):
    x = np.column_stack([np.ones(200), shift + scale * rng.uniform(size=200)])
    basis = orthonormal_basis(x)
    assert basis.rank == 2
    np.testing.assert_allclose(basis.q.T @ basis.q, np.eye(2), atol=1e-12)


@settings(max_examples=300, deadline=None)
@given(small, st.data())
def test_recession_direction_does_what_it_says(design, data):
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(design), max_size=len(design))))
    fixed, free = design[mask], design[~mask]
    direction = recession_direction(fixed, free)
    if direction is None:
        # Farkas: no direction may exist; check with random elements of the null space
        space = null_space(fixed)
        rng = np.random.default_rng(0)
        for _ in range(200):
            moved = free @ space @ rng.normal(size=space.shape[1])
            assert not (moved.max(initial=0.0) <= 0.0 and moved.min(initial=0.0) < -1e-9)
    else:
        size = np.abs(direction).max()
        assert np.abs(fixed @ direction).max(initial=0.0) <= 1e-7 * size
        moved = free @ direction
        assert moved.max() <= 1e-7 * size
        assert moved.min() < -1e-6 * size


def test_recession_takes_in_every_row_that_can_go():
    levels = np.eye(4)
    direction = recession_direction(levels[:1], levels[1:])
    assert (levels[1:] @ direction < 0).all()
    assert direction[0] == 0


@pytest.mark.parametrize("seed", range(20))
def test_rows_that_are_parallel_but_for_rounding_are_one_row(seed):
    rng = np.random.default_rng(seed)
    there = np.outer(rng.uniform(0.5, 1.5, 5) * [1, 1, -1, -1, -1], [-0.941, 1.0, 0.0])
    there *= 1.0 + rng.integers(-30, 31, there.shape) * 2.0**-53
    rows = rng.permutation(np.vstack([there, [[0.0, -1.0, 0.0], [0.0, -0.962, 1.0]]]))
    direction = recession_direction(np.zeros((0, 3)), rows)
    assert direction is not None
    assert (rows @ direction < -1e-3).sum() == 2
    assert (np.abs(rows @ direction) < 1e-12).sum() == 5


def test_a_stage_that_moves_no_row_is_none():
    # One row is so close to those that stand still that it does not move with the others.
    w = np.array([0.0, 0.0, 0.0, 3e-10, 1.0, 2.0])
    x = np.ones((6, 1))
    problem = make_problem(x, np.column_stack([x, w, np.arange(6)[:, None] % 2]), np.zeros(6))
    geometry = Geometry(problem)
    order = problem.z_rows[:, 1]
    positive = np.ones(len(order), dtype=bool)
    nothing = ~positive
    stage = geometry.further(geometry.whole(), order > 0.0, nothing, positive)
    assert stage is not None
    assert stage.poisson.sum() == 2
    raised = (order > 0.0) & (order < 0.1)
    assert geometry.further(stage, raised, nothing, positive) is None
