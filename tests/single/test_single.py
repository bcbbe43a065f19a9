"""What statsmodels' classes offer for one response: right, or refused in a sentence."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.base._parameter_inference import score_test as statsmodels_score_test
from statsmodels.discrete.discrete_model import (
    CountModel,
    CountResults,
    NegativeBinomial,
    NegativeBinomialP,
)

import nbglm
from nbglm import NegBinModel
from nbglm.exceptions import NbglmError, OptionError, UnavailableError
from nbglm.kernels.likelihood import score


@pytest.fixture
def data(rng):
    n = 60
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "g": rng.choice(list("abc"), n),
            "z": rng.normal(size=n),
            "w": rng.integers(0, 4, n),
            "donor": np.arange(n) % 12,
        }
    )
    return frame.assign(y=rng.negative_binomial(2, 0.4, n))


def fitted(data, **options):
    return NegBinModel.from_formula("y ~ x + g", data, dispersion="~ z", **options).fit()


@pytest.fixture
def pair(data):
    """A fit with frequency weights, and one of the rows repeated."""
    repeated = data.loc[data.index.repeat(data["w"])].reset_index(drop=True)
    return fitted(data, weights="w"), fitted(repeated)


@pytest.fixture
def peers(rng):
    """Ours and statsmodels' fits of the same arrays."""
    n = 200
    x = np.column_stack([np.ones(n), rng.normal(size=n), rng.integers(0, 2, n)]).astype(float)
    y = rng.negative_binomial(2, 2 / (2 + np.exp(0.8 + 0.4 * x[:, 1])))
    theirs = NegativeBinomial(y, x).fit(method="newton", disp=0, maxiter=100)
    return NegBinModel(y, x).fit(), theirs


# Frequency weights are repeated rows ------------------------------------------------------------


def extra(fit):
    """A column that is not in the model."""
    return (fit.model.exog[:, -1] * fit.model.exog_dispersion[:, -1])[:, None]


NUMBERS = {
    "params": lambda fit: fit.params,
    "bse": lambda fit: fit.bse,
    "tvalues": lambda fit: fit.tvalues,
    "pvalues": lambda fit: fit.pvalues,
    "log_pvalues": lambda fit: fit.log_pvalues,
    "cov_params": lambda fit: fit.cov_params(),
    "conf_int": lambda fit: fit.conf_int(),
    "conf_int, profile": lambda fit: fit.conf_int(method="profile"),
    "llf": lambda fit: [fit.llf, fit.llnull, fit.llr, fit.llr_pvalue, fit.prsquared],
    "sizes": lambda fit: [fit.nobs, fit.df_model, fit.df_resid, fit.n_params],
    "criteria": lambda fit: [fit.aic, fit.bic, fit.info_criteria("aic"), fit.info_criteria("bic")],
    "tic": lambda fit: fit.info_criteria("tic"),
    "gbic": lambda fit: fit.info_criteria("gbic"),
    "im_ratio": lambda fit: fit.im_ratio,
    "t_test": lambda fit: fit.t_test("x - g[T.b], dispersion-z").summary_frame(),
    "wald_test": lambda fit: fit.wald_test("g").statistic,
    "f_test": lambda fit: [fit.f_test("g").fvalue, fit.f_test("g").pvalue],
    "wald_test_terms": lambda fit: fit.wald_test_terms().table.astype(float),
    "t_test_pairwise": lambda fit: fit.t_test_pairwise("g").result_frame.iloc[:, :7],
    "score_test": lambda fit: list(fit.score_test(extra(fit))),
    "score_test, observed": lambda fit: list(fit.score_test(extra(fit), observed=True)),
    "score_test of both": lambda fit: list(fit.score_test(extra(fit), extra(fit) ** 2)),
    **{
        f"margins at {at}": lambda fit, at=at: fit.get_margeff(at).summary_frame()
        for at in ("overall", "mean", "median", "zero")
    },
    "margins, eyex": lambda fit: fit.get_margeff(method="eyex").summary_frame(),
    "margins of dummies": lambda fit: fit.get_margeff(dummy=True).summary_frame(),
    "margins at a value": lambda fit: fit.get_margeff(atexog={1: 0.5}).summary_frame(),
    "margins at values and the mean": lambda fit: fit.get_margeff(
        "mean", atexog={1: 0.5}
    ).summary_frame(),
    **{
        f"average {which}": lambda fit, which=which: fit.get_prediction(
            which=which, average=True
        ).summary_frame()
        for which in ("mean", "var", "dispersion", "linear", "prob")
    },
    "chi-squared": lambda fit: list(fit.get_diagnostic(5).test_chisquare_prob(np.arange(5))),
    "frequencies": lambda fit: fit.get_diagnostic().probs_predicted.sum(axis=0),
    "summary2": lambda fit: fit.summary2().tables[1],
    "loglike": lambda fit: fit.model.loglike(0.9 * np.asarray(fit.params)),
    "score": lambda fit: fit.model.score(0.9 * np.ones(6)),
    "hessian": lambda fit: fit.model.hessian(0.9 * np.ones(6)),
    "information": lambda fit: fit.model.information(0.9 * np.ones(6)),
    **{
        f"{name}, {kind}": lambda fit, ask=ask, kind=kind: ask(fit.with_cov(kind))
        for kind in ("eim", "HC0", "HC1")
        for name, ask in (
            ("bse", lambda fit: fit.bse),
            ("score_test", lambda fit: list(fit.score_test(extra(fit)))),
        )
    },
}


