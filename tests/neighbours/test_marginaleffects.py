"""marginaleffects on our fits, beside our own marginal effects and predictions."""

import numpy as np
import pandas as pd
import pytest

import nbglm
from nbglm.neighbours.extras import import_extra
from nbglm.neighbours.marginaleffects import for_marginaleffects

CLOSE = {"rtol": 1e-5, "atol": 1e-8}  # their derivatives are differences


def make_data():
    rng = np.random.default_rng(20261203)
    n = 400
    data = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "treated": rng.choice(["no", "yes"], n),
            "site": rng.choice(["s1", "s2", "s3"], n),
            "years": rng.uniform(0.5, 2.0, n),
            "type": rng.choice(["a", "b"], n),
            "gaps": np.where(rng.random(n) < 0.1, np.nan, 1.0),
        }
    )
    treated = (data["treated"] == "yes").to_numpy()
    mean = data["years"] * np.exp(1.0 + 0.3 * data["x"] + 0.5 * treated)
    r = np.exp(0.5 + 0.7 * treated)
    data["y"] = rng.poisson(rng.gamma(r, mean / r))
    return data


DATA = make_data()
FORMULA = "y ~ x + treated + site"


@pytest.fixture(scope="module")
def me():
    return pytest.importorskip("marginaleffects")


@pytest.fixture(scope="module")
def fit():
    return nbglm.NegBinModel.from_formula(FORMULA, DATA, dispersion="~ treated").fit()


def column(result, name="estimate"):
    return result[name].to_numpy() if hasattr(result, "columns") else result.data[name].to_numpy()


def test_average_slopes_are_those_of_get_margeff(me, fit):
    theirs = me.avg_slopes(for_marginaleffects(fit), variables=["x", "treated"])
    ours = fit.get_margeff(dummy=True).summary_frame()
    ours = ours.loc[["treated[T.yes]", "x"]]
    np.testing.assert_allclose(np.sort(column(theirs)), np.sort(ours["dy/dx"].to_numpy()), **CLOSE)
    np.testing.assert_allclose(
        np.sort(column(theirs, "std_error")), np.sort(ours["Std. Err."].to_numpy()), **CLOSE
    )


@pytest.mark.parametrize("which", ["mean", "linear", "var", "dispersion", "linear-dispersion"])
def test_predictions_are_those_of_get_prediction(me, fit, which):
    rows = DATA.drop(columns=["y", "type", "gaps"]).head(15)
    theirs = me.predictions(for_marginaleffects(fit, which), newdata=rows)
    ours = fit.get_prediction(rows, which=which)
    np.testing.assert_allclose(column(theirs), ours.predicted, rtol=1e-12)
    np.testing.assert_allclose(column(theirs, "std_error"), ours.se, **CLOSE)


def test_average_predictions_are_those_of_get_prediction(me, fit):
    theirs = me.avg_predictions(for_marginaleffects(fit))
    ours = fit.get_prediction(average=True)
    np.testing.assert_allclose(column(theirs), ours.predicted, rtol=1e-10)
    np.testing.assert_allclose(column(theirs, "std_error"), ours.se, **CLOSE)
    np.testing.assert_allclose(
        np.r_[column(theirs, "conf_low"), column(theirs, "conf_high")],
        np.ravel(ours.conf_int()),
        **CLOSE,
    )


def test_mean_and_size_are_groups(me, fit):
    both = for_marginaleffects(fit, ["mean", "dispersion"])
    table = me.avg_comparisons(both, variables="treated")
    groups = list(column(table, "group"))
    assert sorted(groups) == ["dispersion", "mean"]
    for which in ("mean", "dispersion"):
        alone = me.avg_comparisons(for_marginaleffects(fit, which), variables="treated")
        k = groups.index(which)
        np.testing.assert_allclose(column(table)[k], column(alone)[0], rtol=1e-12)
        np.testing.assert_allclose(
            column(table, "std_error")[k], column(alone, "std_error")[0], rtol=1e-9
        )
    sizes = np.exp(fit.params["dispersion-Intercept"])
    change = sizes * np.exp(fit.params["dispersion-treated[T.yes]"]) - sizes
    np.testing.assert_allclose(column(table)[groups.index("dispersion")], change)


