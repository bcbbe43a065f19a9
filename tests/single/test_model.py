"""The model of one response beside statsmodels' own, and what is its alone."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.discrete.discrete_model import NegativeBinomial
from statsmodels.tools.sm_exceptions import MissingDataError

import nbglm
from nbglm import NegBinModel


@pytest.fixture
def data(rng):
    n = 500
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "g": rng.choice(list("abc"), n),
            "z": rng.normal(size=n),
            "hours": rng.uniform(0.5, 2, n),
            "donor": rng.choice(list("ABCDEFGHIJ"), n),
        }
    )
    mean = frame["hours"] * np.exp(1 + 0.4 * frame["x"] + 0.5 * (frame["g"] == "b"))
    size = np.exp(0.7 + 0.3 * frame["z"])
    return frame.assign(y=rng.poisson(rng.gamma(size, mean / size)))


@pytest.fixture
def pair(data):
    """Ours and statsmodels' fit of the same arrays, with exposure."""
    x = np.column_stack([np.ones(len(data)), data["x"], data["g"] == "b"]).astype(float)
    ours = NegBinModel(data["y"], x, exposure=data["hours"]).fit()
    model = NegativeBinomial(data["y"], x, exposure=data["hours"])
    return ours, model.fit(method="newton", disp=0, maxiter=200)


def test_estimates(pair):
    ours, theirs = pair
    alpha = theirs.params["alpha"]
    np.testing.assert_allclose(ours.params[:3], theirs.params[:3], rtol=1e-8)
    np.testing.assert_allclose(ours.params["dispersion-const"], -np.log(alpha), rtol=1e-8)
    np.testing.assert_allclose(ours.bse[:3], theirs.bse[:3], rtol=1e-7)
    for name in ("llf", "llnull", "aic", "bic", "prsquared", "llr", "df_model", "nobs"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-8), name
    np.testing.assert_allclose(ours.resid_pearson, theirs.resid_pearson, rtol=1e-6)
    np.testing.assert_allclose(ours.fittedvalues, theirs.predict(), rtol=1e-8)
    np.testing.assert_allclose(ours.pvalues[:3], theirs.pvalues[:3], rtol=1e-6)
    np.testing.assert_allclose(ours.conf_int()[:3], theirs.conf_int()[:3], rtol=1e-6)


def test_predictions(pair):
    ours, theirs = pair
    rows = np.array([[1.0, 0.3, 1.0], [1.0, -2.0, 0.0]])
    for which in ("mean", "linear", "var"):
        np.testing.assert_allclose(
            ours.predict(rows, exposure=[2.0, 3.0], which=which),
            theirs.predict(rows, exposure=[2.0, 3.0], which=which),
            rtol=1e-7,
        )
    np.testing.assert_allclose(
        ours.predict(rows, which="prob", y_values=[0, 4]),
        theirs.predict(rows, which="prob", y_values=np.array([0, 4])),
        rtol=1e-7,
    )
    assert ours.predict(which="prob").shape == (500, ours.model.endog.max() + 1)
    with pytest.warns(UserWarning, match="default log-link"):
        peer = theirs.get_prediction(rows).summary_frame()
    np.testing.assert_allclose(ours.get_prediction(rows).summary_frame(), peer, rtol=1e-6)
    for which in ("var", "prob"):
        options = {"which": which, "average": True}
        if which == "prob":
            options["y_values"] = np.array([0, 1, 2])
        np.testing.assert_allclose(
            ours.get_prediction(rows, **options).summary_frame(),
            theirs.get_prediction(rows, **options).summary_frame(),
            rtol=1e-5,
        )


def test_marginal_effects(data):
    x = np.column_stack([np.ones(len(data)), data["x"], data["g"] == "b"]).astype(float)
    ours = NegBinModel(data["y"], x).fit()
    theirs = NegativeBinomial(data["y"], x).fit(method="newton", disp=0)
    for options in ({}, {"at": "mean"}, {"method": "eyex"}, {"dummy": True}):
        one, other = ours.get_margeff(**options), theirs.get_margeff(**options)
        np.testing.assert_allclose(one.margeff, other.margeff, rtol=1e-7)
        np.testing.assert_allclose(one.margeff_se, other.margeff_se, rtol=1e-5)


