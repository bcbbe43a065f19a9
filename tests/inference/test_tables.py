"""Tables belong to whoever asked for them: writing into one changes nothing that a fit says."""

import dataclasses
import pickle
import time
import warnings
from collections.abc import Mapping
from functools import singledispatch

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import nbglm

FORMULA = {"mean": "~ g + x", "dispersion": "~ x"}
N = 90


def make_data(rng):
    obs = pd.DataFrame(
        {
            "g": pd.Categorical(np.resize(["a", "b", "c"], N)),
            "x": rng.normal(size=N),
            "donor": np.resize(list("pqrstuvwxyz"), N),
            "depth": rng.uniform(0.5, 2.0, N),
        },
        index=[f"cell{i}" for i in range(N)],
    )
    mean = obs["depth"] * np.exp(1 + 0.3 * obs["x"])
    counts = pd.DataFrame(
        {
            "regular": rng.poisson(rng.gamma(2.0, mean / 2.0)),
            "other": rng.poisson(rng.gamma(1.0, mean)),
            "even": rng.binomial(3, 0.5, N),
            "silent": rng.poisson(3.0, N) * (obs["g"] != "c").to_numpy(),
            "empty": 0,
        },
        index=obs.index,
    )
    return counts, obs, rng.integers(1, 3, N).astype(float)


@pytest.fixture
def data(rng):
    return make_data(rng)


@pytest.fixture
def fit(data):
    counts, obs, weights = data
    return nbglm.fit_negbin(
        anndata.AnnData(
            sparse.csr_matrix(counts.to_numpy()), obs, pd.DataFrame(index=counts.columns)
        ),
        FORMULA,
        size_factors="depth",
        weights=weights,
        cov_type="cluster",
        cov_kwds={"groups": "donor"},
        progress=False,
    )


TABLE = (pd.DataFrame, pd.Series, np.ndarray, dict)
NEW = pd.DataFrame({"g": ["b", "a"], "x": [0.5, -1.0], "depth": [1.0, 2.0]})

# What a fit is asked ------------------------------------------------------------------------------

ARGUMENTS = {
    "anova": [{}, {"typ": 1}],
    "bootstrap": [{"gene": "regular", "n": 2, "kind": "cases", "seed": 1}],
    "calibrate": [],  # refuses weights that are no whole numbers, which these are
    "conf_int": [{}, {"method": "profile", "genes": "regular", "terms": "x"}],
    "cooks_distance": [],  # refuses weights, which this fit has
    "cov_params": [{"gene": "regular"}],
    "covariance_of": [{"position": 1}],
    "edit": [{"term": "g", "genes": "regular", "to_null": True}],
    "estimate": [{"what": "g"}, {"what": "x", "component": "dispersion", "scale": "alpha"}],
    "explain": [{"gene": "silent"}],
    "gene": [{"name": "regular"}],
    "goodness_of_fit": [{"n_jobs": 1}],
    "leverage": [],  # so does this
    "limit_tests": [{"genes": np.arange(2)}],
    "marginal_means": [{"factors": "g"}, {"factors": "g", "pairwise": True}],
    "one_gene": [{"position": 0}],
    "overdispersion_test": [{}],
    "predict": [{}, {"interval": 0.9}],
    "predict_genes": [{"genes": slice(0, 2)}],
    "pvalues_of": [{"position": 0}],
    "rank_genes_groups": [{"groupby": "g"}],
    "require_data": [{"what": "this"}],
    "require_likelihood": [{"what": "this"}],
    "residuals": [{"seed": 1}, {"kind": "pearson"}],
    "sample": [{"seed": 1}],
    "score_test": [{"extra": "~ depth"}],
    "shrink": [],  # refuses clusters, which this fit has
    "std_err_of": [{"position": 0}],
    "subset": [{"genes": ["silent", "regular"]}],
    "summary": [{}],
    "t_test": [{"hypothesis": "x"}, {"hypothesis": "g"}],
    "table": [{"hypothesis": "x"}, {"hypothesis": "g", "component": "mean", "sort": None}],
    "to_frame": [{}],
    "wald_test": [{"hypothesis": "g"}],
    "with_cov": [{"cov_type": "eim"}],
    "with_params": [{"params": {"gamma": {("x", "regular"): 0.5}}}],
    "without_data": [{}],
}
"""Arguments of every method of the results, one set or more."""


