"""Arrays of numbers in a file or a folder, looked at before anything is read.

Only numbers are read: no texts of variable length, no Python objects, which zarr would unpickle,
no links out of the file. What an array claims to take is compared with the bytes that are there,
and with the memory that is free, before any of it is taken.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nbglm.exceptions import FileError
from nbglm.files.chunks import CODECS, inflates_to, unpacked_size
from nbglm.memory import available_memory, written

__all__ = ["Arrays", "open_arrays"]

_SLACK = 64 * 2**20  # bytes that any file may claim
_RATIO = 1000  # bytes that a byte in a file may become
_CHUNK = 2**31
_HEADER = 18  # bytes, in which a packed chunk says what it holds


class Arrays(Protocol):
    """Named arrays of numbers."""

    def __call__(self, name: str) -> NDArray[Any]:
        """The array of this name."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is one."""
        ...

    def below(self, name: str) -> list[str]:
        """What a group of this name holds; nothing if there is none."""
        ...


class _Allowance:
    """How much a file may claim in all."""

    def __init__(self, stored: int) -> None:
        self.stored = stored
        self.left = _SLACK + _RATIO * stored
        self.free = available_memory()

    def take(self, name: str, shape: tuple[int, ...], itemsize: int, chunk: int) -> None:
        """Refuse an array that claims more than is left."""
        claimed = math.prod(shape) * itemsize
        if claimed > self.left or chunk > _CHUNK:
            msg = (
                f"its array {name!r} claims to be {' x '.join(f'{n:,}' for n in shape)} numbers "
                f"({written(max(claimed, chunk))}), more than such a file can hold"
            )
            raise ValueError(msg)
        if self.free is not None and claimed + chunk > self.free:
            msg = (
                f"its array {name!r} takes {written(claimed)}, and {written(self.free)} of memory "
                f"are free"
            )
            raise ValueError(msg)
        self.left -= claimed


class _Hdf5:
    """Arrays of an HDF5 file."""

    def __init__(self, file: Any, allowance: _Allowance) -> None:
        self._file, self._allowance = file, allowance

    def _find(self, name: str) -> Any:
        """What has this name, by hard links alone."""
        import h5py

        found = self._file
        for part in name.split("/"):
            if not isinstance(found, h5py.Group):
                return None
            if not isinstance(found.get(part, getlink=True), h5py.HardLink):
                return None
            found = found[part]
        return found

    def has(self, name: str) -> bool:
        return self._find(name) is not None

    def below(self, name: str) -> list[str]:
        import h5py

        found = self._find(name)
        return list(found.keys()) if isinstance(found, h5py.Group) else []

    def __call__(self, name: str) -> NDArray[Any]:
        import h5py

        found = self._find(name)
        if not isinstance(found, h5py.Dataset):
            msg = f"its array {name!r} is missing"
            raise KeyError(msg)
        kept = found.id.get_create_plist()
        filters = [kept.get_filter(k)[0] for k in range(kept.get_nfilters())]
        known = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
        plain = found.dtype.kind in "biuf" and found.dtype.itemsize <= 8
        if not plain or found.is_virtual or found.external or not known.issuperset(filters):
            msg = f"its array {name!r} is of a kind that is not read ({found.dtype})"
            raise ValueError(msg)
        chunk = math.prod(found.chunks or ()) * found.dtype.itemsize
        self._allowance.take(name, found.shape, found.dtype.itemsize, chunk)
        if h5py.h5z.FILTER_DEFLATE in filters:
            self._check_chunks(found, chunk)
        return np.asarray(found[()])

    def _check_chunks(self, found: Any, chunk: int) -> None:
        """Refuse chunks that unpack to more than a chunk."""
        for k in range(found.id.get_num_chunks()):
            about = found.id.get_chunk_info(k)
            if about.size > self._allowance.stored:
                msg = f"a chunk of {found.name!r} is larger than its file"
                raise ValueError(msg)
            _, packed = found.id.read_direct_chunk(about.chunk_offset)
            # Four bytes more for the checksum of a filter before this one.
            if about.filter_mask == 0 and not inflates_to(packed, chunk + 4):
                msg = f"a chunk of {found.name!r} holds more than it may"
                raise ValueError(msg)


class _Zarr:
    """Arrays of a zarr store in a folder."""

    def __init__(self, folder: Path, allowance: _Allowance) -> None:
        self._folder, self._allowance = folder, allowance

    def has(self, name: str) -> bool:
        return (self._folder / name).is_dir()

    def below(self, name: str) -> list[str]:
        folder = self._folder / name
        return [part.name for part in folder.iterdir() if part.is_dir()] if folder.is_dir() else []

    def __call__(self, name: str) -> NDArray[Any]:
        import zarr

        folder = self._folder / name
        shape, dtype, chunk, codecs = _described(folder, name)
        plain = dtype.kind in "biuf" and dtype.itemsize <= 8
        if not plain or not CODECS.issuperset(codecs):
            msg = f"its array {name!r} is of a kind that is not read ({dtype}, {sorted(codecs)})"
            raise ValueError(msg)
        size = math.prod(chunk) * dtype.itemsize
        self._allowance.take(name, shape, dtype.itemsize, size)
        packed = codecs - {"bytes"}
        if packed:
            _check_chunks(folder, packed, size)
        return np.asarray(zarr.open_array(str(folder), mode="r")[...])


