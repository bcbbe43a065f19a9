"""Misuses of row labels, and of what stands beside the counts: obs, offsets, weights, clusters."""

from __future__ import annotations

import warnings
from functools import cache

import anndata
import numpy as np
import pandas as pd

import nbglm
from abuses.registry import answered, refused
from nbglm.exceptions import AlignmentError, FormulaError

rng = np.random.default_rng(20261127)
CELLS = 60
obs = pd.DataFrame(
    {
        "x": rng.normal(size=CELLS),
        "depth": rng.uniform(0.5, 2.0, CELLS),
        "donor": np.resize([f"d{k}" for k in range(12)], CELLS),
    }
)
counts = pd.DataFrame({"a": rng.poisson(np.exp(1 + obs["x"])), "b": rng.poisson(2, CELLS)})
order = rng.permutation(CELLS)
names = [f"cell{i}" for i in range(CELLS)]
named = obs.set_axis(names)
w = pd.Series(rng.integers(1, 4, CELLS).astype(float))


def fit(data: object = counts, covariates: object = obs, **options: object) -> nbglm.NegBinResults:
    """A small fit; a warning of the package is an answer too, and is asked for elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        return nbglm.fit_negbin(data, "~ x", obs=covariates, progress=False, **options)


@cache
def llf() -> tuple[float, ...]:
    """What the counts come to if every row is where it belongs."""
    return tuple(fit().llf)


def right(results: nbglm.NegBinResults) -> None:
    """Every row was where it belongs."""
    np.testing.assert_allclose(results.llf, llf(), rtol=1e-12)


def said_at_the_fit(data: object, covariates: object, **options: object) -> str:
    """The one warning of a fit, empty if there was none."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        nbglm.fit_negbin(data, "~ x", obs=covariates, progress=False, **options)
    assert len(heard) <= 1
    assert all(issubclass(one.category, nbglm.NbglmWarning) for one in heard)
    return str(heard[0].message) if heard else ""


# Counts and obs ----------------------------------------------------------------------------


@refused(AlignmentError, "another order", "obs.reindex(counts.index)", "reset both indexes")
def covariates_in_another_order_than_numbered_counts() -> None:
    fit(counts, obs.iloc[order])


@refused(AlignmentError, "another order")
def counts_in_another_order_than_numbered_covariates() -> None:
    fit(counts.iloc[order], obs)


@answered
def both_in_another_order() -> None:
    right(fit(counts.iloc[order], obs.iloc[order]))


@refused(AlignmentError, "another order")
def a_response_in_another_order() -> None:
    fit(counts["a"].iloc[order], obs)


@refused(AlignmentError, "another order")
def names_in_another_order() -> None:
    fit(counts.set_axis(names), named.iloc[order])


@refused(AlignmentError, "another order")
def numbers_as_text_in_another_order() -> None:
    fit(counts.set_axis([str(i) for i in order]), obs)


@answered
def numbers_on_one_side_and_the_same_as_text_on_the_other() -> None:
    right(fit(counts.set_axis([str(i + 5) for i in range(CELLS)]), obs.set_axis(range(5, 65))))


@answered
def names_on_one_side_only() -> None:
    right(fit(counts, named))
    right(fit(counts.set_axis(names), obs))
    assert fit(counts.set_axis(names), obs).counts.obs.index.tolist() == names


@refused(AlignmentError, "'cell0'", "lacks")
def other_names() -> None:
    fit(counts.set_axis([f"k{i}" for i in range(CELLS)]), named)


@refused(AlignmentError, "another order", "stands for several rows")
def repeated_names_in_another_order() -> None:
    twice = [f"cell{i // 2}" for i in range(CELLS)]
    fit(counts.set_axis(twice), obs.set_axis(twice).iloc[::-1])


@answered
def repeated_names_in_the_same_order() -> None:
    right(fit(counts.set_axis(["z"] * CELLS), obs.set_axis(["z"] * CELLS)))


@refused(AlignmentError, "another order", "2026-01-01")
def dates_in_another_order() -> None:
    days = pd.date_range("2026-01-01", periods=CELLS)
    fit(counts.set_axis(days), obs.set_axis(days[::-1]))


