"""All benchmarks with one command.

``python validation/benchmarks/run.py [--only startup,reading,peers] [--quick]``

Each part runs in a process of its own with one BLAS thread, and writes CSV files, markdown tables
and plots into ``--out`` (``results/`` beside this file). Afterwards ``targets.md`` sets what was
found beside what the package is held to. ``--quick`` makes everything small, to try it out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = ("startup", "reading", "roofline", "peers", "scaling", "million")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment() -> dict[str, str]:
    """One BLAS thread for each process, and the scripts of ``validation/`` within reach."""
    paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        **dict.fromkeys(ONE_THREAD, "1"),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def chosen_parts(text: str) -> list[str]:
    """Names of parts, separated by commas."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(PARTS))
    if unknown or not names:
        msg = f"no such part: {', '.join(unknown) or 'none given'}; there are {', '.join(PARTS)}"
        raise argparse.ArgumentTypeError(msg)
    return [part for part in PARTS if part in names]


def read_options() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=chosen_parts, default=list(PARTS), help="some of the parts")
    parser.add_argument("--quick", action="store_true", help="small sizes and two runs of each")
    parser.add_argument("--runs", type=int, help="runs of each measurement (5; quick: 2)")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--note", default="", help="a remark that every table is to carry")
    parser.add_argument("--scratch", type=Path, help="folder for the large file of 'million'")
    parser.add_argument("--cells", type=int, nargs="+", help="numbers of cells for 'million'")
    parser.add_argument("--genes", type=int, help="number of genes for 'million'")
    return parser.parse_args()


def arguments(part: str, options: argparse.Namespace) -> list[str]:
    """Command line of one part."""
    runs = options.runs or (2 if options.quick else 5)
    note = "; ".join(["small data (--quick)"] * options.quick + [options.note] * bool(options.note))
    given = ["--out", str(options.out.resolve()), "--runs", str(runs), "--note", note]
    given += ["--quick"] * options.quick
    if part == "million":
        given += ["--scratch", str(options.scratch.resolve())] if options.scratch else []
        given += ["--cells", *map(str, options.cells)] if options.cells else []
        given += ["--genes", str(options.genes)] if options.genes else []
    return given


def main() -> int:
    """Run the parts one after another; 1 if one of them failed."""
    options = read_options()
    options.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for part in options.only:
        print(f"== {part}", flush=True)
        started = time.perf_counter()
        command = [sys.executable, "-m", f"benchmarks.{part}", *arguments(part, options)]
        done = subprocess.run(command, env=environment(), check=False)
        failed += [part] if done.returncode else []
        print(f"== {part}: {time.perf_counter() - started:.0f} s\n", flush=True)
    command = [sys.executable, "-m", "benchmarks.targets", "--out", str(options.out.resolve())]
    subprocess.run(command, env=environment(), check=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
