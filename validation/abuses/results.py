"""Misuses in the life of a fit: kept, copied, dropped, subset, predicted and drawn from."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

import nbglm
from abuses.registry import answered, refused
from nbglm.exceptions import (
    AlignmentError,
    FormulaError,
    InputTypeError,
    OptionError,
    UnavailableError,
    UnknownNameError,
)

rng = np.random.default_rng(20261127)
obs = pd.DataFrame(
    {
        "x": rng.normal(size=90),
        "g": np.resize(["a", "b", "c"], 90),
        "depth": rng.uniform(0.5, 2.0, 90),
        "donor": np.resize([f"d{k}" for k in range(15)], 90),
    },
    index=[f"cell{i}" for i in range(90)],
)
counts = rng.negative_binomial(2, 0.4, size=(90, 4))
counts[obs["g"] == "c", 1] = 0
counts[:, 2] = 0
data = anndata.AnnData(
    sparse.csr_matrix(counts),
    obs=obs,
    var=pd.DataFrame({"symbol": list("wxyz")}, index=["fine", "separated", "silent", "other"]),
)
rows = obs.head(5)


@cache
def fit() -> nbglm.NegBinResults:
    """A fit with genes at limits."""
    return nbglm.fit_negbin(data, "~ g", progress=False)


@cache
def bare() -> nbglm.NegBinResults:
    """The same without data."""
    return fit().without_data()


@cache
def by_depth() -> nbglm.NegBinResults:
    """A fit with size factors that were an array."""
    return nbglm.fit_negbin(data, "~ x", size_factors=obs["depth"].to_numpy(), progress=False)


def same_draws(one: anndata.AnnData, other: anndata.AnnData) -> bool:
    """Whether two samples are the same."""
    return one.shape == other.shape and not (one.X != other.X).nnz


# The simulator


@refused(UnavailableError, "not been fitted", "call fit")
def a_sample_before_the_fit() -> None:
    nbglm.NegBinRegressionSimulator().sample(rows)


@refused(UnavailableError, "not been fitted", "call fit")
def a_prediction_before_the_fit() -> None:
    nbglm.NegBinRegressionSimulator().predict(rows)


@refused(UnavailableError, "not been fitted", "call fit")
def results_before_the_fit() -> None:
    _ = nbglm.NegBinRegressionSimulator().results


@refused(InputTypeError, "'n_job'", "Did you mean 'n_jobs'")
def a_misspelt_option_of_the_simulator() -> None:
    nbglm.NegBinRegressionSimulator(n_job=2)


@refused(InputTypeError, "'max_epochs'", "no option of a fit")
def an_option_of_another_simulator() -> None:
    nbglm.NegBinRegressionSimulator().fit(data, "~ x", max_epochs=100)


@refused(InputTypeError, "'formula'")
def a_formula_as_an_option_of_the_simulator() -> None:
    nbglm.NegBinRegressionSimulator(formula="~ x")


@refused(AlignmentError, "size_factors=", "5 values")
def a_sample_of_new_rows_without_their_size_factors() -> None:
    simulator = nbglm.NegBinRegressionSimulator(progress=False)
    simulator.fit(data, "~ x", size_factors=obs["depth"].to_numpy()).sample(rows)


@answered
def a_sample_with_the_size_factors_that_were_asked_for() -> None:
    simulator = nbglm.NegBinRegressionSimulator(progress=False)
    simulator.fit(data, "~ x", size_factors=obs["depth"].to_numpy())
    factors = np.full(5, 3.0)
    drawn = simulator.sample(rows, size_factors=factors, seed=1)
    assert same_draws(drawn, simulator.results.sample(rows, size_factors=factors, seed=1))
    mean = simulator.predict(rows, size_factors=factors)["mean"]
    assert np.allclose(mean, 3.0 * simulator.predict(rows, size_factors=np.ones(5))["mean"])


@answered
def a_simulator_whose_second_fit_failed_keeps_the_first() -> None:
    simulator = nbglm.NegBinRegressionSimulator(progress=False).fit(data, "~ x")
    before = simulator.params["beta"]
    try:
        simulator.fit(data, "~ typo")
    except FormulaError:
        pd.testing.assert_frame_equal(simulator.params["beta"], before)
        return
    raise AssertionError


@answered
def a_simulator_that_is_fitted_again_forgets() -> None:
    simulator = nbglm.NegBinRegressionSimulator(progress=False).fit(data, "~ x")
    assert simulator.fit(data, "~ g").params["beta"].shape == (3, 4)


# Seeds


@refused(InputTypeError, "seed must be", "True")
def a_seed_that_is_true() -> None:
    fit().sample(rows, seed=True)


@refused(InputTypeError, "seed must be", "1.0")
def a_seed_that_is_a_float() -> None:
    fit().sample(rows, seed=1.0)


@refused(InputTypeError, "seed must be", "'1'")
def a_seed_that_is_a_word() -> None:
    fit().sample(rows, seed="1")


@refused(OptionError, "not be negative", "-1")
def a_seed_below_zero() -> None:
    fit().sample(rows, seed=-1)


@refused(InputTypeError, "default_rng")
def a_random_state_of_old_numpy() -> None:
    fit().sample(rows, seed=np.random.RandomState(1))


@refused(InputTypeError, "seed must be")
def the_module_of_random_numbers() -> None:
    fit().sample(rows, seed=np.random)


@answered
def a_generator_gives_other_draws_each_time() -> None:
    generator = np.random.default_rng(1)
    one, two = (fit().sample(obs, seed=generator) for _ in range(2))
    assert not same_draws(one, two)
    assert same_draws(one, fit().sample(obs, seed=np.random.default_rng(1)))


@answered
def a_seed_sequence_gives_the_same_draws_each_time() -> None:
    sequence = np.random.SeedSequence(5)
    assert same_draws(fit().sample(obs, seed=sequence), fit().sample(obs, seed=sequence))
    assert same_draws(fit().sample(obs, seed=sequence), fit().sample(obs, seed=5))


@answered
def a_seed_of_a_hundred_digits() -> None:
    seed = 10**100 + 7
    assert same_draws(fit().sample(rows, seed=seed), fit().sample(rows, seed=seed))


@answered
def no_seed_gives_other_draws_each_time() -> None:
    assert not same_draws(fit().sample(obs), fit().sample(obs))


# Samples


@answered
def a_sample_of_no_rows() -> None:
    drawn = fit().sample(rows.iloc[:0], seed=1)
    assert drawn.shape == (0, 4)
    assert drawn.X.format == "csr"


@answered
def a_sample_keeps_what_is_known_of_the_genes() -> None:
    drawn = fit().sample(rows, seed=1)
    assert drawn.var["symbol"].tolist() == list("wxyz")
    assert isinstance(drawn.X, sparse.csr_matrix)
    assert drawn.X.dtype == np.int32


@answered
def a_sample_that_is_changed_changes_nothing() -> None:
    before = fit().sample(rows, seed=1)
    drawn = fit().sample(rows, seed=1)
    drawn.X.data[:] = 7
    drawn.obs["g"] = "z"
    drawn.var["symbol"] = "z"
    again = fit().sample(rows, seed=1)
    assert same_draws(before, again)
    assert again.obs["g"].tolist() == rows["g"].tolist()
    assert again.var["symbol"].tolist() == list("wxyz")


@answered
def a_sample_of_rows_that_repeat() -> None:
    twice = pd.concat([rows, rows])
    assert fit().sample(twice.reset_index(drop=True), seed=1).n_obs == 10


@answered
def a_sample_of_rows_with_numbers_for_names() -> None:
    drawn = fit().sample(rows.reset_index(drop=True), seed=1)
    assert drawn.obs_names.tolist() == list("01234")


@answered
def a_sample_can_be_fitted() -> None:
    again = nbglm.fit_negbin(fit().sample(seed=1), "~ g", progress=False)
    assert again.status["silent"] == "all_zero"


@answered
def a_sample_can_be_written() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.h5ad"
        fit().sample(rows, seed=1).write_h5ad(path)
        assert same_draws(anndata.read_h5ad(path), fit().sample(rows, seed=1))


@refused(OptionError, "'fine'", "cannot draw", "offset")
def a_sample_with_an_offset_that_nobody_can_count_to() -> None:
    fit().sample(rows, offset=np.full(5, 100.0), seed=1)


@refused(FormulaError, "'z'", "'a', 'b', 'c'")
def a_sample_of_an_unknown_level() -> None:
    fit().sample(rows.assign(g="z"), seed=1)


@refused(FormulaError, "'g'", "lacks")
def a_sample_of_rows_without_a_column() -> None:
    fit().sample(rows.drop(columns="g"), seed=1)


@refused(AlignmentError, "DataFrame", "int")
def a_number_of_cells_in_place_of_rows() -> None:
    fit().sample(100, seed=1)


@refused(AlignmentError, "offset", "5 values")
def a_sample_with_too_few_offsets() -> None:
    fit().sample(rows, offset=np.zeros(3), seed=1)


@refused(AlignmentError, "size_factors must be positive")
def a_sample_with_size_factors_of_zero() -> None:
    fit().sample(rows, size_factors=np.zeros(5), seed=1)


# Without data


@refused(UnavailableError, "obs=", "without_data")
def fitted_values_without_data() -> None:
    _ = bare().fittedvalues


@refused(UnavailableError, "obs=")
def a_sample_of_the_rows_that_were_dropped() -> None:
    bare().sample(seed=1)


@refused(UnavailableError, "resid_pearson")
def residuals_without_data() -> None:
    _ = bare().resid_pearson


@refused(UnavailableError, "anova()")
def an_anova_without_data() -> None:
    bare().anova()


@refused(UnavailableError, "score_test()")
def a_score_test_without_data() -> None:
    bare().score_test("~ x")


@refused(UnavailableError, "overdispersion_test()")
def an_overdispersion_test_without_data() -> None:
    bare().overdispersion_test()


@refused(UnavailableError, "profile")
def profiles_without_data() -> None:
    bare().conf_int(method="profile")


@refused(UnavailableError, "comparison")
def a_comparison_without_data() -> None:
    nbglm.lr_test(bare(), nbglm.fit_negbin(data, "~ 1", progress=False))


@refused(UnavailableError, "'HC0'", "with_cov('HC0'")
def other_covariances_without_data() -> None:
    bare().with_cov("HC0")


@refused(UnavailableError, "'cluster'", "with_cov('cluster'")
def clusters_without_data() -> None:
    bare().with_cov("cluster", {"groups": "donor"})


@refused(UnavailableError, "likelihood ratio", "'separated'", "subset()")
def a_test_of_a_factor_at_a_limit_without_data() -> None:
    bare().wald_test("g")


@refused(UnavailableError, "counts of 'fine'")
def counts_without_data() -> None:
    bare().counts.gene(0)


@refused(UnavailableError, "data")
def the_null_model_of_a_gene_without_data() -> None:
    _ = bare().gene("fine").llnull


@refused(UnknownNameError, "'fin'", "Did you mean 'fine'")
def an_unknown_gene_without_data() -> None:
    bare().gene("fin")


@answered
def tables_and_tests_without_data_are_the_same() -> None:
    pd.testing.assert_frame_equal(bare().to_frame(), fit().to_frame(), check_exact=True)
    for ask in (
        lambda results: results.t_test("g"),
        lambda results: results.subset(["fine", "other"]).wald_test("g"),
        lambda results: results.wald_test("g[T.c]"),
        lambda results: results.marginal_means("g"),
        lambda results: results.estimate(rows, scale="cv2"),
    ):
        pd.testing.assert_frame_equal(ask(bare()), ask(fit()), check_exact=True)


@answered
def predictions_and_samples_without_data_are_the_same() -> None:
    one, other = (results.predict(rows)["mean"] for results in (bare(), fit()))
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert same_draws(bare().sample(rows, seed=1), fit().sample(rows, seed=1))


@answered
def clustered_errors_survive_their_data() -> None:
    clustered = fit().with_cov("cluster", {"groups": "donor"})
    for ask in (lambda results: results.conf_int()["beta"], lambda results: results.bse["gamma"]):
        pd.testing.assert_frame_equal(ask(clustered.without_data()), ask(clustered))


@answered
def the_summary_of_a_gene_without_data() -> None:
    said = str(bare().gene("separated").summary())
    assert "needs the data" in said
    assert "g[T.c]" in said


@answered
def the_explanation_of_a_gene_without_data() -> None:
    assert bare().explain("fine") == fit().explain("fine")
    assert "as long as it has its data" in bare().explain("separated")


@answered
def data_that_are_dropped_twice() -> None:
    assert bare().without_data() is bare()


# Copies, pickles, parts


def assert_alike(one: nbglm.NegBinResults, other: nbglm.NegBinResults) -> None:
    """Check that two results say the same."""
    pd.testing.assert_frame_equal(one.to_frame(), other.to_frame(), check_exact=True)
    pd.testing.assert_frame_equal(one.predict(rows)["mean"], other.predict(rows)["mean"])


@answered
def a_pickled_fit() -> None:
    assert_alike(pickle.loads(pickle.dumps(fit())), fit())


@answered
def a_copied_fit() -> None:
    for duplicate in (copy.copy, copy.deepcopy):
        assert_alike(duplicate(fit()), fit())


@answered
def a_pickled_fit_without_data_is_small() -> None:
    packed = pickle.dumps(bare())
    assert_alike(pickle.loads(packed), fit())


@answered
def a_fit_cannot_be_overwritten() -> None:
    for name in ("arrays", "counts", "weights"):
        try:
            setattr(fit(), name, None)
        except dataclasses.FrozenInstanceError:
            continue
        raise AssertionError(name)


@answered
def numbers_of_a_fit_cannot_be_overwritten() -> None:
    for array in (fit().arrays.coef, fit().arrays.llf, bare().remains.rows[0]):
        try:
            array[...] = 0.0
        except ValueError:
            continue
        raise AssertionError


@answered
def a_subset_in_another_order() -> None:
    some = fit().subset(["other", "fine"])
    assert some.llf.tolist() == fit().llf[["other", "fine"]].tolist()
    assert some.sample(rows, seed=1).var["symbol"].tolist() == ["z", "w"]


@refused(UnknownNameError, "'fin'", "Did you mean 'fine'")
def a_subset_with_an_unknown_gene() -> None:
    fit().subset(["fin"])


@refused(OptionError, "no gene")
def a_subset_of_no_genes() -> None:
    fit().subset(fit().status == "not_converged")


@refused(UnknownNameError, "chosen by name", "'fine'")
def a_subset_of_positions() -> None:
    fit().subset([0, 1])


@refused(AlignmentError, "genes")
def a_subset_by_a_mask_of_another_length() -> None:
    fit().subset(np.array([True, False]))


@answered
def data_that_change_after_the_fit_change_no_prediction() -> None:
    mine = data.copy()
    results = nbglm.fit_negbin(mine, "~ g", progress=False)
    before = results.predict(rows)["mean"]
    mine.obs["g"] = "a"
    mine.var["symbol"] = "?"
    pd.testing.assert_frame_equal(results.predict(rows)["mean"], before)
    assert results.sample(rows, seed=1).var["symbol"].tolist() == list("wxyz")


@answered
def the_whole_life_of_a_fit_of_one_cell_more_than_coefficients() -> None:
    few = nbglm.fit_negbin(counts[:4], "~ x", obs=obs.head(4), progress=False)
    asked: list[Callable[[], object]] = [few.to_frame, lambda: few.t_test("x"), few.without_data]
    for ask in asked:
        ask()
