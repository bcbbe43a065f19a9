"""A copula in a file of numbers and words, ``.npz``; nothing in it is executed."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from nbglm.exceptions import FileError
from nbglm.files.designs import shaped
from nbglm.files.document import document, read_document
from nbglm.files.tables import index_of_tree, table_of_tree, tree_of_index, tree_of_table
from nbglm.places import new_place
from nbglm.simulate.dependence import Dependence

__all__ = ["read_copula", "write_copula"]

Kind = TypeVar("Kind", bound=Dependence)

_KIND = "GaussianCopula"


def write_copula(copula: Any, path: Path, *, overwrite: bool) -> None:
    """Keep a copula.

    Parameters
    ----------
    copula : GaussianCopula
        What to keep.
    path : Path
        Where.
    overwrite : bool
        Whether another file may be replaced.

    Raises
    ------
    FileError
        If the file cannot be written, or is there already.
    """
    said = repr(str(path))
    if path.suffix != ".npz":
        msg = f"{said}: a copula is kept in a file whose name ends in .npz."
        raise FileError(msg)
    if os.path.lexists(path) and not overwrite:
        msg = f"{said} is there already; say overwrite=True to replace it."
        raise FileError(msg)
    if not path.parent.is_dir():
        msg = f"{said} cannot be written: there is no folder {str(path.parent)!r}."
        raise FileError(msg)
    tree = {
        "known": tree_of_index(copula.known),
        "shown": copula.shown,
        "blocks": list(copula.blocks),
        "loadings": copula.loadings,
        "roots": [list(roots) for roots in copula.roots],
        "names": None if copula.names is None else tree_of_index(copula.names),
        "column": copula.column,
        "codes": copula.codes,
        "summaries": tree_of_table(copula.summaries, "the table of the copula"),
        "descriptions": tree_of_table(copula.descriptions, "the table of genes"),
    }
    arrays: dict[str, Any] = document(_KIND, tree)
    with new_place(path, said) as place:
        np.savez(place, **arrays)


def read_copula(kind: type[Kind], path: Path) -> Kind:
    """Read a copula.

    Parameters
    ----------
    kind : type
        GaussianCopula.
    path : Path
        The file.

    Returns
    -------
    GaussianCopula

    Raises
    ------
    FileError
        If it is not there, damaged, newer, or something else.
    """
    said = repr(str(path))
    if not path.is_file():
        msg = f"there is no file {said}."
        raise FileError(msg)
    if not zipfile.is_zipfile(path):
        msg = f"{said} is no copula that GaussianCopula.save has written, or damaged."
        raise FileError(msg)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = read_document(lambda name: arrays[name], said)
        if found.kind == _KIND:
            return kind(**_fields(found.tree))
    except (ValueError, TypeError, KeyError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        msg = f"{said} is no copula that GaussianCopula.save has written, or damaged: {error}."
        raise FileError(msg) from error
    except OSError as error:
        if isinstance(error, FileError):
            raise
        msg = f"{said} cannot be read: {error.strerror or error}."
        raise FileError(msg) from error
    msg = f"{said} holds a {found.kind}, not a copula."
    raise FileError(msg)


def _fields(tree: Mapping[str, Any]) -> dict[str, Any]:
    """What the copula is made of, each part of the shape that the others make it have."""
    known = index_of_tree(tree["known"])
    genes = len(known)
    names = None if tree["names"] is None else index_of_tree(tree["names"])
    groups = 1 if names is None else len(names)
    blocks = tuple(shaped(block, (None,), np.int64) for block in tree["blocks"])
    every = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *blocks]))
    shown = shaped(tree["shown"], (None,), np.int64)
    if not np.array_equal(every, np.arange(genes)) or not np.isin(shown, every).all():
        msg = "its blocks do not hold each gene once"
        raise ValueError(msg)
    roots = tuple(
        tuple(
            shaped(root, (block.size, block.size))
            for root, block in zip(of_group, blocks, strict=True)
        )
        for of_group in tree["roots"]
    )
    if len(roots) != groups:
        msg = "it does not have one part for each group"
        raise ValueError(msg)
    return {
        "known": known,
        "shown": shown,
        "blocks": blocks,
        "loadings": shaped(tree["loadings"], (groups, genes, None)),
        "roots": roots,
        "names": names,
        "column": None if tree["column"] is None else str(tree["column"]),
        "codes": None if tree["codes"] is None else shaped(tree["codes"], (None,), np.int64),
        "summaries": _table(tree["summaries"], groups),
        "descriptions": _table(tree["descriptions"], None),
    }


def _table(tree: Mapping[str, Any], rows: int | None) -> pd.DataFrame:
    table = table_of_tree(tree)
    if rows is not None and len(table) != rows:
        msg = f"a table has {len(table)} rows in place of {rows}"
        raise ValueError(msg)
    return table
