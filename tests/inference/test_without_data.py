"""Results without counts and cells: the same to the last bit, or a sentence that says why not."""

import pickle

import anndata
import numpy as np
import pandas as pd
import pytest

import nbglm
from nbglm.inference.remains import AbsentCounts

CELLS = 150


def make_data():
    rng = np.random.default_rng(20261127)
    obs = pd.DataFrame(
        {
            "time": rng.random(CELLS),
            "group": pd.Categorical(rng.choice(list("abc"), CELLS)),
            "donor": rng.choice([f"d{k}" for k in range(12)], CELLS),
            "depth": rng.uniform(0.5, 2.0, CELLS),
            "times": rng.integers(1, 4, CELLS),
        },
        index=[f"cell{i}" for i in range(CELLS)],
    )
    obs["time again"] = 2.0 * obs["time"]
    mean = obs["depth"].to_numpy()[:, None] * np.exp(rng.normal(0.5, 1.0, 8))
    counts = rng.negative_binomial(2, 2 / (2 + mean))
    counts[:, 1] = 0
    counts[obs["group"] == "c", 2] = 0
    counts[:, 3] = rng.poisson(2.0, CELLS)
    counts[:, 4] = rng.binomial(3, 0.5, CELLS)
    counts[:, 5] = rng.poisson(0.05, CELLS)
    counts[obs["group"] == "b", 6] = 0
    var = pd.DataFrame({"symbol": list("ABCDEFGH")}, index=[f"g{j}" for j in range(8)])
    return anndata.AnnData(counts, obs=obs, var=var)


DATA = make_data()
NEW = DATA.obs.sample(20, random_state=1)

CASES = {
    "factors": ({"mean": "~ group", "dispersion": "~ group"}, {}),
    "covariates": ({"mean": "~ time + group", "dispersion": "~ time"}, {"size_factors": "depth"}),
    "splines": ({"mean": "~ bs(time, df=4)", "dispersion": "~ center(time)"}, {}),
    "aliased": ({"mean": "~ time + Q('time again') + group", "dispersion": "~ 1"}, {}),
    "least norm": ("~ time + Q('time again')", {"rank_deficient": "min_norm"}),
    "weights": ("~ group", {"weights": "times", "offset": "depth"}),
    "expected": ({"mean": "~ group", "dispersion": "~ time"}, {"cov_type": "eim"}),
    "robust": ("~ time + group", {"cov_type": "HC0"}),
    "few clusters": ("~ time", {"cov_type": "CR2", "cov_kwds": {"groups": "donor"}}),
    "clusters": ("~ time + group", {"cov_type": "cluster", "cov_kwds": {"groups": "donor"}}),
}


@pytest.fixture(scope="module", params=CASES)
def pair(request):
    formula, options = CASES[request.param]
    fit = nbglm.fit_negbin(DATA, formula, progress=False, **options)
    return fit, fit.without_data()


def assert_same(one, other):
    if isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    elif isinstance(one, pd.Series):
        pd.testing.assert_series_equal(one, other, check_exact=True)
    elif isinstance(one, pd.Index):
        assert one.equals(other)
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, anndata.AnnData):
        assert not (one.X != other.X).nnz
        assert_same(one.obs, other.obs)
        assert_same(one.var, other.var)
    else:
        assert one == other


def first(fit, component="mean"):
    """The first term that is no constant, as far as there is one."""
    terms = getattr(fit.design, component).terms
    return terms[min(1, len(terms) - 1)]


