"""Make the pictures of the documents: ``python docs/pictures/make.py``.

Those of pages are made by the blocks of the page, so that the code beside a picture is the code
that made it; that of README.md by the function below. All are of simulated data.
"""

from __future__ import annotations

import re
from contextlib import chdir
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

import nbglm
from nbglm import plots

HERE = Path(__file__).parent
PAGES = (HERE.parent / "plots.md", HERE.parent / "dependence.md", HERE.parent / "trials.md")
MOST_BYTES = 60_000

_PART = re.compile(
    r"^```python\n(?P<code>.*?)^```$|^!\[[^\]]*\]\((?P<picture>[^)]+)\)$", re.MULTILINE | re.DOTALL
)


def save(figure: Figure, path: Path) -> None:
    """Write a picture with no more colours than a small file can have."""
    raw = BytesIO()
    figure.savefig(raw, dpi=110, format="png", metadata={"Software": None})
    # The method that leaves colours of a few pixels, such as those of legends, as they are.
    image = Image.open(raw).convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE)
    image.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(HERE.parent.parent)} {size:,} bytes")
    if size > MOST_BYTES:
        msg = f"{path} has {size:,} bytes, and may have {MOST_BYTES:,}"
        raise ValueError(msg)


def pictures_of(page: Path) -> dict[str, Figure]:
    """Run the blocks of a page; each picture is the last figure of the blocks above it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    found = {}
    with TemporaryDirectory() as room, chdir(room):
        for part in _PART.finditer(page.read_text()):
            if part["code"]:
                exec(compile(part["code"], str(page), "exec"), names)
            else:
                found[part["picture"]] = plt.gcf()
    return found


def readme() -> Figure:
    """Effects on level and variability, and one of the genes."""
    adata = nbglm.datasets.simulate_cells(3000, 200, n_donors=24, seed=1)
    res = nbglm.fit_negbin(
        adata,
        {"mean": "~ cell_type + condition + pseudotime", "dispersion": "~ condition"},
        size_factors="size_factor",
        cov_type="cluster",
        cov_kwds={"groups": "donor"},
        progress=False,
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 3.8), layout="constrained")
    plots.mean_vs_dispersion_effect(res, "condition[T.treated]", label=6, ax=left)
    plots.fitted(res, "gene172", "pseudotime", by="condition", yscale="log1p", ax=right)
    return figure


def main() -> None:
    """Make all of them."""
    mpl.use("Agg")
    for page in PAGES:
        for name, figure in pictures_of(page).items():
            save(figure, page.parent / name)
    save(readme(), HERE / "readme.png")


if __name__ == "__main__":
    main()
