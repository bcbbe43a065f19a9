"""Chances to find an effect in planned experiments, and their picture."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import nbglm

DONORS = 20


@pytest.fixture(scope="module")
def pilot():
    rng = np.random.default_rng(1)
    donor = np.repeat(np.arange(DONORS), 20)
    obs = pd.DataFrame(
        {
            "arm": np.where(donor % 2, "treated", "control"),
            "x": rng.normal(size=donor.size),
            "donor": [f"d{k}" for k in donor],
        }
    )
    factors = np.exp(rng.normal(0.0, 0.25, (DONORS, 4)))[donor]
    y = pd.DataFrame(rng.poisson(rng.gamma(2.0, 2.0 * factors / 2.0)), columns=list("abcd"))
    return nbglm.fit_negbin(
        y, "~ arm + x", obs=obs, cov_type="cluster", cov_kwds={"groups": "donor"}, progress=False
    )


def test_more_donors_help_more_than_more_cells(pilot):
    table = nbglm.power(
        pilot, "arm[T.treated]", np.log(1.5), n=[240, 960], donors=[8, 32], n_sim=15, seed=1
    )
    assert list(table) == ["term", "effect", "n", "donors", "power", "lower", "upper", "n_tests"]
    assert table["n_tests"].tolist() == [60] * 4
    power = table.set_index(["n", "donors"])["power"]
    assert power[(960, 32)] > 0.85
    assert power[(960, 32)] > power[(960, 8)]
    assert (table["lower"] < table["power"]).all()


def test_cells_of_independent_donors_are_all_that_counts(pilot):
    cells = pilot.with_cov("oim")
    table = nbglm.power(cells, "x", [0.0, 0.2], n=[50, 800], n_sim=25, seed=2)
    power = table.set_index(["effect", "n"])["power"]
    assert power[(0.0, 800)] < 0.15
    assert power[(0.2, 800)] > 0.95 > power[(0.2, 50)]
    assert (table["donors"] == 0).all()


def test_intervals_are_those_of_clopper_and_pearson(pilot):
    table = nbglm.power(pilot.with_cov("oim"), "x", [0.1, 3.0], n=100, n_sim=5, seed=2)
    for _, line in table.iterrows():
        hits = round(line["power"] * line["n_tests"])
        exact = stats.binomtest(hits, line["n_tests"]).proportion_ci(0.95)
        np.testing.assert_allclose([line["lower"], line["upper"]], exact, rtol=1e-9)
    assert table["power"].iloc[1] == 1.0


def test_the_same_seed_gives_the_same_table_for_any_workers(pilot):
    plan = {"n": 80, "donors": 6, "n_sim": 3, "seed": 7, "component": "dispersion"}
    one = nbglm.power(pilot, "Intercept", 1.0, **plan)
    pd.testing.assert_frame_equal(one, nbglm.power(pilot, "Intercept", 1.0, **plan, n_jobs=2))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"term": "arm[T.treatd]"}, "Did you mean 'arm"),
        ({"effect": "much"}, "finite numbers"),
        ({"effect": np.inf}, "finite numbers"),
        ({"n": []}, "n= is empty"),
        ({"n": 0}, "n must be at least 1"),
        ({"donors": 1}, "donors must be at least 2"),
        ({"component": "alpha"}, "Did you mean 'dispersion'"),
    ],
)
def test_plans_that_make_no_sense_are_refused(pilot, wrong, words):
    plan = {"term": "arm", "effect": 0.5, "n": 100, "n_sim": 1} | wrong
    with pytest.raises(nbglm.NbglmError, match=words):
        nbglm.power(pilot, **plan)


def test_donors_need_a_pilot_with_donors(pilot):
    with pytest.raises(nbglm.OptionError, match="needs the donors of the pilot"):
        nbglm.power(pilot.with_cov("oim"), "x", 0.5, n=100, donors=4, n_sim=1)
    with pytest.raises(nbglm.InputTypeError, match="it was given a DataFrame"):
        nbglm.power(pilot.to_frame(), "x", 0.5, n=100)


TABLE = pd.DataFrame(
    {
        "term": "x",
        "effect": 0.5,
        "n": [100, 1000, 100, 1000],
        "donors": [4, 4, 8, 8],
        "power": [0.2, 0.4, 0.5, 0.9],
        "lower": [0.1, 0.3, 0.4, 0.8],
        "upper": [0.3, 0.5, 0.6, 1.0],
        "n_tests": 100,
    }
)


def test_the_picture_draws_a_line_for_each_number_of_donors():
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    data = nbglm.plots.power_data(TABLE)
    assert data["line"].tolist() == ["4 donors", "4 donors", "8 donors", "8 donors"]
    assert data["x"].tolist() == [100.0, 1000.0, 100.0, 1000.0]
    axes = plt.figure().add_subplot()
    assert nbglm.plots.power(TABLE, ax=axes) is axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["4 donors", "8 donors"]
    assert axes.get_xlabel() == "cells"
    other = nbglm.plots.power(TABLE, x="donors")
    assert other.get_legend().get_texts()[0].get_text() == "100 cells"
    plt.close("all")
    with pytest.raises(nbglm.InputTypeError, match="the table that"):
        nbglm.plots.power(TABLE.drop(columns="lower"))
    with pytest.raises(nbglm.InputTypeError, match="must be 'n'"):
        nbglm.plots.power_data(TABLE, x="cells")
