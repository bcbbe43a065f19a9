"""Groups against others, in scanpy's shape, and as scanpy itself reads them."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import norm

import nbglm

CELLS = 300
COLUMNS = ["group", "names", "scores", "logfoldchanges", "pvals", "pvals_adj"]


def make_adata():
    rng = np.random.default_rng(20261202)
    kind = rng.choice(["alpha", "beta", "B/δ"], CELLS, p=[0.6, 0.3, 0.1])
    obs = pd.DataFrame(
        {"kind": pd.Categorical(kind), "batch": np.resize(["x", "y"], CELLS)},
        index=[f"cell{i}" for i in range(CELLS)],
    )
    names = [f"gene{j}" for j in range(6)]
    mean = np.full((CELLS, 6), 3.0)
    mean[kind == "beta", 0] = 12.0
    mean[kind == "alpha", 1] = 0.5
    counts = rng.negative_binomial(4, 4 / (4 + mean))
    counts[kind != "beta", 2] = 0
    counts[:, 3] = 0
    return anndata.AnnData(sparse.csr_matrix(counts), obs, pd.DataFrame(index=names))


@pytest.fixture
def adata():
    return make_adata()


@pytest.fixture(scope="module")
def fit():
    return nbglm.fit_negbin(make_adata(), "~ kind + batch", progress=False)


def test_a_reference_gives_the_numbers_of_t_test(fit):
    ranking = fit.rank_genes_groups("kind", reference="alpha")
    assert list(ranking) == COLUMNS
    assert set(ranking["group"]) == {"B/δ", "beta"}
    of_beta = ranking[ranking["group"] == "beta"].set_index("names")
    tests = fit.t_test("kind[T.beta] - kind[T.alpha]").loc[of_beta.index]
    np.testing.assert_allclose(of_beta["logfoldchanges"] * np.log(2), tests["estimate"])
    np.testing.assert_allclose(of_beta["pvals"], tests["p_value"])
    np.testing.assert_allclose(of_beta["pvals_adj"], tests["p_adjusted"])
    finite = np.isfinite(tests["z"])
    np.testing.assert_allclose(of_beta["scores"][finite], tests["z"][finite])


def test_the_rest_is_the_average_mean_of_the_other_groups(fit):
    ranking = fit.rank_genes_groups("kind", ["beta"]).set_index("names").drop("gene3")
    means = fit.marginal_means("kind")["estimate"]
    of = {kind: means.xs(kind, level="kind") for kind in ("alpha", "beta", "B/δ")}
    ratio = of["beta"] / ((of["alpha"] + of["B/δ"]) / 2.0)
    expected = np.log2(ratio[ranking.index])
    np.testing.assert_allclose(ranking["logfoldchanges"], expected)
    # The standard error of the log ratio, by differences and the covariance of the fit.
    terms = fit.params["beta"].index
    levels = {"alpha": "kind[T.alpha]", "beta": "kind[T.beta]"}

    def log_ratio(beta):
        own = {name: beta[terms.get_loc(term)] for name, term in levels.items()}
        return own["beta"] - np.log((np.exp(own["alpha"]) + 1.0) / 2.0)

    for gene in ("gene0", "gene1", "gene4", "gene5"):
        beta = fit.params["beta"][gene].to_numpy()
        steps = 1e-6 * np.eye(len(beta))
        slope = np.array([(log_ratio(beta + h) - log_ratio(beta - h)) / 2e-6 for h in steps])
        error = np.sqrt(slope @ fit.cov_params(gene).loc["mean", "mean"].to_numpy() @ slope)
        np.testing.assert_allclose(ranking.loc[gene, "scores"], log_ratio(beta) / error, 1e-6)
        np.testing.assert_allclose(
            ranking.loc[gene, "pvals"], 2 * norm.sf(abs(log_ratio(beta) / error)), 1e-5
        )


def test_of_two_groups_the_rest_is_the_other_one(fit):
    rest, other = (fit.rank_genes_groups("batch", ["y"], part) for part in ("rest", "x"))
    pd.testing.assert_frame_equal(rest, other)


def test_a_silent_group_makes_no_markers_of_all_others():
    rng = np.random.default_rng(4)
    group = np.resize(["a", "b", "c", "d"], 400)
    counts = pd.DataFrame(
        {
            "silent in d": rng.poisson(3.0, 400) * (group != "d"),
            "marks a": rng.poisson(np.where(group == "a", 6.0, 3.0)),
        }
    )
    fit = nbglm.fit_negbin(counts, "~ g", obs=pd.DataFrame({"g": group}), progress=False)
    ranking = fit.rank_genes_groups("g").set_index(["group", "names"])
    for name in "abc":
        row = ranking.loc[(name, "silent in d")]
        assert 0.0 < row["logfoldchanges"] < 1.0
    assert ranking.loc["a"].index[0] == "marks a"
    row = ranking.loc[("d", "silent in d")]
    assert row["logfoldchanges"] == -np.inf
    assert row["pvals"] < 1e-50


def test_an_infinite_estimate_has_the_score_of_its_p_value(fit):
    ranking = fit.rank_genes_groups("kind", ["beta"]).set_index("names")
    row = ranking.loc["gene2"]
    assert row["logfoldchanges"] == np.inf
    np.testing.assert_allclose(2 * norm.sf(row["scores"]), row["pvals"], rtol=1e-10)
    assert ranking.index[0] in ("gene0", "gene2")
    other = fit.rank_genes_groups("kind", ["alpha"], "beta").set_index("names").loc["gene2"]
    assert other["logfoldchanges"] == -np.inf
    assert other["scores"] < -5


def test_the_highest_scores_come_first_and_missing_ones_last(fit):
    for _, part in fit.rank_genes_groups("kind").groupby("group"):
        assert part["scores"].dropna().is_monotonic_decreasing
        assert part["names"].iloc[-1] == "gene3"
        assert np.isnan(part["scores"].iloc[-1])


def test_sizes_are_ranked_too():
    fit = nbglm.fit_negbin(
        make_adata()[:, :2], {"mean": "~ kind", "dispersion": "~ kind"}, progress=False
    )
    ranking = fit.rank_genes_groups("kind", ["beta"], "B/δ", component="dispersion")
    tests = fit.t_test("kind[T.beta]", "dispersion").loc[ranking["names"]]
    np.testing.assert_allclose(ranking["pvals"], tests["p_value"])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("kid",), ValueError, "Did you mean 'kind'"),
        ((["kind", "batch"],), TypeError, "the name of a column"),
        (("kind", ["gamma"]), ValueError, "groups= names 'gamma'; the groups are"),
        (("kind", "Beta"), ValueError, "Did you mean 'beta'"),
        (("kind", []), ValueError, "is empty"),
        (("kind", 3), TypeError, "a list of groups"),
        (("kind", "all", "Rest"), ValueError, "reference= names 'Rest'"),
        (("kind", ["beta"], "beta"), ValueError, "has the reference"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(fit, arguments, error, words):
    with pytest.raises(nbglm.NbglmError, match=words) as raised:
        fit.rank_genes_groups(*arguments)
    assert isinstance(raised.value, error)


def test_other_objects_are_not_written_into(fit, adata):
    with pytest.raises(nbglm.InputTypeError, match="takes the AnnData"):
        fit.rank_genes_groups("kind", adata=pd.DataFrame())
    with pytest.raises(nbglm.OptionError, match="lacks genes of this fit: 'gene5'"):
        fit.rank_genes_groups("kind", adata=adata[:, :5].copy())


def test_what_is_written_survives_a_file(fit, adata, tmp_path):
    ranking = fit.rank_genes_groups("kind", adata=adata, key_added="nb")
    adata.write_h5ad(tmp_path / "ranked.h5ad")
    told = anndata.read_h5ad(tmp_path / "ranked.h5ad").uns["nb"]
    assert told["params"]["reference"] == "rest"
    assert told["params"]["corr_method"] == "benjamini-hochberg"
    for group, part in ranking.groupby("group"):
        assert told["names"][group].tolist() == part["names"].tolist()
        np.testing.assert_array_equal(told["scores"][group], part["scores"])


def test_scanpy_reads_it_as_its_own(fit, adata):
    sc = pytest.importorskip("scanpy")
    ranking = fit.rank_genes_groups("kind", adata=adata)
    read = sc.get.rank_genes_groups_df(adata, None)
    assert read["group"].astype(str).tolist() == ranking["group"].tolist()
    pd.testing.assert_frame_equal(
        read.drop(columns="group"), ranking.drop(columns="group"), check_exact=True
    )
    one = sc.get.rank_genes_groups_df(adata, "beta", pval_cutoff=0.01, log2fc_min=1.6)
    assert set(one["names"]) == {"gene0", "gene2"}


def test_scanpy_writes_the_same_things(adata, fit):
    sc = pytest.importorskip("scanpy")
    theirs = adata.copy()
    sc.pp.log1p(theirs)
    sc.tl.rank_genes_groups(theirs, "kind", method="wilcoxon")
    fit.rank_genes_groups("kind", adata=adata)
    ours, theirs = adata.uns["rank_genes_groups"], theirs.uns["rank_genes_groups"]
    assert set(ours) == set(theirs)
    assert set(ours["params"]) == set(theirs["params"])
    assert ours["params"]["corr_method"] == theirs["params"]["corr_method"]
    for name in ("names", "scores", "logfoldchanges", "pvals", "pvals_adj"):
        assert ours[name].dtype.names == theirs[name].dtype.names
        assert ours[name].shape == theirs[name].shape
    # The strongest marker is the same one.
    assert ours["names"]["beta"][0] == theirs["names"]["beta"][0]


def test_scanpy_draws_it(fit, adata):
    sc = pytest.importorskip("scanpy")
    import matplotlib as mpl

    mpl.use("Agg")
    fit.rank_genes_groups("kind", adata=adata)
    axes = sc.pl.rank_genes_groups(adata, n_genes=4, show=False)
    assert [ax.get_title() for ax in axes] == ["B/δ vs. rest", "alpha vs. rest", "beta vs. rest"]
