"""What one evaluation and its parts cost, beside what the machine can do.

One evaluation is log-likelihood, gradient and Hessian of one gene, on a continuous design, where no
two cells can be merged. The parts are the loops that it consists of, each by itself in cache.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.report import between, options_of, write_csv, write_markdown
from benchmarks.timing import repeated, spread
from nbglm.kernels.compiled import entry
from nbglm.kernels.likelihood import loglik
from nbglm.kernels.sizeterms import BLOCK, count_terms, table_terms
from nbglm.problem.layout import make_layout
from nbglm.problem.tally import collect_counts
from nbglm.search import objective
from nbglm.search.objective import evaluate

SHAPES = ((2, 1), (4, 1), (2, 2), (6, 4))  # columns of mean and dispersion
IN_CACHE = 1 << 14  # doubles that fit into the second-level cache, twice
TIMES = 50


@entry
def evaluations(theta, layout, cells, counts, gradient, hessian, times):  # noqa: ANN001, ANN201
    """The last of several evaluations."""
    gene = collect_counts(cells, counts, layout)
    value = 0.0
    for _ in range(times):
        value = evaluate(theta, layout, gene, gradient, hessian)
    return value


@entry
def row_terms(weight, total, work, times):  # noqa: ANN001, ANN201
    """Row terms of a block, several times."""
    for _ in range(times):
        objective._row_terms(  # noqa: SLF001
            weight, total, work[0], work[1], work[2], work[3], work[4], work[5], work[6], work[7],
            work[8],
        )  # fmt: skip


@entry
def products(columns, work, gradient, hessian, times):  # noqa: ANN001, ANN201
    """Sums of products of row terms and columns of a block, several times."""
    for _ in range(times):
        objective._add_mean_columns(  # noqa: SLF001
            columns, 0, columns.shape[1], work, gradient, hessian
        )


@entry
def tables(above, r, times):  # noqa: ANN001, ANN201
    """Size terms of a table of counts, several times."""
    value = 0.0
    for _ in range(times):
        value += table_terms(above, r)[0]
    return value


@entry
def singles(y, r, work, times):  # noqa: ANN001, ANN201
    """Size terms of single counts, several times."""
    for _ in range(times):
        count_terms(y, r, work)


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
    counts = y[positive].astype(float)
    parts = theta, layout, positive, counts, np.zeros(p + q), np.zeros((p + q, p + q))
    evaluations(*parts, 1)
    collecting, _ = repeated(lambda: evaluations(*parts, 0), runs)
    seconds, value = repeated(lambda: evaluations(*parts, TIMES), runs)
    seconds = [(s - min(collecting)) / TIMES for s in seconds]
    return {
        "what": f"one evaluation, {p} + {q} coefficients",
        "unit": "ns a cell",
        **spread("cost", seconds, 1e9 / cells),
        "loglik": value,
        "relative_error": abs(value / loglik(y, eta, zeta).sum() - 1),
    }


def parts_in_cache(runs: int) -> list[dict[str, object]]:
    """Nanoseconds an element of the loops of an evaluation."""
    rng = np.random.default_rng(0)
    work = rng.normal(size=(10, BLOCK))
    work[1], work[2] = 2.0, 0.5
    columns = rng.normal(size=(4, BLOCK))
    gradient, hessian = np.zeros(4), np.zeros((4, 4))
    total = rng.poisson(2.0, BLOCK).astype(float)
    large = np.sort(rng.integers(2, 60, BLOCK)).astype(float)
    loops = {
        "row terms (exp, log1p, six outputs), a row": lambda n: row_terms(
            np.ones(BLOCK), total, work, n
        ),
        "products with 4 columns (18 sums), a row": lambda n: products(
            columns, work, gradient, hessian, n
        ),
        "size terms of a table, an entry": lambda n: tables(np.ones(BLOCK), 2.0, n),
        "size terms of single counts up to 60, a count": lambda n: singles(
            large, np.full(BLOCK, 2.0), np.empty((6, BLOCK)), n
        ),
    }
    rows = []
    for name, loop in loops.items():
        loop(1)
        seconds, _ = repeated(lambda f=loop: f(20 * TIMES), runs)
        cost = spread("cost", seconds, 1e9 / (20 * TIMES * BLOCK))
        rows.append({"what": name, "unit": "ns", **cost})
    return rows


def arithmetic(runs: int) -> list[dict[str, object]]:
    """Nanoseconds a number of NumPy's exp and log1p within the second-level cache."""
    x = np.random.default_rng(0).uniform(0.0, 2.0, IN_CACHE)
    out = np.empty_like(x)
    rows = []
    for name, function in (("exp", np.exp), ("log1p", np.log1p)):
        repeated(lambda f=function: f(x, out=out), 100)
        seconds, _ = repeated(lambda f=function: [f(x, out=out) for _ in range(100)], runs)
        cost = spread("cost", seconds, 1e9 / (100 * IN_CACHE))
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
    rows += [
        *parts_in_cache(4 * options.runs),
        *arithmetic(4 * options.runs),
        streaming(doubles, options.runs),
    ]
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
