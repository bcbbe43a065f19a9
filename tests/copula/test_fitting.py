"""Copulas of simulated dependence: found, told, kept in files, and drawn from."""

import pickle
import subprocess
import sys
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from scipy.special import ndtr

import nbglm
from nbglm.exceptions import AlignmentError, FileError, InputTypeError, OptionError
from nbglm.status import GENE_STATUS

CELLS, GENES = 1500, 40


def dependent(loading, seed):
    """Counts with a common factor, gene 0 silent; and their obs."""
    rng = np.random.default_rng(seed)
    loadings = np.linspace(-loading, loading, GENES)
    own = np.sqrt(1.0 - loadings**2) * rng.normal(size=(CELLS, GENES))
    scores = loadings * rng.normal(size=(CELLS, 1)) + own
    obs = pd.DataFrame(
        {"x": rng.uniform(size=CELLS), "kind": np.arange(CELLS) % 2},
        index=[f"cell/{k}" for k in range(CELLS)],
    )
    mean = np.exp(1.0 + obs["x"].to_numpy()[:, None])
    counts = stats.nbinom.ppf(ndtr(scores), 2.0, 2.0 / (2.0 + mean))
    counts[:, 0] = 0
    names = ["null", "ü/1", *(f"g{k}" for k in range(2, GENES))]
    data = anndata.AnnData(
        sparse.csr_matrix(counts.astype(np.int32)), obs=obs, var=pd.DataFrame(index=names)
    )
    wanted = np.outer(loadings, loadings)
    np.fill_diagonal(wanted, 1.0)
    wanted[0, 1:] = wanted[1:, 0] = 0.0
    return data, wanted


@pytest.fixture(scope="module")
def case():
    data, wanted = dependent(0.8, 7)
    return nbglm.fit_negbin(data, "~ x", progress=False), wanted


@pytest.fixture(scope="module")
def fit(case):
    return case[0]


@pytest.fixture(scope="module", params=["one block", "factors and blocks"])
def copula(fit, request):
    return made(fit, request.param)


def made(fit, how, **options):
    few = {} if how == "one block" else {"dense_genes": 10, "block_size": 12, "n_factors": 5}
    return nbglm.fit_copula(fit, **few, **options)


def same(one, other):
    return one.shape == other.shape and not (one.X != other.X).nnz


# What is found ------------------------------------------------------------------------------------


def test_correlations_are_those_behind_the_counts(case, copula):
    _, wanted = case
    found = copula.correlation()
    assert found.index.tolist() == case[0].gene_names.tolist()
    upper = np.triu_indices(GENES, 1)
    error = np.sqrt(np.mean((found.to_numpy() - wanted)[upper] ** 2))
    assert error < 1.3 / np.sqrt(CELLS)  # that of a sample of scores themselves is about 1
    assert np.linalg.eigvalsh(found).min() > 0.0


def test_small_counts_are_as_dependent_as_large_ones():
    rng = np.random.default_rng(8)
    scores = 0.7 * rng.normal(size=(4000, 1)) + np.sqrt(0.51) * rng.normal(size=(4000, 12))
    fit = nbglm.fit_negbin(stats.poisson.ppf(ndtr(scores), 0.4), "~ 1", progress=False)
    found = nbglm.fit_copula(fit).correlation().to_numpy()[np.triu_indices(12, 1)]
    residuals = fit.residuals(seed=1).corr().to_numpy()[np.triu_indices(12, 1)]
    assert residuals.mean() < 0.33
    assert found.mean() == pytest.approx(0.49, abs=0.06)


def test_independent_genes_are_found_independent():
    counts = np.random.default_rng(9).poisson(3.0, (400, 60))
    fit = nbglm.fit_negbin(counts, "~ 1", progress=False)
    for how in ("one block", "factors and blocks"):
        found = made(fit, how)
        assert found.table["effective_rank"].iloc[0] > 55.0
        assert found.table["heldout_error"].iloc[0] < 1.05 * found.table["heldout_noise"].iloc[0]
    assert found.table["factors"].iloc[0] == 0


def test_the_table_tells_dependence_from_noise(case, copula):
    _, wanted = case
    row = copula.table.loc["all"]
    assert row["cells"] == CELLS
    assert row["effective_rank"] == pytest.approx(GENES**2 / (wanted**2).sum(), rel=0.05)
    assert row["heldout_noise"] < row["heldout_error"] < 0.3 * row["heldout_independent"]
    # The log-likelihood of a normal with these correlations, if counts showed all of them.
    most = -0.5 * np.linalg.slogdet(wanted)[1]
    assert 0.6 * most < row["heldout_loglik"] < row["loglik"] / CELLS < most
    assert "held-out error of correlations" in repr(copula)
    assert "1 gene says nothing" in repr(copula)


