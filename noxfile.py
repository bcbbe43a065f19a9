"""One name for each thing that is run while working on nbglm: ``nox -l`` lists them.

Sessions use the environment that nox itself is in, ``pip install -e '.[test,dev]'``. What follows
``--`` is handed on: ``nox -s tests -- tests/counts/test_counts.py -k frame``.
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests"]


@nox.session
def lint(session: nox.Session) -> None:
    """Style: the formatter and all rules of ruff."""
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Tests and doctests but those that take seconds each."""
    session.run("pytest", "-m", "not slow", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """The tests that take seconds each."""
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The site in docs/_build, warnings being errors, and all examples: pages and docstrings."""
    session.run("sphinx-build", "-W", "--keep-going", "-q", "docs", "docs/_build")
    pages = ("docs", "tests/test_docs.py", "tests/test_site.py", "tests/system/test_parity.py")
    session.run("pytest", "nbglm", *pages, *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """What fits cost: ``-- --quick`` tries it out, ``-- --only peers`` is one part."""
    session.run("python", "validation/benchmarks/run.py", *session.posargs)
