"""HDF5 files that survive a full disk.

A file of the HDF5 library that cannot be written to its end cannot be closed either, and the
library ends the whole process some time later, when another file is closed. Here the library writes
to a Python file that takes everything: what the disk refuses is kept in memory, the library never
hears of it and closes in peace, and then the error is raised. Nor may Ctrl-C end a call of the
library in its middle: where it falls into the Python file it waits for a moment.
"""

from __future__ import annotations

import _thread
import io
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["check_disk", "new_hdf5", "write_h5ad"]


class _Patient(io.RawIOBase):
    """A file that remembers the first error of the disk in place of raising it."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._refused: list[tuple[int, bytes]] = []  # places and bytes, in the order of writing
        self.error: OSError | None = None

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        start = self._file.tell()
        found = self._file.readinto(view) or 0
        if self.error is None:
            return found
        view[found:] = bytes(len(view) - found)
        for place, kept in self._refused:
            lo, hi = max(place, start), min(place + len(kept), start + len(view))
            if lo < hi:
                view[lo - start : hi - start] = kept[lo - place : hi - place]
        self._file.seek(start + len(view))
        return len(view)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        start = self._file.tell()
        done = 0
        while done < len(view) and self.error is None:
            try:
                done += self._file.write(view[done:])
            except OSError as error:
                self.error = error
        if done < len(view):
            self._refused.append((start + done, bytes(view[done:])))
            self._file.seek(start + len(view))
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def check_disk(file: Any) -> None:
    """Stop writing a large file of :func:`new_hdf5` if the disk is full already.

    Parameters
    ----------
    file : h5py.File or zarr.Group
        The file; of others than :func:`new_hdf5` makes nothing is known.

    Raises
    ------
    OSError
        What the disk said.
    """
    patient = getattr(file, "patient", None)
    if patient is not None and patient.error is not None:
        raise patient.error


_CALLED_BY_HDF5 = frozenset(
    method.__code__ for method in vars(_Patient).values() if hasattr(method, "__code__")
)
_MOMENT = 0.02  # seconds after which an interrupt tries again


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Let Ctrl-C wait while HDF5 calls the file."""
    wanted = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(wanted):
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        caller = frame
        while caller is not None:
            # Python ignores what is raised where an object ends, as those of h5py do all the time.
            ending = caller.f_globals.get("__name__") == "weakref"
            if ending or caller.f_code in _CALLED_BY_HDF5:
                threading.Timer(_MOMENT, _thread.interrupt_main).start()
                return
            caller = caller.f_back
        wanted(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, wanted)


@contextmanager
def new_hdf5(path: Path) -> Iterator[Any]:
    """A new HDF5 file to be written in a ``with`` block, on the disk at its end.

    Parameters
    ----------
    path : Path
        Its name.

    Yields
    ------
    h5py.File

    Raises
    ------
    OSError
        If the disk does not take it.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.h5"
    >>> with new_hdf5(path) as file:
    ...     file["x"] = [1, 2]
    >>> path.read_bytes()[1:4]
    b'HDF'
    """
    import h5py

    with path.open("w+b", buffering=0) as file:
        patient = _Patient(file)
        try:
            with _interrupts_wait(), h5py.File(patient, "w") as made:
                made.patient = patient
                yield made
        except Exception as error:
            # Whatever else is raised on a full disk, that it is full is the reason.
            if patient.error is not None:
                raise patient.error from error
            raise
        if patient.error is not None:
            raise patient.error
        os.fsync(file.fileno())


def write_h5ad(adata: AnnData, path: Path, dataset_kwargs: Mapping[str, Any] | None = None) -> None:
    """Write an AnnData, as its own method does.

    Parameters
    ----------
    adata : AnnData
        What to write.
    path : Path
        A new file.
    dataset_kwargs : mapping, optional
        How arrays are stored, such as ``compression``.

    Raises
    ------
    OSError
        If the disk does not take it.
    """
    from anndata.io import write_elem

    with new_hdf5(path) as file:
        write_elem(file, "/", adata, dataset_kwargs=dataset_kwargs or {})