def test_genes_without_a_count_are_independent(copula):
    row = copula.gene_table.loc["null"]
    assert (row["status"], row["information"], row["common"]) == ("all_zero", 0.0, 0.0)
    assert copula.correlation().loc["null"].sum() == 1.0


def test_genes_that_did_not_converge_are_independent_and_left_out_of_samples(fit):
    status = fit.arrays.status.copy()
    status[5] = GENE_STATUS.index("not_converged")
    failed = replace(fit, arrays=replace(fit.arrays, status=status))
    found = nbglm.fit_copula(failed)
    assert found.gene_table.loc["g5", ["status", "information"]].tolist() == ["not_converged", 0.0]
    assert found.correlation().loc["g5"].abs().sum() == 1.0
    with pytest.raises(nbglm.NbglmError, match="1 genes did not converge"):
        failed.sample(copula=found, seed=1)
    kept = failed.gene_names[failed.converged]
    drawn = failed[failed.converged].sample(copula=found[list(kept)], seed=1)
    assert drawn.var_names.tolist() == kept.tolist()


def test_an_edited_fit_draws_with_the_copula_of_the_fit_before(fit, copula):
    edited = fit.edit("x", "g20", add=1.0)
    with pytest.raises(nbglm.UnavailableError, match="coefficients of 'g20' were edited"):
        nbglm.fit_copula(edited)
    before, after = (res.sample(copula=copula, seed=1) for res in (fit, edited))
    others = before.var_names != "g20"
    assert same(before[:, others], after[:, others])
    assert after[:, "g20"].X.sum() > before[:, "g20"].X.sum()


def test_one_gene_depends_on_nothing():
    counts = np.column_stack([np.zeros(60), np.random.default_rng(12).poisson(2.0, 60)])
    fit = nbglm.fit_negbin(counts, "~ 1", progress=False)
    found = nbglm.fit_copula(fit)
    assert found.table[["loglik", "heldout_loglik"]].abs().to_numpy().max() < 1e-9
    assert np.isnan(found.table["heldout_error"].iloc[0])
    assert repr(found).splitlines()[1] == "  60 cells, effective rank 2.0, log-likelihood +0"
    assert not fit.sample(copula=found, seed=1).X[:, 0].nnz


def test_factors_and_blocks_are_disjoint_and_small(fit):
    found = made(fit, "factors and blocks")
    assert sorted(np.concatenate(found.blocks)) == list(range(GENES))
    assert max(block.size for block in found.blocks) <= 12
    assert found.table["factors"].iloc[0] == 1
    assert "1 factor and 4 blocks" in repr(found)


def test_groups_have_copulas_of_their_own():
    strong, weak = dependent(0.85, 10)[0], dependent(0.0, 11)[0]
    weak.obs_names = [f"w{name}" for name in weak.obs_names]
    data = anndata.concat({"strong": strong, "weak": weak}, label="state")
    fit = nbglm.fit_negbin(data, "~ x", progress=False)
    found = nbglm.fit_copula(fit, "state")
    assert found.table.index.tolist() == ["strong", "weak"]
    assert found.table["effective_rank"].tolist() == sorted(found.table["effective_rank"])
    assert abs(found.correlation(["g2", "g39"], group="strong").iloc[0, 1]) > 0.5
    assert abs(found.correlation(["g2", "g39"], group="weak").iloc[0, 1]) < 0.1
    drawn = fit.sample(copula=found, seed=1)
    for name, least, most in (("strong", 0.3, 1.0), ("weak", -0.15, 0.15)):
        counts = np.log1p(drawn[drawn.obs["state"] == name, ["g38", "g39"]].X.toarray())
        assert least < np.corrcoef(counts.T)[0, 1] < most
    with pytest.raises(OptionError, match="'none' is none of the groups of this copula"):
        found.correlation(["g2"], group="none")
    with pytest.raises(AlignmentError, match="groups that the copula does not know: 'new'"):
        fit.sample(pd.DataFrame({"x": [0.5], "state": "new"}), copula=found)
    with pytest.raises(AlignmentError, match=r"groups=.*'state' is no column"):
        fit.sample(pd.DataFrame({"x": [0.5]}), copula=found)


def test_groups_of_an_array_are_those_of_the_cells_of_the_fit(fit):
    given = np.where(np.arange(CELLS) % 2 == 0, "even", "odd")
    by_array, by_column = (nbglm.fit_copula(fit, groups) for groups in (given, "kind"))
    assert by_array.table.index.tolist() == ["even", "odd"]
    assert by_column.table.index.tolist() == [0, 1]
    assert same(fit.sample(copula=by_array, seed=1), fit.sample(copula=by_column, seed=1))
    with pytest.raises(AlignmentError, match="given as an array, which says nothing of new rows"):
        fit.sample(pd.DataFrame({"x": [0.5]}), copula=by_array)


