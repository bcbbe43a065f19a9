"""A fit goes into an AnnData and comes back, whatever became of the AnnData meanwhile."""

import anndata
import numpy as np
import pandas as pd
import pytest

import nbglm

CELLS = 100
GENES = ["plain", "all zero", "a/b", "Größe", "late"]


@pytest.fixture(scope="module")
def adata():
    rng = np.random.default_rng(3)
    obs = pd.DataFrame({"x": rng.random(CELLS), "cell/type": rng.choice(["a", "b/c"], CELLS)})
    obs.index = [f"c{i}" for i in range(CELLS)]
    counts = rng.negative_binomial(2, 0.4, (CELLS, len(GENES)))
    counts[:, 1] = 0
    counts[obs["cell/type"] == "a", 2] = 0
    return anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))


@pytest.fixture(scope="module")
def fit(adata):
    formula = {"mean": "~ bs(x, df=4) + Q('cell/type')", "dispersion": "~ x"}
    return nbglm.fit_negbin(adata, formula, progress=False)


def same(one, other):
    for name in ("params", "bse", "pvalues", "coef_status"):
        for component, table in getattr(other, name).items():
            pd.testing.assert_frame_equal(getattr(one, name)[component], table, check_exact=True)
    pd.testing.assert_frame_equal(one.t_test("x", "dispersion"), other.t_test("x", "dispersion"))
    rows = pd.DataFrame({"x": [0.3, 0.7], "cell/type": ["b/c", "a"]})
    pd.testing.assert_frame_equal(one.predict(rows)["mean"], other.predict(rows)["mean"])
    np.testing.assert_array_equal(
        one.sample(rows, seed=4).X.toarray(), other.sample(rows, seed=4).X.toarray()
    )


def without_cells(adata):
    """The AnnData without its covariates, whose names with a slash anndata does not write."""
    return anndata.AnnData(adata.X.copy(), var=adata.var.copy())


def test_the_adata_is_changed_in_place_and_copied_if_asked(adata, fit):
    given = without_cells(adata)
    changed = fit.to_anndata(given, copy=True)
    assert not given.uns
    assert not given.varm
    assert fit.to_anndata(given) is None
    assert list(given.varm) == list(changed.varm)
    same(nbglm.from_anndata(given), fit)
    same(nbglm.from_anndata(changed), fit)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_it_is_written_and_read(adata, fit, suffix, tmp_path):
    given, path = without_cells(adata), tmp_path / f"cells.{suffix}"
    fit.to_anndata(given, key="de")
    if suffix == "h5ad":
        given.write_h5ad(path)
        read = anndata.read_h5ad(path)
    else:
        given.write_zarr(path)
        read = anndata.read_zarr(path)
    same(nbglm.from_anndata(read, "de"), fit)
    same(nbglm.load(path, key="de"), fit)
    with pytest.raises(nbglm.UnknownNameError, match=r"holds no fit; those that do are 'de'"):
        nbglm.from_anndata(read)


def test_numbers_lie_beside_their_genes(adata, fit):
    given = without_cells(adata)
    fit.to_anndata(given)
    names = list(given.uns["nbglm"]["coefficients"])
    position = names.index("dispersion: x")
    for what, table in (("coef", fit.params), ("std_err", fit.bse), ("p_value", fit.pvalues)):
        column = pd.Series(given.varm[f"nbglm_{what}"][:, position], GENES, name="x")
        pd.testing.assert_series_equal(column, table["gamma"].loc["x"], check_exact=True)
    assert list(given.var["nbglm_status"]) == list(fit.status)
    np.testing.assert_array_equal(given.var["nbglm_base_mean"], fit.base_mean)
    words = given.uns["nbglm"]["coef_status_words"]
    told = pd.DataFrame(words[given.varm["nbglm_coef_status"]], GENES, names)
    assert list(told["dispersion: x"]) == list(fit.coef_status["gamma"].loc["x"])


def test_genes_are_matched_by_name(adata, fit):
    given = without_cells(adata)
    fit.to_anndata(given)
    turned = given[:, ["late", "Größe", "a/b", "all zero", "plain"]].copy()
    same(nbglm.from_anndata(turned), fit.subset(list(turned.var_names)))
    with pytest.warns(nbglm.NbglmWarning, match=r"2 of the 5 genes .* lacks 'plain', 'all zero'"):
        some = nbglm.from_anndata(given[:, ["Größe", "a/b"]].copy())
    same(some, fit.subset(["Größe", "a/b"]))
    given.var_names = [f"ENS{k}" for k in range(5)]
    with pytest.raises(nbglm.AlignmentError, match=r"none of the 5 genes .* 'ENS0'"):
        nbglm.from_anndata(given)


def test_genes_that_were_not_fitted_have_missing_values(adata, fit):
    given = without_cells(adata)
    some = fit.subset(["late", "plain"])
    some.to_anndata(given)
    assert given.var["nbglm_status"].isna().tolist() == [False, True, True, True, False]
    assert np.isnan(given.varm["nbglm_coef"]).all(axis=1).tolist() == [
        *(False, True, True, True, False)
    ]
    assert (given.varm["nbglm_coef_status"][1:4] == -1).all()
    np.testing.assert_array_equal(given.varm["nbglm_coef"][4][:6], some.params["beta"]["late"])
    same(nbglm.from_anndata(given), fit.subset(["plain", "late"]))


def test_misuse_is_explained(adata, fit):
    with pytest.raises(nbglm.InputTypeError, match="must be an AnnData, not DataFrame"):
        fit.to_anndata(adata.obs)
    with pytest.raises(nbglm.OptionError, match="without '/'"):
        fit.to_anndata(adata, key="a/b")
    with pytest.raises(nbglm.UnknownNameError, match="those that do are none"):
        nbglm.from_anndata(adata)
    given = anndata.AnnData(np.zeros((2, 2)))
    given.var_names = ["late", "late"]
    with pytest.raises(nbglm.CountsError, match="'late'"):
        fit.to_anndata(given)


def test_a_changed_document_is_said_to_be_damaged(adata, fit):
    given = without_cells(adata)
    fit.to_anndata(given)
    coef = next(name for name in given.uns["nbglm"] if name.endswith("numbers.coef"))
    given.uns["nbglm"][coef] = given.uns["nbglm"][coef][:2]
    with pytest.raises(nbglm.FileError, match=r"adata\.uns\['nbglm'\] is damaged"):
        nbglm.from_anndata(given)
    del given.uns["nbglm"][coef]
    with pytest.raises(nbglm.FileError, match=r"is damaged"):
        nbglm.from_anndata(given)


def test_an_earlier_fit_in_place_is_replaced_and_others_stay(adata, fit):
    given = without_cells(adata)
    fit.to_anndata(given, "one")
    fit.subset(["late"]).to_anndata(given, "two")
    fit.subset(["late"]).to_anndata(given, "two")
    assert list(given.uns) == ["one", "two"]
    same(nbglm.from_anndata(given, "one"), fit)
