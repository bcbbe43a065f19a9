"""How kernels are compiled: cached on disk, outside the interpreter lock, with C's arithmetic.

A kernel that only other kernels call is compiled without the wrapper through which Python would
call it, since for arguments like ours the wrapper takes longer to compile than the kernel.

Loops over rows run in vector registers if nothing in them stands in the way: no branch, no call of
a library, and for sums the permission to add in another order than the one that was written. That
permission is given to :data:`reduction` alone; the order is the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from numba import njit

from nbglm.kernels.kernelcache import ENTRIES, KernelCache, must_compile, sources_digest

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


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    """A kernel with a cache, if there is a folder for one."""
    dispatcher = njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, **options)(function)
    with suppress(RuntimeError):  # numba knows no folder for its file
        dispatcher._cache = KernelCache(dispatcher.py_func)  # noqa: SLF001 - as enable_caching
    return dispatcher


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls: see :mod:`nbglm.kernels.compiled`."""
    dispatcher = _compiled(function)
    ENTRIES.append(dispatcher)
    return dispatcher


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
