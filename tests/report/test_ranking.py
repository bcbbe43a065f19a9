"""The table of genes: the numbers of t_test, what people look for beside them, in their order."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import nbglm

CELLS = 240


def make_data():
    """Genes of all kinds, with names that files and HTML stumble over."""
    rng = np.random.default_rng(20261130)
    group = np.resize(list("abc"), CELLS)
    obs = pd.DataFrame(
        {
            "group": pd.Categorical(group),
            "time": rng.random(CELLS),
            "depth": rng.uniform(0.5, 2.0, CELLS),
            "times": rng.integers(1, 4, CELLS),
        },
        index=[f"cell{i}" for i in range(CELLS)],
    )
    up = np.exp(1.0 + 2.0 * (group == "b"))
    counts = pd.DataFrame(
        {
            "flat": rng.negative_binomial(2, 0.3, CELLS),
            "ü/up": rng.negative_binomial(4, 4 / (4 + up)),
            "empty": 0,
            "silent": rng.negative_binomial(3, 0.4, CELLS) * (group != "c"),
            "steady": rng.poisson(2.0, CELLS),
            "<b>low</b>": rng.poisson(0.2, CELLS),
        },
        index=obs.index,
    )
    return counts, obs


COUNTS, OBS = make_data()
FORMULA = {"mean": "~ group + time", "dispersion": "~ group"}
QUIET = {"obs": OBS, "progress": False}


@pytest.fixture(scope="module")
def fit():
    return nbglm.fit_negbin(COUNTS, FORMULA, **QUIET)


@pytest.mark.parametrize("component", ["mean", "dispersion"])
def test_the_numbers_are_those_of_t_test(fit, component):
    tests = fit.t_test("group[T.b]", component, alpha=0.1, method="holm")
    table = fit.table("group[T.b]", component, sort=None, alpha=0.1, method="holm")
    names = {"z": "statistic"}
    for name in (*("estimate", "std_err", "z", "p_value", "p_adjusted"), "ci_lower", "ci_upper"):
        np.testing.assert_array_equal(table[names.get(name, name)], tests[name])
    assert table["status"].tolist() == tests["status"].tolist()
    assert table.index.equals(tests.index)
    assert table.index.name == "gene"
    np.testing.assert_allclose(2.0 ** table["log2_fold_change"], np.exp(tests["estimate"]))


def test_the_columns_are_those_that_are_promised(fit):
    columns = ["base_mean", "estimate", "log2_fold_change", "std_err", "statistic", "p_value"]
    columns += ["p_adjusted", "neg_log10_p", "ci_lower", "ci_upper", "status"]
    assert list(fit.table("time")) == columns
    assert fit.table("time").columns.name == "time"


def test_several_contrasts_are_rows_of_their_own(fit):
    table = fit.table("group", sort=None)
    assert table.index.names == ["gene", "contrast"]
    assert table.index.equals(fit.t_test("group").index)
    one = table.xs("group[T.c]", level="contrast")
    pd.testing.assert_frame_equal(
        one, fit.table("group[T.c]", sort=None), check_names=False, check_index_type=False
    )


@pytest.mark.parametrize("options", [{}, {"weights": "times"}, {"size_factors": "depth"}])
@pytest.mark.parametrize("kind", ["frame", "sparse", "rows"])
def test_base_mean_is_the_weighted_mean_count_of_a_cell(options, kind):
    matrix = COUNTS.to_numpy()
    matrix = {"frame": COUNTS, "sparse": sparse.csc_matrix, "rows": sparse.csr_matrix}[kind]
    data = matrix if kind == "frame" else matrix(COUNTS.to_numpy())
    fit = nbglm.fit_negbin(data, "~ group", **QUIET, **options)
    weights = OBS["times"] if options.get("weights") else np.ones(CELLS)
    expected = np.average(COUNTS.to_numpy(), axis=0, weights=weights)
    np.testing.assert_allclose(fit.base_mean, expected, rtol=1e-15)
    assert fit.base_mean.index.equals(fit.llf.index)


@pytest.mark.parametrize("sort", ["p_value", "p_adjusted", "neg_log10_p"])
def test_the_smallest_p_values_come_first(fit, sort):
    table = fit.table("group[T.b]", sort=sort)
    known = table["neg_log10_p"].dropna()
    assert known.is_monotonic_decreasing
    assert table["neg_log10_p"].isna().tolist() == [False] * len(known) + [True] * (
        len(table) - len(known)
    )
    assert table.index[0] == "ü/up"
    assert len(known) < len(table)


@pytest.mark.parametrize("sort", ["estimate", "log2_fold_change", "statistic", "base_mean"])
def test_the_largest_numbers_come_first_whatever_their_sign(fit, sort):
    sizes = fit.table("group[T.c]", sort=sort)[sort].abs()
    known = sizes.dropna()
    assert known.is_monotonic_decreasing
    assert sizes.iloc[: len(known)].equals(known)
    assert set(sizes.index) == set(COUNTS)


def test_without_sorting_genes_stay_as_the_data_have_them(fit):
    assert fit.table("time", sort=None).index.tolist() == list(COUNTS)


def test_ties_and_missing_values_stay_as_the_data_have_them():
    rng = np.random.default_rng(2)
    column = rng.poisson(3.0, 60)
    names = ["none z", "same c", "same a", "none b", "same b"]
    counts = pd.DataFrame({name: 0 if name.startswith("none") else column for name in names})
    fit = nbglm.fit_negbin(counts, "~ x", obs=pd.DataFrame({"x": rng.random(60)}), progress=False)
    for sort in ("p_value", "estimate", "statistic"):
        order = ["same c", "same a", "same b", "none z", "none b"]
        assert fit.table("x", sort=sort).index.tolist() == order
    # Their base means are 0, and no ties with the others.
    assert fit.table("x", sort="base_mean").index.tolist() == order


def test_p_values_that_underflow_are_told_apart():
    rng = np.random.default_rng(3)
    group = np.repeat([0.0, 1.0], 3000)
    counts = {f"x{k}": rng.poisson(np.exp(1.0 + k * group)) for k in (2, 4, 3)}
    obs = pd.DataFrame({"group": group})
    fit = nbglm.fit_negbin(pd.DataFrame(counts), "~ group", obs=obs, progress=False)
    table = fit.table("group")
    assert (table["p_value"] == 0.0).sum() >= 2
    assert np.isfinite(table["neg_log10_p"]).all()
    assert table["neg_log10_p"].is_monotonic_decreasing
    assert table["neg_log10_p"].is_unique
    log10 = -fit.log_pvalues["beta"].loc["group"] / np.log(10.0)
    np.testing.assert_allclose(table["neg_log10_p"], log10[table.index])


def test_a_gene_at_a_limit_has_the_p_value_of_its_likelihood_ratio():
    # With a size of its own for every group, zeros could come from a small size as well.
    fit = nbglm.fit_negbin(COUNTS, "~ group + time", **QUIET)
    row = fit.table("group[T.c]").loc["silent"]
    assert row["estimate"] == row["log2_fold_change"] == -np.inf
    assert row["status"] == "separated"
    assert np.isnan(row["statistic"])
    assert row["p_value"] == fit.pvalues["beta"].loc["group[T.c]", "silent"]
    assert row["neg_log10_p"] > 10.0


def test_the_table_of_a_fit_without_data_is_the_same(fit):
    bare = fit.without_data()
    for one in ("time", "group[T.b]", "group[T.c]"):
        pd.testing.assert_frame_equal(bare.table(one), fit.table(one), check_exact=True)
    assert bare.base_mean.equals(fit.base_mean)
    some = ["silent", "flat"]
    assert bare.subset(some).base_mean.equals(fit.base_mean[some])
    assert fit.subset(some).base_mean.equals(fit.base_mean[some])


def test_a_table_is_a_copy(fit):
    before = fit.table("time")
    table, means = fit.table("time"), fit.base_mean
    table.iloc[:, :] = 0
    means[:] = 0.0
    assert fit.base_mean["flat"] == COUNTS["flat"].mean()
    pd.testing.assert_frame_equal(fit.table("time"), before)


@pytest.mark.parametrize(
    ("sort", "meant"),
    [
        ("pvalue", "'p_value'"),
        ("padj", "'p_adjusted'"),
        ("logFC", "'log2_fold_change'"),
        ("log2_foldchange", "'log2_fold_change'"),
        ("z", "'statistic'"),
    ],
)
def test_an_unknown_word_is_refused_with_what_was_meant(fit, sort, meant):
    with pytest.raises(nbglm.OptionError, match=f"sort='{sort}'.*Did you mean {meant}"):
        fit.table("time", sort=sort)


def test_other_arguments_are_refused_as_t_test_refuses_them(fit):
    with pytest.raises(nbglm.HypothesisError, match="'time'"):
        fit.table("tme")
    with pytest.raises(nbglm.OptionError, match="component"):
        fit.table("time", "size")
    with pytest.raises(nbglm.OptionError, match="method"):
        fit.table("time", method="BH")
    with pytest.raises(nbglm.OptionError, match="sort=True"):
        fit.table("time", sort=True)


def test_a_column_goes_where_its_genes_are(fit):
    adata = anndata.AnnData(sparse.csr_matrix(COUNTS.to_numpy()), OBS)
    adata.var_names = list(COUNTS)
    adata.var["lfc"] = fit.table("time")["log2_fold_change"]
    expected = fit.t_test("time")["estimate"] / np.log(2.0)
    np.testing.assert_array_equal(adata.var["lfc"], expected)
