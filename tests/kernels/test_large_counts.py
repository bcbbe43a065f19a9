"""Counts far beyond a thousand against 50 digits: likelihoods, ratios, errors, every fit."""

import math
import warnings
from dataclasses import dataclass, replace

import mpmath
import numpy as np
import pandas as pd
import patsy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import nbglm
from nbglm.fit.genes import fit_block
from nbglm.kernels.compiled import entry
from nbglm.kernels.likelihood import loglik, score
from nbglm.problem.layout import make_layout
from nbglm.problem.problem import make_problem
from nbglm.problem.tally import collect_counts
from nbglm.search.objective import evaluate
from nbglm.status import GENE_STATUS

LARGEST = 2.0**53 - 1  # up to here floats tell whole numbers apart


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mpmath.workdps(50):
        yield


@entry
def at_once(theta, layout, cells, counts, gradient, hessian):
    return evaluate(theta, layout, collect_counts(cells, counts, layout), gradient, hessian)


@entry
def number_of_centres(layout, cells, counts):
    return collect_counts(cells, counts, layout).centre.size


def exact_terms(y, eta, zeta=None):
    """Log-probability of a count and its derivatives; the Poisson's without a log size."""
    y, eta = mpmath.mpf(y), mpmath.mpf(eta)
    mu = mpmath.exp(eta)
    if zeta is None:
        return [y * eta - mu - mpmath.loggamma(y + 1), y - mu, 0, -mu, 0, 0]
    zeta = mpmath.mpf(zeta)
    r, by_zeta, second, constant = of_size(zeta)
    s, log1p = r + mu, mpmath.log1p(mu / r)
    value = mpmath.loggamma(y + r) - constant - mpmath.loggamma(y + 1) - r * log1p
    first = r * (mpmath.digamma(y + r) - by_zeta - log1p + (mu - y) / s)
    more = r * r * (mpmath.psi(1, y + r) - second + mu / (r * s) + (y - mu) / s**2)
    return [
        value + y * (eta - zeta - log1p),
        r * (y - mu) / s,
        first,
        -mu * r * (r + y) / s**2,
        r * mu * (y - mu) / s**2,
        first + more,
    ]


def of_size(zeta, known={}):  # noqa: B006 - few sizes, many counts
    if zeta not in known:
        r = mpmath.exp(zeta)
        known[zeta] = r, mpmath.digamma(r), mpmath.psi(1, r), mpmath.loggamma(r)
    return known[zeta]


@dataclass
class Data:
    """Counts of one gene with its designs, and what 50 digits say of it."""

    y: np.ndarray
    x: np.ndarray
    z: np.ndarray  # without columns for the Poisson
    offset: np.ndarray
    weights: np.ndarray

    def exact(self, theta):
        """Log-likelihood, sum of the absolute values of its terms, gradient and Hessian."""
        p, k = self.x.shape[1], self.x.shape[1] + self.z.shape[1]
        numbers = [mpmath.mpf(t) for t in theta]
        value, size = mpmath.mpf(0), mpmath.mpf(0)
        gradient, hessian = mpmath.zeros(k, 1), mpmath.zeros(k, k)
        columns = np.hstack([self.x, self.z]).tolist()
        rows = zip(
            columns, self.y.tolist(), self.offset.tolist(), self.weights.tolist(), strict=True
        )
        for row, y, offset, weight in rows:
            eta = mpmath.fdot(row[:p], numbers[:p]) + offset
            zeta = mpmath.fdot(row[p:], numbers[p:]) if k > p else None
            terms = [weight * term for term in exact_terms(y, eta, zeta)]
            value += terms[0]
            size += abs(terms[0])
            for j in range(k):
                gradient[j] += terms[1 + (j >= p)] * row[j]
                for l in range(k):
                    hessian[j, l] += terms[3 + (j >= p) + (l >= p)] * row[j] * row[l]
        return value, size, gradient, hessian

    def maximum(self, theta):
        """Maximum near a point: log-likelihood, standard errors, how many of them away it is."""
        at = mpmath.matrix([mpmath.mpf(t) for t in theta])
        start = at.copy()
        while True:
            value, _, gradient, hessian = self.exact(at)
            step = mpmath.lu_solve(-hessian, gradient)
            decrement = (gradient.T * step)[0]
            assert 0 <= decrement < 1e-6
            if decrement < 1e-24:
                break
            at += step
        covariance = (-hessian) ** -1
        away = start - at
        errors = np.array([float(mpmath.sqrt(covariance[j, j])) for j in range(len(at))])
        return value, errors, math.sqrt(-float((away.T * hessian * away)[0]))

    def here(self, theta):
        """The same log-likelihood, gradient and Hessian in doubles."""
        size_offset = np.full(self.y.size, 0.0 if self.z.shape[1] else np.inf)
        layout = make_layout(self.x, self.z, self.offset, self.weights, size_offset)
        cells = np.flatnonzero(self.y)
        assert number_of_centres(layout, cells, self.y[cells]) > 0
        gradient, hessian = np.empty(theta.size), np.empty((theta.size, theta.size))
        value = at_once(theta, layout, cells, self.y[cells], gradient, hessian)
        return value, gradient, hessian


