"""A store of genes while it is filled: runs wait to be joined, and move to scratch if they must."""

from __future__ import annotations

from nbglm.counts.scratch import Scratch
from nbglm.counts.store import Run, join_runs
from nbglm.counts.tiles import BAND

__all__ = ["Filling"]


def _to_join(run: Run) -> int:
    """Bytes of a run, and of the tables of its genes that joining makes."""
    return run.nbytes + 32 * run.shape[1]


class Filling:
    """Runs so far.

    Parameters
    ----------
    limit : int
        Bytes in memory, beyond which everything goes to a scratch file.
    waiting : int
        Bytes of runs that wait to be joined; many small runs would make genes slow to find.
    """

    def __init__(self, limit: int, waiting: int) -> None:
        self.runs: list[Run] = []
        self.held = 0
        self._limit = limit
        self._most_waiting = waiting
        self._waiting: list[Run] = []
        self._scratch: Scratch | None = None

    def add(self, run: Run) -> None:
        """Take a run that follows those before."""
        if self._waiting and not self._goes_with(run):
            self.flush()
        self._waiting.append(run)
        if sum(_to_join(each) for each in self._waiting) >= self._most_waiting:
            self.flush()

    def _goes_with(self, run: Run) -> bool:
        first, last = self._waiting[0], self._waiting[-1]
        return (
            run.first_gene == first.first_gene
            and run.shape[1] == first.shape[1]
            and run.first_cell == last.first_cell + last.shape[0]
            and run.first_cell + run.shape[0] - first.first_cell <= BAND
        )

    def flush(self) -> None:
        """Join what waits."""
        if not self._waiting:
            return
        run = join_runs(self._waiting)
        self._waiting = []
        if self._scratch is None and self.held + run.nbytes > self._limit:
            self.to_scratch()
        if self._scratch is None:
            self.held += run.nbytes
        else:
            run = run.moved_to(self._scratch)
        self.runs.append(run)

    def to_scratch(self) -> None:
        """Write everything to a scratch file, now and henceforth."""
        self._scratch = Scratch()
        for position, run in enumerate(self.runs):
            self.runs[position] = run.moved_to(self._scratch)
        self.held = 0

    @property
    def expected(self) -> int:
        """Bytes of all runs so far, once they are joined: by then an index weighs little."""
        return sum(
            run.cells.size * (max(2, run.cells.dtype.itemsize) + run.counts.dtype.itemsize)
            for run in (*self.runs, *self._waiting)
        )

    @property
    def non_zeros(self) -> int:
        """Positive counts so far."""
        return sum(run.cells.size for run in (*self.runs, *self._waiting))
