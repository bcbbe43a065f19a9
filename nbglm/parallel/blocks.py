"""Blocks of genes on whatever backend of joblib the user has set: threads, processes, a cluster.

Where workers share memory, they are handed the objects themselves. Elsewhere

* what all blocks share is sent once. To processes of this machine joblib lends large arrays as
  memory maps. To a dask cluster it is sent as a task of its own, on which the others depend: a
  worker asks for it once and keeps it. Data that are only scattered would be lost with the worker
  that holds them; a task is repeated on another one.
* a block travels as bytes within its task. As arrays, large ones would be memory maps that joblib
  deletes after the last block, so that all counts would be in memory a second time; and dask would
  scatter them.
"""

from __future__ import annotations

import errno
import pickle
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from joblib.parallel import get_active_backend

from nbglm.exceptions import InputTypeError, OptionError, WorkerError
from nbglm.parallel.blas import one_blas_thread

__all__ = [
    "block_size",
    "check_progress",
    "in_blocks",
    "named_worker_errors",
    "say",
    "wanted_jobs",
]

Block = TypeVar("Block")
Shared = TypeVar("Shared")
Found = TypeVar("Found")

_BLOCK_ENTRIES = 1 << 22  # entries of a block of genes, zeros included
_BLOCK_GENES = 256
_BLOCKS = 16  # at least, for the progress bar to move
_KILLED_ON_CLUSTER = "KilledWorker"  # of dask, once a task has cost it several workers
_WORKER_GONE = (
    "a worker process was killed while it fitted genes, most often by the system for lack of "
    "memory. Nothing is left of this fit, but the next one gets new workers: fit again with fewer "
    "of them (n_jobs=), or in threads, which share memory (outside of joblib.parallel_config)."
)
_NO_WORKERS = (
    "the system would not start more workers ({}): there is too little memory, or a limit on "
    "threads and processes. Ask for fewer with n_jobs=."
)
_MOST_JOBS = 1024  # joblib starts them all at once, whether there is work for them or not
_MOST_JOBS_OF_A_CORE = 32
_BLOCKS_OF_A_WORKER = 8  # at least, for the last ones to be done at about the same time


def wanted_jobs(n_jobs: object) -> int | None:
    """How many workers the user wants.

    joblib forgets ``parallel_config(n_jobs=...)`` where it turns to threads by itself.

    Parameters
    ----------
    n_jobs : int or None
        Of the call.

    Returns
    -------
    int or None
        `n_jobs`, or else what ``joblib.parallel_config`` says, if anything.

    Raises
    ------
    TypeError
        If it is no whole number.
    ValueError
        If it is 0, or more than a machine can start.

    Examples
    --------
    >>> from joblib import parallel_config
    >>> with parallel_config(n_jobs=3):
    ...     wanted_jobs(None), wanted_jobs(2)
    (3, 2)
    """
    what, jobs = "n_jobs", n_jobs
    if jobs is None:
        what, jobs = "n_jobs of joblib.parallel_config", get_active_backend()[1]
    if jobs is None:
        return None
    hint = "1 works in this process alone, -1 takes every core, None is as joblib is configured"
    if isinstance(jobs, bool) or not isinstance(jobs, int | np.integer):
        msg = f"{what} must be a whole number of workers, not {jobs!r}; {hint}."
        raise InputTypeError(msg)
    most = max(_MOST_JOBS, _MOST_JOBS_OF_A_CORE * cpu_count())
    if jobs == 0 or jobs > most:
        reason = "is no number of workers" if jobs == 0 else f"is more than {most} workers"
        msg = f"{what}={jobs} {reason}; {hint} (this machine has {cpu_count()})."
        raise OptionError(msg)
    return int(jobs)


def check_progress(progress: object) -> None:
    """Refuse what is no answer to whether a progress bar is wanted.

    Parameters
    ----------
    progress : bool or None
        What was given.

    Raises
    ------
    TypeError
        If it is neither.

    Examples
    --------
    >>> check_progress(None)
    """
    if progress is not None and not isinstance(progress, bool | np.bool_):
        msg = f"progress must be True, False or None (where it takes long), not {progress!r}."
        raise InputTypeError(msg)


def say(what: str) -> None:
    """Tell the user something where the progress bar is.

    Parameters
    ----------
    what : str
        One line.
    """
    print(f"nbglm: {what}", file=sys.stderr)  # noqa: T201 - not a result


