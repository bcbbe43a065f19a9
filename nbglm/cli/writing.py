"""Results become files, whole or not at all; and tables on stdout."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbglm.cli.failing import note, system_reason
from nbglm.exceptions import NbglmError, OptionError, some_of
from nbglm.replacing import replacing, room_beside

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "Output", "write_table"]

FORMATS = ("csv", "tsv", "json", "text")


@dataclass(frozen=True)
class Output:
    """A file to be written, looked at before the work for it begins.

    What is there stays as it is until the new file is complete, and takes its place at once: it is
    written beside it, under a name that begins with a dot.

    Parameters
    ----------
    path : Path
        Where.
    suffixes : tuple of str
        How the name may end.
    overwrite : bool
        Whether what is there may be replaced.
    inputs : tuple of Path
        Files that must not be replaced in any case.

    Raises
    ------
    OptionError
        If the name says nothing of the format, or the file must not be replaced.
    OSError
        If there is no such folder, or it cannot be written.
    """

    path: Path
    suffixes: tuple[str, ...]
    overwrite: bool = False
    inputs: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", _followed(self.path))
        path = self.path
        if not path.name.lower().endswith(self.suffixes):
            msg = (
                f"-o {path}: the name must end in {some_of(self.suffixes, 9)}, which is the format."
            )
            raise OptionError(msg)
        if path.exists() or path.is_symlink():
            if any(other.exists() and path.samefile(other) for other in self.inputs):
                msg = f"{path}: this file is read by this very command; write to another one."
                raise OptionError(msg)
            if not self.overwrite:
                msg = f"{path}: this file is there already; --overwrite replaces it."
                raise OptionError(msg)
            if path.is_dir() and not path.name.lower().endswith(".zarr"):
                msg = f"{path}: this is a folder; choose another name."
                raise OptionError(msg)
        with room_beside(path):  # whether anything can be written there
            pass

    def write(self, writer: Callable[[Path], object]) -> None:
        """Write the file.

        Parameters
        ----------
        writer : callable
            Writes to the path that it is given.

        Raises
        ------
        OSError
            If that does not succeed; there is then no file, or the old one.
        """
        with replacing(self.path) as made:
            try:
                writer(made)
            except MemoryError:
                raise
            except NbglmError as error:
                raise type(error)(str(error).replace(str(made), str(self.path))) from error
            except Exception as error:  # of h5py, zarr, matplotlib ... where a disk is full
                raise OSError(
                    getattr(error, "errno", None) or 0, system_reason(error), str(self.path)
                ) from error


def _followed(path: Path) -> Path:
    """Where a link leads, which is to stay a link."""
    return path.resolve() if path.is_symlink() else path


def write_table(table: pd.DataFrame, format_: str, output: Output | None = None) -> None:
    """Write a table to stdout, or to a file.

    Parameters
    ----------
    table : DataFrame
        Its index becomes the first columns.
    format_ : str
        One of :data:`FORMATS`. Numbers are written so that reading them gives the same ones, but
        for ``text``, which is for people.
    output : Output, optional
        In place of stdout.

    Raises
    ------
    OptionError
        If there is no stdout.
    OSError
        If the table cannot be written.
    """
    if output is None:
        if sys.stdout is None:
            msg = "stdout is closed; -o FILE writes the table to a file."
            raise OptionError(msg)
        _write(table, format_, sys.stdout)
        return

    def writer(path: Path) -> None:
        if output.path.name.endswith(".gz"):
            import gzip

            with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
                _write(table, format_, file)
            return
        with path.open("w", encoding="utf-8", newline="") as file:
            _write(table, format_, file)

    output.write(writer)
    note(f"{output.path}: {len(table)} rows x {len(table.columns)} columns")


def format_of(path: Path | None, wanted: str | None) -> str:
    """The format of a table: as asked for, or as the name of the file says.

    Parameters
    ----------
    path : Path or None
        The file.
    wanted : str or None
        One of :data:`FORMATS`.

    Returns
    -------
    str

    Examples
    --------
    >>> format_of(Path("de.tsv.gz"), None), format_of(None, None)
    ('tsv', 'csv')
    """
    if wanted is not None or path is None:
        return wanted or "csv"
    name = path.name.lower().removesuffix(".gz")
    return {"tsv": "tsv", "json": "json", "txt": "text"}.get(name.rpartition(".")[2], "csv")


TABLE_SUFFIXES = (".csv", ".tsv", ".json", ".txt", ".csv.gz", ".tsv.gz", ".json.gz")


def _write(table: pd.DataFrame, format_: str, file: Any) -> None:
    if format_ == "text":
        file.write(
            table.to_string(float_format=lambda value: f"{value:.5g}", index=_has_labels(table))
        )
        file.write("\n")
    elif format_ == "json":
        _write_json(table.reset_index() if _has_labels(table) else table, file)
    else:
        separator = "\t" if format_ == "tsv" else ","
        table.to_csv(file, sep=separator, index=_has_labels(table), lineterminator="\n")


def _has_labels(table: pd.DataFrame) -> bool:
    """Whether the rows have names, and not just numbers."""
    import pandas as pd

    return not (isinstance(table.index, pd.RangeIndex) and table.index.name is None)


def _write_json(table: pd.DataFrame, file: Any) -> None:
    """A list of records, a line for each; missing and infinite numbers are null and text."""
    names = [str(name) for name in table.columns]
    file.write("[")
    for number, row in enumerate(table.itertuples(index=False, name=None)):
        record = {name: _plain(value) for name, value in zip(names, row, strict=True)}
        file.write(",\n " if number else "\n ")
        file.write(json.dumps(record, ensure_ascii=False))
    file.write("\n]\n")


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value if isinstance(value, bool | int | float | str) else str(value)
