"""Tables of counts and counts one by one say the same."""

import numpy as np
import pytest
from scipy.special import gammaln

from nbglm.kernels.compiled import entry
from nbglm.kernels.likelihood import loglik
from nbglm.problem import tally
from nbglm.problem.layout import make_layout
from nbglm.search.objective import evaluate


@entry
def collect(cells, counts, layout):
    return tally.collect_counts(cells, counts, layout)


@entry
def value(theta, cells, counts, layout, gradient, hessian):
    gene = tally.collect_counts(cells, counts, layout)
    return evaluate(theta, layout, gene, gradient, hessian)


def merged(y, z, weights=None):
    layout = make_layout(np.ones((y.size, 1)), z, np.zeros(y.size), weights)
    cells = np.flatnonzero(y)
    return collect(cells, y[cells].astype(float), layout), layout


def counts_in(gene, group):
    """How many counts of a group are above 1, 2, ..., 50, by weight."""
    steps = np.arange(1, 51)
    table = gene.above[gene.starts[group] : gene.starts[group + 1]]
    found = np.zeros(steps.size)
    found[: min(table.size, steps.size)] += table[: steps.size]
    own = gene.group == group
    return found + [gene.multiplicity[own & (gene.values > j)].sum() for j in steps]


@pytest.mark.parametrize("cells", [40, 400, 4000])
@pytest.mark.parametrize("levels", [1, 3, 40])
@pytest.mark.parametrize("largest", [1, 3, 900, 5000])
def test_nothing_is_lost(rng, cells, levels, largest):
    level = rng.integers(0, levels, cells)
    y = rng.negative_binomial(0.6, 0.2, cells)
    y[0], level[0] = largest, 0
    weights = rng.integers(0, 3, cells).astype(float)
    weights[0] = 2.0
    z = np.eye(levels)[level]
    gene, layout = merged(y, z, weights)
    group_of_cell = layout.group_of_row[layout.row_of_cell]
    for group in range(layout.size_offset.size):
        here = (group_of_cell == group) & (weights > 0)
        assert gene.positive[group] == weights[here & (y > 0)].sum()
        above = [weights[here & (y > j)].sum() for j in range(1, 51)]
        np.testing.assert_array_equal(counts_in(gene, group), above)
    assert gene.total.sum() == weights @ y
    assert gene.square == weights @ y**2
    assert (np.diff(np.minimum(gene.values, 17)) >= 0).all()


@pytest.mark.parametrize("levels", [1, 3, 300])
def test_the_likelihood_is_the_same_with_and_without_tables(rng, levels):
    level = rng.integers(0, levels, 2000)
    y = rng.negative_binomial(0.6, 0.02, 2000)
    y[5] = 70_000
    z = np.eye(levels)[level]
    layout = make_layout(np.ones((2000, 1)), z, np.zeros(2000))
    cells = np.flatnonzero(y)
    theta = np.concatenate([[2.0], rng.normal(size=levels)])
    gradient, hessian = np.empty(theta.size), np.empty((theta.size, theta.size))
    found = value(theta, cells, y[cells].astype(float), layout, gradient, hessian)
    # Rounding is relative to the parts: the factorial of the largest count is beyond the sum.
    parts = gammaln(y + 1.0).sum()
    assert found == pytest.approx(loglik(y, 2.0, theta[1:][level]).sum(), abs=3e-14 * parts)
