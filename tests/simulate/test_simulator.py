"""Samples: their seeds, rows, offsets and edges; and the simulator, which passes all of that on."""

import hashlib
import inspect

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import nbglm
from nbglm.simulate.draws import draw_counts, seed_entropy

CELLS = 120


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(20261124)
    obs = pd.DataFrame(
        {"x": rng.normal(size=CELLS), "depth": rng.uniform(0.5, 2.0, CELLS)},
        index=[f"cell{i}" for i in range(CELLS)],
    )
    counts = rng.negative_binomial(2, 2 / (2 + 3 * obs["depth"].to_numpy()[:, None] * np.ones(4)))
    counts[:, 1] = 0
    var = pd.DataFrame({"symbol": list("abcd"), "kept": [True] * 4}, index=list("ABCD"))
    return anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=var)


@pytest.fixture(scope="module")
def fit(data):
    return nbglm.fit_negbin(data, "~ x", progress=False)


def same(one, other):
    return one.shape == other.shape and not (one.X != other.X).nnz


@pytest.mark.parametrize("seed", [0, 7, 2**70])
def test_draws_with_a_number_are_those_of_the_documented_stream(fit, data, seed):
    mean, size = (table["C"].to_numpy() for table in fit.predict().values())
    digest = hashlib.blake2b(b"C", digest_size=16).digest()
    words = np.frombuffer(digest, "<u4").tolist()
    tag = int.from_bytes(b"counts", "big")
    rates, poisson = (
        np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
        for key in ([seed, *words], [seed, tag, *words])
    )
    expected = poisson.poisson(mean * (rates.standard_gamma(size) / size))
    drawn = fit.sample(seed=seed)[:, "C"].X.toarray()[:, 0]
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.random.default_rng(3),
        lambda: np.random.SeedSequence(3),
        lambda: np.random.SeedSequence([3, 4]),
        lambda: np.random.SeedSequence(3).spawn(2)[1],
        lambda: np.int64(3),
    ],
)
def test_a_seed_in_the_same_state_gives_the_same_draws(fit, make):
    assert same(fit.sample(seed=make()), fit.sample(seed=make(), n_jobs=2))
    assert not same(fit.sample(seed=make()), fit.sample(seed=4))


def test_a_generator_is_advanced_and_a_seed_sequence_is_not(fit):
    rng, again = np.random.default_rng(3), np.random.default_rng(3)
    first, second = fit.sample(seed=rng), fit.sample(seed=rng)
    assert not same(first, second)
    again.integers(2**64, size=4, dtype=np.uint64)  # as documented
    assert same(second, fit.sample(seed=again))
    assert rng.integers(1 << 40) == again.integers(1 << 40)
    sequence = np.random.SeedSequence(3)
    assert same(fit.sample(seed=sequence), fit.sample(seed=sequence))
    assert same(fit.sample(seed=sequence), fit.sample(seed=3))


def test_children_of_a_seed_sequence_give_draws_of_their_own():
    parent = np.random.SeedSequence(3)
    seeds = [seed_entropy(s) for s in (parent, *parent.spawn(3), np.random.SeedSequence([3, 0]))]
    assert len(set(seeds)) == 5


def test_a_generator_gives_the_same_draws_for_any_block_and_subset(fit, data, monkeypatch):
    whole = fit.sample(seed=np.random.default_rng(5))
    monkeypatch.setattr(nbglm.simulate.drawing, "_GENES", 1)
    monkeypatch.setattr(nbglm.simulate.sampling, "_CELLS", 7)
    assert same(whole, fit.sample(seed=np.random.default_rng(5), n_jobs=2))
    some = nbglm.fit_negbin(data[:, ["D", "A"]], "~ x", progress=False)
    few = some.sample(seed=np.random.default_rng(5))
    assert same(few[:, ["A", "D"]], whole[:, ["A", "D"]])


@pytest.mark.parametrize(
    ("seed", "error"),
    [(True, TypeError), (1.0, TypeError), ("1", TypeError), ([1], TypeError), (-1, ValueError)],
)
def test_what_is_no_seed_is_refused(fit, seed, error):
    with pytest.raises(nbglm.NbglmError, match="seed must") as raised:
        fit.sample(seed=seed)
    assert isinstance(raised.value, error)


def test_columns_of_var_are_kept_and_are_a_copy(fit, data):
    drawn = fit.sample(seed=0)
    pd.testing.assert_frame_equal(drawn.var, data.var)
    drawn.var["symbol"] = "changed"
    pd.testing.assert_frame_equal(fit.sample(seed=0).var, data.var)
    fitted_array = nbglm.fit_negbin(data.X, "~ 1", progress=False)
    assert fitted_array.sample(seed=0).var.shape == (4, 0)


