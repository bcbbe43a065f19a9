"""``nbglm warmup``."""

from __future__ import annotations

from nbglm.cli.commands import command

__all__ = ["warmup"]


@command("warmup", [("Once, after an installation", "nbglm warmup")])
def warmup() -> None:
    """Compile all kernels now, so that no fit waits.

    They are kept for later processes, for instance while an image is built; the last line says how
    long it took and where they are. NUMBA_CACHE_DIR names another folder.
    """
    from nbglm import warming

    warming.warmup()
