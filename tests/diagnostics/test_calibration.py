"""Integral transforms and frequencies of counts."""

import numpy as np
import pandas as pd
import pytest

import nbglm
from nbglm.diagnostics.calibration import count_bins, frequencies, mean_pit
from nbglm.diagnostics.cells import GeneCells, cells_of_genes, cells_of_one
from nbglm.simulate.distribution import negbin
from nbglm.simulate.draws import draw_counts, gene_stream


def cells(y, mean, size, weight=None):
    y, mean, size = np.broadcast_arrays(*(np.asarray(part, float) for part in (y, mean, size)))
    return GeneCells("Pyy", y, mean, size, np.ones(y.size) if weight is None else weight)


def test_the_transform_is_that_of_its_definition():
    y = np.array([0.0, 1.0, 4.0, 30.0])
    truth = negbin(2.0, 1.5)
    low, high = np.where(y > 0, truth.cdf(y - 1), 0.0), truth.cdf(y)
    grid = np.arange(11) / 10
    # Integrals of indicators over the uniform distribution on (low, high).
    reached = np.clip((grid[:, None] - low) / (high - low), 0.0, 1.0).mean(axis=1)
    assert mean_pit([cells(y, 2.0, 1.5)], 10) == pytest.approx(10 * np.diff(reached), abs=1e-12)


@pytest.mark.parametrize("size", [0.05, 1.0, np.inf])
@pytest.mark.parametrize("mean", [0.01, 2.0, 1e4])
def test_the_transform_of_the_truth_is_flat(size, mean):
    n, bins = 40_000, 10
    mu, r = np.full(n, mean), np.full(n, size)
    y = draw_counts(gene_stream((5,), f"{size} {mean}"), mu, r)
    heights = mean_pit([cells(y, mu, r)], bins)
    assert heights.mean() == pytest.approx(1.0)
    # A bin holds at most a binomial's variance: five standard deviations.
    assert np.abs(heights - 1.0).max() < 5.0 * np.sqrt(bins / n)


def test_too_narrow_and_too_wide_distributions_bend_it():
    mu, r = np.full(20_000, 5.0), np.full(20_000, 2.0)
    y = draw_counts(gene_stream((5,), "bent"), mu, r)
    narrow, wide = mean_pit([cells(y, mu, np.inf)], 10), mean_pit([cells(y, mu, 0.3)], 10)
    assert min(narrow[0], narrow[-1]) > 1.5
    assert narrow[4:6].max() < 0.8
    assert max(wide[0], wide[-1]) < 0.8
    assert wide[5:8].max() > 1.1


def test_genes_are_pooled_by_their_weights():
    one, other = cells([0, 3], 2.0, 1.0), cells([9], 2.0, 1.0)
    twice = cells([0, 3, 9], 2.0, 1.0, np.array([1.0, 1.0, 2.0]))
    assert mean_pit([one, other, other], 5) == pytest.approx(mean_pit([twice], 5))


def test_impossible_counts_stand_at_the_end():
    assert mean_pit([cells([4], 0.0, 1.0)], 2) == pytest.approx([0.0, 2.0])


def test_frequencies_are_sums_of_probabilities(rng):
    mean, size = rng.gamma(2.0, 2.0, 150), rng.gamma(2.0, 2.0, 150)
    y, weight = rng.poisson(rng.gamma(size, mean / size)), rng.integers(0, 3, 150).astype(float)
    one = cells(y, mean, size, weight)
    table = frequencies(one, count_bins(one, 12, None))
    p = negbin.pmf(np.arange(13), mean[:, None], size[:, None])
    assert table["expected"].to_numpy()[:13] == pytest.approx(weight @ p, rel=1e-12)
    assert table["observed"].to_numpy()[:13].tolist() == [weight[y == k].sum() for k in range(13)]
    assert table["last"].iloc[-1] == np.inf
    assert table["observed"].sum() == weight.sum()
    assert table["expected"].sum() == pytest.approx(weight.sum(), rel=1e-12)


def test_wide_bars_hold_what_narrow_ones_hold(rng):
    one = cells(rng.poisson(20, 100), 20.0, 3.0)
    wide = frequencies(one, count_bins(one, 29, 10))
    narrow = frequencies(one, count_bins(one, 29, 1))
    assert wide["first"].tolist() == [0, 10, 20, 30]
    assert wide["last"].tolist() == [9, 19, 29, np.inf]
    for column in ("observed", "expected"):
        sums = np.add.reduceat(narrow[column].to_numpy(), [0, 10, 20, 30])
        assert wide[column].to_numpy() == pytest.approx(sums, rel=1e-10)


def test_many_cells_that_share_a_row_are_summed_once_and_many_rows_in_pieces(monkeypatch, rng):
    mean = rng.gamma(2.0, 2.0, 500)
    one = cells(rng.poisson(mean), mean, np.inf)
    whole = frequencies(one, count_bins(one, 10, None))
    monkeypatch.setattr("nbglm.diagnostics.calibration._ENTRIES", 100)
    in_pieces = frequencies(one, count_bins(one, 10, None))
    assert in_pieces["expected"].to_numpy() == pytest.approx(whole["expected"].to_numpy())


def test_frequencies_are_those_of_statsmodels_diagnostics(rng):
    frame = pd.DataFrame({"x": rng.normal(size=300)})
    frame["y"] = rng.negative_binomial(2, 0.4, 300)
    results = nbglm.NegBinModel.from_formula("y ~ x", frame).fit()
    theirs = results.get_diagnostic().probs_predicted.sum(axis=0)
    one = cells_of_one(results._tables, 0)
    ours = frequencies(one, count_bins(one, int(frame["y"].max()), None))
    assert ours["expected"].to_numpy()[:-1] == pytest.approx(theirs, rel=1e-10)


def test_bars_are_few_enough_to_read_and_the_last_one_holds_the_rest(rng):
    y = rng.negative_binomial(0.5, 0.005, 5000)
    first = count_bins(cells(y, 1.0, 1.0), None, None)
    assert 15 <= first.size <= 31
    assert (y >= first[-1]).mean() <= 0.01
    assert count_bins(cells([0, 0], 1.0, 1.0), None, None).tolist() == [0, 1]
    for wrong in ({"max_count": -1}, {"max_count": 2.5}, {"width": 0}, {"width": True}):
        with pytest.raises(nbglm.OptionError, match=f"{next(iter(wrong))} must be a whole number"):
            count_bins(cells(y, 1.0, 1.0), **{"max_count": None, "width": None, **wrong})


def test_cells_come_in_blocks_and_in_the_order_asked_for(monkeypatch, rng):
    counts = pd.DataFrame(rng.poisson(3.0, (50, 7)), columns=list("abcdefg"))
    fit = nbglm.fit_negbin(counts, "~ 1")
    monkeypatch.setattr("nbglm.diagnostics.cells._BLOCK_ENTRIES", 120)
    found = list(cells_of_genes(fit, np.array([6, 0, 3, 2, 5])))
    assert [one.name for one in found] == list("gadcf")
    predicted = fit.predict()
    for one in found:
        assert np.array_equal(one.y, counts[one.name])
        assert np.array_equal(one.mean, predicted["mean"][one.name])
        assert np.array_equal(one.size, predicted["dispersion"][one.name])
