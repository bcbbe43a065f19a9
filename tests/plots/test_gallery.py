"""The pages of pictures have all of them, made by their own blocks."""

import re
from pathlib import Path

from nbglm import plots

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "".join((DOCS / name).read_text() for name in ("plots.md", "dependence.md", "trials.md"))


def test_every_picture_is_on_the_page_and_has_its_data_beside_it():
    drawing = [name for name in plots.__all__ if not name.endswith("_data")]
    assert len(drawing) == 12
    for name in drawing:
        assert f"plots.{name}" in PAGE
        assert f"{name}_data" in plots.__all__


def test_pictures_are_small_and_none_is_left_over():
    shown = set(re.findall(r"\]\(pictures/([\w]+\.png)\)", PAGE)) | {"readme.png"}
    there = {path.name: path.stat().st_size for path in (DOCS / "pictures").glob("*.png")}
    assert shown == set(there)
    assert max(there.values()) < 60_000
