"""A fit that was saved and loaded says the same to the last bit, here and in another process."""

import pickle
import subprocess
import sys
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest

import nbglm

CELLS = 120
GENES = ["plain", "all zero", "a/b", "näive ≥ 2", "..", "Poisson", "$array", "late/"]


def make_data():
    rng = np.random.default_rng(20261130)
    obs = pd.DataFrame(
        {
            "time": rng.random(CELLS),
            "group": pd.Categorical(rng.choice(list("abc"), CELLS)),
            "cell/type": rng.choice(["T/NK", "Größe", "a b"], CELLS),
            "donor": rng.choice([f"d{k}" for k in range(12)], CELLS),
            "depth": rng.uniform(0.5, 2.0, CELLS),
            "times": rng.integers(1, 4, CELLS),
            "batch": rng.integers(1, 4, CELLS),
            "treated": rng.random(CELLS) < 0.5,
        },
        index=[f"Zelle/{i}" for i in range(CELLS)],
    )
    obs["time again"] = 2.0 * obs["time"]
    mean = obs["depth"].to_numpy()[:, None] * np.exp(rng.normal(0.5, 1.0, len(GENES)))
    counts = rng.negative_binomial(2, 2 / (2 + mean))
    counts[:, 1] = 0
    counts[obs["group"] == "c", 2] = 0
    counts[:, 5] = rng.poisson(2.0, CELLS)
    counts[:, 7] = rng.poisson(0.05, CELLS)
    var = pd.DataFrame({"symbol": list("ABCDEFGH"), "n/a": np.arange(8)}, index=GENES)
    return anndata.AnnData(counts, obs=obs, var=var)


DATA = make_data()
NEW = DATA.obs.sample(20, random_state=1)
OFFSET = np.linspace(-0.5, 0.5, CELLS)

CASES = {
    "constant": ("~ 1", {}),
    "factors": ({"mean": "~ group * treated", "dispersion": "~ group"}, {}),
    "size factors": ("~ time + group", {"size_factors": "depth"}),
    "an offset of its own": ("~ time", {"offset": OFFSET}),
    "weights": ("~ group", {"weights": "times", "offset": "depth"}),
    "bs and center": ({"mean": "~ bs(time, df=4)", "dispersion": "~ center(time)"}, {}),
    "cr and cc": ("~ cr(time, df=3) + cc(depth, df=3)", {}),
    "te": ("~ te(cr(time, df=3), cr(depth, df=3), constraints='center')", {}),
    "standardize": ("~ standardize(time, ddof=1) + scale(depth) + np.log1p(times)", {}),
    "a spline of a centred column": ("~ bs(center(time), df=4, include_intercept=True) - 1", {}),
    "contrasts": (
        "~ C(group, Treatment('b')) + C(donor, Sum) + C(batch) + C(batch > 1, Helmert)",
        {},
    ),
    "interactions": ("~ group:time + group:treated + I(depth ** 2)", {}),
    "every column": ({"mean": "~ . - donor", "dispersion": "~ Q('cell/type')"}, {}),
    "aliased": ("~ time + `time again` + group", {}),
    "least norm": ("~ time + Q('time again')", {"rank_deficient": "min_norm"}),
    "eim": ({"mean": "~ group", "dispersion": "~ time"}, {"cov_type": "eim"}),
    "HC0": ("~ time + group", {"cov_type": "HC0"}),
    "HC1": ("~ time + `cell/type`", {"cov_type": "HC1"}),
    "few clusters": ("~ time", {"cov_type": "CR2", "cov_kwds": {"groups": "donor"}}),
    "cluster": ("~ time + group", {"cov_type": "cluster", "cov_kwds": {"groups": "donor"}}),
    "only columns": ("~ np.log(depth) + bs(time, df=4)", {"scope": "columns"}),
}


def fitted(case):
    formula, options = CASES[case]
    return nbglm.fit_negbin(DATA, formula, progress=False, **options)


def first(fit, component="mean"):
    """The first term that is no constant, as far as there is one."""
    terms = getattr(fit.design, component).terms
    return terms[min(1, len(terms) - 1)]


def in_the_interior(fit):
    return fit.subset(fit.coef_status["beta"].isin(["ok", "aliased"]).all() & (fit.status == "ok"))


def new_rows(fit):
    """What new rows need besides obs."""
    return {"offset": OFFSET[:20]} if fit.design.rules[0].source == "array" else {}


PROPERTIES = (
    *("params", "bse", "tvalues", "pvalues", "log_pvalues", "coef_status", "llf", "aic", "bic"),
    *("nobs", "n_params", "df_model", "df_resid", "status", "converged", "n_iter", "gene_names"),
    *("coef_names", "cov_type", "seconds", "rank_deficient", "column_lines"),
    "base_mean",
)

