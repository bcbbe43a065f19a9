"""One BLAS thread while genes are fitted, in whatever process they are.

Genes are what runs in parallel, so more threads inside of one would only compete. They would also
change numbers: with several threads BLAS adds up long sums in other parts, so that the last bits
would depend on the number of cores, and on whether a gene was fitted here or in a worker process.
"""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from functools import cache
from types import TracebackType
from typing import Any, Self

from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]


@cache
def _controller() -> ThreadpoolController:
    """The BLAS libraries of this process; looking for them takes milliseconds."""
    import scipy.linalg  # noqa: F401 - brings the second of them

    return ThreadpoolController()


class _OneThread(ContextDecorator):
    """Holds the limit from the first entry to the last exit.

    The limit is one for the whole process, and threads come and go in any order: one that
    restored what it had found would let go of the limit while others still count on it.

    Examples
    --------
    >>> from threadpoolctl import threadpool_info
    >>> with one_blas_thread:
    ...     {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} <= {1}
    True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limits: Any = None

    def __enter__(self) -> Self:
        with self._lock:
            if not self._inside:
                self._limits = _controller().limit(limits=1, user_api="blas")
            self._inside += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._limits is not None:
                self._limits.restore_original_limits()


one_blas_thread = _OneThread()
"""A context, or a decorator, in which BLAS runs in one thread; for many threads at once."""
