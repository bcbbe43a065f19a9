"""How kernels are compiled: cached on disk, outside the interpreter lock, with C's arithmetic.

A kernel that only other kernels call is compiled without the wrapper through which Python would
call it, since for arguments like ours the wrapper takes longer to compile than the kernel.
"""

from __future__ import annotations

from functools import partial

from numba import njit

__all__ = ["entry", "kernel"]

entry = partial(njit, cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)()
"""Decorator of a function that Python calls."""

kernel = partial(
    njit,
    cache=True,
    nogil=True,
    error_model="numpy",
    no_cfunc_wrapper=True,
    no_cpython_wrapper=True,
)()
"""Decorator of a function that only compiled functions call."""
