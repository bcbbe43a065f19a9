"""Pictures of all genes: the points are the numbers of the fit, and none is lost in silence."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

import nbglm
from nbglm import plots


def points(ax):
    """Coordinates of all points in data coordinates, and number of triangles."""
    inside, triangles = [np.empty((0, 2))], 0
    for part in ax.collections:
        if isinstance(part, PathCollection):
            if part.get_offset_transform() == ax.transData:
                inside.append(np.asarray(part.get_offsets()))
            else:
                triangles += len(part.get_offsets())
    return np.vstack(inside), triangles


def in_order(pairs):
    pairs = np.asarray(pairs, dtype=float)
    return pairs[np.lexsort(pairs.T)]


def legend_lines(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def assert_drawn(ax, x, y):
    """Every finite pair is a point, every infinite one a triangle, every NaN is in the legend."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    known = ~(np.isnan(x) | np.isnan(y))
    finite = np.isfinite(x) & np.isfinite(y)
    inside, triangles = points(ax)
    assert np.array_equal(in_order(inside), in_order(np.column_stack([x, y])[finite]))
    assert triangles == (known & ~finite).sum()
    missing = (~known).sum()
    noted = [line for line in legend_lines(ax) if "not drawn" in line]
    assert [line.split(" gene")[0] for line in noted] == ([str(missing)] if missing else [])


def test_a_volcano_is_the_table_of_the_fit(fit):
    data = plots.volcano_data(fit, "group[T.b]")
    table = fit.table("group[T.b]", sort=None)
    for column in ("log2_fold_change", "neg_log10_p", "p_adjusted"):
        assert np.array_equal(data[column], table[column], equal_nan=True)
    significant = (table["p_adjusted"] < 0.05).to_numpy()
    assert (data["call"] != "").to_numpy().tolist() == significant.tolist()
    assert (data["call"] == "up").sum() == (significant & (table["estimate"] > 0)).sum() > 0
    ax = plots.volcano(fit, "group[T.b]")
    assert_drawn(ax, data["log2_fold_change"], data["neg_log10_p"])
    assert np.isinf(data["log2_fold_change"]).sum() == 4
    assert f"up, adjusted p < 0.05 ({(data['call'] == 'up').sum()})" in legend_lines(ax)
    assert "2 genes not drawn:\n2 all_zero" in legend_lines(ax)


def test_p_values_that_underflow_have_their_height():
    x = np.repeat([0.0, 1.0], 500)
    counts = pd.DataFrame({"a": np.where(x > 0, 100, 1) + np.arange(1000) % 2})
    fit = nbglm.fit_negbin(counts, "~ x", obs=pd.DataFrame({"x": x}))
    assert fit.t_test("x")["p_value"].item() == 0.0
    height = plots.volcano_data(fit, "x")["neg_log10_p"].item()
    assert 400.0 < height < np.inf
    inside, _ = points(plots.volcano(fit, "x"))
    assert inside[0, 1] == height


def test_a_smallest_change_can_be_asked_for(fit):
    data = plots.volcano_data(fit, "group[T.b]", log2fc_min=1.5)
    called = data["call"] != ""
    assert 0 < called.sum() < (plots.volcano_data(fit, "group[T.b]")["call"] != "").sum()
    assert (data["log2_fold_change"][called].abs() >= 1.5).all()
    with pytest.raises(nbglm.OptionError, match="log2fc_min must be a number, 0 or more; got -1"):
        plots.volcano(fit, "group[T.b]", log2fc_min=-1)


def test_an_ma_plot_has_mean_counts(fit, factor):
    data = plots.ma_data(fit, "group[T.b]")
    assert np.array_equal(data["base_mean"], factor[0].mean())
    ax = plots.ma(fit, "group[T.b]")
    base = data["base_mean"].where(data["base_mean"] > 0)
    assert_drawn(ax, base, data["log2_fold_change"])
    low, high = ax.get_xlim()
    assert low <= base.min() <= base.max() <= high  # those of triangles too
    assert ax.get_xscale() == "log"


def test_effects_on_mean_and_dispersion_are_those_of_both_tests(joint):
    data = plots.mean_vs_dispersion_effect_data(joint, "group[T.b]")
    both = [joint.t_test("group[T.b]", part) for part in ("mean", "dispersion")]
    for column, table in zip(("log2_fold_change", "log2_size_ratio"), both, strict=True):
        assert data[column].to_numpy() == pytest.approx(table["estimate"] / np.log(2), nan_ok=True)
    told = [(table["p_adjusted"] < 0.05).to_numpy() for table in both]
    assert (data["call"] == "both").to_numpy().tolist() == (told[0] & told[1]).tolist()
    assert (data["call"] == "mean").to_numpy().tolist() == (told[0] & ~told[1]).tolist()
    ax = plots.mean_vs_dispersion_effect(joint, "group[T.b]")
    assert_drawn(ax, data["log2_fold_change"], data["log2_size_ratio"])


