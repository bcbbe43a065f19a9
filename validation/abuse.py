"""Some hundreds of misuses of input, formulas, labels, files and machines, and what came of each.

``python validation/abuse.py [--only WORD] [--quick]``

Each is either answered right or refused in a sentence; one that is neither is printed, and the
exit code says so. The misuses are in ``validation/abuses``, a module for each kind.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections import Counter

import abuses
from abuses.registry import MISUSES, judge


def load() -> None:
    """Import every module of misuses, which registers them."""
    for module in pkgutil.iter_modules(abuses.__path__):
        importlib.import_module(f"abuses.{module.name}")


def main() -> int:
    """Judge all misuses.

    Returns
    -------
    int
        How many were neither answered nor refused.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="those whose name contains this")
    parser.add_argument("--quick", action="store_true", help="without those that start processes")
    options = parser.parse_args()
    load()
    table: dict[str, Counter[str]] = {}
    for misuse in MISUSES:
        if options.only not in misuse.name or (options.quick and misuse.slow):
            continue
        wrong = judge(misuse)
        word = "neither" if wrong else "answered" if misuse.error is None else "refused"
        table.setdefault(misuse.name.split(".")[0], Counter())[word] += 1
        if wrong:
            print(f"{misuse.name}: {wrong}", flush=True)
    total: Counter[str] = Counter()
    for counts in table.values():
        total.update(counts)
    print(f"{'kind':<14}{'answered':>10}{'refused':>10}{'neither':>10}")
    for kind, counts in [*sorted(table.items()), ("all", total)]:
        print(f"{kind:<14}{counts['answered']:>10}{counts['refused']:>10}{counts['neither']:>10}")
    return total["neither"]


if __name__ == "__main__":
    sys.exit(min(main(), 1))
