"""Profiles with several branches: limits that hold, against other searches and known curves."""

import dataclasses
import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from api_fuzz import data_set
from profile_limits import Search, judge, sparse_case
from scipy.optimize import brentq, minimize

import nbglm
from nbglm.inference import bounds as limits_module
from nbglm.inference.branches import Estimate, Profile
from nbglm.inference.constraint import Constraint
from nbglm.inference.profile import ProfileInterval, _crossing, _Side, profile_limits
from nbglm.inference.turns import turned_sizes
from nbglm.kernels.likelihood import loglik, score
from nbglm.problem.layout import make_layout

BY_X = {"mean": "~ x", "dispersion": "~ x"}
CUT = 3.841458820694124

# Seed of the case, gene, term and side of limits of which one branch knows less than all: those
# that stopped on it, at deviances of 0.9, 0.1, 0.2, 2.5 and 3.3; one whose search failed
# between two branches; and one of an infinite estimate that was never reached.
HARD = [
    (18, "g0", "Intercept", "lower"),
    (133, "g0", "Intercept", "upper"),
    (134, "g0", "Intercept", "lower"),
    (58, "g5", "Intercept", "lower"),
    (8, "g0", "Intercept", "lower"),
    (80, "g0", "Intercept", "upper"),
    (2, "g3", "x", "lower"),
]


