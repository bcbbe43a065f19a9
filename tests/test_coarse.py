"""Merged problems are for starts alone: what is found does not depend on them."""

import numpy as np
import pytest

from nbglm.climb import climb_block
from nbglm.coarse import coarsen, sample_of_rows
from nbglm.problem import make_problem
from nbglm.start import Search, gamma_starts

CELLS = {"constant": 3000, "groups": 40_000, "covariate": 40_000}


def example(rng, n, sizes, columns=1):
    x = np.column_stack([np.ones(n), rng.normal(size=(n, columns))])
    group = rng.integers(0, 3, n)
    z = {
        "constant": np.ones((n, 1)),
        "groups": np.eye(3)[group],
        "covariate": np.column_stack([np.ones(n), rng.normal(size=n)]),
    }[sizes]
    offset = rng.normal(0.0, 0.3, n)
    mu = np.exp(0.5 + 0.3 * x[:, 1] + offset)
    r = np.exp(z @ np.linspace(0.2, 0.9, z.shape[1]))
    y = rng.poisson(rng.gamma(r, mu / r)).astype(float)
    return make_problem(x, z, offset), y


def on_all_rows(search):
    """The same search without a merged problem."""
    layout = search.layout
    return Search(
        layout,
        search.coarse._replace(bin_of_row=layout.bin_of_row[:0]),
        search.sample._replace(weight=np.zeros(0)),
        gamma_starts(layout, layout.weight.size),
    )


def fit(search, y):
    cells = np.flatnonzero(y)
    indptr = np.array([0, cells.size])
    return climb_block(indptr, cells, y[cells], search, max_evaluations=500, screen=True)


@pytest.mark.parametrize("sizes", ["constant", "groups", "covariate"])
def test_the_maximum_does_not_depend_on_the_merged_problem(rng, sizes):
    problem, y = example(rng, CELLS[sizes], sizes)
    assert problem.search.coarse.bin_of_row.size
    merged, whole = fit(problem.search, y), fit(on_all_rows(problem.search), y)
    assert merged.value[0] == pytest.approx(whole.value[0], rel=1e-13)
    np.testing.assert_allclose(merged.theta, whole.theta, atol=1e-9)
    errors = [np.linalg.norm(found.root, axis=2) for found in (merged, whole)]
    np.testing.assert_allclose(*errors, rtol=1e-8)
    assert merged.evaluations[0] < whole.evaluations[0]


@pytest.mark.parametrize("sizes", ["constant", "groups", "covariate"])
def test_merging_keeps_cells_and_means(rng, sizes):
    problem, _ = example(rng, CELLS[sizes], sizes)
    layout = problem.layout
    coarse = coarsen(layout)
    merged = coarse.layout
    assert merged.weight.sum() == pytest.approx(layout.weight.sum())
    np.testing.assert_allclose(merged.x.T @ merged.weight, layout.x.T @ layout.weight, atol=1e-9)
    exposure = np.exp(merged.offset) @ merged.weight
    assert exposure == pytest.approx(np.exp(layout.offset) @ layout.weight)
    np.testing.assert_array_equal(np.diff(merged.group_of_row) >= 0, True)
    np.testing.assert_array_equal(
        np.bincount(merged.group_of_row, minlength=merged.size_offset.size),
        np.diff(merged.bounds),
    )
    assert coarse.same_sizes == (sizes != "covariate")
    cell = np.arange(layout.row_of_cell.size)
    np.testing.assert_array_equal(
        merged.row_of_cell[cell], coarse.bin_of_row[layout.row_of_cell[cell]]
    )


def test_rows_of_many_coordinates_are_sampled_and_those_of_one_are_not(rng):
    for columns, rows in ((1, 0), (9, 40_000 // 8)):
        problem, y = example(rng, 40_000, "constant", columns)
        sample = sample_of_rows(problem.layout, problem.search.coarse)
        assert sample.weight.size == rows
        found = fit(problem.search, y)
        assert found.flags[0] == 0
        assert found.evaluations[0] <= 5


def test_poisson_groups_are_not_merged_with_others(rng):
    cells = CELLS["covariate"]
    problem, _ = example(rng, cells, "covariate")
    size_offset = np.where(np.arange(cells) % 2, np.inf, problem.layout.size_offset)
    merged = coarsen(problem.layout._replace(size_offset=size_offset)).layout
    infinite = np.isinf(merged.size_offset[merged.group_of_row])
    assert merged.weight[infinite].sum() == cells // 2


@pytest.mark.parametrize("sizes", ["groups", "covariate"])
def test_few_rows_are_not_merged_where_sizes_differ(rng, sizes):
    # A few cells can make a maximum of their own, which merging would hide.
    problem, _ = example(rng, 3000, sizes)
    assert problem.search.coarse.bin_of_row.size == 0
