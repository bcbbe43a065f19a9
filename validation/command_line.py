"""What the way from cells to simulated cells costs on the command line: docs/cli.md.

Every command is a process of its own, once the kernels are compiled; medians of three runs.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cases import pancreas_path

RUNS = 3
LINES = (
    ("info", "{cells}"),
    ("fit", "{cells}", "--mean", "~ pseudotime", "-o", "fit.h5ad"),
    ("table", "fit.h5ad", "--term", "pseudotime", "-o", "de.csv"),
    ("plot", "volcano", "fit.h5ad", "--term", "pseudotime", "-o", "volcano.png"),
    ("sample", "fit.h5ad", "--obs", "{cells}", "--seed", "1", "-o", "sim.h5ad"),
)


def cpu() -> float:
    """CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run all commands, and print what each took."""
    cells = pancreas_path()
    if cells is None:
        sys.exit("NBGLM_DATA_DIR names no folder with pancreas.h5ad")
    subprocess.run([sys.executable, "-m", "nbglm", "warmup"], check=True)
    seconds: dict[str, list[tuple[float, float]]] = {}
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            for line in LINES:
                words = [word.format(cells=Path(cells).resolve()) for word in line]
                before, started = cpu(), time.perf_counter()
                subprocess.run(
                    [sys.executable, "-m", "nbglm", *words],
                    cwd=folder,
                    check=True,
                    capture_output=True,
                )
                took = time.perf_counter() - started, cpu() - before
                seconds.setdefault(line[0], []).append(took)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    medians = {
        name: [statistics.median(column) for column in zip(*took, strict=True)]
        for name, took in seconds.items()
    }
    medians["all"] = [sum(column) for column in zip(*medians.values(), strict=True)]
    for name, (real, used) in medians.items():
        print(f"{name:8} {real:6.1f} s, {used:5.1f} s of a CPU")


if __name__ == "__main__":
    main()
