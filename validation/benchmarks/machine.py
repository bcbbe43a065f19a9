"""Where and with what numbers were measured."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbglm

__all__ = ["conditions", "peak_memory", "revision", "version_of"]


def version_of(package: str) -> str | None:
    """Version of a Python package, or None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """Model of the processor."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _git(*words: str) -> str:
    """What git says in the folder of the package; empty where it does not answer."""
    folder = Path(nbglm.__file__).parent
    try:
        found = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return found.stdout.strip()


def revision() -> str:
    """The commit, with ``-dirty`` if the package was changed since; empty without git."""
    commit = _git("rev-parse", "--short=10", "HEAD")
    return commit + "-dirty" * bool(_git("status", "--porcelain", "--untracked-files=no", "."))


def conditions(note: str = "") -> dict[str, object]:
    """Columns that every table of results carries.

    Parameters
    ----------
    note : str
        A remark, such as that the run is only a trial.

    Returns
    -------
    dict
        Machine, versions, time, and the load of the machine by other processes.
    """
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "numpy": version_of("numpy"),
        "numba": version_of("numba"),
        "nbglm": version_of("nbglm"),
        "commit": revision(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "note": note,
    }


def peak_memory() -> float:
    """Largest resident memory of this process so far, GiB.

    ``ru_maxrss`` also remembers the process that started this one, so the high-water mark of
    the process's own memory is preferred where the system tells it.
    """
    listing = Path("/proc/self/status")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**20
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**30 if sys.platform == "darwin" else 2**20)