@pytest.mark.filterwarnings("error")
def test_no_rows_give_a_sample_of_no_cells(fit, data):
    drawn = fit.sample(data.obs.iloc[:0], seed=0)
    assert drawn.shape == (0, 4)
    assert drawn.X.format == "csr"
    numbered = nbglm.fit_negbin(data.X, "~ 1", progress=False)
    assert numbered.sample(pd.DataFrame(index=range(0)), seed=0).shape == (0, 4)


def test_counts_beyond_32_bits_take_64(fit, data):
    rows = data.obs.head(3)
    assert fit.sample(rows, seed=0).X.dtype == np.int32
    drawn = fit.sample(rows, offset=np.full(3, 30.0), seed=0).X
    assert drawn.dtype == np.int64
    assert drawn.max() > 2**31


def test_means_that_nobody_can_count_to_name_the_gene_and_the_row(fit, data):
    rows = data.obs.head(3)
    for offset, says in ((60.0, r"gene 'A'.*mean .*\(row 2\).*offset"), (800.0, "'cell2'")):
        with pytest.raises(ValueError, match=says) as raised:
            fit.sample(rows, offset=np.array([0.0, 0.0, offset]), seed=0)
        assert isinstance(raised.value, nbglm.NbglmError)


def test_a_tiny_size_cannot_push_a_draw_beyond_64_bits(rng):
    mean, size = np.full(100_000, 4e18), np.full(100_000, 0.5)
    with pytest.raises(nbglm.OptionError, match="a draw exceeds"):
        draw_counts(rng, mean, size)


@pytest.mark.parametrize("size", [0.0, 5e-324, 1e-300, 1.7e308, np.inf])
def test_extreme_sizes_give_draws(rng, size):
    drawn = draw_counts(rng, np.full(1000, 3.0), np.full(1000, size))
    assert (drawn >= 0).all()
    assert (drawn.mean() == pytest.approx(3.0, abs=0.3)) == (size > 1.0)


# The simulator -----------------------------------------------------------------------------------


def arguments(method):
    return {name: part.default for name, part in inspect.signature(method).parameters.items()}


@pytest.mark.parametrize("name", ["sample", "predict"])
def test_the_simulator_takes_what_its_results_take(name):
    ours = arguments(getattr(nbglm.NegBinRegressionSimulator, name))
    assert ours == arguments(getattr(nbglm.NegBinResults, name))


def test_what_the_simulator_advises_exists(data):
    depth = data.obs["depth"].to_numpy()
    simulator = nbglm.NegBinRegressionSimulator(progress=False)
    simulator.fit(data, "~ x", size_factors=depth)
    rows = data.obs.head(5)
    for method in (simulator.sample, simulator.predict):
        with pytest.raises(nbglm.AlignmentError, match="pass size_factors= "):
            method(rows)
    drawn = simulator.sample(rows, size_factors=depth[:5], seed=1)
    assert same(drawn, simulator.results.sample(rows, size_factors=depth[:5], seed=1))
    assert same(drawn, simulator.sample(rows, size_factors="depth", seed=1))
    one, two = (
        simulator.predict(rows, size_factors=f)["mean"] for f in (1 + 0 * depth[:5], "depth")
    )
    np.testing.assert_allclose(two, one.mul(depth[:5], axis=0))
    np.testing.assert_allclose(
        simulator.predict(rows, np.log(depth[:5]), size_factors=np.ones(5))["mean"], two
    )
    assert "mean_lower" in simulator.predict(rows, size_factors="depth", interval=0.9)


def test_the_simulator_refuses_options_that_no_fit_takes(data):
    for make in (
        lambda: nbglm.NegBinRegressionSimulator(n_job=2),
        lambda: nbglm.NegBinRegressionSimulator().fit(data, "~ x", n_job=2),
    ):
        with pytest.raises(TypeError, match=r"'n_job' is no option.*Did you mean 'n_jobs'"):
            make()


def test_a_simulator_that_has_not_been_fitted_says_so():
    simulator = nbglm.NegBinRegressionSimulator()
    for use in (simulator.sample, simulator.predict, lambda: simulator.params):
        with pytest.raises(nbglm.UnavailableError, match="call fit"):
            use()


def test_a_failed_fit_leaves_the_simulator_as_it_was(data):
    simulator = nbglm.NegBinRegressionSimulator(progress=False).fit(data, "~ x")
    before = simulator.params["beta"]
    with pytest.raises(nbglm.FormulaError):
        simulator.fit(data, "~ xx")
    pd.testing.assert_frame_equal(simulator.params["beta"], before)
