"""Blocks of code in README.md and docs/*.md are tests: ``docs/blocks.py`` says how."""

from blocks import PAGES

collect_ignore = ["docs/conf.py", "docs/blocks.py", "docs/_build"]
pytest_collect_file = PAGES.pytest()
