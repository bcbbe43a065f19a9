"""Scripts for other packages, ported by changing the lines that must change and no others.

Each script runs as it is where its package is installed, and ported with the changes that stand
beside it; what both find is compared.
"""

import numpy as np
import pandas as pd
import pytest

import nbglm
from nbglm.datasets import randhie, simulate_cells


def ported(script, changes):
    """A script with some of its lines changed; each must be there."""
    lines = script.strip().splitlines()
    for old, new in changes.items():
        assert lines.count(old) == 1, old
        lines[lines.index(old)] = new
    return "\n".join(lines)


def run(script, **names):
    """What a script defines."""
    exec(compile(script, "a script", "exec"), names)  # noqa: S102
    return names


# scanpy ---------------------------------------------------------------------------------------

SCANPY = """
import scanpy as sc
sc.pp.filter_genes(adata, min_cells=10)
adata.layers["counts"] = adata.X.copy()
sc.pp.normalize_total(adata, target_sum=1e4)
sc.pp.log1p(adata)
sc.pp.pca(adata, n_comps=10)
sc.pp.neighbors(adata)
sc.tl.rank_genes_groups(adata, "cell_type", method="wilcoxon")
markers = sc.get.rank_genes_groups_df(adata, group="type2", pval_cutoff=0.01)
axes = sc.pl.rank_genes_groups(adata, n_genes=5, show=False)
"""

