"""Merged problems are for starts alone: what is found does not depend on them."""

import numpy as np
import pytest
from numba import njit
from sparse_cells import sparse_cells

import nbglm
from nbglm.problem.coarse import coarsen, sample_of_rows
from nbglm.problem.problem import make_problem
from nbglm.problem.start import gamma_starts
from nbglm.problem.tally import collect_counts
from nbglm.search.climb import climb_block
from nbglm.search.merged import has_counts_everywhere, merged_problem

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
    starts = gamma_starts(layout, layout.weight.size)
    return search._replace(
        coarse=search.coarse._replace(bin_of_row=layout.bin_of_row[:0]),
        sample=search.sample._replace(weight=np.zeros(0)),
        starts=starts,
        more_starts=starts,
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
    assert merged.group_of_row.max() == merged.size_offset.size - 1
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


@njit
def thinned(cells, counts, layout, coarse):
    gene = collect_counts(cells, counts, layout)
    dense = has_counts_everywhere(gene, coarse)
    return dense, gene, merged_problem(cells, counts, gene, layout, coarse, dense)


def some_counts(rng, cells, positive):
    chosen = np.sort(rng.choice(cells, positive, replace=False))
    return chosen, rng.integers(1, 9, positive).astype(float)


@pytest.mark.parametrize("sizes", ["groups", "covariate"])
def test_rows_of_few_counts_are_not_merged(rng, sizes):
    problem, _ = example(rng, 3000, sizes)
    layout, coarse = problem.layout, problem.search.coarse
    cells, counts = some_counts(rng, 3000, 40)
    dense, gene, (design, found) = thinned(cells, counts, layout, coarse)
    assert not dense
    assert 40 < design.weight.size <= 40 + coarse.layout.weight.size
    rows = layout.row_of_cell[cells]
    to = design.row_of_cell[cells]
    np.testing.assert_array_equal(design.x[to], layout.x[rows])
    np.testing.assert_array_equal(design.offset[to], layout.offset[rows])
    np.testing.assert_array_equal(
        design.z[design.group_of_row[to]], layout.z[layout.group_of_row[rows]]
    )
    np.testing.assert_array_equal(found.total[to], gene.total[rows])
    assert found.total.sum() == counts.sum()
    assert design.weight.sum() == pytest.approx(layout.weight.sum())
    assert found.constant == pytest.approx(gene.constant)


@pytest.mark.parametrize("sizes", ["groups", "covariate"])
def test_rows_of_many_counts_are_merged(rng, sizes):
    problem, y = example(rng, 3000, sizes)
    cells = np.flatnonzero(y)
    coarse = problem.search.coarse
    dense, _, (design, found) = thinned(cells, y[cells], problem.layout, coarse)
    assert dense
    np.testing.assert_array_equal(design.weight, coarse.layout.weight)
    assert found.total.sum() == y.sum()


@pytest.mark.parametrize("level", [0.02, 3.0])
@pytest.mark.parametrize("last", [4, 8, 16])
def test_a_maximum_of_a_few_cells_at_one_end_is_found(rng, level, last):
    # All cells are Poisson but for a few.
    n = 3000
    time = rng.uniform(size=n)
    x = np.column_stack([np.ones(n), time])
    problem = make_problem(x, x, np.zeros(n))
    y = rng.poisson(level, n).astype(float)
    y[np.argsort(time)[-last:]] = np.tile([0.0, 40.0 * level], last // 2).round()
    merged, whole = fit(problem.search, y), fit(on_all_rows(problem.search), y)
    assert merged.value[0] == pytest.approx(whole.value[0], abs=1e-6)


def test_bins_are_smaller_near_the_ends_of_a_covariate_of_the_size():
    time = np.linspace(0.0, 1.0, 4096)
    x = np.column_stack([np.ones(4096), time])
    bins = make_problem(x, x, np.zeros(4096)).layout.bin_of_row
    size = np.bincount(bins)[bins]
    assert bins.max() < 4096 // 8
    assert size[:8].max() == size[-8:].max() == 1
    assert size[100:200].max() < size[1500:2500].max() <= 128


@pytest.mark.parametrize("columns", [2, 5, 12])
def test_the_number_of_bins_is_bounded(rng, columns):
    n = 2000
    z = np.column_stack([np.ones(n), rng.normal(size=(n, columns))])
    bins = make_problem(z[:, :2], z, np.zeros(n)).layout.bin_of_row
    assert bins.max() < n // 8


def test_sparse_genes_end_no_lower_than_from_the_best_guess_on_all_rows():
    genes = [6, 23, 24, 35, 39, 97]
    data = sparse_cells(genes=98)[:, genes]
    formula = {"mean": "~ type + time", "dispersion": "~ time"}
    results = nbglm.fit_negbin(data, formula, size_factors="size_factor", progress=False)
    search = on_all_rows(results.problem.search)
    block = results.counts.block(0, len(genes))
    first = climb_block(*block, search, max_evaluations=300, screen=False, most=1)
    assert (results.llf.to_numpy() >= first.value - 1e-6).all()


def test_a_single_count_far_out_in_the_sizes_is_resolved():
    # On the way to the limit the log size of its cell is neither moderate nor among the nearest.
    data = sparse_cells(genes=502)[:, [501]]
    formula = {"mean": "~ type + time", "dispersion": "~ time"}
    results = nbglm.fit_negbin(data, formula, size_factors="size_factor", progress=False)
    assert results.status.tolist() == ["separated"]
    assert results.llf.iloc[0] == pytest.approx(-1.0)