@pytest.mark.parametrize("name", NUMBERS)
def test_weights_are_repeated_rows_for_every_number(pair, name):
    one, other = (np.asarray(NUMBERS[name](fit), dtype=float) for fit in pair)
    assert np.isfinite(one).any()
    np.testing.assert_allclose(one, other, rtol=2e-6, atol=1e-9)


def test_fractional_weights_scale(data):
    """Twice the weights halve the variances, and leave averages alone."""
    half = fitted(data, weights=data["w"] / 2)
    one = fitted(data, weights=data["w"])
    np.testing.assert_allclose(half.params, one.params, rtol=1e-6)
    np.testing.assert_allclose(half.bse, np.sqrt(2) * one.bse, rtol=1e-6)
    for ask in (
        lambda fit: fit.get_margeff(),
        lambda fit: fit.get_margeff("mean"),
    ):
        np.testing.assert_allclose(ask(half).margeff, ask(one).margeff, rtol=1e-6)
        np.testing.assert_allclose(
            ask(half).margeff_se, np.sqrt(2) * ask(one).margeff_se, rtol=1e-6
        )
    average = [fit.get_prediction(average=True) for fit in (half, one)]
    np.testing.assert_allclose(average[0].predicted, average[1].predicted, rtol=1e-6)
    with pytest.raises(UnavailableError, match="whole numbers"):
        half.get_diagnostic()
    with pytest.raises(UnavailableError, match="whole numbers"):
        half.get_margeff("median")
    with pytest.raises(UnavailableError, match="repeat the rows"):
        one.get_influence()


def test_new_rows_are_not_weighted(pair, data):
    one, other = pair
    rows = data.iloc[:7]
    np.testing.assert_allclose(
        one.get_prediction(rows, average=True).predicted,
        other.get_prediction(rows, average=True).predicted,
        rtol=1e-6,
    )
    weights = np.arange(7.0)
    np.testing.assert_allclose(
        one.get_prediction(rows, average=True, agg_weights=weights).predicted,
        (weights * one.predict(rows)).mean(),
    )


# Beside statsmodels' own model ------------------------------------------------------------------