def questions(results):
    """Everything that results can be asked, by name."""
    out = {}
    for name in sorted({*dir(results), *vars(results)}):
        if name.startswith("_"):
            continue
        if callable(getattr(results, name)):
            for k, given in enumerate(ARGUMENTS.get(name, [])):
                out[f"{name} {k}"] = lambda name=name, given=given: getattr(results, name)(**given)
        else:
            out[name] = lambda name=name: getattr(results, name)
    return out


@singledispatch
def told(answer):
    """An answer in characters, to be compared with the same answer later."""
    if hasattr(answer, "summary_frame"):  # of one gene
        return told([answer.params, answer.bse, answer.log_pvalues, answer.predict()])
    if dataclasses.is_dataclass(answer):
        return [(f.name, told(getattr(answer, f.name))) for f in dataclasses.fields(answer)]
    return repr(answer.toarray().tolist() if sparse.issparse(answer) else answer)


told.register(nbglm.NegBinResults, lambda fit: told([fit.params, fit.status, fit.predict(NEW)]))
told.register(anndata.AnnData, lambda answer: told([answer.X, answer.obs, answer.var]))
told.register(Mapping, lambda answer: [(name, told(part)) for name, part in answer.items()])
told.register(list, lambda answer: [told(part) for part in answer])
told.register(tuple, lambda answer: [told(part) for part in answer])
told.register(np.ndarray, lambda answer: repr(answer.tolist()))
told.register(pd.Index, lambda answer: [list(answer.names), repr(answer.tolist())])
told.register(pd.Series, lambda answer: [answer.name, told(answer.to_frame())])
told.register(
    pd.DataFrame,
    lambda answer: [repr(answer.to_dict("split")), told(answer.index), told(answer.columns)],
)


@singledispatch
def write_into(answer):
    """Overwrite whatever can be, as deep as it goes."""
    if hasattr(answer, "summary_frame"):
        write_into([answer.params, answer.bse, answer.pvalues, answer.log_pvalues])
    elif dataclasses.is_dataclass(answer):
        for field in dataclasses.fields(answer):
            # Not the store of the counts, nor what names are stored under.
            if field.name not in ("matrix", "genes", "names"):
                write_into(getattr(answer, field.name.removeprefix("_"), None))


@write_into.register(list)
@write_into.register(tuple)
def _(answer):
    for part in answer:
        write_into(part)


@write_into.register(dict)
def _(answer):
    write_into(list(answer.values()))
    if all(isinstance(part, pd.DataFrame) for part in answer.values()):
        answer.clear()


@write_into.register(pd.DataFrame)
def _(answer):
    write_into([answer.index, answer.columns])
    for k in range(answer.shape[1]):
        write_into(answer.iloc[:, k].to_numpy())
    answer.iloc[:] = answer.iloc[::-1].to_numpy()
    answer.insert(0, "new" if answer.columns.nlevels == 1 else ("new", "new"), 0)


@write_into.register(pd.Series)
def _(answer):
    write_into([answer.index, answer.to_numpy()])
    answer.iloc[:] = answer.iloc[0]


@write_into.register(pd.Index)
def _(answer):
    answer.names = [f"other_{k}" for k in range(answer.nlevels)]
    if answer.nlevels == 1:
        write_into(answer.to_numpy())


@write_into.register(np.ndarray)
def _(answer):
    if answer.flags.writeable and answer.size:
        answer[...] = answer.ravel()[0]


write_into.register(anndata.AnnData, lambda answer: write_into([answer.X.data, answer.obs]))
write_into.register(
    nbglm.NegBinResults,
    lambda fit: write_into([fit.params, fit.status, fit.llf, fit.gene_names]),
)


