"""Misuses of the command line, and of the options that say how the work is done."""

from __future__ import annotations

import contextlib
import io
import tempfile
from functools import cache
from pathlib import Path

import anndata
import h5py
import joblib
import numpy as np
import pandas as pd

import nbglm
from abuses.registry import answered, refused
from nbglm import cli
from nbglm.exceptions import InputTypeError, OptionError

rng = np.random.default_rng(20261125)
obs = pd.DataFrame(
    {"x": rng.normal(size=60), "g": np.resize(["a", "b", "c"], 60)},
    index=[f"cell{i}" for i in range(60)],
)
counts = rng.negative_binomial(2, 0.4, size=(60, 3))


def fit(**options: object) -> nbglm.NegBinResults:
    """A small fit."""
    return nbglm.fit_negbin(counts, "~ x", obs=obs, **{"progress": False, **options})


@cache
def llf() -> list[float]:
    """What every answered option must come to."""
    return fit().llf.tolist()


@cache
def folder() -> Path:
    """A folder with a good file and several bad ones."""
    kept = tempfile.TemporaryDirectory(prefix="nbglm-abuse-")
    path = Path(kept.name)
    _KEPT.append(kept)
    good = path / "good.h5ad"
    anndata.AnnData(counts.astype(np.float32), obs=obs).write_h5ad(good)
    whole = good.read_bytes()
    (path / "half.h5ad").write_bytes(whole[: len(whole) // 2])
    (path / "begin.h5ad").write_bytes(whole[:100])
    (path / "damaged.h5ad").write_bytes(whole[:1000] + b"\xff" * 2000 + whole[3000:])
    (path / "empty.h5ad").write_bytes(b"")
    (path / "counts.csv").write_text("cell,a,b\nc1,1,2\n")
    (path / "counts.h5ad").write_text("a\tb\n1\t2\n")
    (path / "matrix.mtx.gz").write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00")
    (path / "folder.zarr").mkdir()
    with h5py.File(path / "other.h5", "w") as file:
        file["numbers"] = np.arange(5)
    with h5py.File(path / "nothing.h5ad", "w"):
        pass
    scaled = anndata.AnnData(counts - counts.mean(axis=0), obs=obs)
    scaled.write_h5ad(path / "scaled.h5ad")
    anndata.AnnData(np.zeros((60, 2), np.float32), obs=obs).write_h5ad(path / "zeros.h5ad")
    return path


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output and complaints of a command line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(list(arguments))
    return code, out.getvalue(), err.getvalue()


def explained(code: int, *words: str, arguments: tuple[str, ...]) -> None:
    """Check that a command line ends with a code and a line that has some words."""
    ended, _, err = run(*arguments)
    assert ended == code, f"ended with {ended}: {err}"
    last = err.splitlines()[-1]
    assert last.startswith("nbglm"), err
    for word in words:
        assert word in last, f"{word!r} is not in {last!r}"
    assert len(last) < 700


def on_file(name: str, *words: str, options: tuple[str, ...] = ()) -> None:
    """Check that a file is refused in one line that names it."""
    path = str(folder() / name)
    explained(1, *words, arguments=("demo", "--data", path, *options))
    mean = options if "--mean" in options else ("--mean", "~ 1", *options)
    if name != "counts.csv":
        explained(1, *words, arguments=("fit", path, *mean))


# The command line


@answered
def no_arguments_give_help() -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "Usage: nbglm" in err


@answered
def help_of_a_command_is_no_error() -> None:
    code, out, _ = run("demo", "--help")
    assert code == 0
    assert "--dispersion" in out


@answered
def the_version_is_told() -> None:
    assert run("--version")[:2] == (0, f"nbglm {nbglm.__version__}\n")


@answered
def an_unknown_command() -> None:
    explained(2, "'fitt'", "Did you mean 'fit'", arguments=("fitt",))


@answered
def an_unknown_flag() -> None:
    explained(2, "--sed", arguments=("demo", "--sed", "3"))


@answered
def a_flag_without_its_value() -> None:
    explained(2, "--data", "requires an argument", arguments=("demo", "--data"))


@answered
def no_workers() -> None:
    explained(2, "--n-jobs", "no number of workers", arguments=("demo", "--n-jobs", "0"))


@answered
def all_workers_in_a_word() -> None:
    explained(2, "--n-jobs", "'all'", "whole number", arguments=("demo", "--n-jobs", "all"))


@answered
def half_a_worker() -> None:
    explained(2, "--n-jobs", "'1.5'", arguments=("demo", "--n-jobs", "1.5"))


@answered
def a_million_workers() -> None:
    explained(2, "more than", arguments=("demo", "--n-jobs", "1000000"))


@answered
def a_negative_seed_of_the_demo() -> None:
    explained(2, "--seed", "negative", "-1", arguments=("demo", "--seed", "-1"))


@answered
def a_seed_in_letters() -> None:
    explained(2, "--seed", "'x'", arguments=("demo", "--seed", "x"))


@answered
def a_file_that_is_not_there() -> None:
    on_file("none.h5ad", "none.h5ad", "No such file")


@answered
def a_file_without_a_name() -> None:
    explained(1, "folder", arguments=("demo", "--data", ""))


@answered
def a_table_in_text() -> None:
    on_file("counts.csv", "counts.csv", "a text table", "nbglm fit", "--obs")


@answered
def a_table_in_text_that_calls_itself_h5ad() -> None:
    on_file("counts.h5ad", "counts.h5ad", "no h5ad file", "needs a name in .csv")


@answered
def a_packed_matrix() -> None:
    on_file("matrix.mtx.gz", "matrix.mtx.gz", "no h5ad file", ".csv")


@answered
def a_folder() -> None:
    on_file("folder.zarr", "folder.zarr", "a folder", "no zarr store")


@answered
def an_empty_file() -> None:
    on_file("empty.h5ad", "empty.h5ad", "an empty file")


@answered
def a_file_cut_in_half() -> None:
    on_file("half.h5ad", "half.h5ad", "truncated")


@answered
def the_first_bytes_of_a_file() -> None:
    on_file("begin.h5ad", "begin.h5ad", "truncated")


@answered
def a_damaged_file() -> None:
    on_file("damaged.h5ad", "damaged.h5ad", "damaged")


@answered
def an_hdf5_file_of_something_else() -> None:
    on_file("other.h5", "other.h5", "holds no AnnData")


@answered
def an_hdf5_file_of_nothing() -> None:
    on_file("nothing.h5ad", "nothing.h5ad", "holds no AnnData")


@answered
def a_file_that_holds_no_counts() -> None:
    on_file("scaled.h5ad", "counts", options=("--mean", "~ x"))


@answered
def a_file_of_zeros_is_a_result() -> None:
    code, out, err = run("demo", "--data", str(folder() / "zeros.h5ad"), "--mean", "~ x")
    assert code == 0, err
    assert "2 all_zero" in out


@answered
def a_formula_with_an_unknown_column() -> None:
    on_file("good.h5ad", "'xx'", "Did you mean 'x'", options=("--mean", "~ xx"))


@answered
def a_dispersion_formula_with_an_unknown_column() -> None:
    on_file("good.h5ad", "dispersion", "'gg'", options=("--dispersion", "~ gg"))


@answered
def half_a_formula() -> None:
    on_file("good.h5ad", "mean formula", options=("--mean", "~ x +"))


@answered
def an_empty_formula() -> None:
    on_file("good.h5ad", "empty", "~ 1", options=("--mean", ""))


@answered
def an_unknown_layer() -> None:
    on_file("good.h5ad", "--layer 'counts'", options=("--layer", "counts"))


@answered
def a_demo_of_a_file_with_two_workers() -> None:
    one, two = (
        run("demo", "--data", str(folder() / "good.h5ad"), "--n-jobs", jobs) for jobs in "12"
    )
    assert one[0] == two[0] == 0
    table = "The first"
    assert one[1].split(table)[1] == two[1].split(table)[1]


# Workers, memory and progress of a fit


@refused(OptionError, "n_jobs=0", "-1")
def a_fit_with_no_workers() -> None:
    fit(n_jobs=0)


@refused(InputTypeError, "n_jobs", "'all'", "-1 takes every core")
def a_fit_with_all_workers_in_a_word() -> None:
    fit(n_jobs="all")


@refused(InputTypeError, "n_jobs", "1.5")
def a_fit_with_half_a_worker() -> None:
    fit(n_jobs=1.5)


@refused(InputTypeError, "n_jobs", "2.0")
def a_fit_with_a_float_of_workers() -> None:
    fit(n_jobs=2.0)


@refused(InputTypeError, "n_jobs", "True")
def a_fit_with_true_workers() -> None:
    fit(n_jobs=True)


@refused(OptionError, "n_jobs=1000000", "more than")
def a_fit_with_a_million_workers() -> None:
    fit(n_jobs=10**6)


@answered
def fewer_workers_than_cores_by_far_is_one() -> None:
    assert fit(n_jobs=-100).llf.tolist() == llf()


@answered
def a_number_of_workers_of_numpy() -> None:
    assert fit(n_jobs=np.int16(2)).llf.tolist() == llf()


@answered
def more_workers_than_genes() -> None:
    assert fit(n_jobs=16).llf.tolist() == llf()


@refused(OptionError, "parallel_config", "=0")
def no_workers_in_the_configuration_of_joblib() -> None:
    with joblib.parallel_config(n_jobs=0):
        fit()


@refused(InputTypeError, "n_jobs", "'2'")
def an_anova_with_workers_in_a_word() -> None:
    fit().anova(n_jobs="2")


@refused(OptionError, "n_jobs=0")
def a_score_test_without_workers() -> None:
    fit().score_test("~ g", n_jobs=0)


@refused(OptionError, "n_jobs=0")
def profiles_without_workers() -> None:
    fit().conf_int(method="profile", n_jobs=0)


@refused(OptionError, "n_jobs=0")
def an_overdispersion_test_without_workers() -> None:
    fit().overdispersion_test(n_jobs=0)


@refused(InputTypeError, "n_jobs", "None")
def a_sample_with_a_list_of_workers() -> None:
    fit().sample(n_jobs=[2])


@refused(InputTypeError, "progress", "'yes'")
def progress_in_a_word() -> None:
    fit(progress="yes")


@refused(InputTypeError, "progress", "1")
def progress_as_a_number() -> None:
    fit(progress=1)


@refused(InputTypeError, "progress", "'no'")
def progress_of_profiles_in_a_word() -> None:
    fit().conf_int(method="profile", progress="no")


@refused(OptionError, "max_memory='lots'", "'4GB'")
def memory_in_a_word() -> None:
    fit(max_memory="lots")


@refused(OptionError, "max_memory=-1")
def negative_memory() -> None:
    fit(max_memory=-1)


@refused(OptionError, "max_memory=0")
def no_memory() -> None:
    fit(max_memory=0)


@refused(OptionError, "max_memory=True")
def true_memory() -> None:
    fit(max_memory=True)


@refused(OptionError, "max_memory=nan")
def memory_that_is_no_number() -> None:
    fit(max_memory=float("nan"))


@refused(OptionError, "max_memory=inf")
def endless_memory() -> None:
    fit(max_memory=float("inf"))


@refused(OptionError, "max_memory='4 gallons'", "MiB")
def memory_in_gallons() -> None:
    fit(max_memory="4 gallons")


@refused(OptionError, "max_memory='-4GB'")
def negative_memory_in_words() -> None:
    fit(max_memory="-4GB")


@refused(OptionError, "max_memory=['4GB']")
def a_list_of_memory() -> None:
    fit(max_memory=["4GB"])


@answered
def memory_for_data_that_are_in_memory_is_not_used() -> None:
    assert fit(max_memory="1 kB").llf.tolist() == llf()