def test_same_effects_and_diagnostics_as_statsmodels(peers):
    ours, theirs = peers
    for at in ("overall", "mean", "median", "zero"):
        np.testing.assert_allclose(
            ours.get_margeff(at).summary_frame(), theirs.get_margeff(at).summary_frame(), rtol=1e-5
        )
    for options in ({"dummy": True}, {"count": True}, {"method": "eyex"}):
        one, other = (fit.get_margeff(**options).summary_frame() for fit in peers)
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-12)
    assert "NegBinModel Marginal Effects" in str(ours.get_margeff().summary())
    edges = np.arange(6)
    one, other = (fit.get_diagnostic(y_max=8).test_chisquare_prob(edges) for fit in peers)
    np.testing.assert_allclose(list(one), list(other), rtol=1e-6)
    # The parameter of statsmodels is the exponential of -gamma.
    change = np.diag([1.0, 1.0, 1.0, -1.0 / theirs.params[-1]])
    np.testing.assert_allclose(
        ours.im_ratio, change @ theirs.im_ratio @ np.linalg.inv(change), rtol=1e-5, atol=1e-8
    )
    for criterion in ("aic", "bic", "tic"):
        assert ours.info_criteria(criterion) == pytest.approx(theirs.info_criteria(criterion))
    # statsmodels' gbic does not count alpha among the coefficients.
    np.testing.assert_allclose(
        ours.info_criteria("gbic"), np.add(theirs.info_criteria("gbic"), np.log(200)), rtol=1e-6
    )


def test_same_influence_as_statsmodels(peers):
    ours, theirs = peers
    model = NegativeBinomialP(theirs.model.endog, theirs.model.exog, p=2)
    theirs = model.fit(theirs.params, method="newton", disp=0, maxiter=200)
    one, other = ours.get_influence(), theirs.get_influence()
    np.testing.assert_allclose(one.d_params[:, :3], other.d_params[:, :3], rtol=1e-4, atol=1e-9)
    for name in ("hat_matrix_diag", "d_fittedvalues", "resid_studentized"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-5)
    np.testing.assert_allclose(one.cooks_distance[0], other.cooks_distance[0], rtol=1e-5)
    assert list(one.summary_frame())[:2] == ["dfb_const", "dfb_x1"]
    y, x = ours.model.endog, ours.model.exog
    without = np.array(
        [NegBinModel(np.delete(y, i), np.delete(x, i, axis=0)).fit().params for i in range(5)]
    )
    np.testing.assert_allclose(ours.params - without, one.d_params[:5], rtol=0.3, atol=3e-4)


def test_expected_derivatives_are_those_of_the_expected_information(data):
    fit = fitted(data)
    information = fit.model.information(np.asarray(fit.params))
    np.testing.assert_allclose(
        np.linalg.inv(information), fit.with_cov("eim").cov_params(), rtol=1e-8, atol=1e-15
    )
    np.testing.assert_allclose(
        fit.model.hessian(fit.params, observed=False), -information, rtol=1e-14
    )


def test_derivatives_of_scores_by_counts(data):
    """Finite differences of the score, whose formula takes any real count."""
    fit = fitted(data)
    model, theta = fit.model, np.asarray(fit.params)
    ours = model._deriv_score_obs_dendog(theta)
    eta, zeta = model._predictors(theta)
    r, mu = np.exp(zeta), np.exp(eta)
    from scipy.special import digamma

    def by_zeta(y):
        return r * (digamma(y + r) - digamma(r) - np.log1p(mu / r) + (mu - y) / (r + mu))

    y = model.endog
    np.testing.assert_allclose(by_zeta(y), score(y, eta, zeta)[:, 1], rtol=1e-8, atol=1e-10)
    slope = (by_zeta(y + 1e-4) - by_zeta(y - 1e-4)) / 2e-4
    np.testing.assert_allclose(
        ours[:, 4:], slope[:, None] * model.exog_dispersion, rtol=1e-5, atol=1e-8
    )
    np.testing.assert_allclose(ours[:, :4], (r / (r + mu))[:, None] * model.exog, rtol=1e-12)


