"""Coefficients of which clusters, or single cells, leave no variance."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import nbglm
from nbglm.fit.collapse import collapsed_by_cells, collapsed_by_clusters
from nbglm.kernels.likelihood import score

N = 240


@pytest.fixture
def obs(rng):
    """Two arms of two donors each, of which the first donor of each stands for a whole arm too."""
    frame = pd.DataFrame({"x": rng.normal(size=N), "donor": np.repeat(list("pqrs"), N // 4)})
    frame["arm"] = np.repeat(["ctrl", "stim"], N // 2)
    frame["uneven"] = np.where(frame["donor"] == "s", "one", "three")
    frame["many"] = [f"d{k % 24}" for k in range(N)]
    frame["own"] = np.where(frame.index == 5, "lonely", "others")
    return frame


@pytest.fixture
def counts(rng, obs):
    mean = np.exp(1.0 + 0.4 * obs["x"] + 0.5 * (obs["arm"] == "stim")).to_numpy()
    y = rng.poisson(rng.gamma(2.0, mean / 2.0))
    y[5] = 3
    return pd.DataFrame(
        {
            "y": y,
            "even": rng.poisson(2.0, N),
            "silent": np.where(obs["donor"] == "p", 0, y),
            "stim": np.where(obs["arm"] == "stim", y, 0),
        }
    )


def fit(counts, obs, formula, cov_type="cluster", groups="donor", **options):
    kwds = {"groups": groups} if cov_type == "cluster" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        return nbglm.fit_negbin(
            counts, formula, obs=obs, cov_type=cov_type, cov_kwds=kwds, progress=False, **options
        )


FORMULA = {"mean": "~ arm + x", "dispersion": "~ arm"}


@pytest.fixture
def two_arms(counts, obs):
    """Clusters that are the arms themselves."""
    return fit(counts[["y"]], obs, FORMULA, groups=obs["arm"])


def test_a_treatment_on_two_clusters_has_no_standard_error(two_arms):
    words = {part: two_arms.coef_status[part]["y"].tolist() for part in ("beta", "gamma")}
    assert words == {"beta": ["not_identified"] * 2 + ["ok"], "gamma": ["not_identified"] * 2}
    assert two_arms.status["y"] == "ok"
    assert np.isfinite(two_arms.params["beta"]["y"]).all()
    table = two_arms.to_frame()
    lost = (table["status"] == "not_identified").to_numpy()
    assert lost.sum() == 4
    for name in ("std_err", "z", "p_value", "ci_lower", "ci_upper"):
        assert (table[name].isna() == lost).all(), name
    assert two_arms.bse["beta"]["y"].isna().tolist() == [True, True, False]
    covariance = two_arms.cov_params("y").to_numpy()
    assert np.isfinite(covariance[2, 2])
    assert np.isnan(covariance).sum() == 24
    assert "not_identified" in two_arms.explain("y")
    assert "single clusters" in two_arms.explain("y")


def test_contrasts_and_predictions_say_so_too(two_arms, obs):
    for component in ("mean", "dispersion"):
        test = two_arms.t_test("arm", component).iloc[0]
        assert np.isfinite(test["estimate"])
        assert np.isnan([test["std_err"], test["p_value"], test["ci_lower"]]).all()
        assert test["status"] == "not_identified"
        joint = two_arms.wald_test("arm", component).iloc[0]
        assert (joint["test"], joint["status"]) == ("none", "not_identified")
        assert np.isnan(joint["p_value"])
        means = two_arms.marginal_means("arm", component, pairwise=True)
        assert (means["status"] == "not_identified").all()
        assert means["std_err"].isna().all()
    assert two_arms.t_test("x")["status"].iloc[0] == "ok"
    assert two_arms.wald_test("x")["test"].iloc[0] == "wald"
    rows = obs.iloc[[0, -1]]
    tables = two_arms.predict(rows, interval=0.9)
    assert np.isfinite(tables["mean"]).to_numpy().all()
    for name in ("mean_lower", "mean_upper", "dispersion_lower", "dispersion_upper"):
        assert tables[name].isna().to_numpy().all()
    assert (two_arms.estimate(rows, scale="var")["status"] == "not_identified").all()


def test_results_of_one_response_say_so_too(two_arms, obs):
    one = two_arms.gene("y")
    assert one.coef_status["arm[T.stim]"] == "not_identified"
    assert np.isnan(one.bse["arm[T.stim]"])
    assert np.isnan(one.pvalues["arm[T.stim]"])
    assert "arm[T.stim]: not_identified" in str(one.summary())
    rows = obs.iloc[[0, -1]]
    for which in ("mean", "var", "dispersion", "linear"):
        assert np.isnan(one.get_prediction(rows, which=which).se).all()
    assert np.isnan(float(one.t_test("arm[T.stim] = 0").pvalue))


def test_what_is_left_is_the_plain_sandwich(two_arms, counts, obs):
    x, z = two_arms.design.mean.matrix, two_arms.design.dispersion.matrix
    fitted = two_arms.predict()
    eta, zeta = (np.log(fitted[name]["y"].to_numpy()) for name in ("mean", "dispersion"))
    factors = score(counts["y"], eta, zeta)
    rows = np.hstack([factors[:, [0]] * x, factors[:, [1]] * z])
    sums = pd.DataFrame(rows).groupby(obs["arm"].to_numpy()).sum().to_numpy()
    bread = two_arms.with_cov("oim").cov_params("y").to_numpy()
    plain = bread @ sums.T @ sums @ bread * 2 * (N - 1) / (N - 5)
    assert two_arms.bse["beta"]["y"]["x"] == pytest.approx(np.sqrt(plain[2, 2]), rel=1e-6)


def test_one_cluster_on_one_side_is_enough_to_lose_the_difference(counts, obs):
    results = fit(counts[["y"]], obs, "~ uneven + x")
    assert results.coef_status["beta"]["y"].tolist() == ["not_identified"] * 2 + ["ok"]
    # The three donors of the other side have a mean with a variance of its own.
    mean = results.marginal_means("uneven").reset_index().set_index("uneven")["status"]
    assert mean.to_dict() == {"one": "not_identified", "three": "ok"}


def test_few_clusters_alone_lose_nothing(counts, obs):
    results = fit(counts[["y"]], obs, {"mean": "~ x * arm", "dispersion": "~ x"})
    assert (results.coef_status["beta"]["y"] == "ok").all()
    assert (results.coef_status["gamma"]["y"] == "ok").all()
    # Four clusters cannot test four coefficients together.
    joint = results.wald_test(np.eye(4)).iloc[0]
    assert (joint["test"], joint["status"]) == ("none", "not_identified")
    assert results.wald_test("x")["test"].iloc[0] == "wald"


@pytest.mark.slow
def test_lost_directions_are_those_whose_parts_stay_in_the_columns(rng):
    """Against the definition, for random designs of which some have lost directions."""
    found = 0
    for _ in range(40):
        clusters = rng.integers(0, rng.integers(2, 6), 30)
        x = np.column_stack([np.ones(30), clusters == 0, clusters < 2, rng.normal(size=30)])
        x = x[:, rng.permutation(4)[: rng.integers(1, 5)]] * 10.0 ** rng.integers(-4, 5)
        weights = rng.choice([1.0, 2.0, 0.5], 30)
        counts = rng.poisson(3.0, 30)
        model = nbglm.NegBinModel(counts, x, weights=weights).fit()
        tables = model._tables
        layout = tables.problem.layout
        rows = tables.design.mean.matrix[layout.cell_of_row]
        each = sparse.csr_array(
            (weights, (clusters, layout.row_of_cell)), (clusters.max() + 1, len(rows))
        )
        z = np.ones((len(rows), 1))
        ours = collapsed_by_clusters(tables.arrays, rows, z, layout, each)
        basis, singular, _ = np.linalg.svd(x * np.sqrt(weights)[:, None], full_matrices=False)
        basis = basis[:, singular > 1e-9 * singular[0]]
        outside = [
            np.where((clusters == g)[:, None], basis, 0.0)
            - basis @ (basis[clusters == g].T @ basis[clusters == g])
            for g in range(clusters.max() + 1)
        ]
        lost = (np.linalg.svd(np.vstack(outside))[1] < 1e-4).sum()
        lost += basis.shape[1] - min(30, basis.shape[1])
        assert sum(part.directions.shape[1] for part in ours) == lost
        found += lost > 0
    assert 10 < found < 40


def test_scores_along_lost_directions_sum_to_nothing_in_every_cluster(rng, obs, counts):
    results = fit(counts, obs, {"mean": "~ uneven + x", "dispersion": "~ uneven"})
    x, z = results.design.mean.matrix, results.design.dispersion.matrix
    layout = results.problem.layout
    rows = x[layout.cell_of_row], z[layout.cell_of_row]
    codes = pd.factorize(obs["donor"])[0]
    each = sparse.csr_array((np.ones(N), (codes, layout.row_of_cell)), (4, layout.weight.size))
    fitted = results.predict()
    seen = 0
    for part in collapsed_by_clusters(results.arrays, *rows, layout, each):
        along = part.transform @ part.directions
        for gene in part.genes:
            name = results.gene_names[gene]
            with np.errstate(divide="ignore"):
                eta, zeta = (np.log(table[name].to_numpy()) for table in fitted.values())
            factors = score(counts[name], eta, zeta)
            scores = np.hstack([factors[:, [0]] * x, factors[:, [1]] * z]) @ along
            sums = pd.DataFrame(scores).groupby(codes).sum().to_numpy()
            assert np.abs(sums).max() < 1e-6 * np.abs(scores).sum(axis=0).max()
            seen += 1
    assert seen == 4


def test_genes_at_a_limit_lose_what_their_own_cells_lose(counts, obs):
    """Without the cells of one donor, the other one of its arm is alone."""
    results = fit(counts[["silent"]], obs, "~ donor + x", groups=obs["donor"])
    words = results.coef_status["beta"]["silent"]
    assert words.tolist() == ["separated"] * 4 + ["ok"]
    test = results.t_test("donor[T.q] - donor[T.r]")
    assert test["status"].iloc[0] == "not_identified"
    assert np.isfinite(test["estimate"].iloc[0])
    plain = results.with_cov("oim").t_test("donor[T.q] - donor[T.r]")
    assert plain["status"].iloc[0] == "ok"
    arms = fit(counts[["stim"]], obs, "~ arm", groups="arm")
    assert arms.coef_status["gamma"]["stim"].tolist() == ["not_identified"]


@pytest.mark.parametrize("kind", ["HC0", "HC1"])
def test_a_level_with_one_cell_has_no_robust_error(counts, obs, kind):
    results = fit(counts[["y"]], obs, "~ own", cov_type=kind)
    # The mean of the other level, which is a combination, keeps its error.
    assert results.coef_status["beta"]["y"].tolist() == ["not_identified"] * 2
    means = results.marginal_means("own").reset_index().set_index("own")["status"]
    assert means.to_dict() == {"lonely": "not_identified", "others": "ok"}
    assert "cells by themselves" in results.explain("y")
    coded = fit(counts[["y"]], obs, "~ own - 1", cov_type=kind)
    assert coded.coef_status["beta"]["y"].tolist() == ["not_identified", "ok"]
    # Two cells with the same count are two, but their scores are zero all the same.
    weights = np.where(obs["own"] == "lonely", 2, 1)
    twice = fit(counts[["y"]], obs, "~ own - 1", cov_type=kind, weights=weights)
    assert twice.coef_status["beta"]["y"].tolist() == ["not_identified", "ok"]


def test_cells_of_leverage_1_are_found_behind_any_coding(rng):
    layout = None
    x = np.column_stack([np.ones(20), rng.normal(size=20), np.arange(20) == 7])
    y = rng.poisson(3.0, 20) + 1
    tables = nbglm.NegBinModel(y, x @ rng.normal(size=(3, 3))).fit()._tables
    layout = tables.problem.layout
    rows = tables.design.mean.matrix[layout.cell_of_row]
    (part,) = collapsed_by_cells(tables.arrays, rows, np.ones((20, 1)), layout)
    assert part.directions.shape[1] == 1
    along = np.abs(rows @ (part.transform @ part.directions)[:3, 0])
    assert np.flatnonzero(along > 1e-9 * along.max()).tolist() == [int(layout.row_of_cell[7])]


def test_no_observation_to_spare_leaves_no_corrected_error(rng):
    obs = pd.DataFrame({"g": list("aabc"), "h": list("uvuv")})
    counts = pd.DataFrame({"y": [3, 5, 9, 1]})
    results = fit(counts, obs, "~ g", cov_type="HC1")
    assert (results.coef_status["beta"]["y"] == "not_identified").all()
    assert results.bse["beta"]["y"].isna().all()
    weights = [1, 1, 0, 0]
    alone = fit(counts, obs.assign(c=list("ppqq")), "~ 1", groups="c", weights=weights)
    assert (alone.coef_status["beta"]["y"] == "not_identified").all()


def test_a_singular_information_leaves_no_error_of_any_kind(counts, obs):
    """As of a gene whose likelihood is flat to the last digit along some direction."""
    table = pd.DataFrame({"y": counts["y"], "flat": counts["y"].to_numpy()[::-1]})
    results = fit(table, obs, FORMULA, cov_type="oim")
    root = results.arrays.root.copy()
    root[1] = np.nan
    flat = replace(results, arrays=replace(results.arrays, root=root))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        for kind in ("oim", "eim", "HC0", "cluster"):
            kwds = {"groups": "many"} if kind == "cluster" else None
            one = flat.with_cov(kind, kwds)
            for part in ("beta", "gamma"):
                assert (one.coef_status[part]["flat"] == "not_identified").all()
                assert (one.coef_status[part]["y"] == "ok").all()
                assert one.bse[part]["flat"].isna().all()
            assert one.t_test("x")["status"].tolist() == ["ok", "not_identified"]
            assert one.wald_test("arm")["test"].tolist() == ["wald", "none"]
            assert one.score_test("~ donor")["status"].tolist() == ["ok", "not_identified"]
            tables = one.predict(interval=0.9)
            assert np.isfinite(tables["mean"]["flat"]).all()
            assert tables["mean_upper"]["flat"].isna().all()
            assert "not_identified" in one.explain("flat")
            assert np.isnan(one.gene("flat").get_prediction().se).all()


# How many clusters carry a term ------------------------------------------------------------------


def test_one_warning_names_the_terms_that_few_clusters_carry(counts, obs):
    options = {"obs": obs, "progress": False}
    with pytest.warns(nbglm.NbglmWarning) as caught:
        results = nbglm.fit_negbin(
            counts[["y"]],
            FORMULA,
            cov_type="cluster",
            cov_kwds={"groups": "donor"},
            **options,
        )
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "'arm (2)', 'dispersion arm (2)', 'Intercept (4)'" in text
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="varies only between the"):
        plain = nbglm.fit_negbin(counts[["y"]], FORMULA, **options)
    with pytest.warns(nbglm.NbglmWarning, match="'arm \\(2\\)'") as caught:
        plain.with_cov("cluster", {"groups": "donor"})
    assert len(caught) == 1
    with pytest.warns(nbglm.NbglmWarning, match="'arm \\(2\\)'") as caught:
        results.gene("y").with_cov("cluster", {"groups": "donor"})
    assert len(caught) == 1


def test_clusters_are_counted_where_a_term_varies(counts, obs):
    # Levels of three kinds: in 24 clusters, in one cluster, and a covariate within two of them.
    within = np.where(obs["many"].isin(["d0", "d1"]), obs["x"], 0.0)
    table = obs.assign(within=within, only=np.where(obs["many"] == "d3", "yes", "no"))
    with pytest.warns(nbglm.NbglmWarning) as caught:
        nbglm.fit_negbin(
            counts[["y"]],
            "~ arm + x + within + only",
            obs=table,
            cov_type="cluster",
            cov_kwds={"groups": "many"},
            progress=False,
        )
    text = str(caught[0].message)
    assert "Of 24 clusters" in text
    assert "'only (1)', 'within (2)'." in text


def test_enough_clusters_are_no_news(counts, obs):
    results = nbglm.fit_negbin(counts, "~ arm + x", obs=obs, progress=False)
    again = results.with_cov("cluster", {"groups": "many"})
    assert (again.coef_status["beta"]["y"] == "ok").all()


@pytest.mark.parametrize("formula", ["~ level", "~ level + x", "~ level + x + many", "~ arm + x"])
def test_strata_of_a_wide_factor_change_nothing(rng, obs, counts, monkeypatch, formula):
    """The same directions with the columns of a factor apart as with all columns alike."""
    level = np.where(np.arange(N) < 40, np.arange(N) % 5, np.arange(N) % 11)
    level[[60, 61]] = 11, 12  # levels of a single cell
    obs["level"] = pd.Categorical([f"l{k:02d}" for k in level])
    counts["silent"] = np.where(level == 3, 0, counts["y"])
    designs = {"mean": formula, "dispersion": "~ level"}
    results = fit(counts[["y", "silent"]], obs, designs, groups="many")
    layout = results.problem.layout
    x, z = (
        part.matrix[layout.cell_of_row] for part in (results.design.mean, results.design.dispersion)
    )
    codes = np.minimum(level, 7) % 3
    each = sparse.csr_array((np.ones(N), (codes, layout.row_of_cell)), (3, layout.weight.size))

    def moved():
        """Projections onto what lost directions do to the rows, by gene."""
        found = {}
        for parts in (
            collapsed_by_clusters(results.arrays, x, z, layout, each),
            collapsed_by_cells(results.arrays, x, z, layout),
        ):
            for part in parts:
                along = part.transform @ part.directions
                rows = np.vstack([x @ along[: x.shape[1]], z @ along[x.shape[1] :]])
                span = np.linalg.svd(rows, full_matrices=False)[0][:, : along.shape[1]]
                found.setdefault(part.genes[0], []).append(span @ span.T)
        return found

    plain = moved()
    monkeypatch.setattr("nbglm.problem.indicators.WIDE", 2)
    monkeypatch.setattr("nbglm.fit.collapse.WIDE", 2)
    wide = moved()
    assert plain.keys() == wide.keys() == {0, 1}
    for gene, projections in plain.items():
        for ours, theirs in zip(projections, wide[gene], strict=True):
            assert np.trace(ours) > 0.9
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
