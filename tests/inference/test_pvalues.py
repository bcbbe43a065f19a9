"""P-values and their logarithms against 60-digit arithmetic, and their adjustment."""

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

import nbglm
from nbglm.inference.pvalues import (
    METHODS,
    adjusted,
    check_method,
    chi2_mixture_tail,
    chi2_tail,
    p_columns,
    two_sided_tail,
    upper_tail,
)

STATISTICS = [1e-6, 0.1, 1.0, 3.84, 40.0, 99.0, 500.0, 1140.0, 1400.0, 1490.0, 2e3, 1e4, 1e5, 1e6]
FREEDOM = [1, 2, 3, 4, 7, 10, 31, 50, 99, 100]


def log_upper_gamma(df, statistic):
    """Logarithm of the regularised upper incomplete gamma function."""
    with mp.workdps(60):
        return mp.log(mp.gammainc(mp.mpf(df) / 2, mp.mpf(statistic) / 2, regularized=True))


@pytest.mark.parametrize("df", FREEDOM)
def test_chi_squared_logarithms_are_those_of_mpmath(df):
    tail = chi2_tail(STATISTICS, df)
    for statistic, p, log_p in zip(STATISTICS, *tail, strict=True):
        want = log_upper_gamma(df, statistic)
        if want < -1e-40:  # nearer to 1 no double can tell the p-value
            assert abs(mp.mpf(float(log_p)) / want - 1) < 1e-10
        with mp.workdps(60):
            assert p == pytest.approx(float(mp.exp(want)), rel=1e-9, abs=1e-300)


def test_normal_logarithms_are_those_of_mpmath():
    z = [1e-5, 0.3, 0.9999, 1.0001, 5.0, 30.0, 38.4, 40.0, 1e3]
    outside, above = two_sided_tail(z), upper_tail(z)
    with mp.workdps(60):
        for value, two, one in zip(z, outside.log_p, above.log_p, strict=True):
            want = mp.log(mp.erfc(mp.mpf(value) / mp.sqrt(2)))
            assert abs(mp.mpf(float(two)) / want - 1) < 1e-10
            assert abs(mp.mpf(float(one)) / (want - mp.log(2)) - 1) < 1e-10
    assert two_sided_tail(-5.0).p == two_sided_tail(5.0).p


def test_one_degree_of_freedom_is_a_squared_normal_variable():
    z = np.linspace(0.01, 900.0, 700)
    np.testing.assert_allclose(chi2_tail(z**2, 1).log_p, two_sided_tail(z).log_p, rtol=1e-12)


def test_mixtures_add_up_in_logarithms():
    weights = {0: 0.25, 1: 0.5, 3: 0.25}
    tail = chi2_mixture_tail([0.0, 4.0, 2e3, np.nan], weights)
    assert tail.p[0] == 1.0
    assert -1e-15 < tail.log_p[0] <= 0.0
    thirds = chi2_mixture_tail(np.zeros(3), dict.fromkeys(range(49), 1 / 49))
    assert (thirds.p <= 1.0).all()
    assert (thirds.log_p <= 0.0).all()
    for k, statistic in ((1, 4.0), (2, 2e3)):
        with mp.workdps(60):
            parts = (w * mp.exp(log_upper_gamma(df, statistic)) for df, w in weights.items() if df)
            assert tail.log_p[k] == pytest.approx(float(mp.log(sum(parts))), rel=1e-10)
    assert np.isnan([tail.p[3], tail.log_p[3]]).all()


def test_edges_of_the_statistic():
    tail = chi2_tail([0.0, np.inf, np.nan, -1e-18], 2)
    np.testing.assert_array_equal(tail.p, [1.0, 0.0, np.nan, 1.0])
    np.testing.assert_array_equal(tail.log_p, [0.0, -np.inf, np.nan, 0.0])
    nothing = chi2_tail([0.0, 1.0, np.nan], 0)
    np.testing.assert_array_equal(nothing.p, [1.0, 0.0, np.nan])
    np.testing.assert_array_equal(
        chi2_tail([3.0, 3.0], [1, 2]).p, [chi2_tail(3.0, k).p for k in (1, 2)]
    )