def test_score_test(pair, data):
    ours, _ = pair
    extra = (data["g"] == "c").to_numpy(dtype=float)[:, None]
    full = NegBinModel(data["y"], np.hstack([ours.model.exog, extra]), exposure=data["hours"]).fit()
    test = ours.score_test(exog_extra=extra)
    assert float(test.statistic[0]) == pytest.approx(2 * (full.llf - ours.llf), rel=0.1, abs=0.05)
    size = ours.score_test(exog_dispersion_extra=data[["z"]].to_numpy())
    full = NegBinModel(
        data["y"],
        ours.model.exog,
        np.column_stack([np.ones(500), data["z"]]),
        exposure=data["hours"],
    ).fit()
    assert float(size.statistic[0]) == pytest.approx(2 * (full.llf - ours.llf), rel=0.3)


FORMULA = ("y ~ x + C(g)", "~ z")


def from_formula(data, **options):
    return NegBinModel.from_formula(FORMULA[0], data, dispersion=FORMULA[1], **options)


def test_formulas(data):
    results = from_formula(data, exposure="hours").fit()
    many = nbglm.fit_negbin(
        data[["y"]],
        {"mean": "~ x + C(g)", "dispersion": "~ z"},
        obs=data,
        size_factors="hours",
        progress=False,
    )
    gene = many.gene("y")
    assert type(gene) is type(results)
    assert results.params.index.tolist() == [
        *("Intercept", "C(g)[T.b]", "C(g)[T.c]", "x", "dispersion-Intercept", "dispersion-z")
    ]
    pd.testing.assert_series_equal(results.params, gene.params)
    pd.testing.assert_frame_equal(results.cov_params(), gene.cov_params())
    rows = data.iloc[[4, 9]]
    for which in ("mean", "dispersion", "var", "linear", "linear-dispersion"):
        np.testing.assert_array_equal(
            results.predict(rows, which=which), gene.predict(rows, which=which)
        )
        one = results.get_prediction(rows, which=which)
        np.testing.assert_allclose(one.predicted, gene.predict(rows, which=which))
        assert (one.se > 0).all()
    z = data["z"].iloc[[4, 9]]
    np.testing.assert_allclose(
        results.predict(rows, which="linear-dispersion"),
        results.params["dispersion-Intercept"] + results.params["dispersion-z"] * z,
    )
    np.testing.assert_allclose(results.llnull, gene.llnull)
    terms = results.wald_test_terms().table
    assert terms.index.tolist() == [
        *("Intercept", "C(g)", "x", "dispersion-Intercept", "dispersion-z")
    ]
    joint = many.wald_test("C(g)").loc["y"]
    assert terms.loc["C(g)", "pvalue"] == pytest.approx(joint.p_value)
    assert results.wald_test_terms(skip_single=True).table.index.tolist() == ["C(g)"]
    pairs = results.t_test_pairwise("C(g)").result_frame
    assert pairs.loc["b-a", "coef"] == results.params["C(g)[T.b]"]


def test_prediction_errors_by_finite_differences(data):
    results = from_formula(data).fit()
    rows = data.iloc[:3]
    x, z, _ = results._tables.design.replay(rows)
    theta, covariance = results.params.to_numpy(), results.cov_params().to_numpy()
    for which in ("var", "dispersion", "mean", "prob"):
        options = {"y_values": [0, 2, 5]} if which == "prob" else {}

        def value(theta, which=which, options=options):
            return np.ravel(
                results.model.predict(theta, x, which=which, exog_dispersion=z, **options)
            )

        steps = 1e-5 * np.eye(theta.size)
        slope = np.array([(value(theta + h) - value(theta - h)) / 2e-5 for h in steps]).T
        prediction = results.get_prediction(rows, which=which, **options)
        np.testing.assert_allclose(prediction.predicted, value(theta))
        np.testing.assert_allclose(
            prediction.se, np.sqrt(np.einsum("rk,kl,rl->r", slope, covariance, slope)), rtol=1e-5
        )


