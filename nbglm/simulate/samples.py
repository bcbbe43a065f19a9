"""Samples from a fit as an AnnData, in memory or piece by piece in a file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from nbglm.editing.truth import planted_columns
from nbglm.exceptions import FileError
from nbglm.hdf5 import check_disk, new_hdf5
from nbglm.places import check_place, new_place
from nbglm.simulate.sampling import Piece, Sampling

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["PROVENANCE", "sample_in_memory", "sample_to_file"]

PROVENANCE = "nbglm_sample"
"""Key of ``uns`` under which a sample says what it was drawn from."""

_CHUNK = 1 << 18  # entries of a chunk of an array in a file


def _provenance(sampling: Sampling) -> dict[str, Any]:
    """What a sample was drawn from, in words and numbers that any file holds."""
    from nbglm import __version__

    design, edits = sampling.results.design, sampling.results.edited
    said = {} if edits is None else {"edits": np.array(edits.edits, dtype=object)}
    return {
        "version": __version__,
        "mean": design.mean.formula.expanded,
        "dispersion": design.dispersion.formula.expanded,
        # Seeds may be larger than any number of a file.
        "seed": " ".join(str(word) for word in sampling.entropy),
        "replicates": sampling.cells.replicates,
        "resampled": sampling.cells.resampled,
        "uncertainty": sampling.uncertainty,
        "copula": "" if sampling.latent is None else sampling.latent.dependence.in_words,
        **said,
    }


def _without_counts(sampling: Sampling) -> AnnData:
    """The sample but for its counts."""
    from anndata import AnnData

    var = sampling.results.counts.annotations.join(planted_columns(sampling.results))
    return AnnData(obs=sampling.cells.frame(), var=var, uns={PROVENANCE: _provenance(sampling)})


def _stacked(pieces: list[Piece], genes: int) -> sparse.csr_matrix:
    if not pieces:
        return sparse.csr_matrix((0, genes), dtype=np.int32)
    return sparse.vstack([piece.counts for piece in pieces], format="csr")


def sample_in_memory(sampling: Sampling) -> AnnData:
    """Draw a whole sample.

    Parameters
    ----------
    sampling : Sampling
        What to draw.

    Returns
    -------
    AnnData
        ``X`` is a CSR matrix of 32-bit integers, or of 64-bit ones if a count needs them.
    """
    sample = _without_counts(sampling)
    pieces = list(sampling.pieces())
    sample.X = _stacked(pieces, sample.n_vars)
    for name, nothing in sampling.empty_layers(0).items():
        sample.layers[name] = np.concatenate([nothing, *(piece.layers[name] for piece in pieces)])
    return sample


class _TooWideError(Exception):
    """A count needs 64 bits in a file whose counts have 32."""


@contextmanager
def _opened(place: Path) -> Iterator[Any]:
    if place.suffix == ".zarr":
        import zarr

        yield zarr.open_group(place, mode="w")
        return
    with new_hdf5(place) as file:
        yield file


def _write_first(group: Any, sample: AnnData, piece: Piece, dtype: type) -> None:
    """Write everything but for the pieces that follow, and let the arrays grow."""
    from anndata.io import write_elem

    counts = piece.counts.astype(dtype)
    counts.indptr = counts.indptr.astype(np.int64)  # a file may have more entries than 2**31
    with warnings.catch_warnings():
        # That anndata will write another version of zarr some day, which is read as well.
        warnings.simplefilter("ignore", UserWarning)
        write_elem(group, "/", sample)
        write_elem(group, "X", counts, dataset_kwargs={"chunks": (_CHUNK,)})
        for name, values in piece.layers.items():
            genes = values.shape[1]
            options: dict[str, Any] = {"chunks": (max(1, _CHUNK // max(1, genes)), max(1, genes))}
            if not hasattr(group, "store"):  # arrays of zarr can always grow
                options["maxshape"] = (None, genes)
            write_elem(group, f"layers/{name}", values, dataset_kwargs=options)


def _append(group: Any, piece: Piece, dtype: type) -> None:
    from anndata.io import sparse_dataset

    sparse_dataset(group["X"]).append(piece.counts.astype(dtype))
    for name, values in piece.layers.items():
        layer = group[f"layers/{name}"]
        rows = layer.shape[0]
        layer.resize((rows + len(values), layer.shape[1]))
        layer[rows:] = values


def _write(sampling: Sampling, place: Path, dtype: type) -> None:
    """Write a sample whose counts have one type; each piece is gone before the next is drawn."""
    sample = _without_counts(sampling)
    pieces = sampling.pieces()
    nothing = Piece(_stacked([], sample.n_vars), sampling.empty_layers(0))
    with _opened(place) as group:
        first = next(pieces, nothing)
        _refuse_wide(first, dtype)
        _write_first(group, sample, first, dtype)
        for piece in pieces:
            _refuse_wide(piece, dtype)
            _append(group, piece, dtype)
            check_disk(group)


def _refuse_wide(piece: Piece, dtype: type) -> None:
    if piece.counts.dtype.itemsize > np.dtype(dtype).itemsize:
        raise _TooWideError


def sample_to_file(sampling: Sampling, out: Path) -> None:
    """Draw a sample into a file, of which only some thousand cells are in memory at a time.

    Parameters
    ----------
    sampling : Sampling
        What to draw.
    out : Path
        A file ``.h5ad`` or a folder ``.zarr``, which appears when it is whole.

    Raises
    ------
    FileError
        If it cannot be written, or is there already.
    """
    said = f"out={str(out)!r}"
    check_place(out, said)
    if os.path.lexists(out):
        msg = f"{said}: there is something already; remove it, or choose another name."
        raise FileError(msg)
    with new_place(out, said) as place:
        try:
            _write(sampling, place, np.int32)
        except _TooWideError:
            # The draws are the same once more, and hardly any sample gets here.
            _write(sampling, place, np.int64)
