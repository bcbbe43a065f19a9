"""One task for each gene in threads, with a progress bar if it takes long.

Such tasks read data of all genes and may write their answers into one array. In other processes
these would be copies, and the answers lost, so it is always threads of this process that run them,
whichever backend of joblib the user has set for fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from joblib import Parallel, delayed

from nbglm.parallel.blas import one_blas_thread
from nbglm.parallel.blocks import check_progress, named_worker_errors, wanted_jobs

__all__ = ["in_threads", "over_genes"]

Item = TypeVar("Item")
Found = TypeVar("Found")


def in_threads(
    task: Callable[[Item], Found], items: Iterable[Item], n_jobs: int | None = None
) -> Iterator[Found]:
    """Run a task for some items in threads, which share memory.

    Parameters
    ----------
    task : callable
        Takes an item. Kernels release the interpreter lock.
    items : iterable
        Arguments.
    n_jobs : int or None
        Number of threads, as joblib understands it: None is 1, or what ``joblib.parallel_config``
        says, of threads or not.

    Yields
    ------
    object
        What the tasks returned, in order.

    Raises
    ------
    WorkerError
        If the threads cannot be started.

    Examples
    --------
    >>> list(in_threads(abs, [-1, 2]))
    [1, 2]
    """
    threads = Parallel(
        n_jobs=wanted_jobs(n_jobs), prefer="threads", require="sharedmem", return_as="generator"
    )
    with one_blas_thread, named_worker_errors():
        yield from threads(delayed(task)(item) for item in items)


def over_genes(
    task: Callable[[int], Found],
    genes: Iterable[int],
    n_jobs: int | None = None,
    progress: bool | None = None,
) -> list[Found]:
    """Run a task for some genes.

    Parameters
    ----------
    task : callable
        Takes the number of a gene.
    genes : iterable of int
        Which genes.
    n_jobs : int or None
        See :func:`in_threads`.
    progress : bool or None
        Whether to show a progress bar; by default after a second, on a terminal.

    Returns
    -------
    list
        What the tasks returned, in order.

    Examples
    --------
    >>> over_genes(lambda gene: gene + 1, range(3))
    [1, 2, 3]
    """
    from tqdm import tqdm

    check_progress(progress)
    chosen = list(genes)
    disable = None if progress is None else not progress
    return list(
        tqdm(
            in_threads(task, chosen, n_jobs),
            "nbglm",
            len(chosen),
            unit="gene",
            delay=0 if progress else 1,
            disable=disable,
        )
    )