ANSWERED = {
    "df_tests": lambda fit: fit.df_tests,
    "use_t": lambda fit: fit.use_t,
    **{
        name: lambda fit, name=name: getattr(fit, name)
        for name in (
            *("params", "bse", "tvalues", "pvalues", "log_pvalues", "coef_status", "llf", "aic"),
            *(
                "bic",
                "nobs",
                "n_params",
                "df_model",
                "df_resid",
                "status",
                "converged",
                "n_iter",
                "base_mean",
            ),
            *("planted", "edits"),
            *("gene_names", "coef_names", "cov_type", "seconds", "rank_deficient", "column_lines"),
        )
    },
    "conf_int": lambda fit: fit.conf_int(),
    "to_frame": lambda fit: fit.to_frame(alpha=0.1),
    "cov_params": lambda fit: fit.cov_params("g0"),
    "t_test": lambda fit: fit.t_test(first(fit)),
    "t_test of a size": lambda fit: fit.t_test(first(fit, "dispersion"), "dispersion"),
    "t_test of genes in the interior": lambda fit: fit.subset(fit.status == "ok").t_test(
        f"{first(fit)} = 0.5"
    ),
    "table": lambda fit: fit.table(first(fit)),
    "table of a size": lambda fit: fit.table(first(fit, "dispersion"), "dispersion", sort=None),
    "rank_genes_groups": lambda fit: fit[fit.status == "ok"].rank_genes_groups("group"),
    "summary": lambda fit: fit.summary().as_text(),
    "wald_test": lambda fit: fit.wald_test(first(fit)),
    "wald_test of genes in the interior": lambda fit: fit.subset(fit.status == "ok").wald_test(
        list(fit.design.mean.terms[:2])
    ),
    "predict": lambda fit: fit.predict(NEW),
    "predict with intervals": lambda fit: fit.predict(NEW, interval=0.9),
    "predict_genes": lambda fit: fit.predict_genes(slice(2, 4), NEW),
    "predict with an offset": lambda fit: fit.predict(NEW, np.ones(20)),
    "sample": lambda fit: fit.sample(NEW, seed=3),
    "estimate": lambda fit: fit.estimate(NEW, scale="var"),
    "estimate of a size": lambda fit: fit.estimate(NEW, "dispersion", scale="alpha"),
    "estimate of a contrast": lambda fit: fit.estimate(first(fit), scale="response"),
    "marginal_means": lambda fit: fit.marginal_means([], scale="cv2"),
    "repr": repr,
    "subset": lambda fit: fit.subset(["g4", "g0"]).to_frame(),
    "edit": lambda fit: fit.edit("Intercept", "g0", add=0.5, component="dispersion").to_frame(),
    "with_params": lambda fit: fit.with_params({"gamma": {("Intercept", "g0"): 0.5}}).to_frame(),
    "one_gene": lambda fit: fit.one_gene(3).to_frame(),
    "compare": lambda fit: nbglm.compare({"alone": fit}),
}

REFUSED = {
    "predict for the rows of the fit": lambda fit: fit.predict(),
    "predict with new offsets": lambda fit: fit.predict(offset=np.ones(CELLS)),
    "sample for the rows of the fit": lambda fit: fit.sample(seed=1),
    "fittedvalues": lambda fit: fit.fittedvalues,
    "resid_pearson": lambda fit: fit.resid_pearson,
    "residuals": lambda fit: fit.residuals(),
    "deviance": lambda fit: fit.deviance,
    "null_deviance": lambda fit: fit.null_deviance,
    "leverage": lambda fit: fit.leverage(),
    "cooks_distance": lambda fit: fit.cooks_distance(),
    "goodness_of_fit": lambda fit: fit.goodness_of_fit(),
    "profiles": lambda fit: fit.conf_int(method="profile"),
    "with_cov": lambda fit: fit.with_cov("HC1"),
    "with_cov of clusters": lambda fit: fit.subset(["g0"]).with_cov("HC1"),
    "score_test": lambda fit: fit.score_test("~ donor"),
    "calibrate": lambda fit: fit.calibrate(),
    "bootstrap": lambda fit: fit.bootstrap("g0"),
    "anova": lambda fit: fit.anova(),
    "overdispersion_test": lambda fit: fit.overdispersion_test(),
    "shrink": lambda fit: fit.with_cov("oim").shrink("Intercept", scale=1.0),
    "lr_test": lambda fit: nbglm.lr_test(fit, fit.without_data()),
    "lr_test the other way": lambda fit: nbglm.lr_test(fit.without_data(), fit),
    "compare": lambda fit: nbglm.compare({"a": fit, "b": fit.subset(fit.gene_names)}),
    "counts": lambda fit: fit.counts.gene(0),
    "blocks": lambda fit: list(fit.counts.blocks(3)),
    "problem": lambda fit: fit.problem,
}


def answer(what, fit):
    """What comes of it; some formulas have no such term, which is said alike."""
    try:
        return ANSWERED[what](fit)
    except (nbglm.HypothesisError, nbglm.OptionError) as error:
        return str(error)


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
@pytest.mark.parametrize("what", ANSWERED)
def test_what_needs_no_data_is_the_same_to_the_last_bit(pair, what):
    fit, dropped = pair
    assert_same(answer(what, fit), answer(what, dropped))


@pytest.mark.parametrize("what", REFUSED)
def test_what_needs_data_says_so(pair, what):
    with pytest.raises(nbglm.UnavailableError, match=r"needs the counts or the cells.*\. \w") as e:
        REFUSED[what](pair[1])
    assert isinstance(e.value, NotImplementedError)