def test_derivatives(data):
    model = from_formula(data, exposure="hours").fit().model
    theta = np.array([0.5, 0.2, -0.1, 0.3, 0.4, -0.6])
    steps = 1e-5 * np.eye(6)
    slope = [(model.loglike(theta + h) - model.loglike(theta - h)) / 2e-5 for h in steps]
    np.testing.assert_allclose(model.score(theta), slope, rtol=1e-6)
    curve = [(model.score(theta + h) - model.score(theta - h)) / 2e-5 for h in steps]
    np.testing.assert_allclose(model.hessian(theta), curve, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(model.score_obs(theta).sum(axis=0), model.score(theta))


def test_weights_are_frequencies(data, rng):
    weights = rng.integers(0, 3, len(data))
    one = from_formula(data, weights=weights).fit()
    other = from_formula(data.loc[data.index.repeat(weights)].reset_index(drop=True)).fit()
    np.testing.assert_allclose(one.params, other.params, rtol=1e-7)
    np.testing.assert_allclose(one.bse, other.bse, rtol=1e-7)
    for name in ("llf", "llnull", "nobs", "bic"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))


def test_missing_values(data):
    holes = data.assign(x=data["x"].where(data.index != 3), z=data["z"].where(data.index != 5))
    dropped = from_formula(holes).fit()
    complete = from_formula(data.drop(index=[3, 5])).fit()
    np.testing.assert_array_equal(dropped.params, complete.params)
    assert dropped.nobs == 498
    with pytest.raises(nbglm.AlignmentError, match="2 of 500 rows lack a value, in 'x', 'z'"):
        from_formula(holes, missing="raise")
    with pytest.raises(nbglm.FormulaError, match="column 'x' has 1 missing values"):
        from_formula(holes, missing="none")
    x = np.column_stack([np.ones(500), holes["x"]])
    z = np.column_stack([np.ones(500), holes["z"]])
    by_array = NegBinModel(data["y"], x, z, missing="drop").fit()
    assert by_array.nobs == 498
    with pytest.raises(MissingDataError, match="2 of 500 rows lack a value, in 'exog', 'exog_disp"):
        NegBinModel(data["y"], x, z, missing="raise")


def test_robust_covariances(data):
    plain = from_formula(data).fit(cov_type="nonrobust")
    assert plain.cov_type == "oim"
    robust = from_formula(data).fit(cov_type="cluster", cov_kwds={"groups": "donor"})
    again = plain.with_cov("cluster", {"groups": data["donor"]})
    np.testing.assert_array_equal(robust.bse, again.bse)
    assert not np.allclose(robust.bse, plain.bse, rtol=1e-3)
    assert "cluster" in str(robust.summary())


def test_summaries(data):
    results = from_formula(data).fit()
    text = str(results.summary())
    for words in ("LL-Null", "Pseudo R-squ.", "dispersion-z", "larger r is LESS"):
        assert words in text
    ratios = results.summary_frame(irr=True)
    np.testing.assert_allclose(ratios["coef"][:4], np.exp(results.params[:4]))
    np.testing.assert_allclose(ratios["coef"][4:], results.params[4:])
    assert "IRR" in str(results.summary(irr=True))
    assert "NegBinModel" in str(results.summary2())


def test_distribution(data):
    results = from_formula(data).fit()
    rows = data.iloc[:4]
    distribution = results.get_distribution(rows)
    mean, size = results.predict(rows), results.predict(rows, which="dispersion")
    peer = stats.nbinom(size, size / (size + mean))
    for name in ("mean", "var", "std"):
        np.testing.assert_allclose(getattr(distribution, name)(), getattr(peer, name)())
    for name in ("pmf", "cdf", "sf", "logpmf"):
        np.testing.assert_allclose(getattr(distribution, name)(3), getattr(peer, name)(3))
    np.testing.assert_array_equal(distribution.ppf(0.7), peer.ppf(0.7))
    draws = distribution.rvs(size=(20_000, 4), random_state=1)
    assert np.abs(draws.mean(axis=0) - mean).max() < 5 * (peer.std() / np.sqrt(20_000)).max()


