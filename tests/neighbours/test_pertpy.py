"""A method of pertpy that fits with this package, used as pertpy's other methods are."""

import numpy as np
import pandas as pd
import pytest

import nbglm
from nbglm.datasets import simulate_cells
from nbglm.neighbours.pertpy import negbin_method

DESIGN = "~ cell_type + condition"
COLUMNS = ["variable", "p_value", "log_fc", "adj_p_value"]


@pytest.fixture(scope="module")
def adata():
    cells = simulate_cells(500, 20, seed=1, donor_sd=0.0, donors="crossed", variable=0.4)
    cells.layers["counts"] = cells.X.copy()
    cells.var["some"] = np.arange(20) % 2 == 0
    return cells


@pytest.fixture(scope="module")
def method():
    try:
        return negbin_method()
    except (nbglm.UnavailableError, ImportError) as error:
        pytest.skip(str(error))  # not there, or not with this version of statsmodels


@pytest.fixture(scope="module")
def fitted(method, adata):
    model = method(adata, design=DESIGN)
    model.fit(dispersion="design", size_factors="size_factor")
    return model


@pytest.fixture(scope="module")
def direct(adata):
    formula = {"mean": DESIGN, "dispersion": DESIGN}
    return nbglm.fit_negbin(adata, formula, size_factors="size_factor", progress=False)


@pytest.mark.parametrize("component", ["mean", "dispersion"])
def test_contrasts_are_those_of_the_package_itself(fitted, direct, component):
    contrast = fitted.contrast("condition", "control", "treated")
    table = fitted.test_contrasts(contrast, component=component)
    ours = direct.table("condition[T.treated]", component)
    assert list(table)[:4] == COLUMNS
    assert table["variable"].tolist() == ours.index.tolist()
    for theirs, name in (
        ("p_value",) * 2,
        ("adj_p_value", "p_adjusted"),
        ("log_fc", "log2_fold_change"),
    ):
        np.testing.assert_allclose(table[theirs], ours[name], rtol=1e-6)
    np.testing.assert_allclose(table["log_fc_se"] * np.log(2), ours["std_err"], rtol=1e-6)
    assert table["p_value"].dropna().is_monotonic_increasing


def test_the_genes_that_differ_are_found(fitted, adata):
    contrast = fitted.contrast("condition", "control", "treated")
    for component, truth in (("mean", "differential"), ("dispersion", "variable")):
        table = fitted.test_contrasts(contrast, component=component).set_index("variable")
        strong = table.index[table["adj_p_value"] < 1e-4]
        assert len(strong) >= 3
        assert adata.var.loc[strong, truth].all()


def test_several_contrasts_have_names(fitted):
    contrasts = {name: fitted.contrast("cell_type", "type1", name) for name in ("type2", "type3")}
    table = fitted.test_contrasts(contrasts)
    assert table["contrast"].value_counts().to_dict() == {"type2": 20, "type3": 20}
    by_hand = fitted.cond(cell_type="type2") - fitted.cond(cell_type="type1")
    one = fitted.test_contrasts(by_hand)
    np.testing.assert_array_equal(
        one["p_value"], table.loc[table["contrast"] == "type2", "p_value"]
    )


def test_groups_are_compared_in_one_call(method, adata, direct):
    table = method.compare_groups(
        adata,
        "condition",
        "control",
        "treated",
        paired_by="cell_type",
        mask="some",
        layer="counts",
        fit_kwargs={"dispersion": "~ condition", "size_factors": "size_factor"},
        test_kwargs={"method": "holm"},
    )
    assert set(table["variable"]) == set(adata.var_names[adata.var["some"]])
    formula = {"mean": "~ condition + cell_type", "dispersion": "~ condition"}
    fit = nbglm.fit_negbin(
        adata[:, adata.var["some"]], formula, size_factors="size_factor", progress=False
    )
    ours = fit.table("condition[T.treated]", method="holm")
    found = table.set_index("variable").loc[ours.index]
    np.testing.assert_allclose(found["adj_p_value"], ours["p_adjusted"], rtol=1e-6)


def test_a_design_may_be_a_matrix(method, adata, direct):
    matrix = np.column_stack([np.ones(adata.n_obs), adata.obs["condition"] == "treated"])
    model = method(adata, design=matrix)
    fit = model.fit(cov_type="HC0")
    assert fit is model.results
    assert fit.cov_type == "HC0"
    table = model.test_contrasts(np.array([0, 1])).set_index("variable")
    alone = nbglm.fit_negbin(adata, "~ condition", cov_type="HC0", progress=False)
    ours = alone.table("condition[T.treated]").loc[table.index]
    np.testing.assert_allclose(table["p_value"], ours["p_value"], rtol=1e-6)


def test_what_is_not_counts_or_not_fitted_is_refused(method, adata):
    logs = adata.copy()
    logs.X = np.log1p(adata.X.toarray())
    with pytest.raises(nbglm.CountsError):
        method(logs, design=DESIGN)
    with pytest.raises(nbglm.UnavailableError, match="call fit"):
        method(adata, design=DESIGN).test_contrasts(np.zeros(4))
    model = method(adata, design=DESIGN)
    model.fit()
    with pytest.raises(nbglm.HypothesisError, match="the dispersion has the coefficients"):
        model.test_contrasts(np.array([0.0, 0, 0, 1]), component="dispersion")


def test_pertpy_draws_it(fitted):
    import matplotlib as mpl

    mpl.use("Agg")
    table = fitted.test_contrasts(fitted.contrast("condition", "control", "treated"))
    figure = fitted.plot_volcano(table, return_fig=True)
    assert figure.axes[0].get_xlabel()
    assert isinstance(table, pd.DataFrame)