def test_nothing_public_is_forgotten():
    """Whatever results offer is in one of the two lists above, or is named here."""
    tried = {what.split()[0] for what in (*ANSWERED, *REFUSED)}
    others = {"gene", "explain", "without_data", "require_data", "arrays", "design", "counts"}
    others |= {"weights", "cov", "remains", "covariances", "root", "coef_codes", "covariance_of"}
    others |= {"edited", "std_err_of", "pvalues_of", "limit_tests", "save", "to_anndata"}
    others |= {"degrees", "dispersion_method", "require_likelihood"}
    there = {name for name in dir(nbglm.NegBinResults) if not name.startswith("_")}
    assert there <= tried | others, there - tried - others


def test_data_are_dropped(pair):
    fit, dropped = pair
    assert isinstance(dropped.counts, AbsentCounts)
    assert (dropped.counts.n_cells, dropped.counts.n_genes) == (CELLS, 8)
    assert len(dropped.counts.obs) == 0
    assert dropped.design.mean.matrix.shape == (0, fit.design.mean.matrix.shape[1])
    assert dropped.weights is None
    assert dropped.cov.groups is None


def test_dropping_twice_is_dropping_once(pair):
    assert pair[1].without_data() is pair[1]


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_they_survive_a_pickle(pair):
    fit, dropped = pair
    loaded = pickle.loads(pickle.dumps(dropped))
    assert_same(fit.predict(NEW), loaded.predict(NEW))
    assert_same(fit.to_frame(), loaded.to_frame())
    assert_same(fit.t_test(first(fit)), loaded.t_test(first(fit)))
    assert_same(fit.sample(NEW, seed=1), loaded.sample(NEW, seed=1))


def test_results_of_factors_do_not_grow_with_the_cells():
    sizes = []
    for cells in (200, 20_000):
        rng = np.random.default_rng(0)
        obs = pd.DataFrame(
            {"group": rng.choice(list("abc"), cells), "x": rng.integers(0, 2, cells)}
        )
        counts = rng.negative_binomial(2, 0.5, (cells, 3))
        fit = nbglm.fit_negbin(counts, "~ group + x", obs=obs, progress=False)
        sizes.append(len(pickle.dumps(fit.without_data())))
        assert sizes[-1] < len(pickle.dumps(fit))
    assert abs(sizes[1] - sizes[0]) < 200


# Genes at limits -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def limits():
    fit = nbglm.fit_negbin(DATA, {"mean": "~ group", "dispersion": "~ time"}, progress=False)
    return fit, fit.without_data()


@pytest.mark.parametrize(
    "test",
    [
        lambda fit: fit.t_test("group[T.b] - group[T.c]"),
        lambda fit: fit.t_test("group[T.c] = 1"),
        lambda fit: fit.wald_test("group"),
        lambda fit: fit.marginal_means("group", pairwise=True),
    ],
)
def test_likelihood_ratios_that_were_not_kept_name_the_genes(limits, test):
    fit, dropped = limits
    assert np.isfinite(fit.wald_test("group")["p_value"].drop("g1")).all()
    with pytest.raises(
        nbglm.UnavailableError, match=r"likelihood ratio for \d genes at a limit \('g2'.*subset\(\)"
    ):
        test(dropped)
    others = fit.status == "ok"
    assert_same(test(fit.subset(others)), test(dropped.subset(others)))


def test_tests_of_single_coefficients_at_limits_are_kept(limits):
    fit, dropped = limits
    for hypothesis, component in (("group[T.c]", "mean"), ("time", "dispersion")):
        for test in ("t_test", "wald_test"):
            expected = getattr(fit, test)(hypothesis, component)
            assert_same(expected, getattr(dropped, test)(hypothesis, component))
    assert np.isfinite(dropped.pvalues["beta"].loc["group[T.c]", "g2"])


def test_without_limit_tests_their_p_values_are_refused(limits):
    fit, _ = limits
    dropped = fit.without_data(limit_tests=False)
    assert_same(fit.bse, dropped.bse)
    for use in (
        lambda: dropped.pvalues,
        dropped.to_frame,
        lambda: dropped.t_test("group[T.c]"),
    ):
        with pytest.raises(nbglm.UnavailableError, match=r"limit_tests=True"):
            use()
    regular = fit.status == "ok"
    assert_same(fit.subset(regular).pvalues, dropped.subset(regular).pvalues)


def test_explanations_say_what_they_can(limits):
    fit, dropped = limits
    assert dropped.explain("g0") == fit.explain("g0")
    whole, left = fit.explain("g2").splitlines(), dropped.explain("g2").splitlines()
    assert left[:-1] == whole[: len(left) - 1]
    assert "as long as it has its data" in left[-1]


