"""Covariances for few clusters, their degrees of freedom, and what refers to them."""

from pathlib import Path

import mpmath
import numpy as np
import pandas as pd
import pytest
from cases import small_cases
from scipy import stats

import nbglm
from nbglm.fit.adjusted import adjust_means
from nbglm.fit.moments import Moments, Pieces, quartic
from nbglm.inference.student import f_tail, half_width, t_tail

pytestmark = pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")

REFERENCE = (
    Path(__file__).parents[2] / "validation" / "references" / "few_clusters.clubsandwich.csv"
)
CASES = {case.name: case for case in small_cases()}
BY_CLUSTERS = ("cluster", "CR1", "CR2", "CR3")


def with_kind(fit, kind, groups="donor", **options):
    return fit.with_cov(kind, {**({"groups": groups} if kind in BY_CLUSTERS else {}), **options})


# The same as R -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["CR1", "CR2", "CR3", "HC2", "HC3"])
@pytest.mark.parametrize("name", ["slope", "mixed", "offset"])
def test_the_mean_block_is_that_of_clubsandwich(name, kind):
    case = CASES[name]
    cluster = np.arange(len(case.counts)) % 9
    obs = case.obs.assign(treated=(cluster < 4).astype(float), donor=cluster)
    fit = nbglm.fit_negbin(
        case.counts.iloc[:, :1],
        f"{case.mean} + treated",
        obs=obs,
        offset=case.offset,
        progress=False,
    )
    fit = with_kind(fit, kind)
    table = pd.read_csv(REFERENCE).query("case == @name and kind == @kind").set_index("term")
    joint = table.loc["joint"]
    table = table.drop(index="joint")
    gene = fit.gene_names[0]
    assert np.exp(fit.params["gamma"].iloc[0, 0]) == pytest.approx(joint["theta"], rel=1e-7)
    terms = list(table.index)
    # Theirs stand in the order of the case's columns.
    tests = fit.t_test(np.eye(len(terms))[[list(fit.params["beta"].index).index(t) for t in terms]])
    np.testing.assert_allclose(tests["std_err"], table["std_err"], rtol=1e-6)
    np.testing.assert_allclose(tests["df"], table["df"], rtol=1e-6)
    np.testing.assert_allclose(tests["z"], table["statistic"], rtol=2e-6, atol=1e-7)
    np.testing.assert_allclose(tests["p_value"], table["p_value"], rtol=3e-6)
    both = fit.wald_test(terms[-2:]).loc[gene]
    assert both["statistic"] == pytest.approx(joint["statistic"], rel=3e-6)
    assert both["df_denom"] == pytest.approx(joint["df"], rel=1e-6)
    assert both["p_value"] == pytest.approx(joint["p_value"], rel=1e-5)


# The pieces --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_residuals_are_adjusted_as_with_a_matrix_of_all_cells(rng, spread):
    n = 60
    columns = np.column_stack([np.ones(n), rng.normal(size=n), np.arange(n) < 15])
    weight = rng.uniform(0.1, 3.0, n)
    factor = np.linalg.cholesky(np.linalg.inv(columns.T @ (weight[:, None] * columns)))
    x = np.sqrt(weight)[:, None] * columns @ factor
    variance, scores = np.exp(spread * rng.uniform(-1, 1, n)), rng.normal(size=n)
    starts = np.array([0, 15, 30, 45])
    found = adjust_means(x, variance, np.ones(n), scores, starts)
    for cluster, start in enumerate(starts):
        part = slice(start, start + 15)
        v, r = variance[part], x[part]
        values, vectors = np.linalg.eigh(v[:, None] * (np.eye(15) - r @ r.T) * v)
        # The third column is of the first cluster alone: its matrix is singular.
        told = values > 1e-10 * values.max() * (np.arange(15) >= (cluster == 0))
        told &= (np.arange(15) > 0) | (cluster > 0)
        inverse = (vectors[:, told] / np.sqrt(values[told])) @ vectors[:, told].T
        adjusted = inverse @ r
        theirs = (
            adjusted.T @ (v * scores[part]),
            adjusted.T @ (v[:, None] ** 2 * adjusted),
            r.T @ (v[:, None] * adjusted),
        )
        for ours, exact in zip(found, theirs, strict=True):
            np.testing.assert_allclose(ours[cluster], exact, atol=1e-8 * np.abs(exact).max())


