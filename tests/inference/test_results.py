"""The public face: tables, predictions, samples, the simulator and the command line."""

import pickle
from dataclasses import replace

import anndata
import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

import nbglm
from nbglm import cli
from nbglm.counts.table import Counts
from nbglm.demo import SIMULATION_FORMULA, simulate_tutorial
from nbglm.simulate.draws import draw_counts, seed_entropy

FORMULA = {"mean": "~ x + g", "dispersion": "~ x"}


def make_adata(rng, n=250, genes=9):
    obs = pd.DataFrame(
        {"x": rng.normal(size=n), "g": pd.Categorical(np.resize(["a", "b"], n))},
        index=[f"cell{i}" for i in range(n)],
    )
    mean = np.exp(1 + 0.3 * obs["x"].to_numpy()[:, None] + rng.normal(size=genes) * 0.5)
    counts = rng.poisson(rng.gamma(2.0, mean / 2.0))
    counts[:, 1] = 0
    counts[:, 2] = rng.binomial(3, 0.5, n)
    var = pd.DataFrame(index=[f"Gene {j}" for j in range(genes)])
    return anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=var)


@pytest.fixture
def adata(rng):
    return make_adata(rng)


@pytest.fixture
def results(adata):
    return nbglm.fit_negbin(adata, FORMULA, progress=False)


def test_shapes_and_labels(results, adata):
    terms = ["Intercept", "g[T.b]", "x"]
    for name in ("params", "bse", "tvalues", "pvalues", "log_pvalues", "coef_status"):
        table = getattr(results, name)
        assert list(table) == ["beta", "gamma"]
        assert table["beta"].index.tolist() == terms
        assert table["gamma"].index.tolist() == ["Intercept", "x"]
        assert table["beta"].columns.tolist() == adata.var_names.tolist()
    for name in ("llf", "aic", "bic", "converged", "status", "n_iter"):
        series = getattr(results, name)
        assert series.index.tolist() == adata.var_names.tolist()
        assert series.name == name
    assert results.nobs == 250
    assert (results.df_model, results.df_resid) == (2, 245)
    covariance = results.cov_params("Gene 0")
    assert covariance.index.tolist()[3:] == [("dispersion", "Intercept"), ("dispersion", "x")]
    np.testing.assert_allclose(np.sqrt(np.diag(covariance))[:3], results.bse["beta"]["Gene 0"])


def test_tables_agree_with_each_other(results):
    table = results.to_frame(alpha=0.1)
    columns = [
        "gene",
        "component",
        "term",
        "coef",
        "std_err",
        "z",
        "p_value",
        "log_p_value",
        "ci_lower",
        "ci_upper",
    ]
    assert table.columns.tolist() == [*columns, "status"]
    assert len(table) == 9 * 5
    row = table[(table.gene == "Gene 3") & (table.term == "g[T.b]")].iloc[0]
    assert row.coef == results.params["beta"].loc["g[T.b]", "Gene 3"]
    with pytest.warns(nbglm.NbglmWarning, match=r"'Gene 1', 'Gene 2'.* Wald intervals are NaN"):
        interval = results.conf_int(alpha=0.1)["beta"].loc["g[T.b]", "Gene 3"]
    assert interval.tolist() == [row.ci_lower, row.ci_upper]
    assert row.ci_upper - row.coef == pytest.approx(stats.norm.isf(0.05) * row.std_err)
    assert row.p_value == pytest.approx(2 * stats.norm.sf(abs(row.z)))
    with pytest.raises(ValueError, match="significance level"):
        results.conf_int(alpha=5)


def test_criteria(results):
    k = 5
    np.testing.assert_allclose(results.aic, 2 * k - 2 * results.llf)
    np.testing.assert_allclose(results.bic, np.log(250) * k - 2 * results.llf)


def test_repr_and_misspelt_gene(results):
    text = repr(results)
    for part in (
        "9 genes x 250 cells",
        "1 all_zero",
        "1 poisson_limit",
        "~ x + g",
        "mean^2 / size",
    ):
        assert part in text
    with pytest.raises(KeyError, match="Did you mean 'Gene 3'"):
        results.gene("gene 3")


def test_predictions_are_frozen(results, adata):
    whole = results.predict()
    rows = adata.obs.iloc[[7, 3, 100]]
    some = results.predict(rows.assign(g=rows["g"].astype(str)))
    for part in ("mean", "dispersion"):
        pd.testing.assert_frame_equal(some[part], whole[part].loc[rows.index])
    pd.testing.assert_frame_equal(results.fittedvalues, whole["mean"])
    pd.testing.assert_frame_equal(results.predict(adata[[7]])["mean"], whole["mean"].iloc[[7]])
    one_level = results.predict(rows[rows["g"] == "b"])["mean"]
    pd.testing.assert_frame_equal(one_level, whole["mean"].loc[one_level.index])
    with pytest.raises(nbglm.FormulaError, match=r"'z'.*knows 'a', 'b'"):
        results.predict(rows.assign(g="z"))
    with pytest.raises(nbglm.AlignmentError, match="DataFrame of new rows"):
        results.predict({"x": [1]})


