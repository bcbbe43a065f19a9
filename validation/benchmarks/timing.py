"""Times with their spread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

__all__ = ["repeated", "spread"]

Found = TypeVar("Found")


def repeated(call: Callable[[], Found], runs: int) -> tuple[list[float], Found]:
    """Seconds of several calls, and what the last one returned."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        found = call()
        seconds.append(time.perf_counter() - started)
    return seconds, found


def spread(name: str, values: Sequence[float], scale: float = 1.0) -> dict[str, float]:
    """Median, smallest, largest and number of some values, as columns of a table.

    Parameters
    ----------
    name : str
        Of the columns: ``<name>``, ``<name>_min``, ``<name>_max`` and ``runs``.
    values : sequence of float
        One for each run.
    scale : float
        Factor of all of them.
    """
    scaled = np.asarray(values, dtype=float) * scale
    return {
        name: float(np.median(scaled)),
        f"{name}_min": float(scaled.min()),
        f"{name}_max": float(scaled.max()),
        "runs": len(scaled),
    }