def simulated(seed, n, level, size, mean, dispersion, *, weighted=False, silent=0.0):
    """Counts of one gene around a level, and the data frame that its formulas read."""
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame({"x": rng.normal(size=n), "g": rng.permutation(np.resize(["a", "b"], n))})
    offset = rng.normal(size=n) if weighted else np.zeros(n)
    mu = level * np.exp(0.1 * obs["x"].to_numpy() + offset)
    rate = mu if math.isinf(size) else rng.gamma(size, mu / size)
    y = np.minimum(rng.poisson(np.minimum(rate, LARGEST)), LARGEST)
    y = np.where(rng.random(n) < silent, 0.0, y)
    weights = rng.choice([0.5, 1.0, 3.0], n) if weighted else np.ones(n)
    x, z = (np.asarray(patsy.dmatrix(text, obs)) for text in (mean, dispersion))
    return Data(y, x, z, offset, weights), obs


def fitted(data, obs, mean, dispersion):
    return nbglm.fit_negbin(
        pd.DataFrame({"y": data.y}, index=obs.index),
        {"mean": mean, "dispersion": dispersion},
        obs=obs,
        offset=data.offset,
        weights=data.weights,
        progress=False,
    )


def coefficients(results):
    """Estimates and standard errors, those of infinite sizes left out."""
    tables = [results.params, results.bse]
    theta, errors = (np.concatenate([t["beta"]["y"], t["gamma"]["y"]]) for t in tables)
    return theta[np.isfinite(theta)], errors[np.isfinite(theta)]


counts = st.one_of(
    st.integers(2048, 10_000), st.integers(10_000, 10**7), st.integers(10**7, int(LARGEST))
)


@settings(max_examples=600, deadline=None)
@given(counts, st.floats(-6.0, 6.0), st.one_of(st.floats(-8.0, 40.0), st.just(math.inf)))
@example(10**10, 0.0, math.inf)
@example(2**53 - 1, 1.0, 3.0)
def test_single_large_counts_are_exact(y, deviations, zeta):
    spread = math.sqrt(1 / y + math.exp(-zeta))
    eta = math.log(y) + deviations * min(spread, 3.0)
    want = [float(term) for term in exact_terms(y, eta, None if math.isinf(zeta) else zeta)]
    got = [float(loglik(y, eta, zeta)), *score(float(y), eta, zeta)]
    # A mean is known to its last bit or two, which moves each result along its slope.
    slope, cross = abs(want[1]), abs(want[4])
    assert abs(got[0] - want[0]) <= 4e-15 * (1 + abs(want[0])) + 5e-16 * slope
    share = min(1.0, y * math.exp(-zeta))
    for l in (2, 5):
        assert abs(got[l] - want[l]) <= 1e-13 * abs(want[l]) + 4e-15 * cross + 4e-15 * share


@settings(max_examples=300, deadline=None)
@given(counts, st.floats(-300.0, 300.0), st.floats(-700.0, 700.0))
@example(131_085_138_524_422, 285.0, -636.0)
@example(197_350_170, 218.5, -485.0)
def test_large_counts_far_from_their_means_have_finite_terms(y, eta, zeta):
    with np.errstate(all="raise"):
        assert np.isfinite(loglik(y, eta, zeta))
        assert np.isfinite(score(float(y), eta, zeta)).all()
        assert float(loglik(y, eta, zeta)) < 0.0


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.one_of(st.integers(0, 2047), counts), st.floats(-300.0, 700.0), st.floats(-700.0, 700.0))
@example(2047, 116.6, -643.7)
@example(1, 316.2, -577.1)
@example(0, 700.0, 5.0)
@example(5, 700.0, 5.0)
@example(100_000, 695.8, -209.2)
def test_log_likelihoods_are_exact_where_means_sizes_or_their_ratio_are_no_floats(y, eta, zeta):
    with mpmath.workdps(700):
        want = exact_terms(y, eta, zeta)
    assert math.isclose(loglik(y, eta, zeta), want[0], rel_tol=1e-12, abs_tol=1e-12)
    assert math.isclose(score(float(y), eta, zeta)[1], want[2], rel_tol=1e-11, abs_tol=1e-11)


