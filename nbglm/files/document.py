"""A fit with the number of its format and the versions that it was made with, as named arrays.

The same arrays lie in a file, and in the ``uns`` of an AnnData.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from numpy.typing import NDArray

from nbglm.exceptions import FileError
from nbglm.files.plain import manifest_of, pack, unpack

__all__ = ["FORMAT", "KEY", "Document", "document", "read_document"]

FORMAT = 1
"""Number of the format that this version writes; it reads all up to this one."""

KEY = "nbglm"
"""Where in ``uns`` a fit lies, unless it is said."""

_HEADER = ("format", "kind", "versions")
_PACKAGES = ("nbglm", "numpy", "scipy", "pandas", "patsy")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Document:
    """What a file or a part of an AnnData says.

    Attributes
    ----------
    kind : str
        Class of the object that was kept.
    made_by : str
        Version of nbglm that kept it.
    tree : dict
        What it is made of.
    """

    kind: str
    made_by: str
    tree: Mapping[str, Any]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a source tree that has not been installed
        return "unknown"


def document(kind: str, tree: Mapping[str, Any]) -> Arrays:
    """Arrays that hold an object.

    Parameters
    ----------
    kind : str
        Its class.
    tree : mapping
        What it is made of.

    Returns
    -------
    dict of str to ndarray
    """
    versions = {package: _version(package) for package in _PACKAGES}
    versions["python"] = platform.python_version()
    return pack({"format": FORMAT, "kind": kind, "versions": versions, **tree})


def read_document(read: Callable[[str], NDArray[Any]], where: str) -> Document:
    """What such arrays hold.

    Parameters
    ----------
    read : callable
        From the name of an array to the array.
    where : str
        What they lie in, for messages.

    Returns
    -------
    Document

    Raises
    ------
    FileError
        If they are of a newer format.
    ValueError, TypeError, KeyError, RecursionError
        If they are damaged.
    """
    told = manifest_of(read)
    number = told["format"]
    made_by = str(told["versions"]["nbglm"])
    if not isinstance(number, int) or number < 1:
        msg = f"its format is {number!r}"
        raise ValueError(msg)
    if number > FORMAT:
        msg = (
            f"{where} was written by nbglm {made_by} in format {number}; this is nbglm "
            f"{_version('nbglm')}, which reads formats up to {FORMAT}. Upgrade nbglm to read it."
        )
        raise FileError(msg)
    tree = {name: part for name, part in told.items() if name not in _HEADER}
    return Document(str(told["kind"]), made_by, unpack(tree, read))