# One definition of the score test ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["oim", "eim", "HC0", "HC1", "cluster"])
@pytest.mark.parametrize("observed", [True, False])
def test_both_score_tests_are_one(data, kind, observed):
    options = {"groups": "donor"} if kind == "cluster" else None
    many = nbglm.fit_negbin(
        data[["y"]], {"mean": "~ x + g", "dispersion": "~ z"}, obs=data, progress=False
    ).with_cov(kind, options)
    for component, place in (("mean", "exog_extra"), ("dispersion", "exog_dispersion_extra")):
        table = many.score_test("~ np.exp(x * z) + w", component, observed=observed).loc["y"]
        columns = np.column_stack([np.exp(data["x"] * data["z"]), data["w"]])
        test = many.gene("y").score_test(**{place: columns}, observed=observed)
        statistic, pvalue = test
        assert statistic[0] == pytest.approx(table["statistic"], rel=1e-9)
        assert pvalue[0] == pytest.approx(table["p_value"], rel=1e-9)
        assert (test.k_constraint, test.distribution) == (table["df"], "chi2")


def test_score_test_with_hc0_is_that_of_boos(data):
    """Scores cleared of the old coefficients, over the sum of their squares."""
    fit = fitted(data).with_cov("HC0")
    model, theta = fit.model, np.asarray(fit.params)
    column = np.exp(data["z"]).to_numpy()
    scores = model.score_obs(theta)
    factors, second = model.score_hessian_factor(theta, return_hessian=True)
    new = column * factors[0]
    across = np.concatenate(
        [(column * second[0]) @ model.exog, (column * second[1]) @ model.exog_dispersion]
    )
    cleared = new - scores @ np.linalg.solve(model.hessian(theta), across)
    expected = cleared.sum() ** 2 / (cleared**2).sum()
    assert fit.score_test(column).statistic[0] == pytest.approx(expected)


def test_score_test_with_observed_information_is_that_of_statsmodels(data):
    fit = fitted(data)
    columns = np.exp(data[["x", "z"]].to_numpy())
    for pair in ((columns, None), (None, columns), (columns, columns**2)):
        theirs = statsmodels_score_test(fit, exog_extra=pair, cov_type="nonrobust")
        ours = fit.score_test(*pair, observed=True)
        assert ours.statistic[0] == pytest.approx(float(theirs.statistic[0]), rel=1e-6)
        assert ours.k_constraint == theirs.k_constraint


def test_score_test_says_so_where_counts_tell_nothing(data):
    """Cells of a silent level tell nothing of a column that varies among them alone."""
    counts = pd.DataFrame({"y": np.where(data["g"] == "c", 0, data["y"]), "zero": 0})
    obs = data.assign(only=np.where(data["g"] == "c", data["x"], 0.0))
    many = nbglm.fit_negbin(counts, {"mean": "~ g", "dispersion": "~ z"}, obs=obs, progress=False)
    for kind in ("oim", "HC0"):
        table = many.with_cov(kind).score_test("~ only")
        assert table["statistic"].isna().all()
        assert table["df"].tolist() == [0, 0]
        assert table["status"].tolist() == ["not_identified", "all_zero"]


# Contrasts of coefficients without errors -------------------------------------------------------


def test_one_infinite_coefficient_takes_no_other_along(data):
    counts = data.assign(y=np.where(data["g"] == "c", 0, data["y"]))
    fit = fitted(counts)
    assert fit.coef_status["g[T.c]"] == "separated"
    many = nbglm.fit_negbin(
        counts[["y"]], {"mean": "~ x + g", "dispersion": "~ z"}, obs=counts, progress=False
    )
    test = fit.t_test("x = 0.1, g[T.b], g[T.c]")
    np.testing.assert_allclose(test.effect[:2], fit.params[["x", "g[T.b]"]])
    np.testing.assert_allclose(test.sd[:2], fit.bse[["x", "g[T.b]"]])
    assert test.effect[2] == -np.inf
    assert test.pvalue[2] == pytest.approx(many.pvalues["beta"].loc["g[T.c]", "y"])
    table = fit.wald_test_terms().table
    for term in ("Intercept", "g", "x"):
        expected = many.wald_test(term).loc["y"]
        assert table.loc[term, "pvalue"] == pytest.approx(expected["p_value"])
        assert table.loc[term, "df_constraint"] == expected["df"]
    assert np.isfinite(fit.f_test("x = 0").pvalue)
    assert np.isfinite(fit.t_test("x", use_t=True).pvalue)
    assert "x" in fit.t_test("x").summary_frame(xname=["x"]).index


