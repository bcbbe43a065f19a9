"""Where compiled kernels are kept between processes, and when they may not be used any more.

numba reuses compiled code as long as the file of the called kernel has not changed, but that code
contains the kernels of other files as well. The cache here asks for the contents of all of them
(:func:`sources_digest`), so that no edit and no upgrade can leave an old formula running, and so
that copies of the package with the same contents, such as layers of an image, need not compile.

numba looks only where it may write. Here code is found as well by a user who may only read the
folder that it is in (``NUMBA_CACHE_DIR``, or the one beside the package), as in an image that was
made by another user.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile

__all__ = ["ENTRIES", "KernelCache", "kept_in", "must_compile", "sources_digest"]

ENTRIES: list[Any] = []
"""Every kernel that Python calls, of the modules that are imported so far."""

_KERNELS_INSIDE = re.compile(rb"^from nbglm\.kernels\.compiled import", re.MULTILINE)
_IMPORTED = re.compile(rb"^from nbglm\.([\w.]+) import", re.MULTILINE)


@lru_cache(maxsize=1)
def sources_digest() -> str:
    """Digest of every source file that can change what kernels compute.

    Returns
    -------
    str
        Of the modules with kernels and of all that these import from the package, in hexadecimal.

    Examples
    --------
    >>> len(sources_digest())
    64
    """
    package = Path(__file__).parents[1]
    texts = {
        ".".join(path.relative_to(package).with_suffix("").parts): path.read_bytes()
        for path in package.rglob("*.py")
    }
    found: set[str] = set()
    waiting = [name for name, text in texts.items() if _KERNELS_INSIDE.search(text)]
    while waiting:
        name = waiting.pop()
        if name in texts and name not in found:
            found.add(name)
            waiting += [other.decode() for other in _IMPORTED.findall(texts[name])]
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(hashlib.sha256(name.encode()).digest())
        digest.update(hashlib.sha256(texts[name]).digest())
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _file_digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class _Index(IndexDataCacheFile):
    """The index of the compiled code of one kernel; a damaged one counts as empty."""

    def _load_index(self) -> dict[Any, str]:
        try:
            return dict(super()._load_index())
        except Exception:  # noqa: BLE001 - whatever pickle raises on a damaged file
            return {}

    @property
    def folder(self) -> Path:
        """Where the code is."""
        return Path(self._cache_path)

    def holds_code_for(self, codegen: Any) -> bool:
        """Whether there is code for this processor, compiled from the sources as they are."""
        processor = codegen.magic_tuple()
        return any(
            processor in key and (self.folder / name).exists()
            for key, name in self._load_index().items()
        )


class _BesideTheSource:
    """Where nothing can be written: the folder beside the source, in which code may be already."""

    def __init__(self, function: Any, path: str) -> None:
        self._line = function.__code__.co_firstlineno
        self._path = path

    @classmethod
    def from_function(cls, function: Any, path: str) -> _BesideTheSource | None:
        """As numba asks its own classes; None for a function without a file."""
        return cls(function, path) if Path(path).exists() else None

    def ensure_cache_path(self) -> None:
        """Refuse to write, which numba has tried before it came here."""
        msg = f"{self.get_cache_path()} cannot be written"
        raise PermissionError(msg)

    def get_cache_path(self) -> str:
        """The folder."""
        return str(Path(self._path).parent / "__pycache__")

    def get_source_stamp(self) -> str:
        """Contents of the file."""
        return _file_digest(self._path)

    def get_disambiguator(self) -> str:
        """The line on which the function begins, as in the names of numba's own files."""
        return str(self._line)


def _wanted_folder(path: str) -> str:
    """The folder of the cache of a source file, whether it can be written or not."""
    if not config.CACHE_DIR:
        return str(Path(path).parent / "__pycache__")
    inside = CompileResultCacheImpl._locator_classes[0].get_suitable_cache_subpath(path)  # noqa: SLF001
    return str(Path(config.CACHE_DIR) / inside)


class _Places(CompileResultCacheImpl):
    """Where numba looks for a folder to write to, and at last one to read from."""

    _locator_classes = (*CompileResultCacheImpl._locator_classes, _BesideTheSource)  # noqa: SLF001


class KernelCache(FunctionCache):
    """numba's cache of one kernel, out of date as soon as the source of any kernel changes.

    A cache only saves time, so a folder that cannot be written and a file that cannot be read
    cost a compilation, not the fit.

    Raises
    ------
    RuntimeError
        If numba knows no folder for the file of the function.
    """

    _impl_class = _Places

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        path = inspect.getfile(function)
        stamp = (_file_digest(path), sources_digest())
        self.indexes = [
            _Index(cache_path=folder, filename_base=self._impl.filename_base, source_stamp=stamp)
            for folder in dict.fromkeys([self._cache_path, _wanted_folder(path)])
        ]
        self._cache_file = self.indexes[0]

    def folder_of_code(self, codegen: Any) -> Path | None:
        """Where code for this processor is, if it is anywhere."""
        for index in self.indexes:
            if index.holds_code_for(codegen):
                return index.folder
        return None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Compiled code from the cache, None where there is none that can be used."""
        for index in self.indexes:
            self._cache_file = index
            with suppress(Exception):  # whatever pickle raises on a damaged file
                found = super().load_overload(sig, target_context)
                if found is not None:
                    break
        else:
            found = None
        self._cache_file = self.indexes[0]
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code for the next process, if there is room."""
        with suppress(OSError):
            super().save_overload(sig, data)


def kept_in(function: Any) -> Path | None:
    """The folder that keeps the compiled code of an entry for the next process.

    Parameters
    ----------
    function : callable
        What :data:`nbglm.kernels.compiled.entry` made.

    Returns
    -------
    Path or None
        None if there is no code for this processor, made from the sources as they are now.
    """
    cache = function._cache  # noqa: SLF001 - there is no public way to it
    if not isinstance(cache, KernelCache):
        return None
    return cache.folder_of_code(function.targetctx.codegen())


def must_compile(function: Any) -> bool:
    """Whether the next call of an entry will take long, since it was never compiled here.

    Parameters
    ----------
    function : callable
        What :data:`nbglm.kernels.compiled.entry` made.

    Returns
    -------
    bool
        False if it is in memory, or in the cache and made from the sources as they are now.
    """
    return not function.signatures and kept_in(function) is None
