"""Sizes of memory: how much there is, and how people write it."""

from __future__ import annotations

import numbers
import re
from pathlib import Path

from nbglm.exceptions import OptionError

__all__ = ["available_memory", "default_budget", "parse_memory", "written"]

_UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_FACTORS = {unit.lower(): factor for unit, factor in _UNITS.items()} | {"": 1}
_SIZE = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[0-9]+)?)\s*([a-z]*)\s*", flags=re.IGNORECASE)
_AT_MOST = 4 * 2**30
_SHARE = 0.5


def parse_memory(value: object) -> int:
    """Read an amount of memory.

    Parameters
    ----------
    value : int or str
        Bytes, or a number with a unit: ``"4GB"`` is 4 * 10**9 bytes, ``"4GiB"`` is 4 * 2**30.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    ValueError
        If it is no positive amount of memory.

    Examples
    --------
    >>> parse_memory("1.5 GB"), parse_memory("4GiB"), parse_memory(1000)
    (1500000000, 4294967296, 1000)
    """
    size = 0.0
    if isinstance(value, str):
        found = _SIZE.fullmatch(value)
        if found and found[2].lower() in _FACTORS:
            size = float(found[1]) * _FACTORS[found[2].lower()]
    elif isinstance(value, numbers.Real) and not isinstance(value, bool):
        size = float(value)
    if not 1.0 <= size < float("inf"):
        msg = (
            f"max_memory={value!r} is not an amount of memory; give a positive number of bytes, or "
            f"a string such as '4GB' or '512 MiB' with one of the units {', '.join(_UNITS)}."
        )
        raise OptionError(msg)
    return int(size)


def written(size: float) -> str:
    """An amount of memory for a message, to two digits.

    Parameters
    ----------
    size : float
        Bytes.

    Returns
    -------
    str

    Examples
    --------
    >>> written(4 * 2**30), written(612_000_000), written(54_321), written(0)
    ('4.3 GB', '610 MB', '54 kB', '0 kB')
    """
    units = ("kB", "MB", "GB", "TB")
    power = 1
    while power < len(units) and size >= 995 * 1000**power:
        power += 1
    return f"{float(f'{size / 1000**power:.2g}'):g} {units[power - 1]}"


def _numbers_in(path: str) -> list[int]:
    """Numbers in a small file of the system, none if there is no such file."""
    try:
        text = Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return []
    return [int(word) for word in text.split() if word.isdigit()]


def available_memory() -> int | None:
    """How much memory a process may take without pushing others out.

    Returns
    -------
    int or None
        Bytes, at most what a container's limit leaves; None where the system does not say.

    Examples
    --------
    >>> available_memory() is None or available_memory() > 0
    True
    """
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    # A container sees the memory of its host in /proc; its own limit is in its control group.
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        whole, taken = _numbers_in(limit), _numbers_in(used)
        if whole and taken:
            free.append(max(whole[0] - taken[0], 1))
    return min(free, default=None)


def default_budget() -> int:
    """Half of the memory that is available, and 4 GiB at most.

    Returns
    -------
    int
        Bytes.

    Examples
    --------
    >>> default_budget() <= 4 * 2**30
    True
    """
    free = available_memory()
    return _AT_MOST if free is None else max(1, min(_AT_MOST, int(free * _SHARE)))