@refused(AlignmentError, "another order", "('p', 0)")
def several_levels_in_another_order() -> None:
    pairs = pd.MultiIndex.from_product([["p", "q"], range(CELLS // 2)])
    fit(counts.set_axis(pairs), obs.set_axis(pairs[::-1]))


@answered
def an_array_beside_permuted_numbers_says_what_it_assumed() -> None:
    said = said_at_the_fit(counts.to_numpy(), obs.iloc[order])
    for words in ("another order", "taken in order", "counts[obs.index]", "reset_index"):
        assert words in said


@answered
def an_array_beside_chosen_or_named_rows_says_nothing() -> None:
    chosen = rng.permutation(200)[:CELLS]
    for labels in (names, chosen, np.sort(chosen), range(CELLS), range(1, CELLS + 1)):
        assert not said_at_the_fit(counts.to_numpy(), obs.set_axis(labels))
    assert not said_at_the_fit(counts.iloc[order], obs.iloc[order])


@refused(AlignmentError, "obs has 60 rows", "obs.loc[counts.index]")
def more_covariates_than_counts() -> None:
    fit(counts.iloc[:50], obs)


@refused(AlignmentError, "obs has 50 rows")
def fewer_covariates_than_counts() -> None:
    fit(counts.to_numpy(), obs.iloc[:50])


@refused(AlignmentError, "brings its own")
def covariates_for_an_anndata() -> None:
    fit(anndata.AnnData(counts.set_axis(names)), named)


@refused(AlignmentError, "obs.to_frame()")
def a_column_for_covariates() -> None:
    fit(counts, obs["x"])


@refused(AlignmentError, "not str")
def a_path_for_covariates() -> None:
    fit(counts, "obs.csv")


@refused(AlignmentError, "not ndarray")
def an_array_for_covariates() -> None:
    fit(counts, obs[["x"]].to_numpy())


@refused(AlignmentError, "its .obs")
def an_anndata_for_covariates() -> None:
    fit(counts, anndata.AnnData(counts.set_axis(names), obs=named))


@refused(FormulaError, "'x'", "ambiguous", "2 columns")
def covariates_with_a_column_twice() -> None:
    fit(counts, pd.concat([obs, obs[["x"]]], axis=1))


# Mappings of columns -----------------------------------------------------------------------


@refused(AlignmentError, "the column 'z' of obs", "another order", "one DataFrame")
def columns_with_labels_in_two_orders() -> None:
    fit(counts.to_numpy(), {"x": named["x"], "z": named["depth"].iloc[::-1]})


@refused(AlignmentError, "another order")
def a_column_with_labels_in_another_order_than_the_counts() -> None:
    fit(counts, {"x": obs["x"].iloc[order]})


@answered
def columns_with_and_without_labels() -> None:
    mixed = {"x": named["x"], "z": obs["depth"], "k": np.ones(CELLS), "b": "one"}
    right(fit(counts, mixed))
    assert fit(counts, mixed).counts.obs.index.tolist() == names


@refused(AlignmentError, "do not go together")
def columns_of_two_lengths() -> None:
    fit(counts, {"x": obs["x"].to_numpy(), "z": np.ones(CELLS - 1)})


@refused(FormulaError, "'x'", "missing")
def a_masked_column() -> None:
    fit(counts, {"x": np.ma.array(obs["x"].to_numpy(), mask=np.arange(CELLS) < 3)})


# Offsets, size factors, weights ------------------------------------------------------------


def _in_another_order(what: str) -> None:
    refuse = refused(AlignmentError, what, "another order", f"{what}.reindex(obs.index)")
    for kind in ("series", "frame"):

        def act(kind: str = kind) -> None:
            values = w.iloc[order]
            fit(**{what: values if kind == "series" else values.to_frame()})

        act.__name__ = f"a_{kind}_of_{what}_in_another_order"
        refuse(act)


for _what in ("offset", "size_factors", "weights"):
    _in_another_order(_what)


@refused(AlignmentError, "'k0'", "which obs lacks")
def offsets_of_other_cells() -> None:
    fit(covariates=named, offset=w.set_axis([f"k{i}" for i in range(CELLS)]))


@refused(AlignmentError, "weights.loc[obs.index]")
def weights_of_more_cells() -> None:
    fit(counts.iloc[:50], obs.iloc[:50], weights=w)


@answered
def values_of_the_same_cells_however_given() -> None:
    for what in ("offset", "size_factors", "weights"):
        wanted = fit(**{what: w.to_numpy()}).llf.tolist()
        ways = (w, w.tolist(), w.astype("Int64"), w.to_frame(), w.astype(object), np.ma.array(w))
        for way in ways:
            assert fit(**{what: way}).llf.tolist() == wanted
        assert fit(covariates=obs.assign(w=w), **{what: "w"}).llf.tolist() == wanted


@refused(AlignmentError, "one column", "2")
def offsets_in_two_columns() -> None:
    fit(offset=obs[["x", "depth"]])


@refused(AlignmentError, "shape is (60, 1)", "ravel()")
def offsets_as_a_column_of_an_array() -> None:
    fit(offset=np.ones((CELLS, 1)))


@refused(AlignmentError, "weights=", "'1.0' is a str")
def weights_that_are_text() -> None:
    fit(weights=["1.0"] * CELLS)


@refused(AlignmentError, "complex128")
def complex_offsets() -> None:
    fit(offset=np.ones(CELLS) + 1j)


@refused(AlignmentError, "datetime64")
def dates_for_offsets() -> None:
    fit(offset=np.full(CELLS, np.datetime64("2026-01-01")))


@refused(AlignmentError, "finite", "nan")
def a_missing_weight() -> None:
    fit(weights=w.astype("Int64").where(w.index > 3))


@refused(AlignmentError, "masked")
def masked_weights() -> None:
    fit(weights=np.ma.array(w, mask=w > 2))


@refused(AlignmentError, "offset='dept'", "Did you mean 'depth'?")
def a_misspelt_column() -> None:
    fit(offset="dept")


@refused(AlignmentError, "ambiguous", "2 columns")
def a_column_that_is_there_twice() -> None:
    fit(covariates=pd.concat([obs, obs[["depth"]]], axis=1), size_factors="depth")


@refused(AlignmentError, "log scale", "size_factors=", "numpy.log")
def total_counts_for_an_offset() -> None:
    fit(offset=rng.uniform(500, 20_000, CELLS))


@refused(AlignmentError, "log scale", "1000")
def a_large_constant_offset() -> None:
    fit(offset=np.full(CELLS, 1000.0))


@answered
def small_total_counts_for_an_offset_are_doubted() -> None:
    said = said_at_the_fit(counts, obs, offset=np.linspace(50, 290, CELLS))
    for words in ("log scale", "50 to 290", "size_factors="):
        assert words in said


@refused(AlignmentError, "must be positive", "offset=")
def logarithms_for_size_factors() -> None:
    fit(size_factors=np.log(obs["depth"]))


@refused(AlignmentError, "1e-300", "typical")
def a_size_factor_of_almost_nothing() -> None:
    fit(size_factors=np.where(np.arange(CELLS) == 5, 1e-300, 1.0))


@refused(AlignmentError, "weights add up to 6e+301", "common factor")
def enormous_weights() -> None:
    fit(weights=np.full(CELLS, 1e300))


@refused(AlignmentError, "weights add up to", "common factor")
def weights_of_almost_nothing() -> None:
    fit(weights=np.full(CELLS, 1e-300))


@refused(AlignmentError, "must not be negative", "-1")
def a_negative_weight() -> None:
    fit(weights=np.where(np.arange(CELLS) == 5, -1.0, 1.0))


@refused(AlignmentError, "all weights are 0")
def no_weight_at_all() -> None:
    fit(weights=np.zeros(CELLS))


# New rows ----------------------------------------------------------------------------------


@cache
def with_offset() -> nbglm.NegBinResults:
    """A fit that needs offsets for new rows."""
    return fit(offset=np.log(obs["depth"]).to_numpy())


@refused(AlignmentError, "another order")
def offsets_of_new_rows_in_another_order_predicted() -> None:
    with_offset().predict(obs.iloc[order], offset=w)


@refused(AlignmentError, "another order")
def offsets_of_new_rows_in_another_order_sampled() -> None:
    with_offset().sample(named, offset=w.set_axis(names).iloc[order], seed=1)


@refused(AlignmentError, "another order")
def size_factors_of_new_rows_in_another_order_estimated() -> None:
    with_offset().estimate(named, size_factors=w.set_axis(names).iloc[order], offset=w)


@refused(AlignmentError, "log scale", "size_factors=")
def total_counts_for_the_offset_of_new_rows() -> None:
    with_offset().predict(obs, offset=np.full(CELLS, 5000.0))


# Clusters ----------------------------------------------------------------------------------


def _clustered(groups: object) -> nbglm.NegBinResults:
    return fit(cov_type="cluster", cov_kwds={"groups": groups})


@refused(AlignmentError, "groups", "another order")
def clusters_in_another_order() -> None:
    _clustered(obs["donor"].iloc[order])


@refused(AlignmentError, "groups", "another order")
def clusters_in_another_order_after_the_fit() -> None:
    fit().with_cov("cluster", {"groups": obs["donor"].iloc[order]})


@answered
def clusters_however_given() -> None:
    wanted = _clustered("donor").bse["beta"]
    donors = obs["donor"]
    for way in (
        donors,
        donors.to_frame(),
        donors.tolist(),
        donors.astype("category"),
        list(donors),
    ):
        pd.testing.assert_frame_equal(_clustered(way).bse["beta"], wanted)


@refused(AlignmentError, "none is given for '0'")
def a_cell_without_a_cluster_in_a_list() -> None:
    _clustered([np.nan, *obs["donor"].tolist()[1:]])


@refused(AlignmentError, "masked")
def masked_clusters() -> None:
    _clustered(np.ma.array(np.arange(CELLS) % 12, mask=np.arange(CELLS) < 2))


@refused(AlignmentError, "unhashable")
def clusters_that_are_lists() -> None:
    _clustered(pd.Series([[k] for k in range(CELLS)]))


# The arrays of a single model --------------------------------------------------------------

design = pd.DataFrame({"const": 1.0, "x": obs["x"]})
response = counts["a"]


@refused(AlignmentError, "endog", "exog", "another order")
def a_design_in_another_order() -> None:
    nbglm.NegBinModel(response, design.iloc[order])


@refused(AlignmentError, "endog and exog have different row labels", "reset_index")
def a_named_response_beside_a_numbered_design() -> None:
    nbglm.NegBinModel(response.set_axis(names), design)


def _part_in_another_order(what: str) -> None:
    def act() -> None:
        part = design.iloc[order] if what == "exog_dispersion" else w.iloc[order]
        nbglm.NegBinModel(response, design, **{what: part})

    act.__name__ = f"{what}_of_a_model_in_another_order"
    refused(AlignmentError, what, "another order")(act)


for _what in ("exog_dispersion", "offset", "exposure", "weights"):
    _part_in_another_order(_what)


@refused(AlignmentError, "must not be negative")
def a_negative_weight_of_a_model() -> None:
    nbglm.NegBinModel(response, design, weights=-w)


@refused(AlignmentError, "offset=", "finite")
def a_missing_offset_of_a_model() -> None:
    nbglm.NegBinModel(response, design, offset=w.where(w.index > 2))


@refused(AlignmentError, "log scale")
def an_offset_of_a_model_on_another_scale() -> None:
    nbglm.NegBinModel(response, design, offset=w + 1000.0)


@refused(AlignmentError, "endog has masked entries")
def a_masked_response() -> None:
    nbglm.NegBinModel(np.ma.array(response, mask=response > 3), design)


@refused(AlignmentError, "endog must hold numbers", "is a str")
def a_response_of_text() -> None:
    nbglm.NegBinModel(response.astype(str), design)


@refused(AlignmentError, "(60, 2)", "fit_negbin")
def two_responses() -> None:
    nbglm.NegBinModel(counts, design)


@refused(AlignmentError, "no rows")
def a_response_without_rows() -> None:
    nbglm.NegBinModel(response[:0], design[:0])


@refused(AlignmentError, "another order")
def an_offset_in_another_order_beside_a_formula() -> None:
    nbglm.NegBinModel.from_formula("a ~ x", obs.assign(a=response), offset=w.iloc[order])


@refused(AlignmentError, "weights")
def weights_in_another_order_beside_rows_that_are_dropped() -> None:
    table = obs.assign(a=response, x=obs["x"].where(obs.index > 3))
    nbglm.NegBinModel.from_formula("a ~ x", table, weights=w.iloc[order])
