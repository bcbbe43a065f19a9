"""What one evaluation costs, beside what the machine can do.

One evaluation is log-likelihood, gradient and Hessian of one gene, on a continuous design, where no
two cells can be merged.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.report import between, options_of, write_csv, write_markdown
from benchmarks.timing import repeated, spread
from nbglm.likelihood import loglik
from nbglm.objective import collect_counts, evaluate, make_layout

SHAPES = ((2, 1), (2, 2), (6, 4))  # columns of mean and dispersion
BLOCK = 1 << 14  # doubles that fit into the second-level cache, twice


def one_shape(p: int, q: int, cells: int, runs: int) -> dict[str, object]:
    """Nanoseconds a cell of one evaluation with `p` and `q` columns."""
    rng = np.random.default_rng(0)
    x, z = (
        np.column_stack([np.ones(cells), rng.normal(size=(cells, k - 1))]) / np.sqrt(k)
        for k in (p, q)
    )
    theta = rng.normal(scale=0.5, size=p + q)
    eta, zeta = x @ theta[:p], z @ theta[p:]
    y = rng.poisson(rng.gamma(np.exp(zeta), np.exp(eta - zeta)))
    layout = make_layout(x, z, np.zeros(cells))
    positive = np.flatnonzero(y)
    gene = collect_counts(positive, y[positive].astype(float), layout)
    gradient, hessian = np.zeros(p + q), np.zeros((p + q, p + q))
    evaluate(theta, layout, gene, gradient, hessian)
    seconds, value = repeated(lambda: evaluate(theta, layout, gene, gradient, hessian), runs)
    return {
        "what": f"one evaluation, {p} + {q} coefficients",
        "unit": "ns a cell",
        **spread("cost", seconds, 1e9 / cells),
        "loglik": value,
        "relative_error": abs(value / loglik(y, eta, zeta).sum() - 1),
    }


def arithmetic(runs: int) -> list[dict[str, object]]:
    """Nanoseconds a number of NumPy's exp and log1p within the second-level cache."""
    x = np.random.default_rng(0).uniform(0.0, 2.0, BLOCK)
    out = np.empty_like(x)
    rows = []
    for name, function in (("exp", np.exp), ("log1p", np.log1p)):
        repeated(lambda f=function: f(x, out=out), 100)
        seconds, _ = repeated(lambda f=function: [f(x, out=out) for _ in range(100)], runs)
        cost = spread("cost", seconds, 1e9 / (100 * BLOCK))
        rows.append({"what": f"numpy.{name} in cache", "unit": "ns a number", **cost})
    return rows


def streaming(doubles: int, runs: int) -> dict[str, object]:
    """Bandwidth of one core from and to memory, arrays far larger than the caches."""
    a = np.ones(doubles)
    b = np.zeros(doubles)
    np.copyto(b, a)
    seconds, _ = repeated(lambda: np.copyto(b, a), runs)
    rates = [16 * doubles / s / 1e9 for s in seconds]
    mebibytes = 8 * doubles / 2**20
    return {
        "what": f"copying {mebibytes:.0f} MiB (reads and writes)",
        "unit": "GB a second",
        **spread("cost", rates),
    }


def main() -> None:
    """Measure and write ``roofline.csv`` and ``roofline.md``."""
    options = options_of(__doc__).parse_args()
    cells = 20_000 if options.quick else 100_000
    doubles = 1 << (24 if options.quick else 27)
    rows = [one_shape(p, q, cells, 4 * options.runs) for p, q in SHAPES]
    rows += [*arithmetic(4 * options.runs), streaming(doubles, options.runs)]
    table = write_csv(rows, options.out / "roofline.csv", options.note)
    shown = pd.DataFrame(
        {
            "what": table["what"],
            "cost": [between(row, "cost") for _, row in table.iterrows()],
            "unit": table["unit"],
            "log-likelihood, relative error": [
                f"{value:.0e}" if pd.notna(value) else "" for value in table["relative_error"]
            ],
        }
    )
    write_markdown(shown, table, options.out / "roofline.md")


if __name__ == "__main__":
    main()
