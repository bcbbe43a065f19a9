"""Every kind of picture is drawn into a file, and what it needs is asked for."""

import sys

import pandas as pd
import pytest

from nbglm import cli, plots
from nbglm.cli.plot import KINDS


@pytest.fixture(scope="module")
def fits(example_folder, tmp_path_factory):
    """A fit with and one without its counts."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, words in (("kept.h5ad", ["--keep-data"]), ("fit.h5ad", [])):
        model = ["--mean", "~ pseudotime", "--dispersion", "~ pseudotime", *words]
        data = str(example_folder / "cells.h5ad")
        assert cli.main(["fit", data, *model, "-o", str(folder / name)]) == 0
    return folder


NEEDED = {
    "volcano": ["--term", "pseudotime"],
    "ma": ["--term", "pseudotime"],
    "mean-vs-dispersion-effect": ["--term", "pseudotime"],
    "fitted": ["--genes", "gene1"],
    "rootogram": ["--genes", "gene1"],
}
BEGINNINGS = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


def test_all_kinds_of_pictures_of_a_fit_are_offered():
    drawn = {name.replace("_", "-") for name in plots.__all__ if f"{name}_data" in plots.__all__}
    # Tables of counts are compared by a command of their own; power is no picture of a fit.
    assert set(KINDS) == drawn - {"compare", "power"}


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_and_their_data_are_written(run, fits, folder, kind):
    words = ["plot", kind, fits / "kept.h5ad", *NEEDED.get(kind, [])]
    suffix = list(BEGINNINGS)[len(kind) % 3]
    _, said = run(*words, "-o", f"picture{suffix}", "--size", "4", "3", "--dpi", "50")
    assert said == f"nbglm: picture{suffix}: a picture of 4 x 3 inches\n"
    assert (folder / f"picture{suffix}").read_bytes().startswith(BEGINNINGS[suffix])
    run(*words, "-o", "data.csv")
    assert len(pd.read_csv("data.csv")) > 1


def test_options_reach_the_picture(run, fits):
    words = ["plot", "volcano", fits / "fit.h5ad", "--term", "pseudotime"]
    run(*words, "-o", "mean.csv")
    run(*words, "--component", "dispersion", "--alpha", "0.5", "-o", "size.csv")
    both = pd.read_csv("mean.csv", index_col=0).join(
        pd.read_csv("size.csv", index_col=0), rsuffix="_of_size"
    )
    assert not both["log2_fold_change"].equals(both["log2_fold_change_of_size"])
    for label in ("3", "gene1,gene2"):
        run(*words, "--label", label, "--log2fc-min", "0.5", "-o", f"{label}.png")
    words = ["plot", "forest", fits / "fit.h5ad", "--genes", "gene1,gene2", "--term", "pseudotime"]
    run(*words, "-o", "forest.csv")
    assert len(pd.read_csv("forest.csv")) == 2


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (["volcano"], "volcano needs --term.", 2),
        (["volcano", "--genes", "gene1"], "--genes is not for volcano.", 2),
        (["mean-dispersion", "--term", "x"], "--term is not for mean-dispersion.", 2),
        (["vulcano", "--term", "x"], "'vulcano' is not one of 'volcano'", 2),
        (["rootogram", "--genes", "gene1,gene2"], "rootogram is of one gene", 2),
        (["volcano", "--term", "pseudotim"], "Did you mean", 1),
        (["volcano", "--term", "pseudotime", "--label", "gene_1"], "--label asks for 'gene_1'", 1),
        (["rootogram", "--genes", "gene1"], "'nbglm fit --keep-data' keeps", 1),
        (["qq", "--seed", "-1"], "must not be negative", 2),
    ],
)
def test_what_cannot_be_drawn_is_said(refused, fits, folder, words, says, code):
    kind, *options = words
    said = refused("plot", kind, fits / "fit.h5ad", *options, "-o", "picture.png", code=code)
    assert says in said
    assert not (folder / "picture.png").exists()


def test_the_extra_is_named_where_matplotlib_is_missing(refused, fits, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    words = ("plot", "volcano", fits / "fit.h5ad", "--term", "pseudotime", "-o", "picture.png")
    assert "pip install 'nbglm[plot]'" in refused(*words)