def test_combinations_of_both_components(data):
    fit = fitted(data)
    test = fit.t_test("x - dispersion-z = 0.5")
    row = np.zeros(6)
    row[[3, 5]] = 1.0, -1.0
    assert test.effect[0] == pytest.approx(row @ fit.params)
    assert test.sd[0, 0] == pytest.approx(np.sqrt(row @ fit.cov_params() @ row))
    joint = fit.wald_test("x = 0, dispersion-z = 0, x = 0")
    rows = np.eye(6)[[3, 5]]
    distance = rows @ fit.params
    assert joint.statistic == pytest.approx(
        distance @ np.linalg.solve(rows @ fit.cov_params() @ rows.T, distance)
    )
    assert joint.df_denom == 2


def test_other_covariances_can_be_given(data):
    fit = fitted(data)
    cov = 4.0 * fit.cov_params().to_numpy()
    assert fit.t_test("x", cov_p=cov).sd[0, 0] == pytest.approx(2.0 * fit.bse["x"])
    plain = fit.wald_test("g").statistic
    assert fit.wald_test("g", cov_p=cov).statistic == pytest.approx(plain / 4.0)
    rows = fit.cov_params().to_numpy()[1:3, 1:3]
    assert fit.wald_test("g", invcov=np.linalg.inv(rows)).statistic == pytest.approx(plain)
    with pytest.raises(nbglm.AlignmentError, match="cov_p has the shape"):
        fit.t_test("x", cov_p=np.eye(2))


def test_effects_are_summarised_beside_several_constant_columns(data):
    x = np.column_stack([np.ones(60), data["x"], np.zeros(60), data["z"], np.full(60, 2.0)])
    margins = NegBinModel(data["y"], x).fit().get_margeff()
    without = NegBinModel(data["y"], x[:, [0, 1, 3]]).fit().get_margeff()
    assert list(margins.summary_frame().index) == ["x1", "x3"]
    rows, expected = (effects.summary().tables[1].data for effects in (margins, without))
    assert [row[1:] for row in rows] == [row[1:] for row in expected]
    assert [row[0].strip() for row in rows[1:]] == ["x1", "x3"]


def test_aliased_columns_leave_effects_of_the_others(data):
    x = np.column_stack([np.ones(60), data["x"], 2.0 * data["x"], data["z"]])
    fit = NegBinModel(data["y"], x).fit()
    assert fit.coef_status["x2"] == "aliased"
    without = NegBinModel(data["y"], x[:, [0, 1, 3]]).fit()
    one, other = fit.get_margeff().summary_frame(), without.get_margeff().summary_frame()
    np.testing.assert_allclose(one.iloc[[0, 2]], other, rtol=1e-7)
    assert one.iloc[1].isna().all()
    chi = [part.get_diagnostic(5).test_chisquare_prob(np.arange(5)) for part in (fit, without)]
    np.testing.assert_allclose(*map(list, chi), rtol=1e-7)
    table = fit.wald_test_terms().table
    assert np.isnan(table.loc["x2", "pvalue"])


# What is there, and what is not -----------------------------------------------------------------