def test_every_public_method_has_its_arguments(fit):
    methods = {name for name in dir(fit) if name[0] != "_" and callable(getattr(fit, name))}
    methods -= {"save", "to_anndata"}  # give nothing back
    assert methods == set(ARGUMENTS), "say in ARGUMENTS how a new method is called"


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_writing_into_what_a_fit_says_changes_nothing_else(fit):
    asked = questions(fit)
    before = {name: told(ask()) for name, ask in asked.items()}
    for name, ask in asked.items():
        if name != "problem":  # the designs as compiled code reads them; no table
            write_into(ask())
    for name, ask in asked.items():
        assert told(ask()) == before[name], f"{name} has changed"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_writing_into_the_results_of_one_gene_changes_nothing(fit):
    for gene in ("regular", "even", "silent"):
        one = fit.gene(gene)
        attributes = {
            name: (lambda name=name, one=one: getattr(one, name))
            for name in dir(one)
            if name[0] != "_" and isinstance(getattr(one, name, None), TABLE)
        }
        assert len(attributes) > 10
        asked = attributes | {
            "cov_params": one.cov_params,
            "conf_int": one.conf_int,
            "profile": lambda one=one: one.conf_int(method="profile"),
            "predict": one.predict,
            "summary_frame": one.summary_frame,
            "t_test": lambda one=one: one.t_test("x").effect,
            "wald_test_terms": lambda one=one: one.wald_test_terms().table,
            "get_prediction": lambda one=one: one.get_prediction().summary_frame(),
            "of all genes": fit.to_frame,
            "model": lambda one=one: [one.model.exog, one.model.endog, one.model.exog_dispersion],
        }
        before = {name: told(ask()) for name, ask in asked.items()}
        for ask in asked.values():
            write_into(ask())
        for name, ask in asked.items():
            assert told(ask()) == before[name], f"{name} of {gene} has changed"


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_writing_into_what_a_simulator_says_changes_nothing(data):
    counts, obs, _ = data
    simulator = nbglm.NegBinRegressionSimulator(progress=False)
    simulator.fit(counts, FORMULA, obs=obs, size_factors="depth")
    asked = {
        "params": lambda: simulator.params,
        "predict": simulator.predict,
        "new rows": lambda: simulator.predict(obs.head(3)),
        "sample": lambda: simulator.sample(seed=1),
    }
    before = {name: told(ask()) for name, ask in asked.items()}
    for ask in asked.values():
        write_into(ask())
    for name, ask in asked.items():
        assert told(ask()) == before[name], f"{name} has changed"


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_what_becomes_of_the_data_after_a_fit_changes_nothing(data):
    """Covariates, offsets, weights, groups: the fit keeps what it needs of them."""
    counts, obs, weights = data
    groups, factors = np.resize(np.arange(11), N), obs["depth"].to_numpy().copy()
    offset = np.linspace(0, 0.5, N)

    def fitted(copied):
        return nbglm.fit_negbin(
            sparse.csr_matrix(counts.to_numpy()),
            {"mean": "~ g + center(x)", "dispersion": "~ x"},
            obs=copied(obs),
            offset=copied(offset),
            size_factors=copied(factors),
            weights=copied(weights),
            cov_type="cluster",
            cov_kwds={"groups": copied(groups)},
            progress=False,
        )

    def everything(fit):
        loaded = pickle.loads(pickle.dumps(fit))  # which centres x again
        new = {"offset": [0.0, 0.0], "size_factors": [1.0, 1.0]}
        return told(
            [
                *(fit.to_frame(), fit.with_cov("HC0").to_frame(), fit.predict(), fit.anova()),
                *(fit.score_test("~ depth"), fit.marginal_means("g"), fit.explain("gene_3")),
                *(fit.sample(seed=1), fit.with_cov("cluster", {"groups": "donor"}).bse),
                loaded.predict(NEW, **new),
            ]
        )

    one, apart = fitted(lambda given: given), fitted(lambda given: given.copy())
    for array in (offset, factors, weights, groups):
        array[...] = array[::-1].copy()
    for column in obs:
        obs.loc[:, column] = obs[column].to_numpy()[::-1]
    obs["x"] = 0.0
    obs.index = obs.index[::-1]
    assert everything(one) == everything(apart)


def test_a_model_keeps_its_own_designs(rng):
    x, z = np.column_stack([np.ones(N), rng.normal(size=N)]), np.ones((N, 1))
    y, weights, offset = rng.poisson(3, N).astype(float), np.ones(N), np.zeros(N)
    model = nbglm.NegBinModel(y, x, z, weights=weights, offset=offset)
    first = model.fit()
    told_first = told([first.params, first.bse, first.predict(), first.resid])
    for array in (x, z, y, weights, offset):
        array[...] = 7.0
    assert told([first.params, first.bse, first.predict(), first.resid]) == told_first
    again = model.fit()
    assert told([again.params, again.bse, again.predict(), again.resid]) == told_first