def test_exposures_go_along(me):
    fit = nbglm.NegBinModel.from_formula(FORMULA, DATA, exposure="years").fit()
    theirs = me.avg_comparisons(for_marginaleffects(fit), variables="treated")
    yes, no = (fit.predict(DATA.assign(treated=level)).mean() for level in ("yes", "no"))
    np.testing.assert_allclose(column(theirs), [yes - no], rtol=1e-10)


def test_other_covariances_go_by_their_names(me, fit):
    theirs = me.avg_slopes(for_marginaleffects(fit), variables="x", vcov="HC0")
    robust = me.avg_slopes(for_marginaleffects(fit.with_cov("HC0")), variables="x")
    np.testing.assert_array_equal(column(theirs, "std_error"), column(robust, "std_error"))
    plain = me.avg_slopes(for_marginaleffects(fit), variables="x", vcov="oim")
    assert column(plain, "std_error") != column(theirs, "std_error")


def test_hypotheses_are_wald_tests(me, fit):
    theirs = me.hypotheses(for_marginaleffects(fit))
    np.testing.assert_array_equal(column(theirs), fit.params)
    np.testing.assert_allclose(column(theirs, "std_error"), fit.bse, **CLOSE)
    np.testing.assert_allclose(column(theirs, "p_value"), fit.pvalues, rtol=1e-6, atol=1e-12)


def test_a_gene_of_an_adata_is_a_model_too(me):
    adata = nbglm.datasets.simulate_cells(300, 3, seed=2)
    formula = {"mean": "~ cell_type + pseudotime", "dispersion": "~ condition"}
    fit = nbglm.fit_negbin(adata, formula, size_factors="size_factor", progress=False)
    model = for_marginaleffects(fit.gene("gene2"))
    table = me.avg_predictions(model, by="cell_type")
    means = fit.predict()["mean"]["gene2"].groupby(adata.obs["cell_type"], observed=True).mean()
    found = dict(zip(column(table, "cell_type"), column(table), strict=True))
    assert found == pytest.approx(means.to_dict())


def test_an_aliased_column_changes_nothing(me):
    twice = DATA.assign(again=2.0 * DATA["x"])
    fit = nbglm.NegBinModel.from_formula("y ~ x + again + treated", twice).fit()
    alone = nbglm.NegBinModel.from_formula("y ~ x + treated", DATA).fit()
    for name in ("estimate", "std_error"):
        one, other = (
            column(me.avg_comparisons(for_marginaleffects(model), variables="treated"), name)
            for model in (fit, alone)
        )
        np.testing.assert_allclose(one, other, **CLOSE)


def test_what_has_no_slopes_is_refused_in_words(me, fit):
    zero = DATA.assign(y=np.where(DATA["site"] == "s3", 0, DATA["y"]))
    with pytest.raises(nbglm.UnavailableError, match=r"site\[T.s3\].*separated"):
        for_marginaleffects(nbglm.NegBinModel.from_formula(FORMULA, zero).fit())
    with pytest.raises(nbglm.OptionError, match="Did you mean 'mean'"):
        for_marginaleffects(fit, "meen")
    with pytest.raises(nbglm.OptionError, match="one or several different"):
        for_marginaleffects(fit, ["mean", "mean"])
    many = nbglm.fit_negbin(DATA[["y"]], "~ x", obs=DATA, progress=False)
    with pytest.raises(nbglm.InputTypeError, match=r"res.gene\(name\)"):
        for_marginaleffects(many)
    arrays = nbglm.NegBinModel(DATA["y"], np.column_stack([np.ones(400), DATA["x"]])).fit()
    with pytest.raises(nbglm.UnavailableError, match="from_formula"):
        for_marginaleffects(arrays)
    with pytest.raises(nbglm.UnavailableError, match="needs the counts or the cells"):
        for_marginaleffects(many.without_data().gene("y"))


def test_a_package_that_is_not_there_is_named_with_the_command_that_brings_it():
    with pytest.raises(nbglm.UnavailableError, match=r"pip install 'nbglm\[neighbours\]'"):
        import_extra("a_package_that_nobody_has.part", "neighbours")


def test_a_package_that_is_broken_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import another_that_nobody_has")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="another_that_nobody_has"):
        import_extra("broken_package", "neighbours")