REFUSED_RESULTS = {
    "_get_robustcov_results": lambda fit: fit._results._get_robustcov_results("HC0"),
    "get_robustcov_results": lambda fit: fit._results.get_robustcov_results("HC0"),
}
REFUSED_MODEL = {
    "fit_regularized": lambda model: model.fit_regularized(alpha=1.0),
    "fit_constrained": lambda model: model.fit_constrained("x = 0"),
    "cov_params_func_l1": lambda model: model.cov_params_func_l1(None, None, None),
    "cdf": lambda model: model.cdf(0.5),
    "pdf": lambda model: model.pdf(0.5),
}


@pytest.mark.parametrize("name", REFUSED_RESULTS)
def test_results_refuse_what_they_do_not_offer(data, name):
    with pytest.raises(UnavailableError, match=r"is not offered\. .{20}"):
        REFUSED_RESULTS[name](fitted(data))


@pytest.mark.parametrize("name", REFUSED_MODEL)
def test_models_refuse_what_they_do_not_offer(data, name):
    with pytest.raises(NotImplementedError, match=r"is not offered\. .{20}"):
        REFUSED_MODEL[name](fitted(data).model)


def public(cls):
    return {name for name in dir(cls) if not name.startswith("_")}


def owner(cls, name):
    return next(part for part in cls.__mro__ if name in part.__dict__).__module__


# Inherited as they are: plain containers, or code that works on what is overridden.
INHERITED_RESULTS = {"f_test", "initialize", "normalized_cov_params", "summary2", "tvalues"}
INHERITED_MODEL = {"endog_names", "exog_names", "initialize"}


def test_nothing_is_inherited_that_was_not_looked_at():
    kinds = ((CountResults, INHERITED_RESULTS, type(fit_of_nothing())),)
    for base, inherited, ours in (*kinds, (CountModel, INHERITED_MODEL, NegBinModel)):
        of_statsmodels = {
            name for name in public(base) if owner(ours, name).startswith("statsmodels")
        }
        assert of_statsmodels == inherited


def fit_of_nothing():
    return NegBinModel([1, 2, 0, 4], np.ones((4, 1))).fit()._results


def test_summaries_of_genes_without_a_count():
    fit = NegBinModel(np.zeros(8), np.ones((8, 1))).fit()
    assert (fit.llnull, fit.llr) == (0.0, 0.0)
    assert np.isnan([fit.prsquared, fit.llr_pvalue]).all()
    assert "all_zero" in str(fit.summary())
    assert r"all\_zero" in fit.summary().as_latex()  # as LaTeX writes it
    assert str(fit.summary2())


def test_null_model_can_be_given_or_kept(data):
    fit = fitted(data)
    own = fit.llnull
    fit.set_null_options(attach_results=True)
    assert fit.llnull == own
    assert fit.res_null.llf == own
    fit.set_null_options(llnull=-200.0)
    assert (fit.llnull, fit.llr) == (-200.0, -2.0 * (-200.0 - fit.llf))
    assert fit.prsquared == pytest.approx(1.0 - fit.llf / -200.0)


def test_summary_takes_other_names(data):
    text = str(fitted(data).summary(yname="counts", xname=[f"c{k}" for k in range(6)], title="T"))
    assert "counts" in text
    assert "\nc5 " in text
    with pytest.raises(OptionError, match="each of the 6 coefficients"):
        fitted(data).summary(xname=["a"])


def test_some_rows_of_intervals(data):
    fit = fitted(data)
    np.testing.assert_array_equal(fit._results.conf_int(cols=[0, -1]), fit.conf_int().iloc[[0, -1]])
    for cols in ([9], ["x"], [0.5], [[0]]):
        with pytest.raises(OptionError, match="positions of coefficients"):
            fit._results.conf_int(cols=cols)


def test_lists_are_rows_to_predict_for(data):
    x = np.column_stack([np.ones(60), data["x"]])
    fit = NegBinModel(data["y"], x).fit()
    np.testing.assert_array_equal(fit.predict(x[:2].tolist()), fit.predict(x[:2]))
    np.testing.assert_array_equal(fit.predict([1.0, 0.5]), fit.predict(np.array([[1.0, 0.5]])))
    single = NegBinModel(data["y"], np.ones(60)).fit()
    assert single.predict([1.0, 1.0, 1.0]).shape == (3,)
    np.testing.assert_allclose(fit.predict(x[:2], exposure=2.0), 2.0 * fit.predict(x[:2]))