DESIGNS = [("~ 1", "~ 1"), ("~ g", "~ g"), ("~ x", "~ 1"), ("~ x + g", "~ x")]
SIZES = [0.1, 20.0, 1e3, 1e6, math.inf]


@pytest.mark.slow
@pytest.mark.parametrize("designs", DESIGNS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("level", [5e3, 1e7, 1e10])
def test_log_likelihood_is_exact_relative_to_its_terms(level, size, designs):
    mixed = designs == DESIGNS[-1]
    data, _ = simulated(1, 120, level, size, *designs, weighted=mixed, silent=0.1 * (size < 1))
    if math.isinf(size):
        data = replace(data, z=data.z[:, :0])
    theta = np.zeros(data.x.shape[1] + data.z.shape[1])
    theta[0] = math.log(level) + 0.3 * min(1.0, 1 / math.sqrt(min(size, level)))
    if data.z.size:
        theta[data.x.shape[1]] = math.log(1.2 * size)
        theta[data.x.shape[1] + 1 :] = 0.05
    value, gradient, hessian = data.here(theta)
    want, terms, slopes, curvatures = data.exact(theta)
    assert abs(value - want) <= 1e-12 * terms
    # Gradients in standard errors, and the information relative to itself.
    k = theta.size
    scale = np.array([float(mpmath.sqrt(abs(curvatures[j, j]))) for j in range(k)])
    for j in range(k):
        assert abs(gradient[j] - slopes[j]) <= 1e-8 * scale[j]
        for l in range(k):
            assert abs(hessian[j, l] - curvatures[j, l]) <= 1e-8 * scale[j] * scale[l]


@pytest.mark.parametrize("level", [1e7, 1e8, 1e9, 1e10])
@pytest.mark.parametrize("size", [0.5, 20.0, 1e4, math.inf])
def test_likelihood_ratios_and_errors_are_exact(level, size):
    found = []
    for mean in ("~ x", "~ 1"):
        data, obs = simulated(7, 150, level, size, mean, "~ 1")
        results = fitted(data, obs, mean, "~ 1")
        theta, errors = coefficients(results)
        if results.status["y"] == "poisson_limit":
            data = replace(data, z=data.z[:, :0])
        value, exact, away = data.maximum(theta)
        np.testing.assert_allclose(errors, exact, rtol=1e-6)
        assert away < 2e-6
        found.append((float(results.llf["y"]), value))
    ratio = 2 * (found[0][0] - found[1][0])
    assert abs(ratio - 2 * (found[0][1] - found[1][1])) < 1e-6


@pytest.mark.slow
def test_a_likelihood_ratio_of_two_thousand_cells_keeps_its_digits():
    found = []
    for mean in ("~ x", "~ 1"):
        data, obs = simulated(3, 2_000, 1e9, 20.0, mean, "~ 1")
        results = fitted(data, obs, mean, "~ 1")
        found.append((float(results.llf["y"]), data.maximum(coefficients(results)[0])[0]))
    ratio = 2 * (found[0][0] - found[1][0])
    assert abs(ratio - 2 * (found[0][1] - found[1][1])) < 1e-8


def random_fit(seed, lowest, highest):
    rng = np.random.default_rng([11, seed])
    mean = str(rng.choice(["~ 1", "~ x", "~ g", "~ g + x"]))
    dispersion = str(rng.choice(["~ 1", "~ 1", "~ g", "~ x"]))
    level = float(np.exp(rng.uniform(math.log(lowest), math.log(highest))))
    data, obs = simulated(
        seed,
        int(rng.choice([60, 200, 600])),
        level,
        float(rng.choice([0.1, 1.0, 20.0, 1e3, 1e6, 1e9, math.inf])),
        mean,
        dispersion,
        weighted=bool(rng.random() < 0.4),
        silent=float(rng.choice([0.0, 0.0, 0.3])),
    )
    return fitted(data, obs, mean, dispersion), data


@pytest.mark.slow
@pytest.mark.parametrize(("lowest", "highest"), [(5e7, 1e12), (1e12, LARGEST)])
def test_every_random_fit_converges_with_standard_errors(lowest, highest):
    for seed in range(100):
        results, _ = random_fit(seed, lowest, highest)
        assert results.status["y"] in ("ok", "poisson_limit"), seed
        theta, errors = coefficients(results)
        assert np.isfinite(errors).all(), seed
        assert (errors > 0).all(), seed
        assert theta.size > 0


@pytest.mark.parametrize("seed", range(12))
def test_random_fits_end_at_the_maximum(seed):
    results, data = random_fit(seed, 5e7, LARGEST)
    assert results.status["y"] == "ok"
    theta, errors = coefficients(results)
    value, exact, away = data.maximum(theta)
    np.testing.assert_allclose(errors, exact, rtol=1e-6)
    assert away < 1e-4
    assert abs(results.llf["y"] - value) < 1e-7


@pytest.mark.slow
def test_both_forms_agree_where_both_have_their_digits(rng):
    # One cell of 10 million turns the gene to the form for large counts; its own term is constant.
    n = 300
    x = np.column_stack([np.ones(n), np.arange(n) % 2])
    y = rng.negative_binomial(2.0, 0.01, n).astype(float)
    y[0], x[0] = 1e7, [0.0, 0.0]
    offset = np.zeros(n)
    offset[0] = math.log(1e7)
    theta = np.array([5.0, 0.3, 0.7])
    data = Data(y, x, np.ones((n, 1)), offset, np.ones(n))
    value, _, _ = data.here(theta)
    assert value == pytest.approx(loglik(y, offset + x @ theta[:2], 0.7).sum(), rel=1e-13)


def test_cells_of_weight_two_are_two_cells():
    data, _ = simulated(5, 80, 1e8, 5.0, "~ g", "~ 1", silent=0.2)
    theta = np.array([math.log(1e8), 0.1, 1.5])
    weights = np.where(np.arange(80) % 3, 1.0, 2.0)
    index = np.repeat(np.arange(80), weights.astype(int))
    weighted = replace(data, weights=weights).here(theta)
    parts = (data.y, data.x, data.z, data.offset, data.weights)
    repeated = Data(*(part[index] for part in parts)).here(theta)
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-6)