WITHOUT_COUNTS = {
    **{name: lambda fit, name=name: getattr(fit, name) for name in PROPERTIES},
    "conf_int": lambda fit: fit.conf_int(),
    "to_frame": lambda fit: fit.to_frame(alpha=0.1),
    "cov_params": lambda fit: fit.cov_params("a/b"),
    "t_test": lambda fit: fit.t_test(first(fit)),
    "t_test of a size": lambda fit: fit.t_test(first(fit, "dispersion"), "dispersion"),
    "t_test of a value": lambda fit: in_the_interior(fit).t_test(np.eye(len(fit.params["beta"]))),
    "wald_test": lambda fit: in_the_interior(fit).wald_test(list(fit.design.mean.terms[:2])),
    "predict": lambda fit: fit.predict(NEW, **new_rows(fit)),
    "predict with intervals": lambda fit: fit.predict(NEW, interval=0.9, **new_rows(fit)),
    "sample": lambda fit: fit.sample(NEW, seed=3, **new_rows(fit)),
    "estimate": lambda fit: fit.estimate(NEW, scale="var", **new_rows(fit)),
    "estimate of a contrast": lambda fit: fit.estimate(first(fit), scale="response"),
    "marginal_means": lambda fit: fit.marginal_means([], scale="cv2"),
    "explain": lambda fit: fit.subset(["plain"]).column_lines,
    "repr": repr,
    "table": lambda fit: fit.table(first(fit)),
    "subset": lambda fit: fit.subset(["late/", "a/b"]).to_frame(),
    "var": lambda fit: fit.counts.annotations,
}

WITH_COUNTS = {
    "predict for the rows of the fit": lambda fit: fit.predict(),
    "sample for the rows of the fit": lambda fit: fit.sample(seed=1),
    "resid_pearson": lambda fit: fit.resid_pearson,
    "profiles": lambda fit: fit.conf_int(method="profile", genes=["plain", "Poisson"]),
    "HC1": lambda fit: fit.with_cov("HC1").to_frame(),
    "clusters": lambda fit: fit.with_cov("cluster", {"groups": "donor"}).to_frame(),
    "score_test": lambda fit: fit.score_test("~ np.sin(9 * time)"),
    "overdispersion_test": lambda fit: fit.overdispersion_test(),
    "shrink": lambda fit: fit.with_cov("oim").shrink(first(fit), scale=0.7),
    "explain": lambda fit: fit.explain("a/b"),
    "obs": lambda fit: fit.counts.obs,
    "counts": lambda fit: [fit.counts.gene(k) for k in range(len(GENES))],
    "a test of a gene at its limit": lambda fit: fit.t_test(f"{first(fit)} = 0.5"),
}


def answer(question, fit):
    """What comes of it; what a fit cannot answer is said alike."""
    try:
        return question(fit)
    except nbglm.NbglmError as error:
        return repr(error)


def answers(fit, questions):
    return {name: answer(question, fit) for name, question in questions.items()}


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for mine, its in zip(one, other, strict=True):
            assert_same(mine, its)
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    elif isinstance(one, pd.Series):
        pd.testing.assert_series_equal(one, other, check_exact=True)
    elif isinstance(one, pd.Index):
        pd.testing.assert_index_equal(one, other, exact=True)
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, anndata.AnnData):
        assert not (one.X != other.X).nnz
        assert_same(one.obs, other.obs)
        assert_same(one.var, other.var)
    else:
        assert one == other


@pytest.fixture(scope="module", params=CASES)
def fit(request):
    return fitted(request.param)


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_all_that_needs_no_counts_is_the_same(fit, tmp_path):
    path = tmp_path / "fit.h5ad"
    fit.save(path)
    loaded = nbglm.load(path)
    assert type(loaded) is nbglm.NegBinResults
    assert_same(answers(loaded, WITHOUT_COUNTS), answers(fit, WITHOUT_COUNTS))
    with pytest.raises(nbglm.UnavailableError, match="needs the counts"):
        loaded.predict()
    with pytest.raises(nbglm.UnavailableError, match="needs the counts"):
        loaded.score_test("~ donor")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_with_counts_everything_is_the_same(fit, tmp_path):
    path = tmp_path / "fit.h5ad"
    fit.save(path, data=True)
    loaded = nbglm.load(path)
    questions = {**WITHOUT_COUNTS, **WITH_COUNTS}
    assert_same(answers(loaded, questions), answers(fit, questions))