TO_NBGLM = {
    "import scanpy as sc": "import nbglm, scanpy as sc",
    'sc.tl.rank_genes_groups(adata, "cell_type", method="wilcoxon")': (
        'nbglm.fit_negbin(adata, "~ cell_type", layer="counts", size_factors="size_factor", '
        'progress=False).rank_genes_groups("cell_type", adata=adata)'
    ),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_scanpy_pipeline():
    pytest.importorskip("scanpy")
    import matplotlib as mpl

    mpl.use("Agg")
    adata = simulate_cells(600, 60, seed=1, donor_sd=0.0)
    before, after = (
        run(script, adata=adata.copy()) for script in (SCANPY, ported(SCANPY, TO_NBGLM))
    )
    theirs, ours = before["markers"], after["markers"]
    assert list(ours) == list(theirs)
    truth = adata.varm["beta"]["cell_type[T.type2]"]
    others = adata.varm["beta"]["cell_type[T.type3]"]
    effect = truth - others / 2.0  # type2 against the average of the other two
    for found in (theirs, ours):
        assert effect[found["names"].head(5)].gt(0.5).all()
    # The same genes differ, and what differs is estimated, not only ranked.
    known = ours.set_index("names")["logfoldchanges"] * np.log(2.0)
    strong = known.index[effect[known.index].abs() > 0.5]
    assert len(strong) >= 8
    assert np.abs(known[strong] - effect[strong]).median() < 0.15
    assert len(after["axes"]) == len(before["axes"]) == 3


# statsmodels ----------------------------------------------------------------------------------

STATSMODELS = """
import numpy as np
import statsmodels.formula.api as smf
model = smf.negativebinomial("mdvis ~ lncoins + disea + hlthp", data)
fit = model.fit(method="newton", maxiter=100, disp=False)
text = str(fit.summary())
numbers = {
    "params": fit.params.drop("alpha"),
    "bse": fit.bse.drop("alpha"),
    "intervals": fit.conf_int().drop("alpha"),
    "llf": fit.llf,
    "aic": fit.aic,
    "llnull": fit.llnull,
    "alpha": fit.params["alpha"],
    "test": fit.t_test("lncoins = 0.1 * disea").pvalue,
    "joint": fit.wald_test("disea, hlthp", scalar=True).statistic,
    "effects": fit.get_margeff().margeff,
    "new": fit.predict(data.head()),
    "errors": fit.get_prediction(data.head()).se,
    "probabilities": fit.predict(data.head(), which="prob", y_values=np.arange(4)),
}
"""

TO_NEGBIN = {
    "import statsmodels.formula.api as smf": "from nbglm import NegBinModel",
    'model = smf.negativebinomial("mdvis ~ lncoins + disea + hlthp", data)': (
        'model = NegBinModel.from_formula("mdvis ~ lncoins + disea + hlthp", data)'
    ),
    **{
        f'    "{name}": fit.{part}.drop("alpha"),': (
            f'    "{name}": fit.{part}.drop("dispersion-Intercept"),'
        )
        for name, part in (("params", "params"), ("bse", "bse"), ("intervals", "conf_int()"))
    },
    '    "alpha": fit.params["alpha"],': (
        '    "alpha": np.exp(-fit.params["dispersion-Intercept"]),'
    ),
}


def test_a_statsmodels_script():
    data = randhie().iloc[::5]  # with statsmodels' newton, 4,000 rows in a row end in NaN
    theirs = run(STATSMODELS, data=data)
    ours = run(ported(STATSMODELS, TO_NEGBIN), data=data)
    for name, number in theirs["numbers"].items():
        np.testing.assert_allclose(ours["numbers"][name], number, rtol=2e-5, err_msg=name)
    assert "lncoins" in ours["text"]
    assert ours["fit"].llf >= theirs["fit"].llf - 1e-8


# scDesigner -----------------------------------------------------------------------------------

SCDESIGNER = """
from scdesigner.simulators import NegBinRegressionSimulator
sim = NegBinRegressionSimulator()
sim.fit(cells, "~ pseudotime")
print(sim)
coefficients = sim.params
expected = sim.predict(cells.obs)
counts = sim.sample(cells.obs)
by_cluster = NegBinRegressionSimulator()
by_cluster.fit(cells, {"mean": "~ cell_type", "dispersion": "~ cell_type"})
drawn = by_cluster.sample(cells.obs)
"""

FROM_SCDESIGNER = {
    "from scdesigner.simulators import NegBinRegressionSimulator": (
        "from nbglm import NegBinRegressionSimulator"
    ),
    # scDesigner takes no seed; with one, a draw is the same every time.
    "counts = sim.sample(cells.obs)": "counts = sim.sample(cells.obs, seed=1)",
    "drawn = by_cluster.sample(cells.obs)": "drawn = by_cluster.sample(cells.obs, seed=2)",
}


@pytest.mark.filterwarnings("ignore::nbglm.NbglmWarning")
def test_a_scdesigner_notebook(capsys):
    cells = simulate_cells(1500, 40, seed=2)
    names = run(ported(SCDESIGNER, FROM_SCDESIGNER), cells=cells)
    assert "~ pseudotime" in capsys.readouterr().out
    assert names["coefficients"]["beta"].shape == (2, 40)
    assert names["coefficients"]["gamma"].shape == (1, 40)
    for part in ("mean", "dispersion"):
        assert names["expected"][part].shape == cells.shape
    for drawn in (names["counts"], names["drawn"]):
        assert drawn.shape == cells.shape
        assert drawn.var_names.equals(cells.var_names)
        assert drawn.X.dtype.kind == "i"
    # Clusters have the means and the variances of the cells that they were fitted to.
    groups = cells.obs["cell_type"].to_numpy()
    real, drawn = (pd.DataFrame(part.X.toarray()) for part in (cells, names["drawn"]))
    for group in np.unique(groups):
        mine = groups == group
        many = real[mine].mean() > 1.0
        means = np.log(drawn[mine].mean() / real[mine].mean())[many]
        assert np.abs(means).median() < 0.1
        spread = np.log(drawn[mine].var() / real[mine].var())[many]
        assert np.abs(spread.median()) < 0.2


def test_the_same_notebook_with_the_newer_classes():
    """scDesigner's later releases set data up and fit in two steps; here it is one."""
    cells = simulate_cells(300, 5, seed=3)
    formula = {"mean": "~ bs(pseudotime, df=5, degree=1)", "dispersion": "~ 1"}
    sim = nbglm.NegBinRegressionSimulator(progress=False).fit(cells, formula)
    # New rows keep the knots of the fit: a part of the cells is predicted as among all of them.
    some = cells.obs[cells.obs["pseudotime"].between(0.2, 0.4)]
    part, whole = sim.predict(some)["mean"], sim.predict(cells.obs)["mean"].loc[some.index]
    pd.testing.assert_frame_equal(part, whole, check_exact=True)
