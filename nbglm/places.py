"""Where an AnnData is written: names that say the format, and errors that say the name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbglm.exceptions import FileError, InputTypeError
from nbglm.replacing import replacing

__all__ = ["as_path", "check_place", "new_place"]

_SUFFIXES = (".h5ad", ".zarr")


def as_path(given: object, name: str = "path") -> Path:
    """A path, or an error that says what was given in its place.

    Parameters
    ----------
    given : str or PathLike
        Of a file.
    name : str
        What the argument is called.

    Returns
    -------
    Path

    Raises
    ------
    InputTypeError
        If it is none.
    """
    if not isinstance(given, str | os.PathLike):
        msg = f"{name} must be the name of a file, not {type(given).__name__}."
        raise InputTypeError(msg)
    return Path(given).expanduser()


def check_place(path: Path, said: str) -> None:
    """Refuse a name that says no format, or lies in no folder.

    Parameters
    ----------
    path : Path
        The file.
    said : str
        What it is called in messages.

    Raises
    ------
    FileError
        If nothing can be written there.
    """
    if path.suffix not in _SUFFIXES:
        msg = f"{said} must end in .h5ad (one file) or .zarr (a folder)."
        raise FileError(msg)
    if not path.parent.is_dir():
        msg = f"{said} cannot be written: there is no folder {str(path.parent)!r}."
        raise FileError(msg)


@contextmanager
def new_place(path: Path, said: str) -> Iterator[Path]:
    """Write beside a file, which appears when it is whole: :func:`~nbglm.replacing.replacing`.

    Parameters
    ----------
    path : Path
        Its final name.
    said : str
        What it is called in messages.

    Yields
    ------
    Path
        Where to write in the meantime.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    try:
        with replacing(path) as place:
            yield place
    except OSError as error:
        cause = error.strerror or str(error).splitlines()[0]
        msg = f"{said} cannot be written: {cause}."
        raise FileError(msg) from error
