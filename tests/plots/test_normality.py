"""QQ and worm plots."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import nbglm
from nbglm import plots


def test_points_are_residuals_in_order(fit):
    data = plots.qq_data(fit, "g_20", seed=4)
    z = np.sort(fit.residuals(seed=4, genes="g_20")["g_20"])
    assert np.array_equal(data["residual"], z)
    share = (np.arange(180) + 0.5) / 180
    assert data["theoretical"].to_numpy() == pytest.approx(stats.norm.ppf(share), abs=1e-12)
    assert np.array_equal(data["deviation"], data["residual"] - data["theoretical"])
    for draw, column in ((plots.qq, "residual"), (plots.worm, "deviation")):
        ax = draw(fit, "g_20", seed=4, color="red")
        (line,) = [line for line in ax.lines if line.get_marker() == "o"]
        assert np.array_equal(line.get_xdata(), data["theoretical"])
        assert np.array_equal(line.get_ydata(), data[column])
        assert line.get_color() == "red"
        assert ax.get_title() == "g_20"


def test_the_band_is_that_of_order_statistics():
    # Against the exact distribution of the 10th, 100th and 190th of 200 uniform numbers.
    fit = nbglm.fit_negbin(np.random.default_rng(0).poisson(3, (200, 1)), "~ 1")
    data = plots.worm_data(fit)
    for rank in (10, 100, 190):
        exact = stats.norm.ppf(stats.beta(rank, 201 - rank).ppf([0.025, 0.975]))
        row = data.iloc[rank - 1]
        found = row["theoretical"] + row[["lower", "upper"]].to_numpy(float)
        assert found == pytest.approx(exact, abs=0.12)


def test_the_same_seed_gives_the_same_picture_and_is_the_default(fit):
    assert plots.qq_data(fit, "g_20").equals(plots.qq_data(fit, "g_20", seed=0))
    assert not plots.qq_data(fit, "g_20").equals(plots.qq_data(fit, "g_20", seed=1))
    assert plots.worm_data(fit, "g_20").equals(plots.qq_data(fit, "g_20"))
    assert plots.qq_data(fit.gene("g_20")).equals(plots.qq_data(fit, "g_20"))


def test_a_few_genes_have_colours_and_many_are_lines(fit):
    few = plots.worm(fit, ["g_20", "_hidden", "$x$", "g_0"])
    texts = [text.get_text() for text in few.get_legend().get_texts()]
    assert [text.lstrip("\N{ZERO WIDTH SPACE}") for text in texts] == [
        "g_20",
        "_hidden",
        r"\$x\$",
        "1 gene not drawn:\n1 all_zero",
    ]
    colors = [line.get_color() for line in few.lines if line.get_marker() == "o"]
    assert len(set(colors)) == len(colors) == 3
    many = plots.worm(fit)
    assert sum(line.get_alpha() == 0.4 for line in many.lines) == 58
    many.figure.canvas.draw()


def test_weights_are_counted(rng):
    frame = pd.DataFrame({"y": rng.poisson(2, 40)})
    weights = np.where(np.arange(40) % 4 == 0, 0, 2)
    fit = nbglm.fit_negbin(frame, "~ 1", weights=weights)
    data = plots.qq_data(fit, seed=1)
    z = fit.residuals(seed=1)["y"][weights > 0]
    assert np.array_equal(data["residual"], np.sort(z))
    share = (np.arange(30) + 0.5) / 30
    assert data["theoretical"].to_numpy() == pytest.approx(stats.norm.ppf(share), abs=1e-12)


def test_genes_without_a_count_leave_an_empty_picture(fit):
    for draw in (plots.qq, plots.worm):
        ax = draw(fit, ["g_0", "g_1"])
        ax.figure.canvas.draw()
        texts = [text.get_text() for text in ax.get_legend().get_texts()]
        assert texts == ["2 genes not drawn:\n2 all_zero"]
    assert len(plots.qq_data(fit, "g_0")) == 0


def test_too_many_genes_are_refused(monkeypatch, fit):
    monkeypatch.setattr("nbglm.plots.normality._MOST_GENES", 50)
    with pytest.raises(nbglm.OptionError, match="50 genes at most, and was asked for 60"):
        plots.qq(fit)
