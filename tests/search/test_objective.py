"""Compression changes the work and not the numbers."""

import numpy as np
import pytest

from nbglm.kernels.compiled import entry
from nbglm.kernels.likelihood import loglik
from nbglm.problem.layout import make_layout
from nbglm.problem.tally import collect_counts
from nbglm.search.climb import climb_from
from nbglm.search.newton import CONVERGED
from nbglm.search.objective import evaluate


@entry
def at_once(theta, layout, cells, counts, gradient, hessian):
    return evaluate(theta, layout, collect_counts(cells, counts, layout), gradient, hessian)


def objective(theta, x, z, offset, y, weights=None):
    layout = make_layout(x, z, offset, weights)
    cells = np.flatnonzero(y)
    gradient, hessian = np.empty(theta.size), np.empty((theta.size, theta.size))
    value = at_once(theta, layout, cells, y[cells].astype(float), gradient, hessian)
    return value, gradient, hessian


def example(rng, kind, n=300):
    g = rng.integers(0, 3, n)
    levels = np.eye(3)[g][:, 1:]
    one = np.ones((n, 1))
    x, z = {
        "categorical": (np.hstack([one, levels]), np.hstack([one, levels[:, :1]])),
        "continuous": (
            np.column_stack([one, rng.normal(size=n)]),
            np.column_stack([one, rng.normal(size=n)]),
        ),
        "constant_size": (np.column_stack([one, rng.normal(size=n)]), one),
        "mixed": (np.column_stack([one, rng.normal(size=n)]), np.hstack([one, levels])),
    }[kind]
    y = rng.negative_binomial(0.7, 0.05, n)
    y[0] = 20_000  # beyond the histogram
    return x, z, rng.normal(size=n) * (kind == "continuous"), y


KINDS = ["categorical", "continuous", "constant_size", "mixed"]


@pytest.mark.parametrize("kind", KINDS)
def test_value_is_the_sum_over_cells(rng, kind):
    x, z, offset, y = example(rng, kind)
    theta = rng.normal(size=x.shape[1] + z.shape[1]) * 0.4
    value, _, _ = objective(theta, x, z, offset, y)
    p = x.shape[1]
    direct = loglik(y, offset + x @ theta[:p], z @ theta[p:]).sum()
    assert value == pytest.approx(direct, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_and_hessian_match_finite_differences(rng, kind):
    x, z, offset, y = example(rng, kind)
    theta = rng.normal(size=x.shape[1] + z.shape[1]) * 0.4
    _, gradient, hessian = objective(theta, x, z, offset, y)
    h = 1e-5
    for j in range(theta.size):
        e = np.zeros(theta.size)
        e[j] = h
        up, g_up, _ = objective(theta + e, x, z, offset, y)
        down, g_down, _ = objective(theta - e, x, z, offset, y)
        assert (up - down) / (2 * h) == pytest.approx(gradient[j], rel=1e-5, abs=1e-3)
        np.testing.assert_allclose((g_up - g_down) / (2 * h), hessian[j], rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_count_cells(rng, kind):
    x, z, offset, y = example(rng, kind)
    weights = rng.integers(0, 4, y.size)
    theta = rng.normal(size=x.shape[1] + z.shape[1]) * 0.4
    weighted = objective(theta, x, z, offset, y, weights.astype(float))
    repeated = objective(
        theta, *(np.repeat(a, weights, axis=0) for a in (x, z, offset)), np.repeat(y, weights)
    )
    for a, b in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-8)


def test_a_categorical_design_is_a_handful_of_rows(rng):
    x, z, offset, _ = example(rng, "categorical")
    layout = make_layout(x, z, offset)
    assert layout.x.shape[0] == 3
    assert layout.z.shape[0] == 2
    assert layout.weight.sum() == 300
    assert make_layout(*example(rng, "continuous")[:3]).x.shape[0] == 300


@pytest.mark.parametrize(
    "start", [[0.0, 0.0, 0.0], [3.0, -2.0, 4.0], [-4.0, 1.0, -3.0], [1.0, 0.0, 9.0]]
)
def test_ascent_reaches_the_same_maximum_from_anywhere(rng, start):
    n = 500
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    mu = np.exp(x @ [1.0, 0.6])
    y = rng.poisson(rng.gamma(1.5, mu / 1.5))
    layout = make_layout(x, np.ones((n, 1)), np.zeros(n))
    cells = np.flatnonzero(y)
    counts = y[cells].astype(float)
    ascent = climb_from(np.array(start), cells, counts, layout, 200)
    best = climb_from(np.array([1.0, 0.6, 0.4]), cells, counts, layout, 200)
    assert ascent.code == CONVERGED
    np.testing.assert_allclose(ascent.theta, best.theta, rtol=0, atol=1e-9)
    gradient, hessian = np.empty(3), np.empty((3, 3))
    at_once(ascent.theta, layout, cells, counts, gradient, hessian)
    assert np.abs(gradient).max() < 1e-7
    assert np.linalg.eigvalsh(-hessian).min() > 0
