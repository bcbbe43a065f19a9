"""statsmodels' summary_col on our fits, in one table with its own."""

import numpy as np
import statsmodels.formula.api as smf
from statsmodels.iolib.summary2 import summary_col

import nbglm

FORMULA = "mdvis ~ lncoins + disea + hlthp"


def numbers(table, row):
    """The coefficients of a row, and what stands below them in parentheses."""
    place = table.index.get_loc(row)
    return table.iloc[place].to_numpy(), table.iloc[place + 1].to_numpy()


def test_fits_stand_beside_those_of_statsmodels():
    data = nbglm.datasets.randhie()
    theirs = smf.negativebinomial(FORMULA, data).fit(disp=False, method="newton", maxiter=200)
    ours = nbglm.NegBinModel.from_formula(FORMULA, data).fit()
    varying = nbglm.NegBinModel.from_formula(FORMULA, data, dispersion="~ hlthp").fit()
    told = {"N": lambda fit: f"{fit.nobs:g}", "Log-L": lambda fit: f"{fit.llf:.2f}"}
    names = ["statsmodels", "nbglm", "dispersion"]
    table = summary_col([theirs, ours, varying], model_names=names, stars=True, info_dict=told)
    frame = table.tables[0]
    assert list(frame) == names
    for term in ("Intercept", "lncoins", "disea", "hlthp"):
        coef, error = numbers(frame, term)
        assert coef[0] == coef[1]
        assert error[0] == error[1]
        assert coef[1] == f"{ours.params[term]:.4f}***"
        assert error[2] == f"({varying.bse[term]:.4f})"
    size, _ = numbers(frame, "dispersion-Intercept")
    assert size[0] == ""
    assert float(size[1].strip("*")) == round(ours.params["dispersion-Intercept"], 4)
    np.testing.assert_allclose(
        np.exp(-ours.params["dispersion-Intercept"]), theirs.params["alpha"], 1e-5
    )
    assert numbers(frame, "dispersion-hlthp")[0][1] == ""
    assert set(frame.loc["N"]) == {"20190"}
    assert frame.loc["Log-L", "statsmodels"] == frame.loc["Log-L", "nbglm"]
    assert "dispersion-hlthp" in table.as_text()


def test_genes_of_a_fit_stand_beside_each_other():
    adata = nbglm.datasets.simulate_cells(300, 4, seed=3)
    fit = nbglm.fit_negbin(adata, "~ cell_type + pseudotime", progress=False)
    table = summary_col([fit.gene(name) for name in fit], model_names=list(fit))
    frame = table.tables[0]
    assert list(frame) == list(fit)
    beta = fit.params["beta"].loc["pseudotime"]
    assert numbers(frame, "pseudotime")[0].tolist() == [f"{value:.4f}" for value in beta]