def test_a_term_that_the_dispersion_lacks_is_named(fit):
    with pytest.raises(nbglm.HypothesisError, match=r"dispersion.*'~ 1'"):
        plots.mean_vs_dispersion_effect(fit, "group[T.b]")


@pytest.mark.parametrize("results", ["fit", "joint"])
def test_dispersions_are_inverse_sizes(results, request):
    results = request.getfixturevalue(results)
    data = plots.mean_dispersion_data(results)
    size = np.sort(results.predict()["dispersion"].to_numpy(), axis=0)[90]
    drawn = data["overdispersion"].notna().to_numpy()
    assert drawn.tolist() == (results.status != "all_zero").tolist()
    with np.errstate(divide="ignore"):
        assert data["overdispersion"][drawn].to_numpy() == pytest.approx(1.0 / size[drawn])
    ax = plots.mean_dispersion(results)
    height = data["overdispersion"].replace(0.0, -np.inf)
    assert np.isinf(height).any()
    assert_drawn(ax, data["base_mean"].where(data["base_mean"] > 0), height)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_a_constant_dispersion_needs_no_cells(fit):
    alone = plots.mean_dispersion_data(fit.without_data(limit_tests=False))
    pd.testing.assert_frame_equal(alone, plots.mean_dispersion_data(fit))


def test_weights_count_as_cells(factor):
    counts, obs = factor
    formulas = {"mean": "~ group", "dispersion": "~ group"}
    weights = np.repeat([1, 2, 5], 60)
    rows = np.repeat(np.arange(180), weights)
    once = nbglm.fit_negbin(counts.iloc[:, 14:20], formulas, obs=obs, weights=weights)
    repeated = (table.iloc[rows].reset_index(drop=True) for table in (counts.iloc[:, 14:20], obs))
    counts, obs = repeated
    again = nbglm.fit_negbin(counts, formulas, obs=obs)
    one, other = (plots.mean_dispersion_data(part)["overdispersion"] for part in (once, again))
    assert one.to_numpy() == pytest.approx(other.to_numpy(), rel=1e-6)


# Labels -----------------------------------------------------------------------------------------


def shown_labels(ax):
    ax.figure.canvas.draw()
    return [text for text in ax.texts if isinstance(text, Annotation) and text.get_visible()]


def assert_apart(ax):
    renderer = ax.figure.canvas.get_renderer()
    boxes = [ax.get_legend().get_window_extent(renderer)]
    boxes += [Text.get_window_extent(label, renderer) for label in shown_labels(ax)]
    frame = ax.get_window_extent(renderer)
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])
        if not k:
            continue  # the legend
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1
        assert frame.y0 <= box.y0 <= box.y1 <= frame.y1
    return len(boxes) - 1


@pytest.mark.parametrize("dpi", [50, 200])
def test_labels_do_not_overlap(fit, dpi):
    ax = plots.volcano(fit, "group[T.b]", label=12)
    ax.figure.set_dpi(dpi)
    assert assert_apart(ax) == 12
    ax.set_xlim(-1.0, 1.0)  # they move with what the reader looks at
    ax.figure.set_size_inches(3.0, 3.0)
    assert_apart(ax)


def test_labels_keep_clear_of_a_legend_inside(fit):
    import matplotlib.pyplot as plt

    ax = plots.volcano(fit, "group[T.b]", label=12, ax=plt.figure().add_subplot())
    assert assert_apart(ax) >= 10


def test_a_hundred_names_of_one_point_do_not_overlap(rng):
    counts = pd.DataFrame(np.repeat(rng.poisson(3.0, (50, 1)), 100, axis=1))
    counts.columns = [f"name {k}" for k in range(100)]
    fit = nbglm.fit_negbin(counts, "~ x", obs=pd.DataFrame({"x": rng.normal(size=50)}))
    ax = plots.ma(fit, "x", label=list(counts.columns))
    assert assert_apart(ax) >= 20


def test_the_genes_with_the_smallest_p_values_are_named(fit):
    table = fit.table("group[T.b]")
    wanted = table.index[np.isfinite(table["estimate"]) & (table["p_adjusted"] < 0.05)][:5]
    labels = shown_labels(plots.volcano(fit, "group[T.b]", label=5))
    assert [label.get_text() for label in labels] == wanted.tolist()
    assert not shown_labels(plots.volcano(fit, "group[T.b]", label=None))