def test_averages_at_a_poisson_limit_keep_their_errors(rng):
    fit = NegBinModel(rng.binomial(5, 0.5, 40), np.ones((40, 1))).fit()
    assert fit.status == "poisson_limit"
    average = fit.get_prediction(average=True)
    np.testing.assert_allclose(average.se, fit.get_prediction().se[0])
    assert np.isnan(fit.get_prediction(which="dispersion", average=True).se).all()


# After the data are gone ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["oim", "HC0", "cluster"])
def test_what_is_left_without_data_is_what_it_was(data, kind):
    options = {"groups": "donor"} if kind == "cluster" else None
    fit = fitted(data).with_cov(kind, options)
    rows = data.iloc[:4]
    asked = {
        "bse": lambda fit: fit.bse,
        "conf_int": lambda fit: fit.conf_int(),
        "t_test": lambda fit: fit.t_test("x - g[T.b], dispersion-z = 1").summary_frame(),
        "wald_test": lambda fit: fit.wald_test("g").pvalue,
        "terms": lambda fit: fit.wald_test_terms().table.astype(float),
        "predict": lambda fit: fit.predict(rows),
        "prediction": lambda fit: fit.get_prediction(rows).summary_frame(),
        "average": lambda fit: fit.get_prediction(rows, "var", average=True).summary_frame(),
        "distribution": lambda fit: fit.get_distribution(rows).ppf(0.9),
        "frame": lambda fit: fit.summary_frame(),
        "summary": lambda fit: len(str(fit.summary())) > 0,
        "criteria": lambda fit: [fit.aic, fit.bic],
    }
    before = {name: np.asarray(ask(fit), dtype=float) for name, ask in asked.items()}
    loaded = pickle.loads(pickle.dumps(fit))
    fit.remove_data()
    fit.remove_data()
    for after in (fit, loaded, pickle.loads(pickle.dumps(fit))):
        for name, ask in asked.items():
            np.testing.assert_allclose(
                np.asarray(ask(after), dtype=float), before[name], rtol=1e-9, err_msg=name
            )


NEED_DATA = {
    "refit": lambda fit: fit.model.fit(),
    "loglike": lambda fit: fit.model.loglike(fit.params),
    "model.predict": lambda fit: fit.model.predict(fit.params),
    "predict": lambda fit: fit.predict(),
    "resid": lambda fit: fit.resid,
    "llnull": lambda fit: fit.llnull,
    "with_cov": lambda fit: fit.with_cov("HC0"),
    "score_test": lambda fit: fit.score_test(np.ones(60)),
    "get_margeff": lambda fit: fit.get_margeff(),
    "get_diagnostic": lambda fit: fit.get_diagnostic(),
    "get_influence": lambda fit: fit.get_influence(),
    "profile": lambda fit: fit.conf_int(method="profile"),
    "im_ratio": lambda fit: fit.im_ratio,
    "prob": lambda fit: fit.predict(pd.DataFrame({"x": [0.0], "g": "a", "z": 0.0}), which="prob"),
}


@pytest.mark.parametrize("name", NEED_DATA)
def test_what_needs_the_data_says_that_they_are_gone(data, name):
    fit = fitted(data)
    fit.remove_data()
    with pytest.raises(UnavailableError, match="removed"):
        NEED_DATA[name](fit)


def test_one_gene_is_pickled_without_the_others(rng):
    counts = pd.DataFrame(rng.poisson(3, (500, 200)))
    counts.columns = [f"g{k}" for k in range(200)]
    obs = pd.DataFrame({"x": rng.normal(size=500)})
    many = nbglm.fit_negbin(counts, "~ x", obs=obs, progress=False)
    one = many.gene("g7")
    assert len(pickle.dumps(one)) < 1e6
    np.testing.assert_array_equal(one.bse.iloc[:2], many.bse["beta"]["g7"])
    assert one.explanation == many.explain("g7")


