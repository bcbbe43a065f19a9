"""One task for each gene, in parallel, with a progress bar if it takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from joblib import Parallel, delayed

__all__ = ["over_genes"]

Found = TypeVar("Found")


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
        As joblib understands it; threads, since the kernels release the interpreter lock.
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

    chosen = list(genes)
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    found = parallel(delayed(task)(gene) for gene in chosen)
    disable = None if progress is None else not progress
    return list(
        tqdm(found, "nbglm", len(chosen), unit="gene", delay=0 if progress else 1, disable=disable)
    )