def test_names_are_shown_as_they_are(fit):
    names = ["$x$", "_hidden", "gène/1^{2}"]
    labels = shown_labels(plots.ma(fit, "group[T.b]", label=names))
    assert [label.get_text() for label in labels] == names
    assert not any(label.get_parse_math() for label in labels)
    ax = plots.volcano(fit, "group[T.$c_d$]")
    assert ax.get_xlabel().endswith(r"group[T.\$c_d\$]")  # which draws the dollar signs
    ax.figure.canvas.draw()
    with pytest.raises(nbglm.UnknownNameError, match="Did you mean"):
        plots.ma(fit, "group[T.b]", label=["g_1x"])
    with pytest.raises(nbglm.OptionError, match="how many genes to name"):
        plots.ma(fit, "group[T.b]", label=-1)


# Any picture ------------------------------------------------------------------------------------

PICTURES = {
    "volcano": lambda fit, **options: plots.volcano(fit, "group[T.b]", **options),
    "ma": lambda fit, **options: plots.ma(fit, "group[T.b]", **options),
    "mean_dispersion": plots.mean_dispersion,
    "mean_vs_dispersion_effect": lambda fit, **options: plots.mean_vs_dispersion_effect(
        fit, "group[T.b]", **options
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_drawn_into_the_axes_that_are_given(name, joint):
    import matplotlib.pyplot as plt

    ax = Figure().add_subplot()
    assert PICTURES[name](joint, ax=ax, s=33.0, marker="s") is ax
    assert plt.get_fignums() == []
    assert {size for part in ax.collections[:1] for size in part.get_sizes()} == {33.0}
    for options in ({"lw": 1.0, "ec": "k"}, {"linewidth": 1.0, "facecolors": "none"}, {"c": "r"}):
        PICTURES[name](joint, ax=Figure().add_subplot(), **options)
    with pytest.raises(nbglm.InputTypeError, match="takes one matplotlib Axes"):
        PICTURES[name](joint, ax=Figure())


@pytest.mark.parametrize("name", PICTURES)
def test_one_gene_and_genes_without_anything_to_draw(name, joint):
    one = PICTURES[name](joint.subset(joint.status[joint.status == "ok"].index[:1]))
    assert len(points(one)[0]) == 1
    none = PICTURES[name](joint.subset(["g_0", "g_1"]))
    assert len(points(none)[0]) == 0
    assert "2 genes not drawn:\n2 all_zero" in legend_lines(none)
    none.figure.canvas.draw()


def test_the_legend_is_inside_where_the_figure_makes_no_room(fit):
    for layout, inside in ((None, True), ("constrained", False)):
        ax = Figure(layout=layout).add_subplot()
        plots.volcano(fit, "group[T.b]", ax=ax)
        FigureCanvasAgg(ax.figure).draw()
        legend, frame = ax.get_legend().get_window_extent(), ax.get_window_extent()
        assert bool(legend.x1 <= frame.x1) == inside
        assert bool(legend.x0 >= frame.x1) != inside
        assert legend.x1 <= ax.figure.bbox.x1


def test_many_points_are_pixels_in_files(monkeypatch, fit):
    monkeypatch.setattr("nbglm.plots.points.MANY", 30)
    ax = plots.volcano(fit, "group[T.b]")
    assert ax.collections[0].get_rasterized()
    assert not plots.volcano(fit, "group[T.b]", rasterized=False).collections[0].get_rasterized()


def test_a_picture_of_several_contrasts_is_refused(fit):
    with pytest.raises(nbglm.HypothesisError, match=r"stands for 2: .*Choose one"):
        plots.volcano(fit, "group")


def test_what_is_no_fit_is_refused():
    with pytest.raises(nbglm.InputTypeError, match="it was given a DataFrame"):
        plots.volcano(pd.DataFrame(), "x")
    frame = pd.DataFrame({"y": [1, 2, 0], "x": [0.0, 1.0, 2.0]})
    with pytest.raises(nbglm.InputTypeError, match=r"Fit the model first: model\.fit\(\)"):
        plots.volcano(nbglm.NegBinModel.from_formula("y ~ x", frame), "x")


def test_without_matplotlib_it_is_said_what_to_install():
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.axes'] = None\n"
        "import nbglm, numpy as np\n"
        "fit = nbglm.fit_negbin(np.arange(20).reshape(10, 2), '~ x', obs={'x': np.arange(10.0)})\n"
        "print(len(nbglm.plots.volcano_data(fit, 'x')))\n"
        "try: nbglm.plots.volcano(fit, 'x')\n"
        "except nbglm.NbglmError as error: print(isinstance(error, ImportError), error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("2\nTrue nbglm.plots draws with matplotlib")
    assert "pip install 'nbglm[plot]'" in done.stdout
