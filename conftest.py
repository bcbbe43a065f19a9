"""Blocks of code in README.md and docs/*.md are tests: ``docs/blocks.py`` says how."""

from __future__ import annotations

import pytest
from blocks import PAGES, is_slow
from sybil.integration.pytest import SybilItem

collect_ignore = ["docs/conf.py", "docs/blocks.py", "docs/_build"]
pytest_collect_file = PAGES.pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Commands start a process each, and import all that they need."""
    for item in items:
        if isinstance(item, SybilItem) and is_slow(item.example):
            item.add_marker(pytest.mark.slow)