def block_size(cells: int, genes: int, n_jobs: int | None) -> int:
    """How many genes to fit in one task.

    Parameters
    ----------
    cells, genes : int
        Size of the table of counts; or in place of `cells` any number of entries for each gene.
    n_jobs : int or None
        As joblib understands it.

    Returns
    -------
    int
        So few that a block is small, all workers have something to do, and the progress bar moves.

    Examples
    --------
    >>> block_size(3_000, 20_000, n_jobs=1), block_size(1_000_000, 20_000, n_jobs=1)
    (256, 4)
    """
    blocks = max(_BLOCKS, _BLOCKS_OF_A_WORKER * effective_n_jobs(wanted_jobs(n_jobs)))
    return max(1, min(_BLOCK_GENES, _BLOCK_ENTRIES // max(1, cells), genes // blocks))


@contextmanager
def named_worker_errors() -> Iterator[None]:
    """Say in words that workers died, or could not be started.

    Raises
    ------
    WorkerError
        In place of what joblib, its backends or the system raise.
    """
    try:
        yield
    except Exception as error:
        cause = error
        if isinstance(error, AttributeError) and isinstance(error.__context__, Exception):
            # Python's pool of threads trips over itself where it cannot start all of them.
            cause = error.__context__
        if isinstance(cause, BrokenExecutor) or type(cause).__name__ == _KILLED_ON_CLUSTER:
            raise WorkerError(_WORKER_GONE) from error
        full = isinstance(cause, OSError) and cause.errno in (errno.ENOMEM, errno.EAGAIN)
        if full or (isinstance(cause, RuntimeError) and "start new thread" in str(cause)):
            raise WorkerError(_NO_WORKERS.format(cause)) from error
        raise


class _Whole:
    """An object that is pickled in one piece.

    Workers of dask send each other arrays beside the pickle, where they may start at any byte. On
    such arrays numpy adds up in another order, and numba compiles all kernels again.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        return _whole, (pickle.dumps(self.value, protocol=5),)


def _whole(packed: bytes) -> _Whole:
    return _Whole(pickle.loads(packed))  # noqa: S301 - packed a moment ago by _Whole


def _here(task: Callable[[Block, Shared], Found], packed: bytes, shared: Shared) -> Found:
    """Run a task in the process that this is called in."""
    with one_blas_thread:
        return task(pickle.loads(packed), shared)  # noqa: S301 - packed a moment ago by in_blocks


def _on_cluster(task: Callable[[Block, Any], Found], packed: bytes, lent: Any) -> Found:
    """Run a task in a worker of dask, which has put results in the place of futures.

    joblib runs the tasks of a cluster with a single thread in the process of the user instead,
    where nobody has.
    """
    whole = lent if isinstance(lent, _Whole) else lent.result()
    return _here(task, packed, whole.value)


def _packed_calls(
    task: Callable[[Block, Shared], Found], blocks: Iterable[Block], shared: Shared, backend: Any
) -> Iterator[Any]:
    """Calls for other processes."""
    client = getattr(backend, "client", None)
    run: Callable[..., Found] = _here
    lent: Any = shared
    if client is not None:
        with warnings.catch_warnings():
            # dask advises to scatter what is large; see above why this does not.
            warnings.filterwarnings("ignore", "Sending large graph")
            lent = client.submit(_whole, pickle.dumps(shared, protocol=5), pure=False)
        run = _on_cluster
    return (delayed(run)(task, pickle.dumps(block, 5), lent) for block in blocks)


def in_blocks(
    task: Callable[[Block, Shared], Found],
    blocks: Iterable[Block],
    shared: Shared,
    n_jobs: int | None = None,
) -> Iterator[Found]:
    """Run a task for each block, in parallel.

    Parameters
    ----------
    task : callable
        Takes a block and what all blocks share, and changes neither; a function of a module,
        since it is pickled for other processes.
    blocks : iterable
        Asked for as workers become free, so that few blocks are in memory at a time.
    shared : object
        For all blocks.
    n_jobs : int or None
        As joblib understands it: None is 1, or what ``joblib.parallel_config`` says.

    Yields
    ------
    object
        What `task` returned for each block, in order, as soon as it is there.

    Raises
    ------
    WorkerError
        If a worker process was killed and the backend does not repeat what it was doing.

    Examples
    --------
    >>> import operator
    >>> list(in_blocks(operator.mul, [1, 2, 3], 10))
    [10, 20, 30]
    """
    # Kernels release the interpreter lock, so that threads will do unless the user knows better.
    backend, _ = get_active_backend(prefer="threads")
    generator = backend.supports_return_generator
    parallel = Parallel(
        n_jobs=wanted_jobs(n_jobs),
        prefer="threads",
        return_as="generator" if generator else "list",
        batch_size=1,  # blocks are batches already
        # Copied on writing: still shared, and to numba the same type as arrays in memory, whereas
        # for read-only ones each worker would compile all kernels again.
        mmap_mode="c",
    )
    if getattr(backend, "supports_sharedmem", False):
        calls: Iterator[Any] = (delayed(task)(block, shared) for block in blocks)
    else:
        calls = _packed_calls(task, blocks, shared, backend)
    with one_blas_thread, named_worker_errors():
        if generator:
            yield from parallel(calls)
        else:
            yield from _by_batches(parallel, calls, n_jobs)


def _by_batches(parallel: Parallel, calls: Iterator[Any], n_jobs: int | None) -> Iterator[Any]:
    """For backends that return a list at the end, such as multiprocessing: a few blocks each time.

    Some workers wait for the last block of a batch. In return neither all blocks nor all results
    are in memory at once, and the progress bar moves.
    """
    size = _BLOCKS_OF_A_WORKER * effective_n_jobs(wanted_jobs(n_jobs))
    with parallel:
        while batch := list(islice(calls, size)):
            yield from parallel(batch)
