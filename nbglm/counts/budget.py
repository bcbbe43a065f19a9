"""How memory is shared out while a table outside memory is read."""

from __future__ import annotations

from dataclasses import dataclass

from nbglm.counts.tiles import Source
from nbglm.exceptions import CountsError
from nbglm.memory import written

__all__ = ["Budget"]

_TILE = 1 << 28  # bytes beyond which a larger tile reads no faster
_WAITING = 1 << 24  # bytes of runs that are worth joining
_BLOCK = 1 << 26  # bytes of a block of genes
_BYTES_A_COUNT = 16  # of a block: a cell number and a count


@dataclass(frozen=True)
class Budget:
    """How much memory counts may take, and for what.

    Attributes
    ----------
    whole : int
        Bytes for everything.
    beside : int
        Bytes that the designs take.

    Examples
    --------
    >>> Budget(whole=10**9, beside=10**8).free
    900000000
    """

    whole: int
    beside: int = 0

    @property
    def free(self) -> int:
        """Bytes for counts."""
        return self.whole - self.beside

    def tile(self, source: Source) -> int:
        """Bytes for a tile, from its reading to its packing."""
        return max(source.least(), min(_TILE, (self.free - source.fixed) // 4))

    def waiting(self, source: Source) -> int:
        """Bytes for runs that wait to be joined; joining takes as much again, and numbers."""
        return min(_WAITING, (self.free - source.fixed) // 32)

    def kept(self, source: Source) -> int:
        """Bytes for all runs, if they are to stay in memory."""
        return self.free - source.fixed - self.tile(source) - 4 * self.waiting(source)

    @property
    def block_entries(self) -> int:
        """Non-zeros of a block of genes. Several are in work at once."""
        return max(1, min(_BLOCK, self.free // 16) // _BYTES_A_COUNT)

    def require(self, source: Source) -> None:
        """Refuse a budget that does not do.

        Parameters
        ----------
        source : Source
            The table.

        Raises
        ------
        CountsError
            If the smallest tile, or one gene, does not fit.
        """
        gene = source.shape[0] * _BYTES_A_COUNT
        reading = source.fixed + source.least() * 5 // 4  # the rest is for runs that wait
        needed = max(reading, gene)
        if needed > self.free:
            msg = (
                f"max_memory={self.whole} ({written(self.whole)}) is too little: reading takes "
                f"{written(reading)} at least, one gene up to {written(gene)}, and the designs "
                f"{written(self.beside)}; give {written(1.1 * (needed + self.beside))} or more."
            )
            raise CountsError(msg)