def test_other_covariances_are_kept_where_they_are_there(limits):
    fit, _ = limits
    robust = fit.with_cov("HC0")
    dropped = robust.without_data()
    assert dropped.with_cov("HC0") is dropped
    assert_same(dropped.with_cov("oim").bse, fit.bse)
    assert_same(dropped.with_cov("nonrobust").bse, fit.bse)
    with pytest.raises(nbglm.UnavailableError, match=r"with_cov\('eim'"):
        dropped.with_cov("eim")
    with pytest.raises(nbglm.OptionError, match="HC4"):
        dropped.with_cov("HC4")


# One gene ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
@pytest.mark.parametrize("gene", ["g0", "g1", "g2", "g4"])
def test_a_gene_without_data_has_the_numbers_of_the_gene(pair, gene):
    whole, left = (fit.gene(gene) for fit in pair)
    for name in ("params", "bse", "pvalues", "tvalues", "coef_status"):
        assert_same(getattr(whole, name), getattr(left, name))
    for name in ("llf", "aic", "bic", "nobs", "df_resid", "df_model", "status"):
        assert_same(getattr(whole, name), getattr(left, name))
    assert_same(whole.summary_frame(), left.summary_frame())
    assert_same(whole.cov_params(), left.cov_params())
    assert_same(whole.predict(NEW), left.predict(NEW))
    assert_same(whole.predict(NEW, which="dispersion"), left.predict(NEW, which="dispersion"))
    rows = (part.get_prediction(NEW).summary_frame() for part in (whole, left))
    assert_same(*rows)
    known = whole.params.index[np.isfinite(whole.bse)]
    for name in known[:1]:
        one, other = (float(part.t_test(f"{name} = 0").pvalue) for part in (whole, left))
        assert one == other


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_the_summary_of_a_gene_leaves_out_the_null_model(pair):
    whole, left = (str(fit.gene("g0").summary()) for fit in pair)
    assert left.count("needs the data") == 3
    stable = [
        [line for line in text.splitlines() if not any(w in line for w in ("LL", "Pseudo", "Time"))]
        for text in (whole, left)
    ]
    assert stable[0] == stable[1]


def test_what_needs_the_counts_of_a_gene_says_so(pair):
    gene = pair[1].gene("g0")
    for use in (
        lambda: gene.llnull,
        lambda: gene.fittedvalues,
        lambda: gene.resid_pearson,
        gene.residuals,
        gene.predict,
        lambda: gene.conf_int(method="profile"),
        lambda: gene.with_cov("HC0"),
        lambda: gene.score_test(exog_extra=np.ones((CELLS, 1))),
        gene.get_margeff,
        gene.get_influence,
        gene.get_diagnostic,
        gene.model.fit,
    ):
        with pytest.raises(nbglm.UnavailableError, match=r"data|counts"):
            use()


def test_removing_the_data_of_a_gene_twice_is_no_error(pair):
    gene = pair[0].gene("g0")
    before = gene.predict(NEW)
    gene.remove_data()
    gene.remove_data()
    assert_same(before, gene.predict(NEW))
    left = pair[1].gene("g0")
    left.remove_data()
    loaded = pickle.loads(pickle.dumps(left))
    assert_same(before, loaded.predict(NEW))


# Some genes ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
@pytest.mark.parametrize("case", ["covariates", "aliased", "clusters"])
def test_a_subset_has_the_numbers_of_the_whole(case):
    formula, options = CASES[case]
    chosen = ["g6", "g0", "g2"]
    fit = nbglm.fit_negbin(DATA, formula, progress=False, **options)
    some = fit.subset(chosen)
    alone = nbglm.fit_negbin(DATA[:, chosen], formula, progress=False, **options)
    for results in (some, alone):
        for name in ("params", "bse", "pvalues", "coef_status"):
            for part in ("beta", "gamma"):
                table = getattr(fit, name)[part][chosen]
                assert_same(table, getattr(results, name)[part])
        assert_same(fit.llf[chosen], results.llf)
        assert_same(fit.resid_pearson[chosen], results.resid_pearson)
        drawn = fit.sample(NEW, seed=1)[:, chosen].X
        assert not (drawn != results.sample(NEW, seed=1).X).nnz
    assert_same(some.anova(), alone.anova())
    assert some.counts.annotations["symbol"].tolist() == ["G", "A", "C"]


def test_a_subset_is_chosen_by_names_or_a_mask(limits):
    fit, _ = limits
    assert fit.subset("g3").gene_names.tolist() == ["g3"]
    assert fit.subset(fit.status == "all_zero").gene_names.tolist() == ["g1"]
    with pytest.raises(KeyError, match="no gene 'g9'"):
        fit.subset(["g9"])
    with pytest.raises(nbglm.OptionError, match="no gene"):
        fit.subset([])