def test_pearson_residuals(results, adata):
    mean, size = results.predict().values()
    y = adata.X.toarray()[:, 0]
    want = (y - mean["Gene 0"]) / np.sqrt(mean["Gene 0"] + mean["Gene 0"] ** 2 / size["Gene 0"])
    np.testing.assert_allclose(results.resid_pearson["Gene 0"], want)
    assert np.isfinite(results.resid_pearson).to_numpy().all()
    assert results.resid_pearson["Gene 0"].var() == pytest.approx(1.0, abs=0.3)


def test_pearson_residuals_are_0_where_a_size_is_0_and_the_mean_hardly_anything():
    counts = pd.DataFrame({"y": np.arange(53) == 2}).astype(int)
    fit = nbglm.fit_negbin(counts, "~ 1", obs=pd.DataFrame(index=counts.index), progress=False)
    tiny = replace(
        fit.arrays,
        finite=np.array([[-400.0, 0.0]]),
        direction=np.array([[0.0, -1.0]]),
        reach=np.array([[0.0, 1.0]]),
    )
    silent = replace(fit, arrays=tiny)  # a mean of exp(-400), of which the square is no float
    assert (silent.predict()["dispersion"] == 0.0).all(axis=None)
    residual = silent.resid_pearson.to_numpy()[fit.counts.gene(0) == 0]
    np.testing.assert_array_equal(residual, 0.0)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("block", [1, 4, 1000])
def test_same_bits_for_any_number_of_workers_and_block_size(
    adata, results, monkeypatch, n_jobs, block
):
    blocks = Counts.blocks
    monkeypatch.setattr(Counts, "blocks", lambda self, _size: blocks(self, block))
    again = nbglm.fit_negbin(adata, FORMULA, n_jobs=n_jobs, progress=False)
    for name in ("coef", "root", "llf", "status", "evaluations"):
        np.testing.assert_array_equal(getattr(again.arrays, name), getattr(results.arrays, name))


@pytest.mark.slow
def test_processes_give_the_same_bits(adata, results):
    with joblib.parallel_config("loky", n_jobs=2):
        again = nbglm.fit_negbin(adata, FORMULA, progress=False)
    np.testing.assert_array_equal(again.arrays.coef, results.arrays.coef)


def test_a_gene_does_not_depend_on_its_neighbours(adata, results):
    alone = nbglm.fit_negbin(adata[:, ["Gene 5"]], FORMULA, progress=False)
    np.testing.assert_array_equal(alone.arrays.coef[0], results.arrays.coef[5])


def test_weights_are_frequencies(adata, rng):
    weights = rng.integers(0, 3, adata.n_obs)
    rows = np.repeat(np.arange(adata.n_obs), weights)
    repeated = anndata.AnnData(
        adata.X[rows], obs=adata.obs.iloc[rows].reset_index(drop=True).rename(str)
    )
    one = nbglm.fit_negbin(adata, FORMULA, weights=weights, progress=False)
    other = nbglm.fit_negbin(repeated, FORMULA, progress=False)
    np.testing.assert_allclose(one.arrays.coef, other.arrays.coef, rtol=1e-8, atol=1e-9)
    for part in ("beta", "gamma"):
        np.testing.assert_allclose(one.bse[part], other.bse[part], rtol=1e-6)
    assert one.nobs == other.nobs
    with pytest.raises(nbglm.AlignmentError, match="must not be negative"):
        nbglm.fit_negbin(adata, FORMULA, weights=-weights - 1, progress=False)


def test_size_factors_scale_the_mean(adata):
    factors = np.linspace(0.5, 2.0, adata.n_obs)
    results = nbglm.fit_negbin(adata, "~ 1", size_factors=factors, progress=False)
    mean = results.fittedvalues["Gene 0"]
    assert (mean / factors).std() < 1e-12 * mean.mean()
    same = nbglm.fit_negbin(adata, "~ 1", offset=np.log(factors), progress=False)
    np.testing.assert_allclose(same.arrays.coef, results.arrays.coef, rtol=1e-13)
    with pytest.raises(nbglm.AlignmentError, match="need their own"):
        results.predict(adata.obs.iloc[:3])


@pytest.mark.parametrize(
    ("options", "says"),
    [({"cov_type": "HC9"}, "cov_type='HC9'"), ({"rank_deficient": "dropp"}, "Did you mean 'drop'")],
)
def test_unknown_options(adata, options, says):
    with pytest.raises(ValueError, match=says):
        nbglm.fit_negbin(adata, "~ 1", **options)


# Samples -----------------------------------------------------------------------------------------


def test_samples_keep_names_and_repeat(results, adata):
    one, two = (results.sample(seed=5, n_jobs=jobs) for jobs in (1, 2))
    assert (one.X != two.X).sum() == 0
    assert (one.X != results.sample(seed=6).X).sum() > 0
    assert one.obs_names.tolist() == adata.obs_names.tolist()
    assert one.var_names.tolist() == adata.var_names.tolist()
    assert one.obs["g"].tolist() == adata.obs["g"].tolist()
    assert np.issubdtype(one.X.dtype, np.integer)


