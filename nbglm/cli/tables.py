"""Text tables: counts, rows of obs and lists of genes, read so that nothing changes its meaning."""

from __future__ import annotations

import csv
import errno
import zlib
from collections.abc import Collection
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from nbglm.cli.failing import first_line
from nbglm.exceptions import AlignmentError, CountsError, OptionError, did_you_mean, some_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TEXT", "genes_named", "is_text_table", "read_count_table", "read_row_table"]

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".tab": "\t"}
_PACKED = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}  # modules that open them
_OTHER_SEPARATORS = {
    "\t": ("tabs", "give the file a name in .tsv"),
    ",": ("commas", "give the file a name in .csv"),
    ";": ("semicolons", "write it anew with commas"),
}
TEXT = ".csv, .tsv or .txt (also .gz)"


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def is_text_table(path: Path) -> bool:
    """Whether a file is named as a text table.

    Parameters
    ----------
    path : Path
        Its name.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_text_table(Path("counts.tsv.gz")), is_text_table(Path("counts.h5ad"))
    (True, False)
    """
    return _suffix(path) in _SEPARATORS


def separator_of(path: Path) -> str:
    r"""What stands between the columns of a text table of that name.

    Parameters
    ----------
    path : Path
        Its name.

    Returns
    -------
    str

    Examples
    --------
    >>> separator_of(Path("counts.tsv.gz"))
    '\t'
    """
    return _SEPARATORS[_suffix(path)]


def _parse(path: Path, header: list[str], *, text: tuple[int, ...] = (0,)) -> pd.DataFrame:
    """A text table with these columns; whatever is wrong with it is said in a sentence."""
    import pandas as pd

    try:
        return pd.read_csv(
            path,
            sep=separator_of(path),
            header=0,
            names=header,
            index_col=False,
            dtype={header[number]: str for number in text},
            encoding="utf-8-sig",
            low_memory=False,
            float_precision="round_trip",
        )
    except (pd.errors.ParserError, UnicodeError, EOFError, ValueError, zlib.error) as error:
        msg = f"{path}: this is no text table, or a damaged one: {first_line(error)}."
        raise CountsError(msg) from error


def _first_lines(path: Path) -> list[list[str]]:
    """The entries of the first two lines, as they are written."""
    opener = _PACKED.get(path.suffix.lower())
    open_ = import_module(opener).open if opener else open
    try:
        with open_(path, "rt", encoding="utf-8-sig", newline="") as file:
            return list(islice(csv.reader(file, delimiter=separator_of(path)), 2))
    except (UnicodeError, EOFError, csv.Error, zlib.error) as error:
        msg = f"{path}: this is no text table, or a damaged one: {first_line(error)}."
        raise CountsError(msg) from error
    except OSError as error:
        if error.errno is not None:
            raise  # the system's own words, such as that there is no such file
        msg = f"{path}: this file cannot be unpacked: {first_line(error)}."
        raise CountsError(msg) from error


def _header(path: Path) -> list[str]:
    """Names of all columns; the first one is empty where R left it out."""
    lines = _first_lines(path)
    names = lines[0] if lines else []
    if not names:
        msg = f"{path}: there is nothing in the first line of this file."
        raise CountsError(msg)
    if len(names) == 1:
        _refuse_other_separators(path, names[0])
    if len(lines) > 1 and len(lines[1]) == len(names) + 1:
        names = ["", *names]  # as R's write.table() writes it
    if len(lines) > 1 and len(lines[1]) != len(names):
        msg = (
            f"{path}: the first line has {len(names)} entries and the second {len(lines[1])}; they "
            "must have as many, or the first one less."
        )
        raise CountsError(msg)
    repeated = {name for name in names[1:] if names.count(name) > 1}
    if repeated:
        msg = f"{path}: names of columns repeat: {some_of(sorted(repeated))}; make them unique."
        raise CountsError(msg)
    return names


def _refuse_other_separators(path: Path, line: str) -> None:
    """Say what separates the columns of a line that is taken for one."""
    for separator, (what, remedy) in _OTHER_SEPARATORS.items():
        if separator in line:
            msg = f"{path}: the columns are separated by {what}; {remedy}."
            raise CountsError(msg)


