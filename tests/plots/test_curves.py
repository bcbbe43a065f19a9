"""The fitted mean over the counts of a gene."""

import numpy as np
import pandas as pd
import pytest

import nbglm
from nbglm import plots
from nbglm.simulate.distribution import negbin


@pytest.fixture(scope="module")
def along(factor):
    """With a spline, a factor and size factors."""
    counts, obs = factor
    formulas = {"mean": "~ bs(time, df=3) + group", "dispersion": "~ time"}
    return nbglm.fit_negbin(counts, formulas, obs=obs, size_factors="depth", progress=False)


def scattered(ax):
    return np.vstack([part.get_offsets() for part in ax.collections if len(part.get_offsets()) > 1])


def notes(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_curve_is_the_prediction_for_an_offset_of_0(along):
    data = plots.fitted_data(along, "g_20", "time", at={"group": "b"}, level=0.9)
    rows = pd.DataFrame({"time": data["time"], "group": "b"})
    wanted = along.predict(rows, size_factors=np.ones(200), interval=0.9)
    for name in ("mean", "mean_lower", "mean_upper"):
        assert data[name].to_numpy() == pytest.approx(wanted[name]["g_20"].to_numpy(), rel=1e-12)
    mean, size = (wanted[name]["g_20"].to_numpy() for name in ("mean", "dispersion"))
    assert np.array_equal(data["count_lower"], negbin.ppf(0.05, mean, size))
    assert np.array_equal(data["count_upper"], negbin.isf(0.05, mean, size))
    assert data["time"].iloc[[0, -1]].tolist() == [-1.0, 1.0]
    ax = plots.fitted(along, "g_20", "time", at={"group": "b"}, level=0.9)
    (line,) = ax.lines
    assert np.array_equal(line.get_xdata(), data["time"])
    assert np.array_equal(line.get_ydata(), data["mean"])
    assert ax.get_ylabel() == "count / exp(offset)"


def test_points_are_counts_over_size_factors_of_the_cells_at_hand(along, factor):
    counts, obs = factor
    data = plots.fitted_counts_data(along, "g_20", at={"group": "b"})
    cells = (obs["group"] == "b").to_numpy()
    assert data["count"].to_numpy() == pytest.approx((counts["g_20"] / obs["depth"])[cells])
    assert np.array_equal(data["time"], obs["time"][cells])
    ax = plots.fitted(along, "g_20", at={"group": "b"}, s=3, color="black")
    assert np.array_equal(scattered(ax), data[["time", "count"]])
    assert "at group = b" in notes(ax)[-1]


def test_factors_are_held_at_their_most_frequent_level_and_numbers_at_their_mean(along, factor):
    obs = factor[1].copy()
    obs["group"] = ["a"] * 50 + ["b"] * 100 + ["$c_d$"] * 30
    fit = nbglm.fit_negbin(factor[0][["g_20"]], "~ group + time + depth", obs=obs)
    assert (
        notes(plots.fitted(fit, x="time"))[-1]
        == f"at group = b\nat depth = {obs['depth'].mean():.4g}"
    )
    assert len(plots.fitted_counts_data(fit, x="time")) == 100
    with pytest.raises(nbglm.OptionError, match="name the column along the axis"):
        plots.fitted(fit)


def test_each_level_of_a_column_has_its_curve_and_its_points(along, factor):
    data = plots.fitted_data(along, "g_20", "time", by="group")
    assert data.groupby("group")["time"].count().to_dict() == dict.fromkeys(
        ["a", "b", "$c_d$"], 200
    )
    ax = plots.fitted(along, "g_20", "time", by="group", prediction=None)
    assert [len(line.get_xdata()) for line in ax.lines] == [200] * 3
    assert len({line.get_color() for line in ax.lines}) == 3
    assert len(scattered(ax)) == 180
    assert notes(ax)[:3] == ["a", "b", r"\$c_d\$"]
    assert ax.get_legend().get_title().get_text() == "group"


def test_groups_stand_side_by_side(fit, factor):
    data = plots.fitted_data(fit, "g_20")
    assert data["group"].tolist() == ["a", "b", "$c_d$"]
    means = factor[0]["g_20"].groupby(factor[1]["group"], observed=True).mean()
    assert data["mean"].to_numpy() == pytest.approx(means[data["group"]].to_numpy(), rel=1e-6)
    ax = plots.fitted(fit, "g_20")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "$c_d$"]
    points = scattered(ax)
    assert np.array_equal(np.round(points[:, 0]), np.repeat([0, 1, 2], 60))
    assert sorted(points[:, 1]) == sorted(factor[0]["g_20"])
    assert ax.get_ylabel() == "count"