@pytest.mark.slow
def test_a_second_round_changes_nothing(fit, tmp_path):
    for data in (False, True):
        fit.save(tmp_path / "one.h5ad", data=data)
        nbglm.load(tmp_path / "one.h5ad").save(tmp_path / "two.h5ad", data=data)
        loaded = nbglm.load(tmp_path / "two.h5ad")
        assert_same(loaded.to_frame(), fit.to_frame())
        assert_same(
            loaded.predict(NEW, **new_rows(fit)),
            fit.predict(NEW, **new_rows(fit)),
        )


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
@pytest.mark.parametrize("case", ["bs and center", "cluster", "every column"])
def test_a_folder_of_zarr_holds_the_same_as_a_file(case, tmp_path):
    fit = fitted(case)
    fit.save(tmp_path / "fit.zarr", data=True)
    loaded = nbglm.load(tmp_path / "fit.zarr")
    for name in ("pvalues", "coef_status", "conf_int", "predict", "sample", "table", "var"):
        assert_same(answer(WITHOUT_COUNTS[name], loaded), answer(WITHOUT_COUNTS[name], fit))
    for name in ("resid_pearson", "obs", "counts", "clusters"):
        assert_same(answer(WITH_COUNTS[name], loaded), answer(WITH_COUNTS[name], fit))


OTHER_PROCESS = """
import pickle, sys, warnings
sys.path.insert(0, sys.argv[1])
from test_round_trips import CASES, WITH_COUNTS, WITHOUT_COUNTS, answers
import nbglm
warnings.simplefilter("ignore")
told = {}
for case in CASES:
    small = nbglm.load(f"{sys.argv[2]}/{case}.h5ad")
    whole = nbglm.load(f"{sys.argv[2]}/{case}.zarr")
    told[case] = answers(small, WITHOUT_COUNTS), answers(whole, WITH_COUNTS)
with open(f"{sys.argv[2]}/answers", "wb") as file:
    pickle.dump(told, file)
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_another_process_gives_the_same_answers(tmp_path):
    fits = {case: fitted(case) for case in CASES}
    for case, fit in fits.items():
        fit.save(tmp_path / f"{case}.h5ad")
        fit.save(tmp_path / f"{case}.zarr", data=True)
    here = __file__.rpartition("/")[0]
    command = [sys.executable, "-c", OTHER_PROCESS, here, str(tmp_path)]
    subprocess.run(command, check=True)
    told = pickle.loads((tmp_path / "answers").read_bytes())
    for case, fit in fits.items():
        assert_same(told[case][0], answers(fit, WITHOUT_COUNTS))
        assert_same(told[case][1], answers(fit, WITH_COUNTS))


def test_every_status_is_among_the_genes():
    gene = {word for case in ("factors", "aliased", "cluster") for word in fitted(case).status}
    assert gene >= {"ok", "all_zero", "separated", "poisson_limit"}


def test_scanpy_users_can_open_the_file(tmp_path):
    fit = fitted("size factors")
    fit.save(tmp_path / "small.h5ad")
    small = anndata.read_h5ad(tmp_path / "small.h5ad")
    assert (small.n_obs, list(small.var_names)) == (0, GENES)
    fit.save(tmp_path / "whole.h5ad", data=True)
    whole = anndata.read_h5ad(tmp_path / "whole.h5ad")
    assert list(whole.obs_names) == list(DATA.obs_names)
    np.testing.assert_array_equal(whole.X.toarray(), DATA.X)


@pytest.mark.parametrize("cov_type", ["cluster", "HC0"])
def test_what_errors_of_a_large_factor_do_not_tell_is_kept(tmp_path, cov_type):
    """Of more than 200 columns, which are looked at by strata; two levels have a cell each."""
    rng = np.random.default_rng(0)
    level = np.arange(1500) % 210
    level[[7, 8]] = 210, 211
    obs = pd.DataFrame({"level": level, "donor": rng.integers(0, 9, 1500)}).astype(str)
    y = rng.negative_binomial(2, 0.4, 1500)
    counts = pd.DataFrame({"a": y, "b": np.where(level == 3, 0, y)})
    kwds = {"groups": "donor"} if cov_type == "cluster" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        fit = nbglm.fit_negbin(
            counts, "~ level", obs=obs, cov_type=cov_type, cov_kwds=kwds, progress=False
        )
    words = fit.t_test("level[T.211]")["status"].tolist()
    assert words == ["not_identified", "not_identified"]
    fit.save(tmp_path / "fit.h5ad")
    again = nbglm.load(tmp_path / "fit.h5ad")
    assert again.t_test("level[T.211]").equals(fit.t_test("level[T.211]"))
    assert again.bse["beta"].equals(fit.bse["beta"])
    assert again.coef_status["beta"].equals(fit.coef_status["beta"])
