"""The figure of tables beside each other draws its data, and nothing else."""

import numpy as np
import pytest

import nbglm
from nbglm import plots
from nbglm.exceptions import InputTypeError, OptionError


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(5)
    tables = {
        "$real$": rng.negative_binomial(2, 0.3, (150, 40)),
        "_poisson": rng.poisson(4.7, (150, 40)),
    }
    kinds = {name: np.repeat(["a", "b"], 75) for name in tables}
    return nbglm.compare_counts(tables, by=kinds)


def test_every_panel_shows_its_data(found):
    data = plots.compare_data(found)
    assert set(data["dataset"]) == {"$real$", "_poisson"}
    figure = plots.compare(found)
    axes = {ax.get_xlabel(): ax for ax in figure.axes}
    assert len(figure.axes) == 8 + 2 + 1
    points = data.query("panel == 'mean_zeros' and dataset == '_poisson'")
    drawn = figure.axes[1].collections[1].get_offsets()
    np.testing.assert_allclose(drawn, points[["x", "y"]])
    bins = data.query("panel == 'variance' and dataset == '_poisson'")
    step = axes["variance of a gene"].patches[1].get_data()
    np.testing.assert_allclose(step.edges, bins["x"])
    np.testing.assert_allclose(step.values, bins["y"].iloc[:-1])
    line = axes["principal component"].lines[1].get_xydata()
    np.testing.assert_allclose(
        line, data.query("panel == 'spectrum' and dataset == '_poisson'")[["x", "y"]]
    )


def test_histograms_are_densities_of_all_values(found):
    data = plots.compare_data(found)
    for panel in ("library_size", "zeros_by_cell", "mean", "variance", "gene_correlation"):
        for name in ("$real$", "_poisson"):
            bins = data[(data["panel"] == panel) & (data["dataset"] == name)]
            area = (bins["y"].iloc[:-1].to_numpy() * np.diff(bins["x"])).sum()
            assert area == pytest.approx(1.0)


def test_distances_are_written_beside_the_histograms(found):
    figure = plots.compare(found)
    ks = found.table.query("group == 'all'").set_index("property")["ks"]
    ax = next(ax for ax in figure.axes if ax.get_xlabel() == "variance of a gene")
    assert [text.get_text() for text in ax.texts] == [f"KS {ks['variance']:.2f}"]


def test_a_group_is_drawn_by_itself(found):
    figure = plots.compare(found, group="b")
    assert len(figure.axes) == 8
    assert figure.legends[0].get_title().get_text() == "cells of b"
    assert set(plots.compare_data(found, group="b")["panel"]).isdisjoint({"pca", "spectrum"})
    with pytest.raises(OptionError, match="group='c' is not one of"):
        plots.compare(found, group="c")


def test_tables_are_compared_on_the_way_and_others_refused(found):
    counts = np.random.default_rng(6).poisson(2.0, (30, 1))
    figure = plots.compare({"a": counts, "b": counts + 1})
    figure.draw_without_rendering()
    assert len(figure.axes) == 11
    with pytest.raises(InputTypeError, match=r"nbglm\.compare_counts returns"):
        plots.compare(found.table)
