"""Forest plots."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection

import nbglm
from nbglm import plots


def markers(ax):
    """Coordinates of estimates, from the markers of all error bars."""
    found = [np.column_stack(bars.lines[0].get_data()) for bars in ax.containers]
    return np.vstack([np.empty((0, 2)), *found])


def intervals(ax):
    """Ends of all horizontal bars, by their row."""
    return {
        segment[0, 1]: segment[:, 0].tolist()
        for bars in ax.containers
        for part in bars.lines[2]
        for segment in part.get_segments()
    }


def row_names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def triangles(ax):
    return sum(len(p.get_offsets()) for p in ax.collections if isinstance(p, PathCollection))


def test_all_terms_of_one_gene(joint):
    gene = joint.status[joint.status == "ok"].index[0]
    data = plots.forest_data(joint, gene)
    params = np.concatenate([joint.params[part][gene] for part in ("beta", "gamma")])
    assert np.array_equal(data["estimate"], params)
    limits = np.vstack([t[gene] for t in joint.subset(gene).conf_int(0.1).values()])
    wide = plots.forest_data(joint, gene, alpha=0.1)
    assert wide[["ci_lower", "ci_upper"]].to_numpy() == pytest.approx(limits, rel=1e-14)
    assert data["component"].tolist() == ["mean"] * 3 + ["dispersion"] * 3
    ax = plots.forest(joint, gene, alpha=0.1)
    assert row_names(ax) == data["term"].tolist()
    drawn = markers(ax)
    assert np.array_equal(drawn[:, 0], data["estimate"])
    assert drawn[:, 1].tolist() == list(range(6))
    for row, ends in intervals(ax).items():
        assert ends == pytest.approx(limits[int(row)], rel=1e-12)
    assert "90 % interval" in ax.get_xlabel()
    low, high = ax.get_ylim()
    assert low > high  # the first term is at the top


def test_one_term_of_several_genes(fit):
    genes = ["g_20", "$x$", "_hidden"]
    data = plots.forest_data(fit, genes, "group[T.b]")
    assert np.array_equal(data["estimate"], fit.params["beta"].loc["group[T.b]", genes])
    ax = plots.forest(fit, genes, "group[T.b]", capsize=3, color="black")
    assert row_names(ax) == genes
    assert not any(label.get_parse_math() for label in ax.get_yticklabels())
    assert ax.containers[0].lines[0].get_color() == "black"


def test_of_many_genes_those_with_the_smallest_p_values_are_shown(monkeypatch, fit):
    data = plots.forest_data(fit, terms="group[T.b]", n_genes=7)
    assert data["gene"].tolist() == fit.table("group[T.b]").index[:7].tolist()
    ax = plots.forest(fit, terms="group[T.b]", n_genes=7)
    assert ax.get_legend().get_texts()[-1].get_text() == "7 of 60 genes:\nthe smallest p-values"
    with pytest.raises(nbglm.OptionError, match="all terms of one gene, or one term of several"):
        plots.forest(fit)
    monkeypatch.setattr("nbglm.plots.coefficients._MOST_ROWS", 100)
    with pytest.raises(nbglm.OptionError, match="asked for 180 intervals, and shows 100 at most"):
        plots.forest(fit, genes=fit.gene_names)


def test_infinite_estimates_are_triangles_and_missing_ones_words(fit):
    genes = ["g_0", "g_6", "g_7", "g_20"]
    data = plots.forest_data(fit, genes, "group")
    infinite = int(np.isinf(data["estimate"]).sum())
    missing = data["estimate"].isna()
    assert infinite >= 2
    ax = plots.forest(fit, genes, "group")
    assert triangles(ax) == infinite
    assert len(markers(ax)) == len(data) - infinite - missing.sum()
    assert [text.get_text() for text in ax.texts] == data["status"][missing].tolist()
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"at a limit: infinite ({infinite})" in texts
    assert row_names(ax)[:2] == ["g_0  group[T.b]", r"g_0  group[T.$c_d$]"]


def test_profile_intervals_reach_the_edge_where_they_have_no_end(fit):
    data = plots.forest_data(fit, ["g_6", "g_20"], "group[T.b]", method="profile")
    limits = fit.conf_int(method="profile", genes=["g_6", "g_20"], terms="group[T.b]")["beta"]
    assert data[["ci_lower", "ci_upper"]].to_numpy().ravel().tolist() == limits.iloc[0].tolist()
    assert data["ci_lower"].iloc[0] == -np.inf
    ax = plots.forest(fit, ["g_6", "g_20"], "group[T.b]", method="profile")
    (line,) = [line for line in ax.lines if list(line.get_ydata()) == [0.0, 0.0]]
    assert line.get_xdata()[0] == ax.get_xlim()[0]
    assert line.get_xdata()[1] == pytest.approx(data["ci_upper"].iloc[0])


def test_one_response_is_one_gene(rng):
    import pandas as pd

    frame = pd.DataFrame({"y": rng.poisson(3, 50), "x": rng.normal(size=50)})
    results = nbglm.NegBinModel.from_formula("y ~ x", frame).fit()
    data = plots.forest_data(results)
    assert np.array_equal(data["estimate"], results.params)
    assert data["gene"].unique().tolist() == ["y"]
    assert plots.forest(results).get_title() == "y"


def test_pictures_of_coefficients_need_no_counts(fit):
    alone = fit.without_data(limit_tests=False)
    genes = ["g_20", "g_6"]
    assert plots.forest_data(alone, genes).equals(plots.forest_data(fit, genes))


def test_unknown_words_are_refused(fit):
    with pytest.raises(nbglm.OptionError, match="Did you mean 'group"):
        plots.forest(fit, "g_20", "grop")
    with pytest.raises(nbglm.OptionError, match="the dispersion has no term 'group'"):
        plots.forest(fit, "g_20", "group", "dispersion")
    with pytest.raises(nbglm.OptionError, match="method='boot' is not one of"):
        plots.forest(fit, "g_20", method="boot")