def test_limits(data):
    frame = data.assign(y=np.where(data["g"] == "c", 0, np.random.default_rng(0).poisson(3, 500)))
    results = NegBinModel.from_formula("y ~ x + g", frame).fit()
    assert results.status == "separated"
    rows = pd.DataFrame({"x": [0.0, 0.0], "g": ["a", "c"]})
    assert results.predict(rows)[1] == 0.0
    prediction = results.get_prediction(rows)
    assert np.isfinite(prediction.se[0])
    assert np.isnan(prediction.se[1])
    distribution = results.get_distribution(rows)
    assert distribution.pmf(0)[1] == 1.0
    if results.coef_status["dispersion-Intercept"] == "poisson_limit":
        np.testing.assert_allclose(
            distribution.pmf(2)[0], stats.poisson.pmf(2, results.predict(rows)[0])
        )
    assert (distribution.rvs(random_state=0)[1]) == 0
    assert np.isnan(results.get_prediction(rows, which="var").se[1])


def test_data_can_be_removed(data):
    results = from_formula(data, exposure="hours").fit()
    text = str(results.summary())
    before = results.predict(data.iloc[:3])
    large = len(pickle.dumps(results))
    results.remove_data()
    assert results.model.exog is None
    assert len(pickle.dumps(results)) < large / 2
    loaded = pickle.loads(pickle.dumps(results))
    for one in (results, loaded):
        np.testing.assert_array_equal(one.predict(data.iloc[:3]), before)
        assert float(one.t_test("x = 0").pvalue) < 0.05
    x = data[["x"]].to_numpy()
    arrays = NegBinModel(data["y"], x).fit()
    before = arrays.predict(x[:3])
    arrays.remove_data()
    np.testing.assert_array_equal(arrays.predict(x[:3]), before)
    assert "x" in text


def test_results_can_be_saved(data, tmp_path):
    results = NegBinModel.from_formula(
        "y ~ bs(x, df=4) + C(g)", data, dispersion="~ center(z)"
    ).fit()
    results.save(tmp_path / "fit.h5ad", data=True)
    loaded = nbglm.load(tmp_path / "fit.h5ad")
    assert str(loaded.summary()) == str(results.summary())
    rows = data.iloc[[8, 2]]
    np.testing.assert_array_equal(loaded.predict(rows), results.predict(rows))
    np.testing.assert_array_equal(loaded.wald_test_terms().table, results.wald_test_terms().table)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda d: NegBinModel.from_formula("~ x", d), nbglm.FormulaError, "no response"),
        (lambda d: NegBinModel.from_formula("y ~ xx", d), nbglm.FormulaError, "Did you mean 'x'"),
        (lambda d: NegBinModel(d.y, d[["x"]][:9]), nbglm.AlignmentError, "exog has 9 rows"),
        (lambda d: NegBinModel(d.y + 0.5, d[["x"]]).fit(), nbglm.CountsError, "'y'"),
        (lambda d: NegBinModel(d.y, d[["x"]], missing="omit"), ValueError, "missing='omit'"),
        (lambda d: NegBinModel(d.y, d[["x"]], exposure=-d.hours), nbglm.AlignmentError, "positive"),
        (lambda d: NegBinModel(d.y, d[["x"]]).fit(maxitr=3), TypeError, "Did you mean 'maxiter'"),
        (lambda d: from_formula(d).fit().predict(which="men"), ValueError, "Did you mean 'mean'"),
        (
            lambda d: NegBinModel(d.y, d[["x"]], d[["z"]]).fit().predict([[1.0]], which="var"),
            nbglm.AlignmentError,
            "need exog_dispersion",
        ),
    ],
)
def test_misuse(data, call, error, message):
    with pytest.raises(error, match=message):
        call(data)