def test_weights_are_repetitions(fit):
    counts = fit.sample(seed=3).to_df().iloc[:100, 1:6]
    obs = fit.counts.obs.iloc[:100]
    weights = np.where(np.arange(100) % 4 == 0, 3.0, 1.0)
    weights[1] = 0.0
    rows = np.repeat(np.arange(100), weights.astype(int))
    few = nbglm.fit_negbin(counts, "~ x", obs=obs, weights=weights, progress=False)
    many = nbglm.fit_negbin(counts.iloc[rows].to_numpy(), "~ x", obs=obs.iloc[rows], progress=False)
    one, other = (nbglm.fit_copula(res, heldout=False).correlation() for res in (few, many))
    np.testing.assert_allclose(one, other, atol=2e-3)


def test_of_many_cells_some_are_looked_at(fit):
    found = nbglm.fit_copula(fit, "kind", max_cells=400)
    assert found.table["cells"].tolist() == [200, 200]
    again = nbglm.fit_copula(fit, "kind", max_cells=400, n_jobs=2)
    pd.testing.assert_frame_equal(found.table, again.table)


# What is drawn ------------------------------------------------------------------------------------


def test_single_genes_are_distributed_as_the_fit_says(fit, copula):
    row = pd.DataFrame({"x": [0.3]})
    drawn = fit.sample(row, n_cells=20_000, copula=copula, seed=2).to_df()
    expected = fit.predict(row)
    for gene in ("ü/1", "g20", "g39"):
        mean, size = (float(expected[name][gene].iloc[0]) for name in ("mean", "dispersion"))
        law = stats.nbinom(size, size / (size + mean))
        edges = np.unique(law.ppf(np.linspace(0.0, 1.0, 15)[1:-1]))
        chances = np.diff([0.0, *law.cdf(edges), 1.0])
        seen = np.bincount(np.searchsorted(edges, drawn[gene]), minlength=edges.size + 1)
        assert stats.chisquare(seen, 20_000 * chances).pvalue > 1e-4
    assert (drawn["null"] == 0).all()


def test_drawn_counts_depend_on_each_other_as_the_data_do(fit, copula):
    real = np.log1p(dependent(0.8, 7)[0].X.toarray()[:, 1:])
    drawn, alone = (
        np.log1p(fit.sample(n_cells=6000, copula=which, seed=4).to_df().to_numpy()[:, 1:])
        for which in (copula, None)
    )
    upper = np.triu_indices(GENES - 1, 1)
    real, drawn, alone = (np.corrcoef(part.T)[upper] for part in (real, drawn, alone))
    assert np.sqrt(np.mean((real - drawn) ** 2)) < 0.04
    assert np.sqrt(np.mean((real - alone) ** 2)) > 0.15


def test_a_seed_gives_the_same_bytes_for_any_pieces_and_workers(fit, copula, monkeypatch):
    wanted = fit.sample(n_cells=5000, copula=copula, seed=5)
    assert same(wanted, fit.sample(n_cells=5000, copula=copula, seed=5, n_jobs=2))
    assert not same(wanted, fit.sample(n_cells=5000, copula=copula, seed=6))
    chosen = ["g7", "null", "ü/1", "g30"]
    part = fit.subset(chosen).sample(n_cells=5000, copula=copula[chosen], seed=5)
    assert same(wanted[:, chosen], part)
    # The streams of single genes, without a copula, are not those of the scores.
    assert not same(wanted, fit.sample(n_cells=5000, seed=5))
    monkeypatch.setattr("nbglm.simulate.drawing._GENES", 3)
    assert same(wanted, fit.sample(n_cells=5000, copula=copula, seed=5))


def test_a_file_holds_what_memory_would(fit, copula, tmp_path):
    fit.sample(n_cells=5000, copula=copula, seed=5, out=tmp_path / "drawn.h5ad")
    found = anndata.read_h5ad(tmp_path / "drawn.h5ad")
    assert same(found, fit.sample(n_cells=5000, copula=copula, seed=5))
    assert found.uns["nbglm_sample"]["copula"].startswith("Gaussian copula of 40 genes")