def _check_chunks(folder: Path, codecs: set[str], most: int) -> None:
    """Refuse chunks that claim to hold more than a chunk."""
    if len(codecs) > 1:
        msg = f"its array {folder.name!r} is packed more than once ({sorted(codecs)})"
        raise ValueError(msg)
    (codec,) = codecs
    for where, _, files in os.walk(folder):
        for name in files:
            if name.startswith(".") or name == "zarr.json":
                continue
            with (Path(where) / name).open("rb") as file:
                if unpacked_size(codec, file.read(_HEADER)) > most:
                    msg = f"a chunk of {folder.name!r} holds more than it may"
                    raise ValueError(msg)


def _described(
    folder: Path, name: str
) -> tuple[tuple[int, ...], np.dtype[Any], tuple[int, ...], set[str]]:
    """Shape, dtype, shape of a chunk and codecs of an array, in either format of zarr."""
    for file in ("zarr.json", ".zarray"):
        with contextlib.suppress(FileNotFoundError):
            said = json.loads((folder / file).read_text(encoding="utf-8"))
            break
    else:
        msg = f"its array {name!r} is missing"
        raise KeyError(msg)
    if file == ".zarray":
        chunks, dtype = said["chunks"], said["dtype"]
        parts = [said["compressor"], *(said.get("filters") or ())]
        codecs = {str(part["id"]) for part in parts if part is not None}
    else:
        grid = said["chunk_grid"]
        if grid["name"] != "regular" or said.get("storage_transformers"):
            msg = f"its array {name!r} is not stored in regular chunks"
            raise ValueError(msg)
        chunks, dtype = grid["configuration"]["chunk_shape"], said["data_type"]
        codecs = {str(part["name"]) for part in said["codecs"]}
    if not isinstance(dtype, str):
        msg = f"its array {name!r} is of a kind that is not read ({str(dtype)[:40]})"
        raise TypeError(msg)
    shape = tuple(int(size) for size in said["shape"])
    chunk = tuple(int(size) for size in chunks)
    if min((*shape, *chunk), default=0) < 0 or len(shape) != len(chunk):
        msg = f"its array {name!r} has the shape {shape} in chunks of {chunk}"
        raise ValueError(msg)
    return shape, np.dtype(dtype), chunk, codecs


def _bytes_of_folder(folder: Path) -> int:
    """How much its files take; anything but files and folders is refused."""
    total = 0
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            about = (Path(where) / name).lstat()
            if stat.S_ISREG(about.st_mode):
                total += about.st_size
            elif not stat.S_ISDIR(about.st_mode):
                msg = f"it has a {name!r} that is neither a file nor a folder"
                raise ValueError(msg)
    return total


@contextlib.contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """Open a file or a zarr folder to read arrays of numbers.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    Arrays
        From a name such as ``"uns/nbglm/coef"`` to an array.

    Raises
    ------
    FileError
        If there is none, or it is of another kind.
    """
    if not path.exists():
        msg = f"there is no file {str(path)!r}."
        raise FileError(msg)
    if path.is_dir():
        if not any((path / name).is_file() for name in ("zarr.json", ".zgroup")):
            msg = f"{str(path)!r} is a folder, and not of zarr."
            raise FileError(msg)
        try:
            stored = _bytes_of_folder(path)
        except (OSError, ValueError) as error:
            msg = f"{str(path)!r} cannot be read: {error}."
            raise FileError(msg) from error
        yield _Zarr(path, _Allowance(stored))
        return
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        msg = f"{str(path)!r} cannot be read: {_cause(path, error)}."
        raise FileError(msg) from error
    with file:
        yield _Hdf5(file, _Allowance(path.stat().st_size))


def _cause(path: Path, error: OSError) -> str:
    """Why HDF5 opens no file, in words."""
    if not os.access(path, os.R_OK):
        return "reading it is not allowed"
    if path.stat().st_size == 0:
        return "it is empty"
    with path.open("rb") as file:
        start = file.read(8)
    if start != b"\x89HDF\r\n\x1a\n":
        return "it is no HDF5 file, which an .h5ad is"
    if "lock" in str(error):
        return "another program has it open to write into it"
    if "truncated" in str(error):
        return "it is truncated: its end is missing"
    return f"it is damaged ({str(error).splitlines()[0]})"
