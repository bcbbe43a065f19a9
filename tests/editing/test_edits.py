"""Coefficients are given other values: a new fit, with the truth beside what it replaced."""

import hashlib
import pickle
import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import nbglm
from nbglm.status import SENTENCES

CELLS = 240
GENES = ["A", "zero", "lower", "poisson", "ü/1", "first"]
FORMULA = {"mean": "~ arm + x", "dispersion": "~ 1"}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(20261201)
    obs = pd.DataFrame(
        {"x": rng.normal(size=CELLS), "arm": np.tile(["a", "b", "c"], CELLS // 3)},
        index=[f"cell{i}" for i in range(CELLS)],
    )
    mean = np.exp(1.0 + 0.4 * obs["x"].to_numpy()[:, None] * np.ones(6))
    counts = rng.negative_binomial(2.0, 2.0 / (2.0 + mean))
    counts[:, 1] = 0
    counts[obs["arm"] == "b", 2] = 0
    counts[:, 3] = rng.binomial(6, 0.5, CELLS)
    counts[obs["arm"] == "a", 5] = 0
    var = pd.DataFrame({"symbol": list("uvwxyz")}, index=GENES)
    return anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=var)


@pytest.fixture(scope="module")
def fit(data):
    found = nbglm.fit_negbin(data, FORMULA, progress=False)
    words = ["ok", "all_zero", "separated", "poisson_limit", "ok", "separated"]
    assert found.status.tolist() == words
    assert found.params["beta"].loc["Intercept", "first"] == -np.inf
    return found


def same_counts(one, other):
    return one.shape == other.shape and not (one.X != other.X).nnz


# A new fit ----------------------------------------------------------------------------------------


def test_an_edit_is_a_new_fit_and_the_old_one_stays(fit):
    before = fit.to_frame()
    changed = fit.edit("x", ["A", "poisson"], add=0.5)
    pd.testing.assert_frame_equal(fit.to_frame(), before)
    old, new = fit.params["beta"].loc["x"], changed.params["beta"].loc["x"]
    assert new[["A", "poisson"]].tolist() == (old[["A", "poisson"]] + 0.5).tolist()
    rest = ["lower", "ü/1", "first"]
    assert new[rest].tolist() == old[rest].tolist()
    assert changed.status.tolist() == ["planted", *fit.status[1:3], "planted", *fit.status[4:]]
    assert fit.planted.empty
    assert fit.edits == ()


def test_predictions_are_those_of_the_planted_coefficients(fit, data):
    changed = fit.with_params(
        {
            "beta": {("arm[T.b]", "A"): 1.5, ("Intercept", "A"): 0.25},
            "gamma": {("Intercept", ("A", "poisson")): 0.7},
        }
    )
    slope = fit.params["beta"].loc["x", "A"]
    c = fit.params["beta"].loc["arm[T.c]", "A"]
    arm = data.obs["arm"].map({"a": 0.0, "b": 1.5, "c": c}).to_numpy(dtype=float)
    told = changed.predict()
    expected = np.exp(0.25 + arm + slope * data.obs["x"].to_numpy())
    np.testing.assert_allclose(told["mean"]["A"], expected, rtol=1e-12)
    np.testing.assert_allclose(told["dispersion"][["A", "poisson"]], np.exp(0.7), rtol=1e-14)
    others = ["zero", "lower", "ü/1", "first"]
    pd.testing.assert_frame_equal(
        told["mean"][others], fit.predict()["mean"][others], check_exact=True
    )


def test_genes_that_were_not_edited_keep_all_to_the_last_bit(fit):
    changed = fit.edit("x", "A", to_null=True)
    before, after = fit.to_frame(), changed.to_frame()
    rest = (before["gene"] != "A").to_numpy()
    pd.testing.assert_frame_equal(before[rest], after[rest], check_exact=True)
    others = fit.gene_names.drop("A")
    tests = fit.wald_test("arm").drop(columns="p_adjusted").loc[others]
    again = changed.wald_test("arm").drop(columns="p_adjusted").loc[others]
    pd.testing.assert_frame_equal(tests, again, check_exact=True)
    pd.testing.assert_series_equal(fit.llf[others], changed.llf[others], check_exact=True)


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_edited_genes_have_no_inference_but_a_status_that_says_so(fit):
    changed = fit.edit("x", "poisson", add=0.1)
    table = changed.to_frame().set_index("gene").loc["poisson"]
    assert set(table["status"]) == {"planted"}
    numbers = table[["std_err", "z", "p_value", "log_p_value", "ci_lower", "ci_upper"]]
    assert numbers.isna().all(axis=None)
    assert np.isnan(changed.llf["poisson"])
    assert changed.converged["poisson"]
    for test in (
        changed.wald_test("arm"),
        changed.t_test("x"),
        changed.score_test("~ I(x**2)"),
        changed.overdispersion_test(),
        changed.goodness_of_fit("zeros"),
        changed.estimate("x", scale="response"),
        changed.t_test("arm[T.b] - arm[T.c]"),
    ):
        row = test.loc["poisson"]
        assert row["status"] == "planted"
        assert np.isnan(row.get("p_value", row.get("lr_pvalue", row.get("std_err"))))
    profile = changed.conf_int(method="profile", genes="poisson", progress=False)
    assert profile["beta"].isna().all(axis=None)
    assert profile["gamma"].isna().all(axis=None)
    assert np.isnan(changed.predict(interval=0.9)["mean_lower"]["poisson"]).all()
    assert SENTENCES["planted"] in changed.explain("poisson")
    one = changed.gene("poisson")
    assert one.status == "planted"
    assert np.isnan(one.bse).all()
    for kind in ("eim", "HC1"):
        assert changed.with_cov(kind).bse["beta"]["poisson"].isna().all()


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_comparisons_with_edited_genes_have_no_p_value(fit, data):
    smaller = nbglm.fit_negbin(data, "~ x", progress=False)
    for full, reduced in (
        (fit.edit("x", "A", add=1.0), smaller),
        (fit, smaller.edit("x", "A", add=1.0)),
    ):
        test = nbglm.lr_test(full, reduced)
        assert test.loc["A", "status"] == "planted"
        assert np.isnan(test.loc["A", "p_value"])
        usual = nbglm.lr_test(fit, smaller)
        assert test.loc["ü/1", "p_value"] == usual.loc["ü/1", "p_value"]
    table = nbglm.compare({"small": smaller, "large": fit.edit("x", "A", add=1.0)})
    assert np.isnan(table.loc[("A", "large"), "aic"])
    assert table.loc[("A", "large"), "status"] == "planted"
    found = fit.edit("x", "A", add=1.0).anova()
    assert (found.loc["A", "status"] == "planted").all()


def test_params_as_they_are_change_nothing(fit):
    assert fit.with_params(fit.params) is fit
    assert fit.with_params({}) is fit
    again = fit.edit("x", "A", multiply=2.0)
    assert again.with_params(again.params) is again


def test_a_frame_may_have_some_coefficients_of_some_genes(fit):
    beta = pd.DataFrame({"ü/1": [0.5, -0.5], "A": [0.1, 0.2]}, index=["x", "Intercept"])
    changed = fit.with_params({"beta": beta})
    found = changed.params["beta"].loc[beta.index, beta.columns]
    pd.testing.assert_frame_equal(found, beta, check_names=False)
    assert (changed.status == "planted").sum() == 2


def test_edits_in_a_row_keep_the_estimates_of_the_fit(fit):
    one = fit.edit("x", "A", add=1.0)
    two = one.edit("x", "A", multiply=-1.0).edit("Intercept", "A", add=0.5, component="dispersion")
    table = two.planted.set_index(["component", "term"])
    estimate = fit.params["beta"].loc["x", "A"]
    assert table.loc[("mean", "x"), "estimate"] == estimate
    assert table.loc[("mean", "x"), "planted"] == -(estimate + 1.0)
    gamma = fit.params["gamma"].loc["Intercept", "A"]
    assert table.loc[("dispersion", "Intercept"), "planted"] == gamma + 0.5
    assert len(two.edits) == 3
    assert "multiply=-1.0" in two.edits[1]
    assert repr(two).count("edited: edit(") == 3


def test_terms_of_several_columns_are_changed_in_all_of_them(data):
    fit = nbglm.fit_negbin(data[:, ["A", "ü/1"]], "~ bs(x, df=4) + arm", progress=False)
    null = fit.edit(["bs(x, df=4)", "arm"], to_null=True)
    beta = null.params["beta"]
    assert (beta.drop("Intercept") == 0.0).all(axis=None)
    assert beta.loc["Intercept"].tolist() == fit.params["beta"].loc["Intercept"].tolist()
    assert (np.ptp(null.predict()["mean"], axis=0) == 0.0).all()
    half = fit.edit("arm", multiply=0.5).params["beta"]
    for term in ("arm[T.b]", "arm[T.c]"):
        assert half.loc[term].tolist() == (0.5 * fit.params["beta"].loc[term]).tolist()


def test_numbers_for_each_gene_go_by_order_or_by_name(fit):
    genes = ["ü/1", "A"]
    by_order = fit.edit("x", genes, add=[0.1, 0.2]).params["beta"].loc["x"]
    by_name = fit.edit("x", genes, add=pd.Series({"A": 0.2, "ü/1": 0.1})).params["beta"].loc["x"]
    assert by_order.equals(by_name)
    assert by_order["A"] == fit.params["beta"].loc["x", "A"] + 0.2
    mask = fit.edit("x", fit.status == "ok", add=[0.2, 0.1]).params["beta"].loc["x"]
    assert mask.equals(by_order)


# Limits -------------------------------------------------------------------------------------------


def test_a_silent_level_gets_a_mean_and_a_gene_at_a_limit_a_size(fit, data):
    changed = fit.with_params(
        {"beta": {("arm[T.b]", "lower"): 0.5}, "gamma": {("Intercept", "poisson"): 0.0}}
    )
    mean = changed.predict()["mean"]["lower"]
    b = (data.obs["arm"] == "b").to_numpy()
    coef = fit.params["beta"]["lower"]
    expected = np.exp(coef["Intercept"] + 0.5 + coef["x"] * data.obs["x"].to_numpy()[b])
    np.testing.assert_allclose(mean[b], expected, rtol=1e-12)
    assert (changed.predict()["dispersion"]["poisson"] == 1.0).all()
    assert changed.planted["estimate"].tolist() == [-np.inf, np.inf]
    assert (changed.sample(seed=1)[b, "lower"].X > 0).sum() > 10


def test_levels_can_be_silenced_and_genes_made_poisson(fit, data):
    changed = fit.with_params(
        {"beta": {("arm[T.c]", "A"): -np.inf}, "gamma": {("Intercept", "A"): np.inf}}
    )
    c = (data.obs["arm"] == "c").to_numpy()
    told = changed.predict()
    assert (told["mean"]["A"][c] == 0.0).all()
    assert (told["mean"]["A"][~c] > 0.0).all()
    assert np.isinf(told["dispersion"]["A"]).all()
    assert changed.t_test("arm[T.c]").loc["A", "estimate"] == -np.inf
    assert changed.coef_status["beta"].loc["arm[T.c]", "A"] == "planted"
    assert not changed.sample(seed=1)[c, "A"].X.nnz


def test_half_a_limit_is_refused(fit):
    """The reference level is silent: intercept and both other levels are infinite together."""
    with pytest.raises(nbglm.OptionError, match=r"'first'.*Intercept.*infinite together"):
        fit.with_params({"beta": {("arm[T.b]", "first"): 0.5}})
    beta = {("Intercept", "first"): 0.1, ("arm", "first"): 0.2}
    assert (fit.with_params({"beta": beta}).predict()["mean"]["first"] > 0.0).all()


def test_sums_with_infinite_and_missing_coefficients_are_refused(fit):
    with pytest.raises(
        nbglm.OptionError, match=r"mean arm\[T.b\] is -inf in 1 of the 1 genes.*'lower'"
    ):
        fit.edit("arm[T.b]", "lower", add=1.0)
    with pytest.raises(nbglm.OptionError, match=r"in 3 of the 6 genes .*genes=res.status == 'ok'"):
        fit.edit("arm", multiply=2.0)
    assert (fit.edit("arm", fit.status == "ok", multiply=2.0).status == "planted").sum() == 2


def test_means_of_infinity_and_numbers_that_are_none_are_refused(fit):
    for value, words in ((np.inf, "would become inf"), (np.nan, "would become NaN")):
        with pytest.raises(nbglm.OptionError, match=f"gene 'A': 'mean x' {words}"):
            fit.with_params({"beta": {("x", "A"): value}})
    with pytest.raises(nbglm.OptionError, match="mean of some cells would be, too"):
        fit.with_params({"beta": {("x", "A"): -np.inf}})


def test_genes_without_counts_have_no_effects_and_get_a_mean_only_as_a_whole(fit):
    null = fit.edit("x", to_null=True)
    assert null.status["zero"] == "all_zero"
    assert (null.predict()["mean"]["zero"] == 0.0).all()
    with pytest.raises(nbglm.OptionError, match=r"'zero': all its counts are 0"):
        fit.with_params({"beta": {("x", "zero"): 0.5}})
    whole = {(term, "zero"): 0.5 for term in fit.design.mean.terms}
    with pytest.raises(nbglm.OptionError, match="say nothing of 'dispersion Intercept'"):
        fit.with_params({"beta": whole})
    new = fit.with_params({"beta": whole, "gamma": {("Intercept", "zero"): 1.0}})
    assert new.sample(seed=1)[:, "zero"].X.sum() > 100
    assert new.planted.set_index("term").loc["x", "estimate"] != 0.5


def test_sizes_that_become_relevant_have_to_be_given(data):
    fit = nbglm.fit_negbin(data, {"mean": "~ arm", "dispersion": "~ arm"}, progress=False)
    with pytest.raises(nbglm.OptionError, match=r"say nothing of 'dispersion arm\[T.b\]'"):
        fit.with_params({"beta": {("arm[T.b]", "lower"): 0.5}})
    size = {("arm[T.b]", "lower"): 0.1}
    new = fit.with_params({"beta": {("arm[T.b]", "lower"): 0.5}, "gamma": size})
    assert new.status["lower"] == "planted"


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_aliased_columns_cannot_be_edited_but_are_null_with_their_term(data):
    obs = data.obs.assign(twice=2.0 * data.obs["x"])
    counts = pd.DataFrame(data.X.toarray(), data.obs_names, GENES)[["A", "ü/1"]]
    fit = nbglm.fit_negbin(counts, "~ x + twice", obs=obs, progress=False)
    with pytest.raises(nbglm.OptionError, match="'mean twice' is aliased"):
        fit.with_params({"beta": {"twice": 0.5}})
    null = fit.edit(["x", "twice"], to_null=True)
    assert (np.ptp(null.predict()["mean"], axis=0) == 0.0).all()
    assert null.coef_status["beta"].loc["twice"].tolist() == ["aliased", "aliased"]
    shared = nbglm.fit_negbin(
        counts, "~ x + twice", obs=obs, rank_deficient="min_norm", progress=False
    )
    null = shared.edit(["x", "twice"], to_null=True)
    assert (np.ptp(null.predict()["mean"], axis=0) == 0.0).all()


def test_genes_that_did_not_converge_are_no_ground_to_build_on(fit):
    from dataclasses import replace

    arrays = fit.arrays.of_genes(np.arange(6))
    status = arrays.status.copy()
    status[0] = 0
    failed = replace(fit, arrays=replace(arrays, status=status))
    with pytest.raises(nbglm.OptionError, match=r"1 genes did not converge.*'A'"):
        failed.edit("x", "A", add=1.0)


# The truth goes along -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def edited(fit):
    return fit.edit("x", ["A", "ü/1"], add=[0.5, -0.5]).edit(
        "Intercept", "A", add=-1.0, component="dispersion"
    )


def test_samples_carry_what_was_planted(fit, edited, data):
    sample = edited.sample(seed=3)
    var = sample.var
    assert var["symbol"].tolist() == data.var["symbol"].tolist()
    assert var["planted"].tolist() == [True, False, False, False, True, False]
    np.testing.assert_array_equal(var["planted_x"], edited.params["beta"].loc["x"])
    np.testing.assert_array_equal(var["estimate_x"], fit.params["beta"].loc["x"])
    size = edited.params["gamma"].loc["Intercept"]
    np.testing.assert_array_equal(var["planted_dispersion_Intercept"], size)
    assert list(sample.uns["nbglm_sample"]["edits"]) == list(edited.edits)
    usual = fit.sample(seed=3)
    assert list(usual.var) == ["symbol"]
    assert "edits" not in usual.uns["nbglm_sample"]
    rest = ["zero", "lower", "poisson", "first"]
    assert same_counts(usual[:, rest], sample[:, rest])


@pytest.mark.parametrize("name", ["sample.h5ad", "sample.zarr"])
@pytest.mark.filterwarnings("ignore:.*zarr:UserWarning", "ignore:.*zarr:FutureWarning")
def test_files_hold_the_same_truth(edited, tmp_path, name):
    edited.sample(seed=3, out=tmp_path / name)
    read = anndata.read_zarr if name.endswith("zarr") else anndata.read_h5ad
    again, sample = read(tmp_path / name), edited.sample(seed=3)
    assert same_counts(again, sample)
    pd.testing.assert_frame_equal(again.var, sample.var, check_dtype=False, check_index_type=False)
    assert list(again.uns["nbglm_sample"]["edits"]) == list(edited.edits)


@pytest.mark.filterwarnings("ignore:Forward slashes:FutureWarning")  # of the column of obs
def test_names_with_slashes_become_keys_that_files_take(data, tmp_path):
    obs = data.obs.assign(**{"a/b": data.obs["arm"]})
    counts = pd.DataFrame(data.X.toarray(), data.obs_names, GENES)[["A", "ü/1"]]
    fit = nbglm.fit_negbin(counts, "~ Q('a/b')", obs=obs, progress=False)
    edited = fit.edit(fit.design.mean.terms[1], "A", add=1.0)
    edited.sample(seed=1, out=tmp_path / "x.h5ad")
    names = list(anndata.read_h5ad(tmp_path / "x.h5ad").var)
    assert names[0] == "planted"
    assert "/" not in "".join(names)


def test_a_column_that_is_there_already_is_not_overwritten(data):
    again = data.copy()
    again.var["planted_x"] = 1.0
    fit = nbglm.fit_negbin(again, FORMULA, progress=False).edit("x", "A", add=1.0)
    with pytest.raises(nbglm.OptionError, match=r"columns 'planted_x' already.*rename"):
        fit.sample(seed=1)


def assert_same_fit(one, other):
    pd.testing.assert_frame_equal(one.to_frame(), other.to_frame(), check_exact=True)
    pd.testing.assert_frame_equal(one.planted, other.planted, check_exact=True)
    assert one.edits == other.edits


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
@pytest.mark.parametrize("data_too", [True, False])
def test_edits_survive_files_pickles_and_the_loss_of_data(edited, data, tmp_path, data_too):
    edited.save(tmp_path / "fit.h5ad", data=data_too)
    new = data.obs.iloc[:50]
    for other in (
        nbglm.load(tmp_path / "fit.h5ad"),
        pickle.loads(pickle.dumps(edited)),
        edited.without_data(),
    ):
        assert_same_fit(other, edited)
        assert same_counts(other.sample(new, seed=5), edited.sample(new, seed=5))
        pd.testing.assert_frame_equal(
            other.sample(new, seed=5).var, edited.sample(new, seed=5).var, check_exact=True
        )


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_edits_survive_anndata_and_a_choice_of_genes(edited, data):
    kept = edited.to_anndata(data, copy=True)
    assert_same_fit(nbglm.from_anndata(kept), edited.without_data())
    cut = nbglm.from_anndata(kept[:, ["ü/1", "poisson", "A"]].copy())
    some = edited[["ü/1", "poisson", "A"]]
    assert cut.planted["gene"].tolist() == ["ü/1", "A", "A"]
    pd.testing.assert_frame_equal(cut.planted, some.planted, check_exact=True)
    new = data.obs.iloc[:50]
    assert same_counts(cut.sample(new, seed=5), edited.sample(new, seed=5)[:, list(some)])


def test_edits_without_data_are_those_with_them(fit, edited):
    dropped = fit.without_data()
    again = dropped.edit("x", ["A", "ü/1"], add=[0.5, -0.5]).edit(
        "Intercept", "A", add=-1.0, component="dispersion"
    )
    assert_same_fit(again, edited.without_data())
    assert not dropped.planted.size


def test_samples_are_the_same_for_any_workers_and_pieces(edited, monkeypatch):
    whole = edited.sample(seed=4, n_cells=700)
    assert same_counts(whole, edited.sample(seed=4, n_cells=700, n_jobs=2))
    monkeypatch.setattr("nbglm.simulate.drawing._GENES", 2)
    monkeypatch.setattr("nbglm.simulate.sampling._CELLS", 64)
    assert same_counts(whole, edited.sample(seed=4, n_cells=700))


def test_coefficients_cannot_be_drawn_around_what_was_planted(edited):
    with pytest.raises(nbglm.NbglmError, match="have no covariance to draw coefficients from"):
        edited.sample(seed=1, uncertainty=True)
    rest = edited[edited.status != "planted"]
    assert rest.sample(seed=1, uncertainty=True).n_vars == 4


def test_a_simulator_hands_out_edited_simulators(data):
    simulator = nbglm.NegBinRegressionSimulator(progress=False).fit(data, FORMULA)
    null = simulator.edit("x", to_null=True)
    assert simulator.results.planted.empty
    assert (null.params["beta"].loc["x"].drop("zero") == 0.0).all()
    assert null.options == simulator.options
    other = simulator.with_params({"beta": {("x", "A"): 2.0}})
    assert other.sample(seed=1).var.loc["A", "planted_x"] == 2.0


# What is refused ----------------------------------------------------------------------------------

WRONG = {
    "a term with a typo": (lambda fit: fit.edit("armm", add=1), nbglm.OptionError, "mean 'arm'"),
    "a term of the size": (
        lambda fit: fit.edit("x", add=1, component="dispersion"),
        nbglm.OptionError,
        r"the dispersion has no term 'x'.*It is in the mean \(component='mean'",
    ),
    "no term": (lambda fit: fit.edit([], add=1), nbglm.OptionError, "given no term"),
    "a number for a term": (lambda fit: fit.edit(3, add=1), nbglm.InputTypeError, "int"),
    "two edits at once": (
        lambda fit: fit.edit("x", add=1, to_null=True),
        nbglm.OptionError,
        "add= and to_null=",
    ),
    "no edit": (lambda fit: fit.edit("x"), nbglm.OptionError, "given none"),
    "an unknown gene": (lambda fit: fit.edit("x", "a", add=1), KeyError, "Did you mean 'A'"),
    "a mask of another length": (
        lambda fit: fit.edit("x", [True, False], add=1),
        nbglm.AlignmentError,
        "this fit has 6 genes",
    ),
    "a word for a number": (
        lambda fit: fit.edit("x", "A", add="much"),
        nbglm.InputTypeError,
        "'much'",
    ),
    "an infinite step": (lambda fit: fit.edit("x", "A", add=np.inf), ValueError, "must be finite"),
    "too many numbers": (
        lambda fit: fit.edit("x", "A", add=[1.0, 2.0]),
        nbglm.AlignmentError,
        "1 genes need as many",
    ),
    "a Series that lacks genes": (
        lambda fit: fit.edit("x", ["A", "ü/1"], add=pd.Series({"A": 1.0})),
        nbglm.AlignmentError,
        "lacks 'ü/1'",
    ),
    "a component of another package": (
        lambda fit: fit.edit("x", add=1, component="theta"),
        nbglm.OptionError,
        "Did you mean 'dispersion'",
    ),
    "a word in place of True": (
        lambda fit: fit.edit("x", to_null="yes"),
        nbglm.InputTypeError,
        "True or False",
    ),
    "one table": (
        lambda fit: fit.with_params(fit.params["beta"]),
        nbglm.InputTypeError,
        "it is a DataFrame",
    ),
    "a part of another name": (
        lambda fit: fit.with_params({"mean": {}}),
        nbglm.OptionError,
        "Did you mean 'beta'",
    ),
    "a frame of genes x terms": (
        lambda fit: fit.with_params({"beta": fit.params["beta"].T}),
        nbglm.OptionError,
        "no term 'A'",
    ),
    "a frame of words": (
        lambda fit: fit.with_params({"beta": pd.DataFrame({"A": ["much"]}, index=["x"])}),
        nbglm.InputTypeError,
        "must hold numbers",
    ),
    "a frame that names a term twice": (
        lambda fit: fit.with_params({"beta": pd.DataFrame({"A": [1.0, 2.0]}, index=["x", "x"])}),
        nbglm.OptionError,
        "repeat: 'x'",
    ),
    "a factor as a row": (
        lambda fit: fit.with_params({"beta": pd.DataFrame({"A": [1.0]}, index=["arm"])}),
        nbglm.OptionError,
        "'arm' has several",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_makes_no_sense_is_refused_in_a_sentence(fit, what):
    ask, kind, words = WRONG[what]
    with pytest.raises(kind, match=words):
        ask(fit)


ELSEWHERE = """
import hashlib, sys, nbglm, pandas as pd
obs = pd.read_csv(sys.argv[2], index_col=0)
sample = nbglm.load(sys.argv[1]).sample(obs, seed=9)
print(hashlib.sha256(sample.X.toarray().tobytes()).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_another_process_draws_the_same_bytes_from_a_file(edited, data, tmp_path):
    edited.save(tmp_path / "fit.h5ad")
    data.obs.to_csv(tmp_path / "obs.csv")
    told = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "fit.h5ad", tmp_path / "obs.csv"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    here = edited.sample(pd.read_csv(tmp_path / "obs.csv", index_col=0), seed=9)
    assert told == hashlib.sha256(here.X.toarray().tobytes()).hexdigest()
