"""Arrays in a temporary file: written one after another, read in pieces."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from nbglm.exceptions import CountsError
from nbglm.memory import written

__all__ = ["Scratch", "ScratchArray"]


class Scratch:
    """A temporary file of arrays.

    The file has no name where the system allows that, so nothing is left behind however the
    process ends, and it goes when the last array in it does. It is read, not mapped: pages of a
    mapped file count as memory of the process, and what is read here is short.

    Examples
    --------
    >>> kept = Scratch().append(np.arange(5, dtype=np.uint8))
    >>> kept[1:3], kept.size
    (array([1, 2], dtype=uint8), 5)
    """

    def __init__(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(prefix="nbglm-")  # noqa: SIM115 - see finalize
        except OSError as error:
            self._refuse(0, error)
        self._end = 0
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def append(self, values: NDArray[Any]) -> ScratchArray:
        """Write an array at the end of the file.

        Parameters
        ----------
        values : ndarray, shape (n,)
            Numbers.

        Returns
        -------
        ScratchArray

        Raises
        ------
        CountsError
            If the file system is full.
        """
        kept = ScratchArray(self, self._end, values.dtype, values.size)
        try:
            self._file.seek(self._end)
            self._file.write(np.ascontiguousarray(values).view(np.uint8).data)
            self._file.flush()
        except OSError as error:
            self._refuse(values.nbytes, error)
        self._end += values.nbytes
        return kept

    def read(self, start: int, size: int) -> bytes:
        """Bytes of the file, from any thread."""
        if hasattr(os, "pread"):  # has no position that threads or forked processes share
            return os.pread(self._file.fileno(), size, start)
        with self._lock:
            self._file.seek(start)
            return self._file.read(size)

    def _refuse(self, more: int, error: OSError) -> NoReturn:
        held = getattr(self, "_end", 0)
        msg = (
            f"scratch files in {tempfile.gettempdir()} cannot take {written(more)} after "
            f"{written(held)}: {error}. Set TMPDIR to a folder with more room, or raise max_memory."
        )
        raise CountsError(msg) from error


@dataclass(frozen=True)
class ScratchArray:
    """An array in a temporary file; its slices are arrays in memory.

    Attributes
    ----------
    scratch : Scratch
        The file.
    start : int
        Where it begins.
    dtype : dtype
        Kind of its numbers.
    size : int
        How many there are.
    """

    scratch: Scratch
    start: int
    dtype: np.dtype[Any]
    size: int

    def __getitem__(self, part: slice) -> NDArray[Any]:
        """The numbers from ``part.start`` to ``part.stop``."""
        first, last, _ = part.indices(self.size)
        width = self.dtype.itemsize
        wanted = max(0, last - first) * width
        found = self.scratch.read(self.start + first * width, wanted)
        if len(found) < wanted:
            msg = "a scratch file of counts ends too early; read the data again."
            raise CountsError(msg)
        return np.frombuffer(found, dtype=self.dtype)
