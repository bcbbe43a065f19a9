"""The site is built without a warning, stands by itself, and says of each block whether it runs."""

import io
import re
from importlib import import_module
from pathlib import Path

import pytest
from blocks import ROOT
from sphinx.application import Sphinx

import nbglm

PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
FETCHED = re.compile(
    r"""(?:<script[^>]*\bsrc|<link[^>]*\brel="(?:stylesheet|preload|icon|preconnect)"[^>]*\bhref"""
    r"""|<img[^>]*\bsrc)="(?:https?:)?//[^"]*"""
)


# myst-parser uses what a later Sphinx will no longer have.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built anew."""
    out = tmp_path_factory.mktemp("site")
    said = io.StringIO()
    docs = ROOT / "docs"
    app = Sphinx(docs, docs, out, out / ".doctrees", "html", status=None, warning=said)
    app.build()
    assert not said.getvalue()
    return Path(out)


@pytest.mark.slow
def test_every_page_is_built(site):
    built = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    assert {page.relative_to(ROOT / "docs").with_suffix("") for page in PAGES} <= built


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert pages
    assert not [found for page in pages for found in FETCHED.findall(page.read_text())]
    sheets = list(site.rglob("*.css"))
    assert sheets
    assert not [
        path for path in sheets if re.search(r"url\([\"']?(?:https?:)?//", path.read_text())
    ]


@pytest.mark.slow
def test_formulas_are_drawn_by_the_browser(site):
    assert "<math" in (site / "mathematics.html").read_text()


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site):
    text = "".join(path.read_text() for path in (site / "api").glob("*.html"))
    modules = ("nbglm.datasets", "nbglm.plots")
    names = [f"nbglm.{name}" for name in nbglm.__all__ if f"nbglm.{name}" not in modules]
    for module in modules:
        names += [f"{module}.{name}" for name in import_module(module).__all__]
    places = {name: (name, name.replace("nbglm.", "nbglm.exceptions.")) for name in names}
    missing = [name for name in names if not any(f'id="{place}"' in text for place in places[name])]
    assert not missing


# What other modules of the package ask a fit for.
INTERNAL = {
    *("arrays", "coef_codes", "column_lines", "counts", "cov", "covariance_of", "covariances"),
    *(
        "degrees",
        "design",
        "edited",
        "limit_tests",
        "one_gene",
        "predict_genes",
        "problem",
        "pvalues_of",
    ),
    *("rank_deficient", "remains", "require_data", "root", "seconds", "std_err_of", "weights"),
    *("dispersion_method", "require_likelihood"),
}


def test_every_method_of_a_fit_is_on_its_page():
    page = (ROOT / "docs" / "api" / "results.md").read_text()
    named = set(re.findall(r":: NegBinResults\.(\w+)", page))
    public = {name for name in dir(nbglm.NegBinResults) if not name.startswith("_")}
    assert named == public - INTERNAL


def test_the_readme_is_one_page():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) < 150
    assert not [line for line in lines if len(line) > 120]


def test_a_block_that_cannot_run_says_why():
    pages = [*PAGES, ROOT / "README.md"]
    skipped = [line for page in pages for line in re.findall(r"<!--- skip.*", page.read_text())]
    assert skipped
    assert all(re.fullmatch(r'<!--- skip: next .*"[^"]{10,}".* --->', line) for line in skipped)


def test_addresses_of_other_sites_are_well_formed():
    links = [
        link for page in PAGES for link in re.findall(r"\]\((http[^)\s]*)\)", page.read_text())
    ]
    assert links
    assert all(
        re.fullmatch(r"https://[\w.-]+\.[a-z]{2,}(?:/[\w./~%#=?&+-]*)?", link) for link in links
    )