def test_counts_that_changed_after_the_fit_are_noticed(data):
    counts, obs, _ = data
    for table in (counts.to_numpy(), sparse.csc_matrix(counts.to_numpy())):
        fit = nbglm.fit_negbin(table, "~ x", obs=obs, progress=False)
        values = table if isinstance(table, np.ndarray) else table.data
        once = values.copy()
        for change in (
            np.log1p(once),
            once[::-1].copy(),
            np.random.default_rng(3).permutation(once),
        ):
            values[...] = change  # logarithms of whole numbers are cut to whole numbers
            with pytest.raises(nbglm.CountsError, match="have changed since they were read"):
                fit.anova()
        values[...] = once
        assert len(fit.anova()) == counts.shape[1]


@pytest.mark.slow
def test_a_table_of_all_genes_is_copied_in_no_time(rng):
    """A fit of 20,000 genes must still be read in a loop over some hundred of them."""
    counts = rng.negative_binomial(0.5, 0.1, size=(30, 20_000))
    fit = nbglm.fit_negbin(counts, "~ 1", progress=False)
    began = time.process_time()
    for gene in fit.gene_names[:200]:
        assert fit.params["beta"][gene].size == fit.coef_status["beta"][gene].size == 1
    assert time.process_time() - began < 2.0


# Indexes ------------------------------------------------------------------------------------------


def test_tables_of_one_row_a_gene_are_indexed_by_gene(fit, data):
    counts, obs, _ = data
    small = nbglm.fit_negbin(
        counts, {"mean": "~ x"}, obs=obs, size_factors="depth", weights=fit.weights, progress=False
    )
    one = nbglm.fit_negbin(counts, "~ x", obs=obs, progress=False)
    tables = {
        "t_test": fit.t_test("x"),
        "wald_test": fit.wald_test("g"),
        "score_test": fit.score_test("~ depth"),
        "overdispersion_test": fit.overdispersion_test(),
        "lr_test": nbglm.lr_test(fit.with_cov("oim"), small),
        "estimate": fit.estimate("x", scale="response"),
        "rows": fit.estimate(obs.head(1), scale="cv2"),
        "pairs": fit.marginal_means("g", at={"g": ["a", "b"]}, pairwise=True),
        "grid": fit.marginal_means([]),
        "anova": one.anova(),
        "compare": nbglm.compare({"alone": one}),
    }
    var = pd.DataFrame(index=counts.columns[::-1])
    for name, table in tables.items():
        assert table.index.name == "gene", name
        assert table.index.tolist() == counts.columns.tolist(), name
        assert "gene" not in table, name
        column = table.columns[-1]
        var[name] = table[column]
        assert told(var[name].tolist()) == told(table[column].tolist()[::-1]), name


def test_tables_of_several_rows_a_gene_are_indexed_by_gene_and_row(fit, data):
    counts, obs, _ = data
    tables = {
        ("gene", "contrast"): fit.t_test("g"),
        ("gene", "row"): fit.estimate(obs.head(3)),
        ("gene", "g"): fit.marginal_means("g"),
        ("gene", "component", "term"): fit.anova(),
        ("gene", "model"): nbglm.compare({"one": fit, "two": fit}),
    }
    pairs = fit.marginal_means("g", pairwise=True)
    for names, table in [*tables.items(), (("gene", "contrast"), pairs)]:
        assert tuple(table.index.names) == names
        assert table.index.get_level_values("gene").unique().tolist() == counts.columns.tolist()
        assert not set(names) & set(table.columns)
        rows = table.loc["other"]
        assert len(rows) == len(table) // counts.shape[1] > 1
        long = table.reset_index()
        assert long.columns[: len(names)].tolist() == list(names)
        assert len(long) == len(table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a lookup that pandas calls slow
        assert fit.anova().loc[("other", "dispersion", "x"), "df"] == 1


def test_labels_that_bear_the_name_of_a_column_are_told_apart(rng):
    obs = pd.DataFrame({"gene": np.resize(["a", "b", "c"], N), "estimate": np.resize([0, 1], N)})
    fit = nbglm.fit_negbin(rng.poisson(3, (N, 2)), "~ gene + C(estimate)", obs=obs, progress=False)
    table = fit.marginal_means(["gene", "estimate"], at={"estimate": [0, 1]})
    assert table.index.names == ["gene", "obs_gene", "obs_estimate"]
    assert table.loc[("gene_1", "b", 1), "status"] == "ok"


def test_asking_for_a_table_of_another_name_says_what_there_is(fit):
    with pytest.raises(nbglm.UnknownNameError, match="Did you mean 'gamma'"):
        fit.params["dispersion"]
    with pytest.raises(KeyError, match="'mean', 'dispersion'"):
        fit.predict()["var"]
