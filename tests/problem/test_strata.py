"""Factors of many levels: the same fits as by way of all columns, in time that grows with rows."""

import time
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import sparse, special

import nbglm
from nbglm.kernels.definite import inverse_root
from nbglm.problem import indicators, standard
from nbglm.problem.cost import Cost, cost_line, expected_cost
from nbglm.problem.indicators import find_strata
from nbglm.problem.problem import make_problem

LEVELS = 24
CELLS = 400


def cells(rng, levels=LEVELS, n=CELLS, mean=3.0):
    """Cells of some levels, of which every fifth has no count."""
    level = np.resize(np.arange(levels), n)
    obs = pd.DataFrame(
        {
            "level": pd.Categorical([f"l{i:04d}" for i in level]),
            "batch": rng.choice(list("abc"), n),
            "x": rng.normal(size=n),
            "year": rng.integers(1990, 2021, n).astype(float),
            "depth": np.exp(rng.normal(0.0, 0.3, n)),
            "donor": rng.choice(list("abcdefghijkl"), n),
        },
        index=[f"c{i}" for i in range(n)],
    )
    mu = mean * np.exp(rng.normal(0.0, 0.5, levels))[level] * np.exp(0.3 * obs["x"].to_numpy())
    y = rng.poisson(rng.gamma(2.0, mu / 2.0))
    table = pd.DataFrame(
        {
            "full": y + (obs["x"] > 0.5),
            "gaps": np.where(level % 5 == 3, 0, y),
            "first": np.where(level % 7 == 0, 0, y),
            "sparse": rng.poisson(0.03 * mu),
            "poisson": rng.poisson(mu),
            "nothing": 0,
        },
        index=obs.index,
    )
    return obs, table