def _named_rows(path: Path, header: list[str]) -> pd.DataFrame:
    """A table whose first column is the names of its rows."""
    if len(header) < 2:
        msg = (
            f"{path}: there is one column, {header[0]!r}; the first one is to name the rows, and "
            "others to follow."
        )
        raise CountsError(msg)
    table = _parse(path, header)
    names = table.pop(header[0])
    if names.isna().any():
        msg = f"{path}: the first column, {header[0]!r}, names the rows, and is empty somewhere."
        raise AlignmentError(msg)
    table.index = names.rename(None)
    if not table.index.is_unique:
        repeated = table.index[table.index.duplicated()].unique()
        msg = (
            f"{path}: the first column, {header[0]!r}, is to name the rows, and repeats "
            f"{some_of(repeated)}; put a column of unique names before it."
        )
        raise AlignmentError(msg)
    return table


def read_count_table(path: Path, *, transpose: bool = False) -> pd.DataFrame:
    """A text table of counts.

    Parameters
    ----------
    path : Path
        A line for each cell, whose first entry is its name; the first line names the genes.
    transpose : bool
        Whether there is a line for each gene instead.

    Returns
    -------
    DataFrame, shape (cells, genes)

    Raises
    ------
    CountsError
        If it is no table of numbers.
    AlignmentError
        If names repeat.
    """
    import pandas as pd

    table = _named_rows(path, _header(path))
    for name, column in table.items():
        if not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype == bool:
            odd = column[pd.to_numeric(column, errors="coerce").isna() & column.notna()]
            if column.empty:
                continue
            which = (odd if len(odd) else column).iloc[0]
            msg = (
                f"{path}: column {name!r} holds {str(which)!r}, which is no count; covariates go "
                "into a table of their own, which --obs names."
            )
            raise CountsError(msg)
    return table.T if transpose else table


def read_row_table(path: Path, used: Collection[str] = ()) -> pd.DataFrame:
    """A text table of covariates.

    Parameters
    ----------
    path : Path
        A line for each row, whose first entry is its name. It may be left out where the first
        column is one of `used`.
    used : collection of str
        Columns that are covariates for certain.

    Returns
    -------
    DataFrame

    Raises
    ------
    CountsError, AlignmentError
        If it is no such table.
    """
    header = _header(path)
    if header[0] not in used:
        return _named_rows(path, header)
    table = _parse(path, header, text=())
    table.index = table.index.astype(str)
    return table


def _lines_of(text: str) -> list[str] | None:
    """The lines of a file, if there is one of that name."""
    path = Path(text)
    try:
        return path.read_text(encoding="utf-8").splitlines() if path.is_file() else None
    except UnicodeError as error:
        msg = f"{path}: this is no list of names, one a line, but {first_line(error)}."
        raise CountsError(msg) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # so many names that no file could be called so
            return None
        raise


def genes_named(
    path: object, given: tuple[str, ...], known: pd.Index, option: str = "--genes"
) -> list[str]:
    """Genes that an option asks for.

    Parameters
    ----------
    path : path or str
        File that has the genes, for messages.
    given : tuple of str
        Each is the name of a gene, a file with a name on each line, or names with commas between
        them.
    known : Index
        Genes that there are.
    option : str
        The option.

    Returns
    -------
    list of str

    Raises
    ------
    CountsError
        If a gene is missing, or the file no text.
    OptionError
        If none is named.

    Examples
    --------
    >>> import pandas as pd
    >>> genes_named("cells.h5ad", ("b,a", "a, or b"), pd.Index(["a", "b", "a, or b"]))
    ['b', 'a', 'a, or b']
    """
    names: list[str] = []
    for text in given:
        lines = None if text in known else _lines_of(text)
        parts = [text] if text in known else text.split(",") if lines is None else lines
        names += [part.strip() for part in parts if part.strip()]
    if not names:
        msg = f"{option} {some_of(given)} names no gene."
        raise OptionError(msg)
    missing = [name for name in names if name not in known]
    if missing:
        hint = did_you_mean(missing[0], known[:100_000])
        msg = f"{path}: {option} asks for {some_of(missing)}, which this file does not have.{hint}"
        raise CountsError(msg)
    return list(dict.fromkeys(names))