@pytest.mark.slow
def test_nothing_of_numpy_is_heard_of_edge_genes(rng):
    """Genes without a count, silent levels, Poisson limits: answers or the package's errors."""
    n = 24
    obs = pd.DataFrame({"g": list("abc") * 8, "x": rng.normal(size=n), "donor": np.arange(n) % 4})
    counts = pd.DataFrame(
        {
            "zero": 0,
            "one": (np.arange(n) == 3).astype(int),
            "level": np.where(obs["g"] == "a", rng.poisson(4, n), 0),
            "even": rng.binomial(3, 0.5, n),
        }
    )
    questions = (
        lambda fit: fit.summary(),
        lambda fit: fit.summary2(),
        lambda fit: fit.wald_test_terms(),
        lambda fit: fit.t_test(np.eye(len(fit.params))).summary_frame(),
        lambda fit: fit.get_prediction().summary_frame(),
        lambda fit: fit.get_prediction(which="var", average=True).summary_frame(),
        lambda fit: fit.get_margeff().summary(),
        lambda fit: fit.get_diagnostic(3).test_chisquare_prob(np.arange(3)),
        lambda fit: fit.get_influence().cooks_distance,
        lambda fit: fit.resid_pearson,
        lambda fit: fit.get_distribution().ppf(0.5),
        lambda fit: fit.score_test(np.exp(obs["x"])),
        lambda fit: fit.im_ratio,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        many = nbglm.fit_negbin(
            counts, {"mean": "~ g", "dispersion": "~ x"}, obs=obs, progress=False
        )
        fits = [many.with_cov(kind) for kind in ("oim", "eim", "HC0", "HC1")]
        fits.append(many.with_cov("cluster", {"groups": "donor"}))
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=nbglm.NbglmWarning)
        refused = 0
        for fit in fits:
            for gene in counts:
                for ask in questions:
                    try:
                        ask(fit.gene(gene))
                    except NbglmError:
                        refused += 1
    assert refused < len(fits) * len(counts) * 4


def test_rows_of_weight_0_beyond_a_separated_direction(rng):
    """They take no part in the fit, and lie where the mean grows without end."""
    x = np.array([0.0, 0.0, 1.0, 2.0, -1.0])
    obs = pd.DataFrame({"x": x, "z": rng.normal(size=5)})
    counts = pd.DataFrame({"y": [3, 5, 0, 0, 2]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dispersion in ("~ 1", "~ z"):
            formula = {"mean": "~ x", "dispersion": dispersion}
            many = nbglm.fit_negbin(
                counts, formula, obs=obs, weights=[1, 1, 1, 1, 0], progress=False
            )
            fitted, size = (table["y"].to_numpy() for table in many.predict().values())
            assert np.isinf(fitted[4])
            assert np.isfinite(fitted[:4]).all()
            for residual in (many.resid_pearson["y"], many.gene("y").resid_pearson):
                assert residual.iloc[4] == -np.sqrt(size[4])
                assert not residual.isna().any()
            assert "nan" not in many.explain("y")
            assert "2 of 5 cells" in many.explain("y")
            distribution = many.gene("y").get_distribution()
            np.testing.assert_array_equal(distribution.cdf(3)[2:], [1.0, 1.0, 0.0])
            with pytest.raises(OptionError, match="outside the range"):
                many.sample(seed=0)


def test_marginal_effects_whose_variance_is_rounding_are_refused():
    rng = np.random.default_rng(0)
    x = 1e5 + 1e-6 * rng.normal(size=40)
    model = NegBinModel(rng.poisson(3.0, 40), np.column_stack([np.ones(40), x]))
    fit = model.fit()
    with pytest.raises(UnavailableError, match="centred"):
        fit.get_margeff()
