"""How long a new user waits: the import, and the first fits in a fresh process.

A fresh install is one whose numba cache is empty: kernels are compiled at the first fit and kept.
Every measurement is a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

import pandas as pd

from benchmarks.report import between, options_of, write_csv, write_markdown
from benchmarks.timing import spread

# Names of the package are imported when they are first asked for, and a fit asks for this one.
IMPORT = """
import time
t = time.perf_counter()
import nbglm
nbglm.fit_negbin
took = time.perf_counter() - t
"""
FIT = """
import json, sys, numpy as np, pandas as pd
rng = np.random.default_rng(1)
x, g = rng.normal(size=300), np.repeat(["a", "b", "c"], 100)
mean = np.exp(1 + 0.5 * x[:, None] + np.zeros(4))
y = rng.poisson(rng.gamma(2.0, mean / 2.0))
y[g == "c", 3] = {silent}
obs = pd.DataFrame({{"x": x, "g": g}})
formula = {{"mean": "~ x + g", "dispersion": {dispersion!r}}}
t = time.perf_counter()
res = nbglm.fit_negbin(y, formula, obs=obs, progress=False); res.bse
fit = time.perf_counter() - t
print(json.dumps([took, fit, float(res.llf.sum())]))
"""
FITS = {
    "dispersion ~ 1, all genes ok": {"dispersion": "~ 1", "silent": "y[g == 'c', 3]"},
    "dispersion ~ x, one gene with a silent level": {"dispersion": "~ x", "silent": "0"},
}
STATES = ("cache empty", "cache filled")


def fresh_process(fit: dict[str, str] | None, cache: str) -> dict[str, float]:
    """Import, and fit if asked to, in a new process; its own seconds and those of the whole."""
    code = IMPORT + (FIT.format(**fit) if fit else "\nprint([took, 'NaN', 'NaN'])")
    env = {**os.environ, "NUMBA_CACHE_DIR": cache}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    whole = time.perf_counter() - started
    text = done.stdout.replace("'NaN'", "NaN")
    took, fitted, value = json.loads(text)
    return {"import": took, "fit": fitted, "process": whole, "loglik": value}


def main() -> None:
    """Measure and write ``startup.csv`` and ``startup.md``."""
    options = options_of(__doc__).parse_args()
    measured: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as cache:
            measured.setdefault(("nothing", ""), []).append(fresh_process(None, cache))
        for name, fit in FITS.items():
            with tempfile.TemporaryDirectory() as cache:
                for state in STATES:
                    measured.setdefault((name, state), []).append(fresh_process(fit, cache))
    rows = []
    for (name, state), runs in measured.items():
        row: dict[str, object] = {"first fit": name, "cache": state}
        for part in ("import", "fit", "process"):
            row |= spread(f"{part}_s", [run[part] for run in runs])
        rows.append({**row, "loglik": runs[-1]["loglik"]})
    table = write_csv(rows, options.out / "startup.csv", options.note)
    shown = pd.DataFrame(
        {
            "first fit": table["first fit"],
            "numba cache": table["cache"],
            "`import nbglm`, s": [between(row, "import_s") for _, row in table.iterrows()],
            "first fit, s": [between(row, "fit_s") for _, row in table.iterrows()],
            "whole process, s": [between(row, "process_s") for _, row in table.iterrows()],
            "log-likelihood": [
                f"{value:.6f}" if pd.notna(value) else "" for value in table["loglik"]
            ],
        }
    )
    write_markdown(shown, table, options.out / "startup.md")


if __name__ == "__main__":
    main()
