"""What is written is whole, or not there; what was there stays until then."""

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nbglm.cli.writing import Output, write_table


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


FIT = ("fit", "cells.h5ad", "--mean", "~ pseudotime")


def test_what_is_there_is_replaced_only_on_request(run, refused, folder):
    path = folder / "table.csv"
    path.write_text("mine")
    said = refused(*FIT, "-o", "table.csv")
    assert said == "nbglm: table.csv: this file is there already; --overwrite replaces it.\n"
    assert path.read_text() == "mine"
    run(*FIT, "-o", "table.csv", "--overwrite")
    assert path.read_text().startswith("gene,component,term")
    assert names(".") == ["cells.h5ad", "table.csv"]


def test_an_input_is_never_replaced(refused, run, folder):
    before = (folder / "cells.h5ad").read_bytes()
    (folder / "link.h5ad").symlink_to("cells.h5ad")
    for name in ("cells.h5ad", "./cells.h5ad", "link.h5ad"):
        said = refused(*FIT, "-o", name, "--overwrite")
        assert "is read by this very command" in said
    run("info", "cells.h5ad", "--obs", "-o", "obs.csv")
    said = refused(*FIT, "--obs", "obs.csv", "-o", "obs.csv", "--overwrite")
    assert "is read by this very command" in said
    assert (folder / "cells.h5ad").read_bytes() == before


def test_a_link_stays_a_link(run, folder):
    (folder / "there").mkdir()
    (folder / "there" / "table.csv").write_text("old")
    (folder / "table.csv").symlink_to("there/table.csv")
    run(*FIT, "-o", "table.csv", "--overwrite")
    assert (folder / "table.csv").is_symlink()
    assert (folder / "there" / "table.csv").read_text().startswith("gene,")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fit", "must end in '.h5ad', '.zarr', '.csv'"),
        ("fit.xlsx", "must end in"),
        ("none/fit.csv", "none: No such file or directory"),
        ("cells.h5ad/fit.csv", "cells.h5ad: Not a directory"),
        ("folder.csv", "this is a folder"),
    ],
)
def test_places_where_nothing_can_be_written_are_refused_before_the_work(
    refused, folder, monkeypatch, name, says
):
    (folder / "folder.csv").mkdir()
    monkeypatch.setattr("nbglm.cli.fit.read_given", None)  # not to be reached
    assert says in refused(*FIT, "-o", name, "--overwrite")


def test_a_store_is_replaced_as_a_whole(run, folder):
    run(*FIT, "-o", "store.zarr")
    (folder / "store.zarr" / "stray").write_text("of the old one")
    run("fit", "cells.h5ad", "--mean", "~ 1", "-o", "store.zarr", "--overwrite")
    out, _ = run("table", "store.zarr")
    assert set(pd.read_csv(io.StringIO(out))["term"]) == {"Intercept"}
    assert not (folder / "store.zarr" / "stray").exists()
    assert names(".") == ["cells.h5ad", "store.zarr"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError, MemoryError])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(folder, error):
    (folder / "old.csv").write_text("old")
    (folder / "old.zarr").mkdir()
    for name in ("old.csv", "old.zarr"):
        place = Output(Path(name), (".csv", ".zarr"), overwrite=True)

        def half(path):
            path.write_text("half")
            raise error

        with pytest.raises(OSError if error in (RuntimeError, OSError) else error):
            place.write(half)
    assert names(".") == ["cells.h5ad", "old.csv", "old.zarr"]
    assert (folder / "old.csv").read_text() == "old"


# Formats

TABLE = pd.DataFrame(
    {
        "estimate": [1 / 3, np.nan, -np.inf, 1e-300],
        "status": ["ok", "a,b", 'say "no"', "ünï/côde\ttab"],
        "df": [1, 2, 3, 4],
    },
    index=pd.Index(["a", "b/c", "d", "e"], name="gene"),
)


@pytest.mark.parametrize(("format_", "separator"), [("csv", ","), ("tsv", "\t")])
def test_tables_are_read_back_to_the_last_bit(capsys, format_, separator):
    write_table(TABLE, format_)
    found = pd.read_csv(
        io.StringIO(capsys.readouterr().out),
        sep=separator,
        index_col=0,
        float_precision="round_trip",
    )
    pd.testing.assert_frame_equal(found, TABLE, check_exact=True)


