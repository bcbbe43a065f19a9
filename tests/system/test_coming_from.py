"""What docs/coming-from.md shows of R's fits is what was stored, and nbglm agrees with it."""

import itertools
import re

import coming_from
import numpy as np
import pandas as pd
import pytest
from blocks import ROOT

import nbglm

FORMULA = "mdvis ~ lncoins + idp + physlm + disea"
PAGE = (ROOT / "docs" / "coming-from.md").read_text()
SHOWN = re.findall(r"^```r\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def stored():
    return pd.read_csv(ROOT / "validation" / "references" / "coming_from.csv")


def visits(dispersion, cov_type):
    model = nbglm.NegBinModel.from_formula(FORMULA, coming_from.randhie(), dispersion=dispersion)
    return model.fit(cov_type)


def test_glmmtmb_has_the_same_fit(stored):
    theirs = stored.query("package == 'glmmTMB'")
    ours = visits("~ idp", "oim")
    # Its default optimiser stops a two-thousandth of a standard error short.
    assert (np.abs(ours.params - theirs["coef"].to_numpy()) / ours.bse).max() < 1e-3
    np.testing.assert_allclose(ours.bse, theirs["std_err"], rtol=1e-4)
    assert ours.llf == pytest.approx(theirs["llf"].iloc[0], abs=1e-6)
    assert ours.llf >= theirs["llf"].iloc[0]


def test_mass_has_the_same_fit(stored):
    theirs = stored.query("package == 'MASS'")
    ours = visits("~ 1", "eim")
    assert (np.abs(ours.params - theirs["coef"].to_numpy()) / ours.bse).max() < 1e-5
    np.testing.assert_allclose(ours.bse[:-1], theirs["std_err"][:-1], rtol=1e-7)
    assert ours.llf == pytest.approx(theirs["llf"].iloc[0], abs=1e-9)


def test_deseq2_has_the_same_fit_at_the_same_dispersions(stored):
    theirs = stored.query("package == 'DESeq2'").set_index("gene")
    counts, obs = coming_from.samples()
    ours = nbglm.fit_negbin(
        counts, "~ condition", obs=obs, size_factors="size_factor", cov_type="eim", progress=False
    ).t_test("condition[T.treated]")
    assert list(theirs.index) == list(ours.index)
    np.testing.assert_allclose(ours["estimate"] / np.log(2), theirs["coef"], atol=1e-5)
    np.testing.assert_allclose(ours["std_err"] / np.log(2), theirs["std_err"], rtol=1e-5)


def pairs_of_numbers(label):
    """Neighbouring numbers of the lines of R's output that begin with a label."""
    for block in SHOWN:
        for line in block.splitlines():
            if line.startswith(f"{label} "):
                numbers = [float(word) for word in line.removeprefix(label).split()]
                yield from itertools.pairwise(numbers)


@pytest.mark.parametrize(("package", "terms"), [("glmmTMB", 7), ("MASS", 5), ("DESeq2", 3)])
def test_what_the_page_shows_was_stored(stored, package, terms):
    rows = stored.query("package == @package").head(terms)
    assert len(rows) == terms
    for row in rows.itertuples():
        label = row.gene if package == "DESeq2" else row.term
        stored_pair = pytest.approx((row.coef, row.std_err), rel=1e-3)
        assert any(shown == stored_pair for shown in pairs_of_numbers(label)), label
