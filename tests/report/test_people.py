"""A fit as a collection of genes, on one page, and in a notebook."""

import pickle
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import nbglm

SCRIPT = "<script>alert(1)</script>"
CELLS = 150


def make_data():
    rng = np.random.default_rng(20261201)
    group = np.resize(["a", "b<i>", "c"], CELLS)
    obs = pd.DataFrame({"group": pd.Categorical(group), "time": rng.random(CELLS)})
    counts = pd.DataFrame(
        {
            SCRIPT: rng.negative_binomial(2, 0.3, CELLS),
            "ü/up": rng.negative_binomial(3, 0.1 + 0.3 * (group == "c")),
            "empty": 0,
            "silent": rng.negative_binomial(3, 0.4, CELLS) * (group != "c"),
            "steady": rng.binomial(5, 0.5, CELLS),
        }
    )
    return counts, obs


COUNTS, OBS = make_data()
QUIET = {"obs": OBS, "progress": False}


@pytest.fixture(scope="module")
def fit():
    return nbglm.fit_negbin(COUNTS, {"mean": "~ group + time", "dispersion": "~ 1"}, **QUIET)


class Reader(HTMLParser):
    """Collects the tags and the text of HTML, and holds them to be balanced."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


# A collection of genes ------------------------------------------------------------------------


def test_a_fit_is_the_collection_of_its_genes(fit):
    assert len(fit) == 5
    assert list(fit) == list(COUNTS)
    assert "silent" in fit
    assert "Silent" not in fit
    assert 0 not in fit


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ("silent", ["silent"]),
        (["steady", "ü/up"], ["steady", "ü/up"]),
        (("steady", "ü/up"), ["steady", "ü/up"]),
        (pd.Index(["empty"]), ["empty"]),
        (np.array([False, True, False, True, False]), ["ü/up", "silent"]),
        (slice(1, 3), ["ü/up", "empty"]),
        (slice(-1, None), ["steady"]),
        (slice(None, None, -2), ["steady", "empty", SCRIPT]),
    ],
)
def test_some_genes_are_chosen_as_people_choose_them(fit, chosen, names):
    some = fit[chosen]
    assert list(some) == names
    pd.testing.assert_frame_equal(some.params["beta"], fit.params["beta"][names])


def test_a_mask_may_be_a_series_in_any_order(fit):
    mask = fit.status == "ok"
    assert list(fit[mask]) == list(fit[mask[::-1]]) == mask.index[mask].tolist()


@pytest.mark.parametrize(
    ("chosen", "error", "words"),
    [
        (0, KeyError, "the one at position 0 is '<script>"),
        (99, KeyError, "there is no gene 99 among the 5"),
        ("Silent", KeyError, "Did you mean 'silent'"),
        (slice("empty", "steady"), TypeError, "one of positions, such as res"),
        ([], ValueError, "at least one is needed"),
        (slice(3, 3), ValueError, "at least one is needed"),
        (2.5, TypeError, "a name or a list of names"),
        (np.array([True, False]), ValueError, "this fit has 5 genes"),
    ],
)
def test_what_chooses_no_gene_is_refused_in_words(fit, chosen, error, words):
    with pytest.raises(nbglm.NbglmError, match=words) as raised:
        fit[chosen]
    assert isinstance(raised.value, error)


# On one page ----------------------------------------------------------------------------------


def test_the_summary_counts_statuses_and_significant_genes(fit):
    text = fit.summary().as_text()
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines() if line}
    for word, count in fit.status.value_counts().items():
        assert lines[word][1] == str(count)
    adjusted = fit.table("time")["p_adjusted"]
    assert lines["mean time"][-1] == str(int((adjusted < 0.05).sum()))
    np.testing.assert_allclose(float(lines["mean time"][4]), np.median(finite(fit, "time")), 1e-3)
    assert "~ group + time" in text
    assert f"{fit.llf.sum():#.8g}" in text
    assert max(map(len, text.splitlines())) <= 120


def finite(fit, term):
    values = fit.params["beta"].loc[term].to_numpy()
    return values[np.isfinite(values)]


def test_the_level_and_the_adjustment_of_a_summary_matter(fit):
    strict = fit.summary(alpha=1e-12, method="bonferroni").as_text()
    assert "p_adj<1e-12" in strict
    assert "(bonferroni)" in strict
    for options in ({"alpha": 95}, {"method": "bh"}):
        with pytest.raises(nbglm.OptionError):
            fit.summary(**options)


def test_a_summary_says_if_tests_were_dropped_with_the_data(fit):
    bare = fit.without_data(limit_tests=False)
    assert "were dropped with the data" in bare.summary().as_text()
    assert fit.without_data().summary().as_text() == fit.summary().as_text()


def test_a_summary_of_thousands_of_coefficients_stays_on_a_page():
    rng = np.random.default_rng(1)
    obs = pd.DataFrame({"many": [f"level {k // 4}" for k in range(240)]})
    counts = pd.DataFrame({"g": rng.poisson(2.0, 240)})
    fit = nbglm.fit_negbin(counts, "~ many", obs=obs, progress=False)
    assert "21 more coefficients" in fit.summary().as_text()
    assert len(fit.summary().as_text().splitlines()) < 80
    assert "21 more coefficients" in fit._repr_html_()
    assert "more coefficients" in repr(fit.gene("g"))


@pytest.mark.parametrize("kind", ["as_text", "as_html", "as_latex", "as_csv"])
def test_a_summary_comes_in_every_format_of_statsmodels(fit, kind):
    for summary in (fit.summary(), fit.gene("ü/up").summary()):
        assert "group" in getattr(summary, kind)()


def test_notes_are_text_in_latex(fit):
    assert r"mean\textasciicircum{}2" in fit.summary().as_latex()
    assert "poisson\\_limit" in fit.summary().as_latex()


# In a notebook --------------------------------------------------------------------------------


def shown(fit):
    simulator = nbglm.NegBinRegressionSimulator()
    fitted = nbglm.NegBinRegressionSimulator(progress=False).fit(COUNTS, "~ group", obs=OBS)
    return {
        "fit": fit,
        "some genes": fit[SCRIPT],
        "without data": fit.without_data(),
        "without tests": fit.without_data(limit_tests=False),
        "simulator": simulator,
        "fitted simulator": fitted,
        "gene": fit.gene(SCRIPT),
        "gene at a limit": fit.gene("silent"),
        "gene without data": fit.without_data().gene(SCRIPT),
        "summary": fit.summary(),
        "summary of a gene": fit.gene(SCRIPT).summary(),
        "response": nbglm.NegBinModel(COUNTS["ü/up"], np.ones(CELLS)).fit(),
    }


def test_everything_is_safe_and_balanced_html(fit):
    for name, what in shown(fit).items():
        html = what._repr_html_()
        read = Reader(html)
        assert {"script", "i"}.isdisjoint(read.tags), name
        assert "color" not in html, name  # dark or light is the notebook's choice
        if "gene" in name and "limit" not in name and name != "some genes":
            assert SCRIPT in "".join(read.text), name


def test_html_tells_what_text_tells(fit):
    text = "".join(Reader(fit._repr_html_()).text)
    for part in (
        "5 genes x 150 cells",
        "~ group + time",
        "group[T.b<i>]",
        "1 all_zero",
        "infinite",
    ):
        assert part in text
    gene = "".join(Reader(fit.gene("silent")._repr_html_()).text)
    for part in ("silent", "-inf", "separated", "dispersion-Intercept"):
        assert part in gene


def test_looking_at_a_fit_tests_nothing(fit):
    loaded = pickle.loads(pickle.dumps(fit))
    loaded.__dict__.pop("_all_limit_tests", None)
    loaded._repr_html_()
    repr(loaded.gene("silent"))
    assert "_all_limit_tests" not in loaded.__dict__


def test_a_gene_tells_what_it_is(fit):
    text = repr(fit.gene("ü/up"))
    assert text.splitlines()[0] == "NegBinModelResults: ü/up, 150 observations"
    for part in ("~ group + time", f"{fit.llf['ü/up']:.8g}", "dispersion-Intercept", "0.975]"):
        assert part in text
    assert "status" not in text.splitlines()[6]
    assert "separated" in repr(fit.gene("silent"))
    line = next(line for line in text.splitlines() if line.strip().startswith("time"))
    given = [float(part) for part in line.split()[1:]]
    beta = fit.params["beta"].loc["time", "ü/up"]
    limits = fit["ü/up"].conf_int(terms="time")["beta"].to_numpy().ravel()
    np.testing.assert_allclose(given, [beta, fit.bse["beta"].loc["time", "ü/up"], *limits], 1e-3)


def test_results_of_arrays_tell_their_columns():
    design = np.column_stack([np.ones(CELLS), OBS["time"]])
    text = repr(nbglm.NegBinModel(COUNTS["ü/up"], design).fit())
    assert "const + x1" in text


def test_a_model_tells_what_it_will_fit():
    data = COUNTS.rename(columns={"ü/up": "y"}).join(OBS)
    model = nbglm.NegBinModel.from_formula("y ~ time + C(group)", data, dispersion="~ time")
    for what in (model, model.fit().model):
        assert repr(what).splitlines() == [
            "NegBinModel of y; fit() fits it",
            "  Log mean  ~ time + C(group)",
            "  Log size  ~ time",
        ]
    arrays = nbglm.NegBinModel(data["y"], np.column_stack([np.ones(CELLS), data["time"]]))
    assert repr(arrays).splitlines()[1:] == ["  Log mean  const + x1", "  Log size  const"]
