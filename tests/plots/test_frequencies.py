"""Rootograms and histograms of integral transforms."""

import numpy as np
import pandas as pd
import pytest

import nbglm
from nbglm import plots
from nbglm.diagnostics.calibration import mean_pit
from nbglm.diagnostics.cells import cells_of_genes


def bars(ax):
    """Bottom and top of all bars, from left to right."""
    return np.array([(bar.get_y(), bar.get_y() + bar.get_height()) for bar in ax.containers[0]])


@pytest.mark.parametrize("style", ["hanging", "standing", "suspended"])
def test_bars_are_the_frequencies(fit, style):
    data = plots.rootogram_data(fit, "g_20")
    counts = fit.counts.gene(20)
    assert data["observed"].sum() == 180
    assert data["observed"].iloc[0] == (counts == 0).sum()
    assert data["expected"].sum() == pytest.approx(180.0)
    observed, expected = np.sqrt(data["observed"]), np.sqrt(data["expected"])
    ax = plots.rootogram(fit, "g_20", style=style)
    low = {"hanging": expected - observed, "standing": 0.0 * observed, "suspended": 0.0 * observed}
    high = {"hanging": expected, "standing": observed, "suspended": expected - observed}
    assert bars(ax)[:, 0] == pytest.approx(low[style].to_numpy(), abs=1e-12)
    assert bars(ax)[:, 1] == pytest.approx(high[style].to_numpy(), abs=1e-12)
    assert np.array_equal(ax.lines[0].get_ydata(), expected)
    assert ax.get_xticklabels()[-1].get_text() == f"{data['first'].iloc[-1]}+"


def test_wide_bars_say_how_wide_they_are():
    counts = np.random.default_rng(0).negative_binomial(0.5, 0.005, (400, 1))
    fit = nbglm.fit_negbin(counts, "~ 1")
    data = plots.rootogram_data(fit)
    width = data["first"].iloc[1]
    assert width > 1
    assert len(data) <= 32
    assert plots.rootogram(fit).get_xlabel() == f"count, in bars of {width}"


def test_transforms_of_one_gene_have_a_band(fit):
    data = plots.pit_data(fit, "g_20", n_bins=8)
    cells = cells_of_genes(fit, np.array([20]))
    assert data["density"].to_numpy() == pytest.approx(mean_pit(cells, 8))
    half = 1.959963984540054 * np.sqrt(7 / 180)
    assert data["upper"].to_numpy() == pytest.approx(1.0 + half)
    assert data["lower"].to_numpy() == pytest.approx(max(1.0 - half, 0.0))
    ax = plots.pit(fit, "g_20", n_bins=8, color="red")
    assert bars(ax)[:, 1] == pytest.approx(data["density"].to_numpy())
    assert ax.get_title() == "g_20"


def test_the_band_holds_the_bins_of_true_fits(rng):
    inside = []
    for _ in range(60):
        counts = rng.poisson(rng.gamma(2.0, 2.0, (400, 1)))
        data = plots.pit_data(nbglm.fit_negbin(counts, "~ 1"))
        inside.append(
            ((data["density"] >= data["lower"]) & (data["density"] <= data["upper"])).mean()
        )
    assert np.mean(inside) >= 0.95


def test_transforms_of_many_genes_are_pooled_without_those_that_say_nothing(fit):
    data = plots.pit_data(fit)
    assert data["lower"].isna().all()
    assert data["density"].mean() == pytest.approx(1.0)
    told = plots.pit_data(fit, fit.status != "all_zero")
    assert np.array_equal(data["density"], told["density"])
    ax = plots.pit(fit)
    assert ax.get_title() == "58 genes"
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[-1] == "2 genes not drawn:\n2 all_zero"
    plots.pit(fit, "g_0").figure.canvas.draw()


def test_one_response_has_the_same_pictures(fit):
    one = fit.gene("g_20")
    assert plots.rootogram_data(one).equals(plots.rootogram_data(fit, "g_20"))
    assert plots.pit_data(one).equals(plots.pit_data(fit, "g_20"))


def test_weights_are_counted(rng):
    frame = pd.DataFrame({"y": rng.poisson(2, 40)})
    weights = rng.integers(0, 4, 40)
    once = nbglm.fit_negbin(frame, "~ 1", weights=weights)
    again = nbglm.fit_negbin(
        frame.iloc[np.repeat(np.arange(40), weights)].reset_index(drop=True), "~ 1"
    )
    for data in (plots.rootogram_data, plots.pit_data):
        ours, theirs = data(once), data(again)
        assert ours.to_numpy(float) == pytest.approx(theirs.to_numpy(float), rel=1e-6)


def test_what_cannot_be_drawn_is_said(fit):
    with pytest.raises(nbglm.OptionError, match=r"name a gene: this fit has 60 \('g_0'"):
        plots.rootogram(fit)
    with pytest.raises(nbglm.OptionError, match=r"style='hung' is not one of.*'hanging'"):
        plots.rootogram(fit, "g_20", style="hung")
    with pytest.raises(nbglm.OptionError, match="n_bins must be a whole number, 2 or more; got 1"):
        plots.pit(fit, n_bins=1)
    alone = fit.without_data(limit_tests=False)
    for draw in (plots.rootogram, plots.pit):
        with pytest.raises(nbglm.UnavailableError, match="counts or the cells"):
            draw(alone, "g_20")