@pytest.mark.parametrize(("seed", "gene", "term", "side"), HARD)
def test_no_other_search_finds_a_limit_too_narrow_or_too_wide(seed, gene, term, side):
    counts, obs = sparse_case(seed)
    fit = nbglm.fit_negbin(counts[[gene]], BY_X, obs=obs, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        table = fit.conf_int(method="profile", terms=term)["gamma"]
    limit, coef = table.loc[term, (gene, side)], fit.params["gamma"].loc[term, gene]
    search = Search(counts[gene].to_numpy(dtype=float), obs["x"].to_numpy())
    sign = -1.0 if side == "lower" else 1.0
    found = judge(search, term, sign, limit, coef, fit.llf[gene], climbs=4)
    assert found["kind"] == "right"


def test_deviance_is_below_inside_and_above_outside(rng):
    x = rng.uniform(size=700)
    size = np.exp(0.3 + x)
    obs, y = pd.DataFrame({"x": x}), rng.poisson(rng.gamma(size, 0.8 / size))
    fit = nbglm.fit_negbin(pd.DataFrame({"y": y}), BY_X, obs=obs, progress=False)
    search = Search(y.astype(float), x)
    table = fit.conf_int(method="profile")["gamma"]
    for term in table.index:
        estimate = fit.params["gamma"].loc[term, "y"]
        for limit in table.loc[term, "y"]:
            inside, at, outside = (
                2.0 * (fit.llf["y"] - search.profile(term, value, climbs=3))
                for value in (
                    limit + 0.01 * (estimate - limit),
                    limit,
                    limit - 0.01 * (estimate - limit),
                )
            )
            assert inside < CUT < outside
            assert at == pytest.approx(CUT, abs=2e-6)


class Curve(Profile):
    """A profile of known branches; only a search sees all, from then on they are followed."""

    def __init__(self, branches, seen, estimated=0.0, start=0.0, noise=0.0):
        self.branches, self.seen, self.cut, self.top = branches, seen, CUT, 0.0
        self.coef, self.begin, self.noise = estimated, start, noise
        self.deviances = {estimated: 0.0} if math.isfinite(estimated) else {}
        self.calls = 0

    has_branches = has_plateaus = True
    estimated = property(lambda self: self.coef)
    start = property(lambda self: self.begin)
    unit = 1.0
    places = property(lambda self: sorted(self.deviances.items()))

    def step(self, quantile):
        return quantile

    def _best(self, value, count):
        found = min(branch(value) for branch in self.branches[:count])
        self.deviances[value] = min(found, self.deviances.get(value, math.inf))
        return self.deviances[value]

    def follow(self, value):
        if value in self.deviances:
            return self.deviances[value]
        return self._best(value, self.seen)

    look = follow

    def search(self, value):
        self.calls += 1
        self.seen = len(self.branches)
        found = self._best(value, self.seen)
        self.deviances[value] = max(0.0, found - self.noise * self.calls)
        return self.deviances[value]


def upper(curve, far=100.0, *, wild=False):
    side = _Side(curve, 1.0, far, wild)
    side.walk()
    return side.limit()


def square(value):
    return value**2


def test_a_branch_that_only_a_search_sees_widens_the_interval():
    def other(value):
        return 3.0 + 0.1 * value

    curve = Curve([square, other], seen=1)
    assert upper(curve) == pytest.approx((CUT - 3.0) / 0.1, abs=1e-5)
    assert upper(Curve([square], seen=1)) == pytest.approx(math.sqrt(CUT), abs=1e-6)


def test_the_outermost_of_several_crossings_is_the_limit():
    def dip(value):
        return 2.0 + (value - 7.0) ** 2

    curve = Curve([square, dip], seen=2)
    assert upper(curve, wild=True) == pytest.approx(7.0 + math.sqrt(CUT - 2.0), abs=1e-5)


def test_a_profile_that_never_drops_has_no_limit():
    curve = Curve([lambda value: min(value**2, 3.0)], seen=1)
    assert upper(curve) == math.inf


def test_a_landmark_at_an_end_of_the_bracket_begins_another_round():
    outer = 2.0 * math.sqrt(CUT)  # where the second step of the walk ends

    class Landmark(Curve):
        def follow(self, value):
            found = super().follow(value)
            if value < outer in self.deviances and self.seen == 1:
                self.branches.append(lambda value: 1.0 + (value - outer) ** 2)
                self.seen, self.deviances[outer] = 2, 1.0
            return found

    curve = Landmark([lambda value: 4.0 * max(value - 2.0, 0.0)], seen=1)
    assert upper(curve) == pytest.approx(outer + math.sqrt(CUT - 1.0), abs=1e-5)


def test_a_search_that_never_agrees_with_itself_gives_no_number():
    assert math.isnan(upper(Curve([square], seen=1, noise=1e-3)))


def test_roots_are_looked_for_between_signs_that_differ():
    """Also while a higher maximum is found, which raises all deviances."""
    curve = Curve([square], seen=1)

    def rising(value):
        curve.top += 0.1
        return square(value) + 2.0 * curve.top

    found = _crossing(curve, rising, 0.0, 5.0)
    assert found == pytest.approx(brentq(lambda value: value**2 - CUT, 0.0, 5.0), abs=1e-5)


def test_turned_sizes_put_some_row_with_a_count_at_a_level():
    x = np.linspace(0.0, 1.0, 40)
    design = np.column_stack([np.ones(40), x])
    q, _ = np.linalg.qr(design)
    layout = make_layout(q, q, np.zeros(40), None, 5.0 * x)
    loud = np.array([3, 10, 20, 30])
    starts = turned_sizes(layout, np.zeros(4), loud, 32)
    assert 12 <= len(starts) <= 48
    zeta = layout.size_offset[loud] + starts[:, 2:] @ layout.z[loud].T
    levels = np.array([-3.0, 0.0, 3.0, 8.0])
    distance = np.abs(zeta[:, :, None] - levels).min(axis=(1, 2))
    np.testing.assert_allclose(distance, 0.0, atol=1e-9)
    assert not starts[:, :2].any()


def missed(rng):
    """A fit, and the same as if its ascent had ended elsewhere."""
    x = rng.normal(size=400)
    y = rng.poisson(rng.gamma(1.5, 2.0 / 1.5, 400))
    obs = pd.DataFrame({"x": x})
    fit = nbglm.fit_negbin(pd.DataFrame({"y": y}), BY_X, obs=obs, progress=False)
    arrays = fit.arrays
    coef = arrays.coef + np.array([0.0, 0.0, 0.4, -0.3])
    short = dataclasses.replace(arrays, llf=arrays.llf - 3.0, coef=coef, finite=coef)
    return fit, dataclasses.replace(fit, arrays=short)


def test_a_profile_above_the_fit_is_said_and_used(rng):
    fit, short = missed(rng)
    right = fit.conf_int(method="profile")["gamma"]
    with pytest.warns(nbglm.NbglmWarning, match=r"1 genes \('y'\) are higher than the fit.* 3:"):
        table = short.conf_int(method="profile")["gamma"]
    estimate = short.params["gamma"]["y"]
    np.testing.assert_allclose(
        table["y", "lower"], np.minimum(right["y", "lower"], estimate), atol=1e-5
    )
    np.testing.assert_allclose(
        table["y", "upper"], np.maximum(right["y", "upper"], estimate), atol=1e-5
    )


def test_limits_that_nobody_could_establish_are_named(rng, monkeypatch):
    fit, _ = missed(rng)
    monkeypatch.setattr(
        limits_module, "profile_limits", lambda *_: ProfileInterval(math.nan, 2.0, 0.0)
    )
    with pytest.warns(nbglm.NbglmWarning, match=r"4 coefficients of 1 genes \('y'\) are NaN"):
        table = fit.conf_int(method="profile")
    assert table["gamma"]["y", "upper"].tolist() == [2.0, 2.0]


def test_limits_do_not_depend_on_the_order_of_the_sides(rng):
    """What one side finds the other one knows: both are looked for again after a rise."""
    _, short = missed(rng)
    constraint = Constraint.of_coefficient(short.problem, 3)
    _, cells, counts = short.counts.block(0, 1)
    arrays = short.arrays
    estimate = Estimate(
        constraint, cells, counts, arrays.llf[0], arrays.coef[0, 3], 0.1, arrays.finite[0],
        arrays.direction[0],
    )  # fmt: skip
    found = profile_limits(estimate, 0.05)
    again = profile_limits(dataclasses.replace(estimate, std_err=0.3), 0.05)
    assert found.beaten == pytest.approx(3.0, abs=1e-5)
    np.testing.assert_allclose([found.lower, found.upper], [again.lower, again.upper], atol=1e-5)


def test_a_column_that_is_0_wherever_there_are_counts_turns_no_sizes():
    z = np.column_stack([np.repeat([0.0, 1.0], 4), np.repeat([1.0, 0.0], 4)])
    layout = make_layout(np.ones((8, 1)), z, np.zeros(8))
    loud = np.flatnonzero(layout.z[:, 0] == 0.0)
    starts = turned_sizes(layout, np.zeros(3), loud, 12)
    assert starts.shape[1] == 3
    assert np.isfinite(starts).all()


@pytest.mark.slow
def test_a_mean_whose_sizes_can_fall_to_zero_has_no_limit(rng):
    """One count at neither end: the mean may rise for ever on cells whose size is 0."""
    x = np.sort(rng.normal(size=90))
    y = np.zeros(90, dtype=int)
    y[87] = 3
    results = nbglm.fit_negbin(
        pd.DataFrame({"y": y}), BY_X, obs=pd.DataFrame({"x": x}), progress=False
    )
    assert np.isinf(results.params["beta"]["y"]).all()
    table = results.conf_int(method="profile")["beta"]["y"]
    assert table["lower"].tolist() == [-np.inf, -np.inf]
    assert table["upper"].tolist() == [np.inf, np.inf]


def test_where_means_overflow_is_outside(rng):
    """The log-likelihood is not a number there, which must not pass for the highest."""
    y = rng.poisson(3.0, 60)
    fit = nbglm.fit_negbin(pd.DataFrame({"y": y}), "~ 1", progress=False)
    _, cells, counts = fit.counts.block(0, 1)
    estimate = Estimate(
        Constraint.of_coefficient(fit.problem, 0), cells, counts, fit.arrays.llf[0],
        fit.arrays.coef[0, 0], 0.1, fit.arrays.finite[0], fit.arrays.direction[0],
    )  # fmt: skip
    profile = Profile(estimate, CUT)
    assert profile.search(900.0) > 1e6


# Seeds of data sets in which nearly nothing is lost although the coefficient of h in the log size
# goes to infinity: the log size is so steep in z then that h only shifts between which two cells
# it turns.
@pytest.mark.slow
@pytest.mark.parametrize(("seed", "side"), [(32950, "lower"), (32970, "upper"), (32910, "upper")])
def test_a_plateau_that_searches_lose_far_out_has_no_limit(seed, side):
    counts, obs, options = data_set(np.random.default_rng(seed))
    assert options["formula"]["dispersion"] == "~ h + z"
    fit = nbglm.fit_negbin(counts[["level"]], obs=obs, progress=False, **options)
    table = fit.conf_int(method="profile", progress=False)["gamma"]
    infinite = -math.inf if side == "lower" else math.inf
    assert table.loc["h[T.v]", ("level", side)] == infinite
    for far in (100.0, 1000.0):
        highest = highest_between_two_cells(fit, "level", math.copysign(far, infinite))
        assert 2.0 * (fit.llf["level"] - highest) < CUT


def highest_between_two_cells(fit, gene, held):
    """Highest log-likelihood with h held, of log sizes that are moderate at a cell of either h."""
    x, z, offset, weights = (
        fit.design.mean.matrix, fit.design.dispersion.matrix, fit.design.offset, fit.weights,
    )  # fmt: skip
    y = np.column_stack([fit.counts.gene(0)])[:, 0]
    p = x.shape[1]
    start = fit.arrays.finite[0, :p] + 30.0 * fit.arrays.direction[0, :p]
    u, v = (np.flatnonzero((z[:, 1] == level) & (weights > 0)) for level in (0.0, 1.0))

    def sizes():
        for i, j in itertools.product(u, v):
            for at_u, at_v in itertools.product(np.arange(-4.0, 4.0), repeat=2):
                slope = (at_v - at_u - held) / (z[j, 2] - z[i, 2])
                yield at_u + held * z[:, 1] + slope * (z[:, 2] - z[i, 2])

    def negative(beta, zeta):
        eta = x @ beta + offset
        by = weights[:, None] * score(y, eta, zeta)
        return -weights @ loglik(y, eta, zeta), -x.T @ by[:, 0]

    found = sorted(sizes(), key=lambda zeta: negative(start, zeta)[0])[:40]
    ends = (minimize(negative, start, (zeta,), jac=True, method="L-BFGS-B").fun for zeta in found)
    return -min(ends)


@pytest.mark.slow
def test_a_limit_on_a_branch_of_limits_is_found():
    """Where all sizes turn to 0 or infinity: ascents cannot go on from a neighbour's there."""
    counts, obs, options = data_set(np.random.default_rng(40150))
    fit = nbglm.fit_negbin(counts[["even"]], obs=obs, progress=False, **options)
    table = fit.conf_int(method="profile", progress=False)["beta"]
    limit = table.loc["g[T.b]", ("even", "lower")]
    deviances = [
        2.0 * (fit.llf["even"] - highest_of_random_starts(fit, "g[T.b]", value))
        for value in (limit + 0.02, limit - 0.02)
    ]
    assert deviances[0] < CUT < deviances[1] < CUT + 1.0


def highest_of_random_starts(fit, term, held):
    """Highest log-likelihood with a coefficient of the mean held, by scipy."""
    x, z, offset = fit.design.mean.matrix, fit.design.dispersion.matrix, fit.design.offset
    y, coef = fit.counts.gene(0), fit.params["beta"].iloc[:, 0]
    rng = np.random.default_rng(0)
    free = (coef.index != term).nonzero()[0]
    column = x[:, coef.index.get_loc(term)]

    def negative(theta):
        eta = x[:, free] @ theta[: free.size] + column * held + offset
        zeta = z @ theta[free.size :]
        if np.abs(eta).max() > 300.0:
            return 1e10, np.zeros(theta.size)
        by = score(y, eta, zeta)
        return -loglik(y, eta, zeta).sum(), -np.r_[x[:, free].T @ by[:, 0], z.T @ by[:, 1]]

    ends = []
    for _ in range(250):
        gamma = rng.normal(size=z.shape[1]) * rng.choice([3.0, 30.0, 300.0], z.shape[1])
        gamma[0] -= z[rng.integers(y.size)] @ gamma - 2.0 * rng.normal()  # turns at some cell
        start = np.r_[coef.to_numpy()[free], gamma]
        ends.append(minimize(negative, start, jac=True, method="L-BFGS-B").fun)
    return -min(ends)