def test_small_counts_are_summed_in_tables_as_before(rng):
    # A gene turns to the form for large counts when the root mean square passes 1024.
    layout = make_layout(np.ones((400, 1)), np.ones((400, 1)), np.zeros(400))
    cells = np.arange(400)
    ordinary = rng.poisson(1_000, 400).astype(float)
    assert number_of_centres(layout, cells, ordinary) == 0
    assert number_of_centres(layout, cells, ordinary + 100.0) == 400


@pytest.mark.parametrize("seed", [*range(30), 876, 1320, 1341, 1531])
def test_extreme_offsets_and_weights_leave_no_gap_behind_an_ok(seed):
    rng = np.random.default_rng([13, seed])
    n = int(rng.integers(5, 200))
    obs = pd.DataFrame({"x": rng.normal(size=n), "g": rng.choice(["a", "b"], n)})
    mean, size = rng.choice(["~ 1", "~ x", "~ g + x"]), rng.choice(["~ 1", "~ g", "~ x"])
    x, z = (np.asarray(patsy.dmatrix(str(text), obs)) for text in (mean, size))
    offset = rng.choice([rng.uniform(-300, 300, n), rng.choice([-300.0, 300.0], n)])
    weights = rng.choice([np.ones(n), 10 ** rng.uniform(-12, 12, n), np.full(n, 1e-12)])
    level = 10 ** rng.uniform(-1, rng.choice([3, 9]))
    y = rng.poisson(rng.gamma(1.0, level, n)).astype(float)
    y[0] += 1.0
    cells = np.flatnonzero(y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problem = make_problem(x, z, offset, weights)
        fit = fit_block(np.array([0, cells.size]), cells, y[cells], problem)
    if GENE_STATUS[fit.status[0]] == "ok":
        assert np.isfinite(fit.coef).all()
        assert (np.linalg.norm(fit.root[0], axis=1) > 0.0).all()
        assert np.isfinite(fit.llf).all()