def test_json_is_read_back_with_missing_and_infinite_numbers(capsys):
    write_table(TABLE, "json")
    records = json.loads(capsys.readouterr().out)
    assert records[0] == {"gene": "a", "estimate": 1 / 3, "status": "ok", "df": 1}
    assert [record["estimate"] for record in records[1:]] == [None, "-inf", 1e-300]
    assert records[3]["status"] == "ünï/côde\ttab"


def test_text_is_for_reading(capsys):
    write_table(TABLE, "text")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["a", "0.33333", "ok", "1"]


def test_the_name_of_a_file_says_its_format(run, folder):
    for name in ("t.csv", "t.tsv", "t.json", "t.txt", "t.csv.gz"):
        out, _ = run(*FIT, "-o", name)
        assert out == ""
    first = pd.read_csv("t.csv")
    pd.testing.assert_frame_equal(pd.read_csv("t.csv.gz"), first)
    pd.testing.assert_frame_equal(pd.read_csv("t.tsv", sep="\t"), first)
    assert len(json.loads((folder / "t.json").read_text())) == len(first)
    assert (folder / "t.txt").read_text().splitlines()[0].split()[:2] == ["gene", "component"]


def test_a_closed_stdout_is_said_and_a_closed_stderr_is_no_matter(folder):
    line = f"{sys.executable} -m nbglm info cells.h5ad --obs"
    for end, code, out, said in ((">&-", 1, 0, "stdout is closed"), ("2>&-", 0, 401, "")):
        done = subprocess.run(
            [shutil.which("bash"), "-c", f"{line} {end}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert len(done.stdout.splitlines()) == out
        assert said in done.stderr


# Disks


@contextmanager
def disk(path, options):
    """A small disk of its own, which only root can make."""
    path.mkdir()
    made = subprocess.run(
        [shutil.which("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(path)],
        check=False,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("only root can mount a disk")
    try:
        yield path
    finally:
        subprocess.run([shutil.which("umount"), str(path)], check=True)


needs_mount = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux can mount a disk"
)


@needs_mount
def test_a_full_disk_is_said_and_the_old_file_stays(run, refused, folder):
    with disk(folder / "small", "size=40k") as small:
        (small / "table.csv").write_text("old")
        (small / "filler").write_bytes(b"0" * 32_000)
        for name in ("table.csv", "sim.h5ad", "sim.zarr"):
            words = ["demo"] if name.startswith("sim") else FIT
            _, said = run(*words, "-o", small / name, "--overwrite", code=1)
            assert said.splitlines()[-1] == f"nbglm: {small / name}: No space left on device"
            assert "Traceback" not in said
        assert (small / "table.csv").read_text() == "old"
        assert names(small) == ["filler", "table.csv"]


@needs_mount
def test_a_disk_that_is_full_of_a_fit_or_a_sample_is_said(run, folder):
    run(*FIT, "-o", "fit.h5ad")
    fit = (*FIT, "--keep-data")
    sample = ("sample", "fit.h5ad", "--obs", "cells.h5ad", "--cells", "20000", "--seed", "1")
    with disk(folder / "small", "size=300k") as small:
        (small / "filler").write_bytes(b"0" * 260_000)
        for words in (fit, sample):
            for name in ("out.h5ad", "out.zarr"):
                _, said = run(*words, "-o", small / name, code=1)
                last = said.splitlines()[-1]
                assert last.startswith("nbglm: ")
                assert str(small / name) in last
                assert "No space left on device" in last
                assert "Traceback" not in said
                assert len(said.splitlines()) < 3
        assert names(small) == ["filler"]


@needs_mount
def test_a_folder_that_cannot_be_written_is_said_before_the_work(refused, folder, monkeypatch):
    monkeypatch.setattr("nbglm.cli.fit.read_given", None)  # not to be reached
    with disk(folder / "small", "ro") as small:
        said = refused(*FIT, "-o", small / "fit.csv")
        assert said == f"nbglm: {small}: Read-only file system\n"