def fit(obs, table, mean="~ level", size="~ 1", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        return nbglm.fit_negbin(
            table, {"mean": mean, "dispersion": size}, obs=obs, progress=False, **options
        )


def look_for_strata(monkeypatch, from_columns=5):
    monkeypatch.setattr(indicators, "WIDE", from_columns)
    monkeypatch.setattr(standard, "WIDE", from_columns)


def fit_both(monkeypatch, *args, **options):
    """The same fit by strata and by all columns."""
    look_for_strata(monkeypatch, from_columns=10**9)
    theirs = fit(*args, **options)
    assert not theirs.problem.layout.stratum_value.size
    look_for_strata(monkeypatch)
    ours = fit(*args, **options)
    assert ours.problem.layout.stratum_value.size > 1
    return ours, theirs


def check_same(ours, theirs, open_genes=()):
    """Of some genes it is arbitrary which coefficients fall, and which are not identified."""
    assert ours.status.tolist() == theirs.status.tolist()
    np.testing.assert_allclose(ours.llf, theirs.llf, rtol=1e-11, atol=1e-9)
    for part in ("beta", "gamma"):
        same = ours.coef_status[part] == theirs.coef_status[part]
        told = theirs.coef_status[part].isin(["ok", "poisson_limit", "aliased"])
        assert same.drop(columns=list(open_genes)).all(axis=None)
        assert (same | ~told).all(axis=None)
        errors = theirs.bse[part].to_numpy()
        np.testing.assert_allclose(ours.bse[part], errors, rtol=1e-5)
        here, there = (result.params[part].to_numpy() for result in (ours, theirs))
        infinite = np.isinf(there) & same.to_numpy()
        assert (here[infinite] == there[infinite]).all()
        finite = np.isfinite(errors)
        apart = np.abs(here[finite] - there[finite]) / errors[finite]
        assert apart.max(initial=0.0) < 1e-5


FORMULAS = [
    ("~ level", "~ 1"),
    ("~ level", "~ batch"),
    ("~ level", "~ x"),
    ("~ level - 1", "~ 1"),
    ("~ level + x", "~ 1"),
    ("~ level + x + batch", "~ batch"),
    ("~ x + level - 1", "~ 1"),
    ("~ level + year", "~ 1"),
    ("~ level + x + I(2 * x + 1)", "~ 1"),
    ("~ x + level + level:x", "~ 1"),
    ("~ level + batch:level", "~ 1"),
]
"""With aliased columns, columns that hardly vary, and levels nested in one another."""


@pytest.mark.parametrize(("mean", "size"), FORMULAS)
def test_strata_and_all_columns_give_the_same_fit(rng, monkeypatch, mean, size):
    obs, table = cells(rng)
    open_genes = {"nothing", "sparse"} if "batch:level" in mean else {"nothing"}
    check_same(*fit_both(monkeypatch, obs, table, mean, size), open_genes)


@pytest.mark.parametrize("cov_type", ["eim", "HC0", "HC1", "cluster"])
def test_strata_change_no_covariance(rng, monkeypatch, cov_type):
    obs, table = cells(rng)
    options = {"cov_kwds": {"groups": "donor"}} if cov_type == "cluster" else {}
    args = (obs, table[["full", "gaps"]], "~ level + x", "~ batch")
    check_same(*fit_both(monkeypatch, *args, cov_type=cov_type, **options))


def test_strata_change_nothing_with_size_factors_and_weights(rng, monkeypatch):
    obs, table = cells(rng)
    weights = rng.integers(0, 4, len(obs)).astype(float)
    weights[obs["level"] == "l0002"] = 0.0
    args = (obs, table, "~ level + x", "~ batch")
    both = fit_both(monkeypatch, *args, size_factors="depth", weights=weights)
    check_same(*both, open_genes={"nothing"})


@pytest.mark.slow
def test_strata_change_no_smallest_coefficients(rng, monkeypatch):
    obs, table = cells(rng)
    obs["same"] = obs["level"]
    args = (obs, table[["full", "gaps"]], "~ level + same + x", "~ 1")
    ours, theirs = fit_both(monkeypatch, *args, rank_deficient="min_norm")
    here, there = (result.params["beta"].to_numpy() for result in (ours, theirs))
    np.testing.assert_allclose(here[:, 0], there[:, 0], atol=1e-6)
    np.testing.assert_allclose(ours.llf, theirs.llf, rtol=1e-11)
    assert ours.status.tolist() == theirs.status.tolist()
    np.testing.assert_allclose(
        ours.predict()["mean"], theirs.predict()["mean"], rtol=1e-6, atol=1e-12
    )


@pytest.mark.slow
def test_strata_change_no_test_no_interval_and_no_prediction(rng, monkeypatch):
    obs, table = cells(rng)
    args = (obs, table[["full", "gaps", "sparse"]], "~ level + x", "~ batch")
    ours, theirs = fit_both(monkeypatch, *args)
    level, other = "level[T.l0003]", "level[T.l0004]"
    what = [f"{level} - {other}", f"{other} - x", "x"]

    def tables(results):
        return (
            results.t_test(what),
            results.wald_test("level"),
            results.conf_int(method="profile", terms=["x", level])["beta"],
            results.predict(obs.iloc[:50])["mean"],
            results.to_frame(),
        )

    by_strata = tables(ours)
    look_for_strata(monkeypatch, from_columns=10**9)
    for here, there in zip(by_strata, tables(theirs), strict=True):
        for name in here:
            if here[name].dtype.kind == "f":
                np.testing.assert_allclose(here[name], there[name], rtol=2e-4, atol=1e-7)
            else:
                assert here[name].tolist() == there[name].tolist()
    assert ours.df_model == theirs.df_model
    assert ours.n_params == theirs.n_params


def test_a_model_of_levels_has_the_means_of_the_levels(rng, monkeypatch):
    look_for_strata(monkeypatch)
    obs, table = cells(rng)
    results = fit(obs, table, "~ level - 1")
    means = table.groupby(obs["level"], observed=True).mean()
    with np.errstate(divide="ignore"):
        expected = np.log(means.to_numpy())
    # Whatever the size is, the score of a level is 0 at its mean if all cells share the size.
    dull = ["full", "gaps", "first"]
    position = [table.columns.get_loc(name) for name in dull]
    np.testing.assert_allclose(results.params["beta"][dull], expected[:, position], rtol=1e-7)


def test_a_model_of_levels_has_the_likelihood_of_its_means(rng, monkeypatch):
    look_for_strata(monkeypatch)
    obs, table = cells(rng)
    results = fit(obs, table[["full"]])
    y = table["full"].to_numpy()
    mu = table["full"].groupby(obs["level"], observed=True).transform("mean").to_numpy()
    r = float(np.exp(results.params["gamma"].iloc[0, 0]))

    def terms(size):
        value = special.gammaln(y + size) - special.gammaln(size) - special.gammaln(y + 1.0)
        return (value + size * np.log(size / (size + mu)) + y * np.log(mu / (size + mu))).sum()

    assert results.llf["full"] == pytest.approx(terms(r), rel=1e-12)
    assert terms(r) >= max(terms(0.999 * r), terms(1.001 * r))
    # The information of a level is its own: its error is that of a mean, var / (n mean^2).
    count = obs["level"].value_counts()["l0000"]
    mean = mu[0]
    first = results.bse["beta"].loc["Intercept", "full"]
    level = table["full"][obs["level"] == "l0000"]
    observed = (mean * r * (r + level) / (r + mean) ** 2).sum()
    assert count == level.size
    assert first == pytest.approx(observed**-0.5, rel=1e-3)


def test_strata_agree_with_statsmodels(rng, monkeypatch):
    look_for_strata(monkeypatch)
    obs, table = cells(rng)
    results = fit(obs, table[["full"]], "~ level + x")
    design = results.design.mean.matrix
    start = np.append(results.params["beta"]["full"], np.exp(-results.params["gamma"].iloc[0, 0]))
    theirs = sm.NegativeBinomial(table["full"].to_numpy(), design).fit(
        start_params=start, method="newton", disp=0
    )
    assert results.llf["full"] == pytest.approx(theirs.llf, rel=1e-10)
    np.testing.assert_allclose(results.params["beta"]["full"], theirs.params[:-1], rtol=1e-5)
    np.testing.assert_allclose(results.bse["beta"]["full"], theirs.bse[:-1], rtol=1e-5)


def test_bits_do_not_depend_on_the_other_genes(rng, monkeypatch):
    look_for_strata(monkeypatch)
    obs, table = cells(rng)
    together = fit(obs, table, "~ level + x", "~ batch")
    for name in table:
        alone = fit(obs, table[[name]], "~ level + x", "~ batch")
        for part in ("beta", "gamma"):
            np.testing.assert_array_equal(alone.params[part][name], together.params[part][name])
            np.testing.assert_array_equal(alone.bse[part][name], together.bse[part][name])
        assert alone.llf[name] == together.llf[name]


@pytest.mark.parametrize("others", [0, 1, 4])
def test_the_root_of_an_arrow_is_that_of_the_whole_matrix(rng, others):
    strata = 6
    diagonal = rng.uniform(1.0, 3.0, strata)
    border = 0.3 * rng.normal(size=(strata, others))
    corner = np.diag(rng.uniform(4.0, 5.0, others))
    whole = np.block([[np.diag(diagonal), border], [border.T, corner]])
    arrow = np.zeros((strata + others, others + 1))
    arrow[:strata, :others] = border
    arrow[:strata, others] = diagonal
    arrow[strata:, :others] = corner
    root = inverse_root(arrow)
    np.testing.assert_allclose(root, inverse_root(whole), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(root @ root.T @ whole, np.eye(strata + others), atol=1e-13)
    arrow[0, others] = -1.0
    assert np.isnan(inverse_root(arrow)).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_columns_of_strata_are_orthonormal_and_make_the_design(rng, monkeypatch, weighted):
    look_for_strata(monkeypatch)
    obs, _ = cells(rng)
    columns = [pd.get_dummies(obs[name], dtype=float).to_numpy()[:, 1:] for name in
               ("level", "batch")]  # fmt: skip
    x = np.column_stack([np.ones(CELLS), *columns, obs["year"] + 1e6])
    weights = rng.integers(1, 4, CELLS).astype(float) if weighted else None
    problem = make_problem(x, x[:, :1], np.zeros(CELLS), weights)
    layout = problem.layout
    assert layout.stratum_value.size == LEVELS
    q = layout.x
    np.testing.assert_allclose(q.T @ (layout.weight[:, None] * q), np.eye(x.shape[1]), atol=1e-13)
    assert sparse.issparse(problem.x_transform)
    made = x[layout.cell_of_row] @ problem.x_transform.toarray()
    np.testing.assert_allclose(made, q, atol=1e-9)
    theta = rng.normal(size=q.shape[1] + 1)
    np.testing.assert_allclose(layout.log_means(theta), q @ theta[:-1], atol=1e-13)
    np.testing.assert_allclose(layout.mean_coordinates(q @ theta[:-1]), theta[:-1], atol=1e-12)


def test_strata_are_found_among_any_columns(rng, monkeypatch):
    look_for_strata(monkeypatch)
    a, b = rng.integers(0, 12, CELLS), rng.integers(0, 10, CELLS)
    one_hot = [(values[:, None] == np.arange(values.max() + 1)) for values in (a, b)]
    crossed = np.column_stack([np.ones(CELLS), one_hot[0][:, 1:], one_hot[1][:, 1:]])
    found = find_strata(crossed)
    assert found.column.size == 12
    assert found.others.tolist() == [0, *range(12, 21)]
    assert (found.of_row[a == 0] == 11).all()
    assert found.column[11] == -1
    whole = find_strata(one_hot[0].astype(float))
    assert whole.column.size == 12
    assert whole.constant == -1
    assert find_strata(rng.normal(size=(CELLS, 20))) is None
    # Without a constant nothing makes up the level that has no column.
    assert find_strata(one_hot[0][:, 1:].astype(float)) is None


@pytest.mark.parametrize(("mean", "size"), [("~ level", "~ 1"), ("~ level + x", "~ batch")])
@pytest.mark.parametrize("rate", [4.0, 0.1])
def test_two_thousand_levels_take_seconds(rng, mean, size, rate):
    obs, table = cells(rng, 2_000, 12_000, rate)
    fit(obs, table[["full"]], "~ batch", "~ batch")  # compiles
    started = time.process_time()
    results = fit(obs, table[["full", "gaps"]], mean, size)
    # 237 seconds a gene by way of all columns.
    assert time.process_time() - started < 40.0
    silent = (table.groupby(obs["level"], observed=True).sum() == 0).iloc[1:]
    status, coef = results.coef_status["beta"].iloc[1:2_000], results.params["beta"].iloc[1:2_000]
    for gene in results.gene_names:
        np.testing.assert_array_equal(status[gene] == "separated", silent[gene])
        np.testing.assert_array_equal(coef[gene] == -np.inf, silent[gene])


# What is said of costly designs ------------------------------------------------------------------


def test_a_costly_design_is_announced_before_the_first_gene(rng, monkeypatch, capsys):
    obs, table = cells(rng)
    monkeypatch.setattr("nbglm.problem.cost._LONG", 1e-6)
    formula = {"mean": "~ level + x", "dispersion": "~ 1"}
    nbglm.fit_negbin(table, formula, obs=obs, progress=True)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nbglm: ")]
    assert "designs of 26 columns: preparing takes about 0.1 s" in lines[0]
    nbglm.fit_negbin(table, formula, obs=obs, progress=False)
    assert not capsys.readouterr().err


def test_an_ordinary_design_is_not_announced(rng, capsys):
    obs, table = cells(rng)
    nbglm.fit_negbin(table, {"mean": "~ level + x", "dispersion": "~ x"}, obs=obs, progress=True)
    assert "designs of" not in capsys.readouterr().err


def test_costs_grow_with_columns_and_large_covariances_are_told(rng):
    one = np.ones((10_000, 1))
    level = np.resize(np.arange(800), 10_000)
    strata = np.column_stack([one, level[:, None] == np.arange(1, 800)]).astype(float)
    noise = rng.normal(size=(10_000, 800))
    cheap, dear = (expected_cost(x, one, np.zeros(10_000)) for x in (strata, noise))
    assert cost_line(cheap, 801, 1) is None
    assert cost_line(dear, 801, 1) is not None
    said = cost_line(Cost(0.1, 0.2, 8 * 2001**2), 2001, 1_000)
    assert said == "designs of 2001 columns: the covariances of 1000 genes take 32 GB"