def test_a_copula_that_was_kept_draws_the_same(fit, copula, tmp_path):
    copula.save(tmp_path / "c.npz")
    kept = nbglm.GaussianCopula.load(tmp_path / "c.npz")
    pickled = pickle.loads(pickle.dumps(copula))
    wanted = fit.sample(copula=copula, seed=7)
    for found in (kept, pickled):
        pd.testing.assert_frame_equal(found.table, copula.table)
        pd.testing.assert_frame_equal(found.gene_table, copula.gene_table)
        assert repr(found) == repr(copula)
        assert same(wanted, fit.sample(copula=found, seed=7))
    part = copula.subset(["g5", "g6"])
    part.save(tmp_path / "part.npz")
    drawn = fit.subset(["g5", "g6"]).sample(
        copula=nbglm.GaussianCopula.load(tmp_path / "part.npz"), seed=7
    )
    assert same(wanted[:, ["g5", "g6"]], drawn)


@pytest.mark.slow
def test_another_process_draws_the_same(fit, copula, tmp_path):
    fit.save(tmp_path / "fit.h5ad")
    copula.save(tmp_path / "c.npz")
    code = (
        "import nbglm, pandas as pd; res = nbglm.load('fit.h5ad'); "
        "res.sample(pd.read_csv('obs.csv'), copula=nbglm.GaussianCopula.load('c.npz'), seed=7, "
        "out='drawn.h5ad')"
    )
    obs = fit.counts.obs
    obs.to_csv(tmp_path / "obs.csv", index=False, float_format="%.17g")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    drawn = anndata.read_h5ad(tmp_path / "drawn.h5ad")
    assert not (drawn.X != fit.sample(copula=copula, seed=7).X).nnz


# What is refused ----------------------------------------------------------------------------------


def test_a_copula_of_other_genes_is_refused(fit, copula):
    with pytest.raises(AlignmentError, match=r"has 38 genes that are not to be drawn: 'g2'"):
        fit.subset(["null", "ü/1"]).sample(copula=copula)
    with pytest.raises(AlignmentError, match=r"lacks 38 of the genes .* 'g2'"):
        fit.sample(copula=copula[["null", "ü/1"]])
    with pytest.raises(
        InputTypeError, match=r"takes what nbglm\.fit_copula returns, not DataFrame"
    ):
        fit.sample(copula=copula.correlation())


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"groups": "kid"}, AlignmentError, "'kid' is no column of obs.* Did you mean 'kind'"),
        ({"groups": [1, 2]}, AlignmentError, "must have 1500 values"),
        ({"groups": ["a"] * 1490 + ["b"] * 10}, OptionError, r"fewer: 'b \(10 cells\)'. Merge"),
        ({"groups": [None] + ["a"] * 1499}, AlignmentError, "1 missing values"),
        ({"max_cells": 3}, OptionError, "max_cells must be at least 20"),
        ({"n_factors": 2.0}, InputTypeError, "n_factors must be a whole number"),
        ({"block_size": 1}, OptionError, "block_size must be at least 2"),
    ],
)
def test_what_makes_no_copula_is_refused(fit, options, error, says):
    with pytest.raises(error, match=says):
        nbglm.fit_copula(fit, **options)


def test_a_fit_without_data_or_of_few_cells_is_refused(fit):
    with pytest.raises(nbglm.UnavailableError, match="fit_copula"):
        nbglm.fit_copula(fit.without_data())
    with pytest.raises(InputTypeError, match="not a DataFrame"):
        nbglm.fit_copula(pd.DataFrame())
    few = nbglm.fit_negbin(np.arange(20).reshape(10, 2), "~ 1", progress=False)
    with pytest.raises(OptionError, match="the fit has 10 cells"):
        nbglm.fit_copula(few)


def test_files_that_are_no_copulas_are_refused(fit, copula, tmp_path):
    place = tmp_path / "c.npz"
    copula.save(place)
    with pytest.raises(FileError, match="is there already; say overwrite=True"):
        copula.save(place)
    copula.save(place, overwrite=True)
    with pytest.raises(FileError, match=r"ends in \.npz"):
        copula.save(tmp_path / "c.h5ad")
    with pytest.raises(FileError, match="there is no folder"):
        copula.save(tmp_path / "none" / "c.npz")
    with pytest.raises(FileError, match="there is no file"):
        nbglm.GaussianCopula.load(tmp_path / "none.npz")
    whole = place.read_bytes()
    for damage in (b"", b"words", whole[: len(whole) // 2], whole.replace(b"c" * 2, b"d" * 2)):
        place.write_bytes(damage)
        with pytest.raises(FileError, match=r"is no copula that"):
            nbglm.GaussianCopula.load(place)
    np.savez(place, x=np.zeros(3))
    with pytest.raises(FileError, match="no copula that"):
        nbglm.GaussianCopula.load(place)


def test_tables_are_copies(copula):
    mine, genes = copula.table, copula.gene_table
    mine.loc[:, "loglik"] = 0.0
    genes.loc[:, "information"] = 9.0
    assert copula.table["loglik"].iloc[0] > 0.0
    assert copula.gene_table["information"].max() <= 1.0
