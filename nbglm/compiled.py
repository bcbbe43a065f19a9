"""How kernels are compiled: cached on disk, outside the interpreter lock, with C's arithmetic.

A kernel that only other kernels call is compiled without the wrapper through which Python would
call it, since for arguments like ours the wrapper takes longer to compile than the kernel.

Loops over rows run in vector registers if nothing in them stands in the way: no branch, no call of
a library, and for sums the permission to add in another order than the one that was written. That
permission is given to :data:`reduction` alone; the order is the same in every run.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from numba import njit

__all__ = ["entry", "inlined", "kernel", "must_compile", "reduction", "rowwise", "scalar"]

entry = partial(njit, cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)()
"""Decorator of a function that Python calls."""

_inner = partial(
    njit,
    cache=True,
    nogil=True,
    error_model="numpy",
    no_cfunc_wrapper=True,
    no_cpython_wrapper=True,
)

kernel = _inner()
"""Decorator of a function that only compiled functions call."""

inlined = _inner(inline="always")
"""As :data:`kernel`, for large functions with one caller: what calls it is compiled with it, once,
in place of the two one after the other."""

scalar = _inner(fastmath={"contract"}, forceinline=True)
"""As :data:`kernel`, for formulas of one row: copied into the loops that use them, and free to fuse
a product with a sum, to the benefit of both."""

rowwise = _inner(fastmath={"contract"})
"""As :data:`kernel`, for loops that treat every row alike."""

reduction = _inner(fastmath={"contract", "reassoc", "nsz"})
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
        False if it is in memory or in the cache.
    """
    if function.signatures:
        return False
    of = function.py_func
    cached = f"{of.__module__.rpartition('.')[2]}.{of.__qualname__}-*.nbi"
    return not any(Path(function.stats.cache_path).glob(cached))