def test_a_group_without_counts_has_a_mean_of_0_and_no_interval(fit):
    data = plots.fitted_data(fit, "g_6").set_index("group")
    assert data.loc["b", "mean"] == 0.0
    assert np.isnan(data.loc["b", "mean_lower"])
    assert data.loc["b", "count_upper"] == 0.0
    ax = plots.fitted(fit, "g_6")
    ax.figure.canvas.draw()
    assert notes(ax)[-1] == "status: separated"
    assert notes(plots.fitted(fit, "g_0"))[-1] == "status: all_zero"


def test_small_and_large_counts_can_be_seen_side_by_side(fit, factor):
    ax = plots.fitted(fit, "g_20", yscale="log1p")
    ax.figure.canvas.draw()
    ticks = [label.get_text() for label in ax.get_yticklabels()]
    assert ticks[:3] == ["0", "1", "3"]
    low, high = ax.get_ylim()
    assert -1.0 < low < 0.0
    assert high > factor[0]["g_20"].max()
    # Equal steps of log(1 + count) are equally high.
    heights = ax.transData.transform([(0.0, np.expm1(k)) for k in range(3)])[:, 1]
    assert heights[2] - heights[1] == pytest.approx(heights[1] - heights[0])
    plots.fitted(fit, "g_0", yscale="log1p").figure.canvas.draw()
    with pytest.raises(nbglm.OptionError, match="Did you mean 'log1p'"):
        plots.fitted(fit, "g_20", yscale="log")


def test_truth_values_are_groups(rng):
    obs = pd.DataFrame({"treated": np.arange(40) % 2 == 0, "x": rng.normal(size=40)})
    fit = nbglm.fit_negbin(rng.poisson(3, (40, 1)), "~ treated + x", obs=obs)
    assert plots.fitted_data(fit, x="treated")["treated"].tolist() == [False, True]
    assert len(plots.fitted_data(fit, by="treated")) == 400


def test_a_few_whole_numbers_are_groups(rng):
    obs = pd.DataFrame({"day": np.arange(60) % 3 + 1, "x": rng.normal(size=60)})
    fit = nbglm.fit_negbin(rng.poisson(3, (60, 1)), "~ C(day) + x", obs=obs)
    assert plots.fitted_data(fit, x="day")["day"].tolist() == [1, 2, 3]
    assert len(scattered(plots.fitted(fit, x="day"))) == 60
    assert [t for t in notes(plots.fitted(fit, x="x", by="day")) if t.isdigit()] == ["1", "2", "3"]
    assert "at day = 1" in notes(plots.fitted(fit, x="x"))[-1]


def test_cells_of_weight_0_are_not_drawn(factor):
    counts, obs = factor
    weights = np.where(np.arange(180) < 150, 1, 0)
    fit = nbglm.fit_negbin(counts[["g_20"]], "~ time", obs=obs, weights=weights)
    assert len(plots.fitted_counts_data(fit)) == 150
    assert plots.fitted_data(fit)["time"].max() == obs["time"].iloc[149]


def test_one_response_is_drawn_along_its_formula(rng):
    frame = pd.DataFrame({"y": rng.poisson(3, 50), "x": rng.normal(size=50)})
    results = nbglm.NegBinModel.from_formula("y ~ x", frame).fit()
    assert plots.fitted(results).get_title() == "y"
    data = plots.fitted_data(results)
    assert data["mean"].to_numpy() == pytest.approx(results.predict(data[["x"]]).to_numpy())


def test_what_cannot_be_drawn_is_said(along, rng):
    with pytest.raises(nbglm.OptionError, match=r"x='tme' is no column.*Did you mean 'time'"):
        plots.fitted(along, "g_20", "tme")
    with pytest.raises(nbglm.OptionError, match="by='time' is a number"):
        plots.fitted(along, "g_20", "group", by="time")
    with pytest.raises(nbglm.OptionError, match="the same column"):
        plots.fitted(along, "g_20", "group", by="group")
    with pytest.raises(nbglm.InputTypeError, match="takes a mapping such as"):
        plots.fitted(along, "g_20", "time", at=["b"])
    with pytest.raises(nbglm.OptionError, match="at='depth' is no column"):
        plots.fitted(along, "g_20", at={"depth": 1})
    with pytest.raises(nbglm.FormulaError, match="levels that the fit has not seen: 'z'"):
        plots.fitted(along, "g_20", "time", at={"group": "z"})
    with pytest.raises(nbglm.OptionError, match=r"interval|level"):
        plots.fitted(along, "g_20", "time", level=95)
    with pytest.raises(nbglm.UnavailableError, match="counts or the cells"):
        plots.fitted(along.without_data(limit_tests=False), "g_20")
    arrays = nbglm.NegBinModel(rng.poisson(3, 20), np.ones((20, 1))).fit()
    with pytest.raises(nbglm.OptionError, match="these formulas use none"):
        plots.fitted(arrays)
