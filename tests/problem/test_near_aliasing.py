"""Which columns are dropped, decided near rounding, and the fits of those that nearly were."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pandas as pd
import patsy
import pytest

import nbglm
from nbglm.problem.basis import orthonormal_basis
from nbglm.problem.compensated import remainder
from nbglm.problem.problem import make_problem
from nbglm.problem.standard import idle_directions

ROUNDING = 2.0**-53
N = 200


# What is left of a column, in rational numbers ----------------------------------------------


def dot(a, b):
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def norm(values):
    return math.sqrt(float(dot(values, values)))


def deviations(values):
    mean = sum(values, Fraction(0)) / len(values)
    return [value - mean for value in values]


def share_of_rounding(columns, target):
    """Length of what least squares leaves, by what rounding of entries or of steps may leave."""
    columns = [[Fraction(float(value)) for value in column] for column in columns]
    target = [Fraction(float(value)) for value in target]
    system = [[dot(a, b) for b in columns] + [dot(a, target)] for a in columns]
    for i in range(len(system)):
        system[i] = [value / system[i][i] for value in system[i]]
        for j in range(len(system)):
            if j != i:
                system[j] = [
                    x - system[j][i] * y for x, y in zip(system[j], system[i], strict=True)
                ]
    multiples = [row[-1] for row in system]
    made = [dot(multiples, row) for row in zip(*columns, strict=True)] or [0] * len(target)
    rest = [value - part for value, part in zip(target, made, strict=True)]
    parts = [(1.0, target), *((abs(float(m)), c) for m, c in zip(multiples, columns, strict=True))]
    of_entries = 3 * ROUNDING * sum(m * norm(c) for m, c in parts)
    of_steps = 1024 * ROUNDING * sum(m * norm(deviations(c)) for m, c in parts)
    most = max(of_entries, of_steps)
    return norm(rest) / most if most else 0.0


def random_design(rng):
    n, columns = int(rng.integers(3, 12)), []
    for _ in range(rng.integers(2, 6)):
        kind = rng.integers(0, 8) if columns else rng.integers(0, 4)
        other = columns[rng.integers(len(columns))] if columns else None
        if kind == 0:
            new = np.ones(n)
        elif kind == 1:
            new = rng.integers(0, 2, n).astype(float)
        elif kind == 2:
            new = rng.normal(size=n) + rng.choice([0.0, 1e3, 1e6, 1e9, 1e12])
        elif kind == 3:
            new = rng.integers(0, 50, n) * 2.0 ** rng.integers(-20, 20)
        elif kind == 4:
            new = sum(rng.normal() * column for column in columns) + rng.normal()
        elif kind == 5:
            new = other * columns[rng.integers(len(columns))]
        elif kind == 6:
            new = other + rng.choice([1e4, 1e7, 1e10])
        else:
            new = other + 10.0 ** -rng.integers(6, 14) * rng.normal(size=n)
        columns.append(new)
    return np.column_stack(columns)


@pytest.mark.parametrize("block", range(10))
def test_columns_are_dropped_where_rational_arithmetic_finds_rounding(block):
    decided = 0
    for seed in range(40 * block, 40 * block + 40):
        design = random_design(np.random.default_rng(seed))
        basis = orthonormal_basis(design)
        np.testing.assert_allclose(basis.q.T @ basis.q, np.eye(basis.rank), atol=1e-14)
        kept = []
        for j, keep in enumerate(basis.kept):
            share = share_of_rounding([design[:, k] for k in kept], design[:, j])
            assert share > 1.0 if keep else share <= 1.0, (seed, j, share)
            decided += basis.close[j] or not keep
            if keep:
                kept.append(j)
    assert decided > 10  # of them hung on a closer look


# Columns that depend on others by what users do -----------------------------------------------


def year(rng, n):
    return rng.integers(1990, 2021, n).astype(float)


DEPENDENT = {
    "a multiple and a constant": lambda rng, x, w: ([x], 3 * x - 1),
    "the same of a date in seconds": lambda rng, x, w: ([x + 1.7e9], 3 * (x + 1.7e9) - 1),
    "the same of a column shifted by 1e12": lambda rng, x, w: ([x + 1e12], 3 * (x + 1e12) - 1),
    "Fahrenheit": lambda rng, x, w: ([37 + 3 * x], 1.8 * (37 + 3 * x) + 32),
    "a sum": lambda rng, x, w: ([x, w], 0.3 * x + 0.7 * w),
    "a sum whose small part comes last": lambda rng, x, w: ([x, x + 1e-4 * w], 1e-4 * w),
    "a shifted column, then the column": lambda rng, x, w: ([x + 1e8], x),
    "standardised": lambda rng, x, w: ([x + 1e8], (x + 1e8 - np.mean(x + 1e8)) / np.std(x)),
    "centred within levels": lambda rng, x, w: (
        [w > 0, x],
        x - np.where(w > 0, x[w > 0].mean(), x[w <= 0].mean()),
    ),
    "residuals": lambda rng, x, w: (
        [w, x],
        x - np.column_stack([x**0, w]) @ np.linalg.lstsq(np.column_stack([x**0, w]), x)[0],
    ),
    "the last principal component": lambda rng, x, w: (
        [x, w],
        np.linalg.svd(np.column_stack([x - x.mean(), w - w.mean()]))[0][:, 1],
    ),
    "the last of some proportions": lambda rng, x, w: (
        [*(p := rng.dirichlet(np.ones(6), x.size)).T[:-1]],
        p[:, -1],
    ),
    "the last of centred log ratios": lambda rng, x, w: (
        [*(p := (logs := np.log(rng.dirichlet(np.ones(9), x.size))).T - logs.mean(axis=1))[:-1]],
        p[-1],
    ),
    "all of a B-spline basis": lambda rng, x, w: (
        [*(b := np.asarray(patsy.dmatrix("bs(x, df=6, include_intercept=True) - 1"))).T[:-1]],
        b[:, -1],
    ),
    "all of a natural spline basis": lambda rng, x, w: (
        [*(b := np.asarray(patsy.dmatrix("cr(x, df=5) - 1"))).T[:-1]],
        b[:, -1],
    ),
    "a centred square": lambda rng, x, w: ([x, x**2], (x - x.mean()) ** 2),
    "a centred square of a year": lambda rng, x, w: (
        [t := year(rng, x.size), t**2],
        (t - t.mean()) ** 2,
    ),
    "a product of standardised columns": lambda rng, x, w: (
        [x, w, x * w],
        (x - x.mean()) / x.std() * (w - w.mean()) / w.std(),
    ),
    "a constant to rounding": lambda rng, x, w: ([x], (0.1 + x**2) / (x**2 + 0.1)),
    "more than a double can hold": lambda rng, x, w: ([w], x + 1e17),
}


@pytest.mark.parametrize("what", DEPENDENT)
def test_columns_that_follow_from_others_are_dropped(what):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, w = rng.normal(size=(2, N))
        columns, last = DEPENDENT[what](rng, x, w)
        kept = orthonormal_basis(np.column_stack([np.ones(N), *columns, last])).kept
        assert kept[:-1].all()
        assert not kept[-1]


INDEPENDENT = {
    "shifted by 1e8": lambda rng, x, w: ([], x + 1e8),
    "shifted by 1e12": lambda rng, x, w: ([], x + 1e12),
    "shifted by 1e15": lambda rng, x, w: ([], x + 1e15),
    "an interaction of a shifted column": lambda rng, x, w: ([w > 0, x + 1e9], (w > 0) * (x + 1e9)),
    "two shifted columns": lambda rng, x, w: ([x + 1e10], w + 1e10),
    "a square of a shifted column": lambda rng, x, w: ([x + 1e4], (x + 1e4) ** 2),
    "the cube of a year": lambda rng, x, w: ([t := year(rng, x.size), t**2], t**3),
    "the fourth power of a year": lambda rng, x, w: ([t := year(rng, x.size), t**2, t**3], t**4),
    "a copy with differences of 1e-10": lambda rng, x, w: ([x], x + 1e-10 * w),
    "nanoseconds of a day": lambda rng, x, w: ([], np.floor(1.7e18 + 1e13 * x)),
}


@pytest.mark.parametrize("what", INDEPENDENT)
def test_columns_that_tell_something_are_kept(what):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, w = rng.normal(size=(2, N))
        columns, last = INDEPENDENT[what](rng, x, w)
        basis = orthonormal_basis(np.column_stack([np.ones(N), *columns, last]))
        assert basis.kept.all()
        np.testing.assert_allclose(basis.q.T @ basis.q, np.eye(basis.rank), atol=1e-14)


@pytest.mark.parametrize("weight", [1e-12, 1.0, 1e12])
def test_no_common_weight_changes_what_is_dropped(rng, weight):
    x, w = rng.normal(size=(2, N))
    design = np.column_stack([np.ones(N), x + 1e8, 3 * (x + 1e8) - 1, w > 0, x, w])
    basis = orthonormal_basis(design, weight * rng.integers(1, 5, N))
    assert basis.kept.tolist() == [True, True, False, True, False, True]


def test_a_remainder_has_twice_the_digits(rng):
    mpmath.mp.dps = 60
    columns = rng.normal(size=(30, 4)) * [1.0, 1e8, 1e-8, 1e16]
    parts = rng.normal(size=(3, 4)) * np.array([1.0, 1e-16, 1e-32])[:, None]
    target = columns @ parts[0]
    exact = [
        float(
            mpmath.mpf(float(t))
            - mpmath.fsum(
                mpmath.mpf(float(c)) * mpmath.fsum(map(float, p))
                for c, p in zip(row, parts.T, strict=True)
            )
        )
        for t, row in zip(target, columns, strict=True)
    ]
    np.testing.assert_allclose(remainder(target, columns, parts), exact, rtol=1e-13)


# Fits --------------------------------------------------------------------------------------------


@pytest.fixture
def data(rng):
    x, w = rng.normal(size=(2, N))
    mu = np.exp(1.0 + 0.5 * x + 0.2 * w)
    return x, w, rng.poisson(rng.gamma(2.0, mu / 2.0))


def fit(y, formula, **obs):
    table = pd.DataFrame({"y": y})
    return nbglm.fit_negbin(table, formula, obs=pd.DataFrame(obs), progress=False)


def check_same(ours, theirs, terms, *, factor=1.0, rtol=1e-9):
    for part, name, other in terms:
        for table in ("params", "bse"):
            here = getattr(ours, table)[part].loc[name, "y"]
            there = getattr(theirs, table)[part].loc[other, "y"]
            assert here * factor == pytest.approx(there, rel=rtol)
    assert ours.llf["y"] == pytest.approx(theirs.llf["y"], rel=1e-10)
    assert ours.status["y"] == theirs.status["y"] == "ok"


@pytest.mark.parametrize("shift", [1e8, 1e10, 1e12, 1e15])
@pytest.mark.parametrize("size", ["~ 1", "~ x"])
def test_a_shift_changes_no_slope_and_no_standard_error(data, shift, size):
    x, w, y = data
    shifted = x + shift
    formula = {"mean": "~ x + w", "dispersion": size}
    ours = fit(y, formula, x=shifted, w=w)
    theirs = fit(y, formula, x=shifted - shift, w=w)
    terms = [("beta", "x", "x"), ("beta", "w", "w")]
    terms += [("gamma", "x", "x")] if size == "~ x" else []
    check_same(ours, theirs, terms, rtol=1e-8)
    ours, theirs = (
        result.gene("y").conf_int(method="profile").loc["x"] for result in (ours, theirs)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-7)


def test_a_shifted_column_interacts_as_it_does_unshifted(data):
    x, w, y = data
    group = np.where(w > 0, "b", "a")
    shifted = x + 1e9
    ours = fit(y, "~ g * x", x=shifted, g=group)
    theirs = fit(y, "~ g * x", x=shifted - 1e9, g=group)
    check_same(ours, theirs, [("beta", name, name) for name in ("x", "g[T.b]:x")])


def test_a_nearly_equal_copy_is_the_difference(data):
    x, w, y = data
    copy = x + 1e-10 * w
    ours = fit(y, "~ x + copy", x=x, copy=copy)
    theirs = fit(y, "~ x + d", x=x, d=(copy - x) * 1e10)
    check_same(ours, theirs, [("beta", "copy", "d")], factor=1e-10)


def test_the_cube_of_a_year_is_that_of_a_centred_year(rng, data):
    y = data[-1]
    t = year(rng, N)
    ours = fit(y, "~ t + I(t**2) + I(t**3)", t=t)
    theirs = fit(y, "~ t + I(t**2) + I(t**3)", t=t - 2005.0)
    check_same(ours, theirs, [("beta", "I(t ** 3)", "I(t ** 3)")])


def test_a_separated_gene_keeps_a_shifted_column(data):
    x, w, y = data
    group = np.where(w > 0.5, "b", "a")
    y = np.where(group == "b", 0, y)
    kept = group == "a"
    ours = fit(y, {"mean": "~ g + x", "dispersion": "~ x"}, x=x + 1e9, g=group)
    theirs = fit(y[kept], {"mean": "~ x", "dispersion": "~ x"}, x=(x + 1e9 - 1e9)[kept])
    assert ours.status["y"] == "separated"
    assert ours.coef_status["beta"]["y"].tolist() == ["ok", "separated", "ok"]
    for part in ("beta", "gamma"):
        for table in ("params", "bse"):
            here, there = (getattr(result, table)[part].loc["x", "y"] for result in (ours, theirs))
            assert here == pytest.approx(there, rel=1e-9)
    assert ours.llf["y"] == pytest.approx(theirs.llf["y"], abs=1e-9)


def test_what_is_aliased_is_so_everywhere(data):
    x, w, y = data
    shifted = x + 1e8
    results = fit(
        y, {"mean": "~ x + twice + w", "dispersion": "~ w"}, x=shifted, twice=2 * shifted + 1, w=w
    )
    assert results.problem.x_kept.tolist() == [True, True, False, True]
    assert results.coef_status["beta"]["y"].tolist() == ["ok", "ok", "aliased", "ok"]
    tests = results.t_test(["x + 2 * twice", "twice", "w"])
    assert tests["status"].tolist() == ["ok", "aliased", "ok"]
    assert "twice = Intercept + 2 x on all cells." in results.explain("y")
    even = nbglm.fit_negbin(
        pd.DataFrame({"y": y}),
        {"mean": "~ x + twice + w", "dispersion": "~ w"},
        obs=pd.DataFrame({"x": shifted, "twice": 2 * shifted, "w": w}),
        rank_deficient="min_norm",
        progress=False,
    )
    slope = results.params["beta"].loc["x", "y"]
    np.testing.assert_allclose(
        even.params["beta"]["y"][["x", "twice"]], [0.2 * slope, 0.4 * slope], rtol=1e-6
    )


def test_directions_that_change_nothing_leave_out_what_is_kept(rng):
    x, w = rng.normal(size=(2, N))
    design = np.column_stack([np.ones(N), x + 1e10, w, 2 * w])
    directions = idle_directions(design)
    assert directions.shape == (4, 1)
    np.testing.assert_allclose(directions[:, 0] / directions[3, 0], [0, 0, -2, 1], atol=1e-12)
    problem = make_problem(design, design[:, :1], np.zeros(N))
    assert problem.x_kept.tolist() == [True, True, True, False]


def test_a_shifted_column_is_no_part_of_a_smaller_model(data):
    x, w, y = data
    full, reduced = fit(y, "~ w", w=w), fit(y, "~ x", x=x + 1e9)
    with pytest.raises(nbglm.NbglmError, match=r"not nested.*mean x"):
        nbglm.lr_test(full, reduced)
    larger = fit(y, "~ x + w", x=x + 1e9, w=w)
    assert nbglm.lr_test(larger, reduced)["df"].tolist() == [1]
