"""Files become data: AnnData in HDF5 or zarr, and text tables of counts and of covariates."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbglm.cli.failing import first_line, note
from nbglm.cli.tables import (
    TEXT,
    genes_named,
    is_text_table,
    read_count_table,
    read_row_table,
)
from nbglm.exceptions import (
    AlignmentError,
    CountsError,
    NbglmError,
    OptionError,
    did_you_mean,
    some_of,
)

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["Given", "check_kind", "open_anndata", "read_given", "read_rows"]

_HDF5 = b"\x89HDF\r\n\x1a\n"  # how every HDF5 file begins
_ZARR = ("zarr.json", ".zgroup")


@dataclass(frozen=True)
class Given:
    """What the options say of the data.

    Attributes
    ----------
    path : Path
        The counts.
    obs : Path or None
        A table of covariates, in place of the file's own.
    layer : str or None
        Layer of an AnnData.
    raw : bool
        Whether the ``raw`` of an AnnData is meant.
    transpose : bool
        Whether a text table has a line for each gene.
    genes : tuple of str
        Genes that are wanted, or files of them; all if empty.
    """

    path: Path
    obs: Path | None = None
    layer: str | None = None
    raw: bool = False
    transpose: bool = False
    genes: tuple[str, ...] = ()


def _is_zarr(path: Path) -> bool:
    return any((path / name).exists() for name in _ZARR)


def _looks(path: Path) -> str:
    """What a file or folder is by its contents: ``h5ad``, ``zarr``, or a phrase that says it."""
    if path.is_dir():
        return "zarr" if _is_zarr(path) else "a folder, and no zarr store; name a file"
    with path.open("rb") as file:
        begin = file.read(512)
    if begin.startswith(_HDF5):
        return "h5ad"
    if not begin:
        return "an empty file"
    if b"\0" in begin:
        return f"no h5ad file; data come as .h5ad, .zarr, {TEXT}"
    if is_text_table(path):
        return "a text table, which 'nbglm fit' takes beside --obs, and this command does not"
    return f"text, and no h5ad file; a text table needs a name in {TEXT}"


def check_kind(path: Path) -> str:
    """Look at what a file or folder is.

    Parameters
    ----------
    path : Path
        Where it is.

    Returns
    -------
    str
        ``h5ad`` or ``zarr``.

    Raises
    ------
    CountsError
        If it is something else.
    OSError
        If it is not there or must not be read.
    """
    kind = _looks(path)
    if kind not in ("h5ad", "zarr"):
        msg = f"{path}: this is {kind}."
        raise CountsError(msg)
    return kind


@contextmanager
def _damage_told(path: Path, kind: str) -> Iterator[None]:
    """Say of which file is whatever h5py, zarr and anndata raise."""
    try:
        yield
    except (MemoryError, NbglmError):
        raise
    except Exception as error:
        msg = (
            f"{path}: damaged, incomplete, or a file of this kind ({kind}) that holds no AnnData: "
            f"{first_line(error)}."
        )
        raise CountsError(msg) from error


def open_anndata(path: Path) -> AnnData:
    """An h5ad file or a zarr store.

    Parameters
    ----------
    path : Path
        Where it is.

    Returns
    -------
    AnnData

    Raises
    ------
    CountsError
        If it is something else, or damaged.
    OSError
        If it is not there or must not be read.
    """
    kind = check_kind(path)
    import anndata

    with _damage_told(path, kind):
        return anndata.read_h5ad(path) if kind == "h5ad" else anndata.read_zarr(path)


def read_given(given: Given) -> tuple[Any, pd.DataFrame]:
    """Counts and covariates.

    Parameters
    ----------
    given : Given
        What the options say.

    Returns
    -------
    data : path, AnnData or DataFrame
        Counts; the first two have their covariates in them.
    obs : DataFrame
        The covariates.

    Raises
    ------
    CountsError, AlignmentError, OptionError
        If the files do not hold that, or do not match.
    """
    if is_text_table(given.path) and not given.path.is_dir():
        table = read_count_table(given.path, transpose=given.transpose)
        _refuse("a text table", given, layer=given.layer, raw=given.raw)
        obs = _obs_of(table.index, given)
        return (
            table[genes_named(given.path, given.genes, table.columns)] if given.genes else table
        ), obs
    _refuse("an AnnData", given, transpose=given.transpose)
    if not (given.raw or given.genes or given.obs):
        check_kind(given.path)
        from nbglm.counts import paths

        with _damage_told(given.path, "h5ad or zarr"):
            # The counts stay where they are, and are read in pieces.
            return given.path, paths.open_anndata(given.path, given.layer).obs
    adata = open_anndata(given.path)
    if given.raw:
        if given.layer is not None:
            msg = "--raw and --layer both say where the counts are; give one of them."
            raise OptionError(msg)
        if adata.raw is None:
            msg = f"{given.path}: --raw asks for .raw, which this file does not have."
            raise CountsError(msg)
        adata = adata.raw.to_adata()
    if given.genes:
        adata = adata[:, genes_named(given.path, given.genes, adata.var_names)].copy()
    if given.obs is not None:
        adata.obs = _obs_of(adata.obs_names, given)
    return adata, adata.obs


def _refuse(what: str, given: Given, **options: object) -> None:
    for name, value in options.items():
        if value:
            msg = f"{given.path}: --{name} is not for {what}."
            raise OptionError(msg)


def _obs_of(cells: pd.Index, given: Given) -> pd.DataFrame:
    """The covariates of these cells, matched by name."""
    import pandas as pd

    if given.obs is None:
        return pd.DataFrame(index=cells)
    obs = read_rows(given.obs)
    wanted = cells.astype(str)
    missing = wanted[~wanted.isin(obs.index)]
    if len(missing):
        msg = (
            f"{given.obs}: {len(missing)} of {len(cells)} cells of {given.path} have no row of "
            f"that name: {some_of(missing)}; the first rows are {some_of(obs.index)}."
        )
        raise AlignmentError(msg + _other_way_round(given, obs))
    if not obs.index.is_unique:
        repeated = obs.index[obs.index.duplicated()].unique()
        msg = f"{given.obs}: names of rows repeat: {some_of(repeated)}."
        raise AlignmentError(msg)
    if len(obs) > len(cells):
        more = len(obs) - len(cells)
        note(f"{given.obs} has {more} more rows than {given.path} has cells; they are not used")
    obs = obs.loc[wanted]
    obs.index = cells
    return obs


def _other_way_round(given: Given, obs: pd.DataFrame) -> str:
    """The remedy for a table of genes x cells."""
    if not is_text_table(given.path) or given.transpose:
        return ""
    cells = read_count_table(given.path, transpose=True).index.astype(str)
    if not cells.isin(obs.index).all():
        return ""
    return f" {given.path} has a line for each gene: add --transpose."


def read_rows(path: Path, used: Collection[str] = ()) -> pd.DataFrame:
    """Rows of covariates: a text table, or the obs of an AnnData in a file.

    Parameters
    ----------
    path : Path
        The file.
    used : collection of str
        Columns that are covariates for certain: where one of them comes first, a text table has no
        names of rows.

    Returns
    -------
    DataFrame

    Raises
    ------
    CountsError, AlignmentError
        If there are no such rows.
    """
    if is_text_table(path) and not path.is_dir():
        return read_row_table(path, used)
    return open_anndata(path).obs


def column(obs: pd.DataFrame, name: str | None, option: str, path: object) -> str | None:
    """Check that an option names a column of obs.

    Parameters
    ----------
    obs : DataFrame
        Covariates.
    name : str or None
        What was given.
    option : str
        Name of the option.
    path : path or str
        Where obs is from.

    Returns
    -------
    str or None

    Raises
    ------
    AlignmentError
        If there is no such column.
    """
    if name is not None and name not in obs.columns:
        msg = f"{path}: {option} {name!r} is no column of obs; there are {some_of(obs.columns, 8)}."
        raise AlignmentError(msg + did_you_mean(name, obs.columns))
    return name
