"""Where ascents begin, and where one is enough."""

import numpy as np
import pandas as pd

import nbglm
from nbglm.problem.problem import make_problem
from nbglm.problem.start import gamma_starts
from nbglm.search.climb import climb_block

LEVELS, CELLS = 4, 15


def saturated_problem():
    group = np.eye(LEVELS)[np.repeat(np.arange(LEVELS), CELLS)]
    return make_problem(group, group, np.zeros(LEVELS * CELLS))


def test_one_start_is_enough_where_every_row_has_a_mean_and_a_size_of_its_own():
    problem = saturated_problem()
    assert gamma_starts(problem.layout, LEVELS).shape == (1, LEVELS)
    with_offset = make_problem(
        problem.layout.x[problem.layout.row_of_cell],
        problem.layout.z[problem.layout.row_of_cell],
        np.linspace(0.0, 1.0, LEVELS * CELLS),
    )
    assert len(gamma_starts(with_offset.layout, LEVELS * CELLS)) > 1


def test_many_starts_find_nothing_else_there(rng):
    problem = saturated_problem()
    search = problem.search
    starts = rng.normal(0.0, 3.0 * np.sqrt(LEVELS * CELLS), (200, LEVELS))
    starts[0] = 0.0
    counts = rng.poisson(rng.gamma(0.3, 4.0, (LEVELS * CELLS, 8))).astype(float)
    for y in counts.T:
        cells = np.flatnonzero(y)
        block = np.array([0, cells.size]), cells, y[cells]
        one = climb_block(*block, search, max_evaluations=500, screen=False)
        wide = search._replace(starts=starts, more_starts=starts)
        many = climb_block(*block, wide, max_evaluations=500, screen=False)
        assert one.flags[0] == 0
        np.testing.assert_allclose(one.value, many.value, rtol=1e-12)


def test_a_factor_in_both_formulas_is_fitted_level_by_level(rng):
    obs = pd.DataFrame({"g": np.repeat(list("abc"), 30)})
    counts = pd.DataFrame(rng.poisson(rng.gamma(0.5, 6.0, (90, 5))), columns=list("vwxyz"))
    formula = {"mean": "~ g", "dispersion": "~ g"}
    whole = nbglm.fit_negbin(counts, formula, obs=obs)
    parts = sum(
        nbglm.fit_negbin(counts[obs.g == level], {"mean": "~ 1", "dispersion": "~ 1"}).llf
        for level in "abc"
    )
    np.testing.assert_allclose(whole.llf, parts, rtol=1e-12)