def test_a_subset_of_genes_has_the_same_draws(results, adata):
    few = nbglm.fit_negbin(adata[:, ["Gene 7", "Gene 0"]], FORMULA, progress=False).sample(seed=3)
    many = results.sample(seed=3)
    for gene in ("Gene 7", "Gene 0"):
        a, b = (np.asarray(sparse.csr_matrix(s[:, gene].X).todense()) for s in (few, many))
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mean", [0.01, 1.0, 300.0])
def test_samples_are_csr_matrices_of_integers_whatever_the_data(rng, mean):
    fit = nbglm.fit_negbin(rng.poisson(mean, (500, 2)), "~ 1", progress=False)
    drawn = fit.sample(seed=0)
    assert isinstance(drawn.X, sparse.csr_matrix)
    assert drawn.X.dtype == np.int32
    assert drawn.X.has_sorted_indices
    assert drawn.X.data.all()


@pytest.mark.parametrize("size", [0.05, 1.0, 30.0, 1e16, 1e300, np.inf])
def test_draws_have_the_moments_of_the_model(rng, size):
    mean, n = 5.0, 200_000
    y = draw_counts(rng, np.full(n, mean), np.full(n, size))
    variance = mean + mean**2 / size
    assert y.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / n))
    fourth = np.mean((y - mean) ** 4)
    assert y.var() == pytest.approx(variance, abs=5 * np.sqrt(fourth / n))
    if size < 1e10:
        zeros = (size / (size + mean)) ** size
        assert (y == 0).mean() == pytest.approx(zeros, abs=5 * np.sqrt(zeros * (1 - zeros) / n))


def test_draws_at_the_edges(rng):
    assert draw_counts(rng, np.array([0.0, 3.0]), np.array([1.0, 0.0])).tolist() == [0, 0]
    with pytest.raises(ValueError, match="cannot draw"):
        draw_counts(rng, np.array([1.0, np.inf]), np.ones(2))
    assert seed_entropy(None) != seed_entropy(None)
    with pytest.raises(ValueError, match="not be negative"):
        seed_entropy(-1)
    with pytest.raises(TypeError, match="whole number"):
        seed_entropy("1")


# The simulator, the demo, the command line -----------------------------------------------------


def test_the_simulator_has_the_face_of_the_tutorial():
    adata, b, d = simulate_tutorial(3, cells=3000, genes=4)
    simulator = nbglm.NegBinRegressionSimulator(progress=False)
    assert "not fitted" in repr(simulator)
    with pytest.raises(nbglm.NbglmError, match="call fit"):
        simulator.sample()
    simulator.fit(adata, SIMULATION_FORMULA)
    assert simulator.params["beta"].index.tolist() == ["mean_dim0", "mean_dim1"]
    assert np.abs(simulator.params["beta"].to_numpy() - b).mean() < 0.04
    assert np.abs(simulator.params["gamma"].to_numpy() - d).mean() < 0.1
    assert simulator.predict(adata.obs)["mean"].shape == (3000, 4)
    assert simulator.sample(adata.obs.head(10), seed=1).shape == (10, 4)
    assert simulator.results.status.eq("ok").all()


def test_command_line_on_a_file(adata, tmp_path, capsys):
    path = tmp_path / "mine.h5ad"
    adata.write_h5ad(path)
    assert cli.main(["demo", "--data", str(path), "--mean", "~ x"]) == 0
    said = capsys.readouterr().out
    assert "Negative binomial regression: Gene 0" in said
    assert "1 all_zero" in said
    assert cli.main(["demo", "--data", str(path), "--mean", "~ xx"]) == 1
    assert "Did you mean 'x'" in capsys.readouterr().err
    assert cli.main(["demo", "--data", str(tmp_path / "none.h5ad")]) == 1


def test_demo(capsys):
    assert cli.main(["demo", "--seed", "1"]) == 0
    said = capsys.readouterr().out
    inside = int(said.split("hold the truth: ")[1].split()[0])
    assert 70 <= inside <= 80
    assert "statsmodels -43383.66" in said
    assert "dispersion-disea" in said


def test_results_can_be_pickled(results, adata):
    loaded = pickle.loads(pickle.dumps(results))
    rows = adata.obs.iloc[[3, 1]]
    pd.testing.assert_frame_equal(loaded.predict(rows)["mean"], results.predict(rows)["mean"])
    pd.testing.assert_frame_equal(loaded.anova(), results.anova())
    pd.testing.assert_frame_equal(loaded.to_frame(), results.to_frame())


def double(values):
    return 2 * values


def test_names_in_scope_are_not_pickled(adata):
    fit = nbglm.fit_negbin(adata[:, ["Gene 3"]], "~ double(x)", progress=False)
    loaded = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_frame_equal(loaded.params["beta"], fit.params["beta"])
    with pytest.raises(nbglm.FormulaError, match="names from where the fit was made"):
        loaded.predict(adata.obs)
