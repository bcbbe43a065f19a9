"""How the site is made: ``nox -s docs``, or ``sphinx-build -W docs docs/_build``.

Nothing is fetched, neither when the site is made nor when it is read: no fonts, no scripts of
others, and formulas are MathML, which browsers draw themselves.
"""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

project = "nbglm"
copyright = "the authors of nbglm"  # noqa: A001, the name is Sphinx's
release = version = installed("nbglm")
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]

# Each reference must lead somewhere, those of docstrings included. Types in signatures are left
# out: numpydoc's descriptions say more, and most types are other packages'.
nitpicky = True
nitpick_ignore = [("py:obj", "statsmodels.iolib.summary2.Summary")]  # of an inherited docstring
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "nbglm"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
pygments_style = "friendly"
html_math_renderer = "mathml"
copybutton_exclude = ".linenos, .gp, .go"


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _display(self: Any, node: nodes.math_block) -> None:
    formula = tex2mathml(node.astext(), as_block=True)
    self.body.append(f'<div class="math">{formula}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Have formulas written as MathML."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