def test_the_form_of_fourth_order_is_the_sum_over_pairs_of_clusters(rng):
    k, clusters = 3, 7
    half = rng.normal(size=(clusters, k, k))
    own, shared = half @ half.transpose(0, 2, 1), rng.normal(size=(clusters, k, k))
    mean, spread = quartic(Pieces(np.eye(k), own, shared, np.ones(clusters)))
    moments = Moments(np.eye(k)[None].copy(), mean[None].copy(), spread[None].copy())
    c = rng.normal(size=k)
    cross = np.array(
        [
            [c @ ((g == h) * own[g] - shared[g].T @ shared[h]) @ c for h in range(clusters)]
            for g in range(clusters)
        ]
    )
    exact = np.trace(cross) ** 2 / (cross**2).sum()
    assert moments.degrees(c[None])[0, 0] == pytest.approx(exact, rel=1e-10)


def test_cells_that_repeat_are_clusters_that_repeat(rng):
    half = rng.normal(size=(4, 2, 2))
    own, shared = half @ half.transpose(0, 2, 1), rng.normal(size=(4, 2, 2))
    many = np.array([1, 3, 2, 1])
    once = quartic(Pieces(np.eye(2), own, shared, many.astype(float)))
    each = np.repeat(np.arange(4), many)
    again = quartic(Pieces(np.eye(2), own[each], shared[each], np.ones(7)))
    for one, other in zip(once, again, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


@pytest.mark.parametrize("df", [0.7, 4.5, 300.0, 1e5])
def test_tails_of_t_and_f_have_logarithms(df):
    for t in (0.3, 3.0, 40.0, 1e6, 1e80):
        with mpmath.workdps(40):
            x = mpmath.mpf(df) / (df + mpmath.mpf(t) ** 2)
            exact = mpmath.log(mpmath.betainc(mpmath.mpf(df) / 2, 0.5, 0, x, regularized=True))
        assert float(t_tail(t, df).log_p) == pytest.approx(float(exact), rel=1e-10)
        assert float(f_tail(t * t, 1, df).log_p) == pytest.approx(float(exact), rel=1e-10)
    assert f_tail(2.0, 3, df).p == pytest.approx(stats.f.sf(2.0, 3, df), rel=1e-10)
    assert half_width(0.1, np.ones(1), df)[0] == pytest.approx(stats.t.isf(0.05, df), rel=1e-9)


def test_without_degrees_of_freedom_there_is_no_test():
    assert np.isnan(t_tail(2.0, [np.nan, 0.0]).p).all()
    assert np.isnan(f_tail(2.0, 2, [np.nan, -1.0]).p).all()
    assert np.isnan(half_width(0.05, np.ones(2), np.array([np.nan, 0.0]))).all()


# Fits --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(8)
    donor = np.repeat(np.arange(8), 30)
    obs = pd.DataFrame(
        {
            "donor": donor.astype(str),
            "treated": (donor % 2).astype(float),
            "x": rng.normal(size=240),
            "depth": rng.uniform(0.5, 2.0, 240),
        }
    )
    mu = obs["depth"].to_numpy() * np.exp(1 + rng.normal(0, 0.4, 8)[donor])
    counts = pd.DataFrame({"a": rng.poisson(rng.gamma(2, mu / 2)), "zero": 0, "p": 0, "s": 0})
    counts.loc[::2, "p"] = 1
    counts["s"] = np.where(obs["treated"] > 0, 0, counts["a"])
    formula = {"mean": "~ treated + x", "dispersion": "~ treated"}
    return nbglm.fit_negbin(counts, formula, obs=obs, size_factors="depth", progress=False)


@pytest.mark.parametrize("kind", ["CR1", "CR2", "CR3", "HC2", "HC3"])
def test_genes_at_limits_keep_their_statuses(fit, kind):
    robust = with_kind(fit, kind)
    assert robust.status.equals(fit.status)
    table = robust.to_frame()
    known = np.isfinite(table["std_err"])
    assert (np.isfinite(table["df"]) == known).all()
    assert (table["std_err"][known] > 0).all()
    assert known[table["gene"] == "a"].all()
    assert not known[table["gene"] == "zero"].any()
    # A silent level leaves what the other cells tell: their intercept and slope.
    silent = table[(table["gene"] == "s") & (table["component"] == "mean")]
    assert np.isfinite(silent["std_err"]).tolist() == [True, False, True]


def test_adjusted_clusters_lie_between_plain_ones_and_the_jackknife(fit):
    errors = [with_kind(fit, kind).bse["beta"].loc["treated", "a"] for kind in BY_CLUSTERS[1:]]
    assert errors == sorted(errors)
    sizes = [with_kind(fit, kind).bse["gamma"].loc["treated", "a"] for kind in BY_CLUSTERS[1:]]
    assert sizes == sorted(sizes)


def test_balanced_donors_leave_as_many_degrees_of_freedom_as_donors_less_two():
    rng = np.random.default_rng(1)
    donor = np.repeat(np.arange(10), 20)
    obs = pd.DataFrame({"donor": donor, "treated": donor % 2})
    counts = pd.DataFrame({"y": rng.negative_binomial(2, 0.4, 200)})
    fit = nbglm.fit_negbin(counts, "~ C(treated) - 1", obs=obs, progress=False)
    robust = with_kind(fit, "CR2")
    # Each group is a mean of five donors by itself.
    np.testing.assert_allclose(robust.df_tests["beta"]["y"], 4.0, rtol=1e-6)


def test_clusters_refer_to_t_with_one_less_than_their_number(fit):
    robust = with_kind(fit, "cluster")
    test = robust.t_test("treated").loc["a"]
    assert test["df"] == 7.0
    assert test["p_value"] == pytest.approx(2 * stats.t.sf(abs(test["z"]), 7), rel=1e-10)
    joint = robust.wald_test(["treated", "x"]).loc["a"]
    plain = with_kind(fit, "cluster", use_t=False).wald_test(["treated", "x"]).loc["a"]
    assert joint["statistic"] == pytest.approx(plain["statistic"] / 2)
    assert joint["p_value"] == pytest.approx(stats.f.sf(joint["statistic"], 2, 7), rel=1e-10)
    assert plain["p_value"] == pytest.approx(stats.chi2.sf(plain["statistic"], 2), rel=1e-10)


@pytest.mark.parametrize("kind", ["oim", "eim", "HC0", "HC1"])
def test_other_kinds_refer_to_the_normal_unless_told_otherwise(fit, kind):
    assert "df" not in with_kind(fit, kind).t_test("treated")
    told = with_kind(fit, kind, use_t=True)
    assert told.t_test("treated").loc["a", "df"] == fit.df_resid
    assert (told.bse["beta"]["a"] == with_kind(fit, kind).bse["beta"]["a"]).all()


@pytest.mark.parametrize("kind", ["cluster", "CR2", "HC3"])
def test_every_interval_and_test_has_the_same_reference(fit, kind):
    robust = with_kind(fit, kind)
    test = robust.t_test("treated").loc["a"]
    half = stats.t.isf(0.025, test["df"]) * test["std_err"]
    expected = test["estimate"] + half * np.array([-1.0, 1.0])
    frame = robust.to_frame().query("gene == 'a' and component == 'mean' and term == 'treated'")
    pairs = [
        test[["ci_lower", "ci_upper"]],
        frame.iloc[0][["ci_lower", "ci_upper"]],
        robust.conf_int(terms="treated")["beta"]["a"].iloc[0],
        robust.estimate("treated", scale="log").loc["a"][["ci_lower", "ci_upper"]],
        robust.table("treated").loc["a", ["ci_lower", "ci_upper"]],
        robust.gene("a").conf_int().loc["treated"],
        robust.gene("a").t_test("treated").conf_int()[0],
        robust[["a"]].t_test("treated").iloc[0][["ci_lower", "ci_upper"]],
    ]
    for pair in pairs:
        np.testing.assert_allclose(np.asarray(pair, dtype=float), expected, rtol=1e-8)
    p = [
        robust.pvalues["beta"].loc["treated", "a"],
        robust.gene("a").pvalues["treated"],
        robust.gene("a").t_test("treated").pvalue,
        robust.gene("a").wald_test("treated").pvalue,
        robust.wald_test("treated").loc["a", "p_value"],
    ]
    np.testing.assert_allclose(p, test["p_value"], rtol=1e-8)
    row = pd.DataFrame({"treated": [1.0], "x": [0.0], "depth": [1.0]})
    many = robust.predict(row, interval=0.9)
    one = robust.gene("a").get_prediction(row, which="mean").conf_int(alpha=0.1)[0]
    np.testing.assert_allclose([many["mean_lower"]["a"][0], many["mean_upper"]["a"][0]], one)
    assert "t, " in str(robust.gene("a").summary())
    assert "t, " in str(robust.summary())
    terms = robust.gene("a").wald_test_terms().table
    assert terms.loc["treated", "pvalue"] == pytest.approx(test["p_value"], rel=1e-8)


def test_nothing_else_is_needed_once_the_data_are_dropped(fit):
    robust = with_kind(fit, "CR2")
    dropped = robust.without_data(limit_tests=False)
    pd.testing.assert_frame_equal(dropped[["a"]].t_test("treated"), robust[["a"]].t_test("treated"))
    assert dropped.with_cov("CR2") is dropped
    assert not dropped.with_cov("CR2", {"use_t": False}).use_t
    assert dropped.with_cov("oim", {"use_t": True}).df_tests["beta"].loc["x", "a"] == fit.df_resid


def test_a_model_of_one_response_takes_use_t(fit):
    cells = fit.counts.obs
    model = nbglm.NegBinModel.from_formula("y ~ treated", cells.assign(y=fit.counts.gene(0)))
    results = model.fit("CR2", {"groups": cells["donor"]})
    assert results.use_t
    normal = model.fit("CR2", {"groups": cells["donor"]}, use_t=False)
    assert np.isinf(normal.df_tests).all()
    assert normal.pvalues["treated"] < results.pvalues["treated"]
    f, chi2 = results.wald_test("treated"), results.wald_test("treated", use_f=False)
    assert chi2.statistic == pytest.approx(normal.wald_test("treated").statistic)
    assert f.distribution == "F"
    with pytest.raises(nbglm.UnavailableError, match="with_cov"):
        results._results.use_t = False


def test_too_many_columns_for_degrees_of_freedom_are_refused(rng):
    obs = pd.DataFrame({"g": np.arange(200) % 22, "donor": np.arange(200) % 5})
    counts = pd.DataFrame({"y": rng.poisson(3.0, 200)})
    with pytest.raises(nbglm.OptionError, match="'use_t': False"):
        nbglm.fit_negbin(counts, "~ C(g)", obs=obs, progress=False).with_cov(
            "CR2", {"groups": "donor"}
        )
    fit = nbglm.fit_negbin(counts, "~ C(g)", obs=obs, progress=False)
    assert np.isfinite(with_kind(fit, "CR2", use_t=False).bse["beta"]["y"]).any()


@pytest.mark.parametrize(
    ("kind", "kwds", "message"),
    [
        ("CR2", None, "needs cov_kwds={'groups'"),
        ("CR2", {"groups": "donor", "use_correction": True}, "takes no cov_kwds but"),
        ("HC2", {"groups": "donor"}, "takes no cov_kwds but"),
        ("cluster", {"groups": "donor", "use_t": "yes"}, "use_t must be True or False"),
        ("CR2", {"groups": ["a"] * 240}, "two clusters or more"),
    ],
)
def test_misuse(fit, kind, kwds, message):
    with pytest.raises(
        nbglm.OptionError if "two" not in message else nbglm.AlignmentError, match=message
    ):
        fit.with_cov(kind, kwds)
