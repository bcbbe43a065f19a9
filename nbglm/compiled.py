"""How kernels are compiled: cached on disk, outside the interpreter lock, with C's arithmetic.

A kernel that only other kernels call is compiled without the wrapper through which Python would
call it, since for arguments like ours the wrapper takes longer to compile than the kernel.

Loops over rows run in vector registers if nothing in them stands in the way: no branch, no call of
a library, and for sums the permission to add in another order than the one that was written. That
permission is given to :data:`reduction` alone; the order is the same in every run.

numba reuses compiled code as long as the file of the called kernel has not changed, but that code
contains the kernels of other files as well. The cache here asks for all of them
(:func:`sources_digest`), so that no edit and no upgrade can leave an old formula running.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

__all__ = [
    "entry",
    "inlined",
    "kernel",
    "must_compile",
    "reduction",
    "rowwise",
    "scalar",
    "sources_digest",
]

_KERNELS_INSIDE = re.compile(rb"^from nbglm\.compiled import", re.MULTILINE)
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
    package = Path(__file__).parent
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


class _Index(IndexDataCacheFile):
    """The index of the compiled code of one kernel; a damaged one counts as empty."""

    def _load_index(self) -> dict[Any, str]:
        try:
            return dict(super()._load_index())
        except Exception:  # noqa: BLE001 - whatever pickle raises on a damaged file
            return {}

    def holds_code_for(self, codegen: Any) -> bool:
        """Whether there is code for this processor, compiled from the sources as they are."""
        return any(codegen.magic_tuple() in key for key in self._load_index())


class _KernelCache(FunctionCache):
    """numba's cache of one kernel, out of date as soon as the source of any kernel changes.

    A cache only saves time, so a folder that cannot be written and a file that cannot be read
    cost a compilation, not the fit.
    """

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self.index = self._cache_file = _Index(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=(self._impl.locator.get_source_stamp(), sources_digest()),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Compiled code from the cache, None where there is none that can be used."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001 - whatever pickle raises on a damaged file
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code for the next process, if there is room."""
        try:
            super().save_overload(sig, data)
        except OSError:
            return


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    """A kernel with a cache, if there is a folder for one."""
    dispatcher = njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, **options)(function)
    with suppress(RuntimeError):  # numba found no folder that can be written
        dispatcher._cache = _KernelCache(dispatcher.py_func)  # noqa: SLF001 - as enable_caching
    return dispatcher


entry = partial(_compiled)
"""Decorator of a function that Python calls."""

_inner = partial(_compiled, no_cpython_wrapper=True)

kernel = _inner
"""Decorator of a function that only compiled functions call."""

inlined = partial(_inner, inline="always")
"""As :data:`kernel`, for large functions with one caller: what calls it is compiled with it, once,
in place of the two one after the other."""

scalar = partial(_inner, fastmath={"contract"}, forceinline=True)
"""As :data:`kernel`, for formulas of one row: copied into the loops that use them, and free to fuse
a product with a sum, to the benefit of both."""

rowwise = partial(_inner, fastmath={"contract"})
"""As :data:`kernel`, for loops that treat every row alike."""

reduction = partial(_inner, fastmath={"contract", "reassoc", "nsz"})
"""As :data:`rowwise`, for sums over rows, several of which are kept and joined in the end."""


def must_compile(function: Any) -> bool:
    """Whether the next call of an entry will take long, since it was never compiled here.

    Parameters
    ----------
    function : callable
        What :data:`entry` made.

    Returns
    -------
    bool
        False if it is in memory, or in the cache and made from the sources as they are now.
    """
    if function.signatures:
        return False
    cache = function._cache  # noqa: SLF001 - there is no public way to it
    codegen = function.targetctx.codegen()
    return not (isinstance(cache, _KernelCache) and cache.index.holds_code_for(codegen))