@pytest.mark.slow
def test_adjustments_are_those_of_statsmodels(rng):
    p = np.append(rng.uniform(size=30) ** 3, [1.0, 0.0])
    for method in METHODS:
        with np.errstate(divide="ignore"):
            want = multipletests(p, method=method)[1]
        np.testing.assert_array_equal(adjusted(p[:, None], method)[:, 0], want)
    apart = adjusted(np.column_stack([p, p[::-1]]), "holm")
    np.testing.assert_array_equal(apart[:, 0], apart[::-1, 1])


@pytest.mark.parametrize(
    ("method", "word"),
    [
        ("BH", "fdr_bh"),
        ("bh", "fdr_bh"),
        ("BY", "fdr_by"),
        ("hochberg", "simes-hochberg"),
        ("Holm", "Did you mean 'holm'"),
        ("none", "p_value is what it is without"),
        (None, "p_value is what it is without"),
        ("lfdr", "does not adjust"),
        (5, "not one of"),
        (["holm"], "not one of"),
    ],
)
def test_adjustments_with_other_names_are_named(method, word):
    with pytest.raises(nbglm.OptionError, match=word):
        check_method(method)


def test_other_names_of_statsmodels_are_taken():
    p = np.array([[0.01], [0.2]])
    np.testing.assert_array_equal(adjusted(p, "bonf"), adjusted(p, "bonferroni"))


def test_no_p_value_of_a_fit_is_lost_to_underflow(rng):
    """Four thousand cells with a strong effect: z is 60, and every p-value 0."""
    obs = pd.DataFrame({"g": np.repeat(["a", "b"], 2000), "x": rng.normal(size=4000)})
    mean = np.where(obs["g"] == "b", 200.0, 2.0) * np.exp(0.1 * obs["x"])
    y = rng.poisson(rng.gamma(2.0, mean / 2.0))
    counts = pd.DataFrame({"y": y, "shuffled": rng.permutation(y)})
    full, small = (
        nbglm.fit_negbin(counts, f, obs=obs, progress=False)
        for f in ({"mean": "~ g + x", "dispersion": "~ g"}, "~ x")
    )
    t = full.t_test("g[T.b]").loc["y"]
    assert t.p_value == 0.0
    with mp.workdps(60):
        want = float(mp.log(mp.erfc(mp.mpf(float(abs(t.z))) / mp.sqrt(2))))
    assert t.log_p_value == pytest.approx(want, rel=1e-10)
    assert full.log_pvalues["beta"].loc["g[T.b]", "y"] == t.log_p_value
    assert full.gene("y").log_pvalues["g[T.b]"] == t.log_p_value
    table = full.to_frame().set_index(["gene", "component", "term"])
    assert table.loc[("y", "mean", "g[T.b]"), "log_p_value"] == t.log_p_value
    ratio = nbglm.lr_test(full, small).loc["y"]
    assert ratio.p_value == 0.0
    assert ratio.log_p_value == pytest.approx(float(log_upper_gamma(2, ratio.statistic)), rel=1e-10)
    for other in (
        full.wald_test("g").log_p_value["y"],
        small.score_test("~ g").log_p_value["y"],
        full.anova().log_p_value["y", "mean", "g"],
        full.marginal_means("g", pairwise=True).log_p_value["y"],
        full.overdispersion_test().lr_log_pvalue["y"],
        full.overdispersion_test().score_log_pvalue["y"],
        nbglm.compare({"small": small, "full": full}).lr_log_pvalue["y", "full"],
    ):
        assert -np.inf < other < -500.0


def test_the_columns_of_p_values_have_the_shape_of_the_tests():
    columns = p_columns(chi2_tail([[1.0, 2.0], [3.0, np.nan]], 1), "holm")
    assert {name: part.shape for name, part in columns.items()} == dict.fromkeys(
        ("p_value", "log_p_value", "p_adjusted"), (2, 2)
    )
    assert np.isnan(columns["p_adjusted"][1, 1])


def test_rounding_makes_no_mixture_more_than_certain(rng):
    for shares in rng.dirichlet(np.ones(5), size=200):
        tail = chi2_mixture_tail(0.0, dict(enumerate(shares)))
        assert tail.p <= 1.0
        assert tail.log_p <= 0.0
