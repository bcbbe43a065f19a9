"""Coverage of 95 % intervals, and size of 5 % tests, over sample size, mean and size.

``python validation/coverage.py OUT`` simulates two groups (30 and 70 % of the cells) without a
difference between them, fits ``mean ~ group`` with a constant dispersion, and counts how often each
interval of the difference holds 0 and how often each test rejects it. It writes ``coverage.csv``
and ``coverage.png`` to the folder OUT and prints the cells outside Monte Carlo error.

========== ======================================================================================
scenario   truth
========== ======================================================================================
``right``  one size for all cells, as the model says
``wrong``  the size of the smaller group is a quarter of that of the larger one
``donors`` 20 donors, half of them in either group, each with a factor of standard deviation 0.3
========== ======================================================================================

With ``--dispersion`` it does the same for tests of dispersion terms: see ``dispersion_tests.py``.
"""

from __future__ import annotations

if __name__ == "coverage":  # numba looks for the package of that name, which this is not
    raise ImportError(__name__)

import argparse
import itertools
import warnings
from pathlib import Path

import dispersion_tests
import numpy as np
import pandas as pd
from joblib import Parallel, delayed

import nbglm
from nbglm.kernels.expected import expected_size_information

CELLS = (50, 200, 1000, 5000)
MEANS = (0.1, 1.0, 10.0, 100.0)
SIZES = (0.2, 1.0, 5.0, 50.0)
DONORS = 20
COMMON = 200  # counts, or cells with a count, from which on asymptotics should hold
INFORMED = 30.0  # expected information about the log size from which on they should


def simulate(
    rng: np.random.Generator, scenario: str, n: int, mean: float, size: float, repeats: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Counts (cells x repeats) and obs."""
    donor = np.arange(n) % DONORS
    small = np.arange(n) < round(0.3 * n)
    if scenario == "donors":
        small = donor < DONORS // 2
    mu = np.full((n, repeats), mean)
    if scenario == "donors":
        shape = 1.0 / (np.exp(0.3**2) - 1.0)
        mu *= (rng.gamma(shape, 1.0 / shape, size=(DONORS, repeats)))[donor]
    r = np.where(small & (scenario == "wrong"), size / 4.0, size)[:, None]
    counts = rng.poisson(rng.gamma(r, mu / r))
    obs = pd.DataFrame({"group": np.where(small, "small", "large"), "donor": donor})
    return counts, obs


def by_end(limits: pd.Series) -> pd.DataFrame:
    """Limits of one coefficient, a row a gene."""
    return pd.DataFrame({end: limits.xs(end, level="limit") for end in ("lower", "upper")})


def holds(lower: pd.Series, upper: pd.Series, truth: float) -> dict[str, float]:
    """Share of intervals that hold the truth, among those that exist, and how many do not."""
    exist = lower.notna() & upper.notna()
    inside = (lower <= truth) & (upper >= truth)
    return {"coverage": inside[exist].mean(), "exist": exist.mean(), "intervals": int(exist.sum())}


def one_cell(
    seed: int, scenario: str, n: int, mean: float, size: float, repeats: int, profiles: int
) -> list[dict[str, object]]:
    """All intervals and tests of one cell of the grid."""
    warnings.simplefilter("ignore", nbglm.NbglmWarning)
    rng = np.random.default_rng([seed, n, int(10 * mean), int(10 * size), len(scenario)])
    counts, obs = simulate(rng, scenario, n, mean, size, repeats)
    fit = nbglm.fit_negbin(counts, "~ group", obs=obs, progress=False)
    where = {"scenario": scenario, "n": n, "mean": mean, "size": size}
    term, rows = "group[T.small]", []
    kinds = {"oim": None, "eim": None, "HC0": None, "HC1": None, "cluster": {"groups": "donor"}}
    for kind, options in kinds.items():
        limits = fit.with_cov(kind, options).conf_int()
        table = by_end(limits["beta"].loc[term])
        rows.append({"what": "beta", "method": kind, **holds(table["lower"], table["upper"], 0.0)})
        if scenario == "right" and kind in ("oim", "eim", "HC0"):
            table = by_end(limits["gamma"].loc["Intercept"])
            found = holds(table["lower"], table["upper"], np.log(size))
            rows.append({"what": "gamma", "method": kind, **found})
    genes = fit.gene_names[:profiles]
    limits = fit.conf_int(method="profile", genes=genes, terms=[term, "Intercept"])
    table = by_end(limits["beta"].loc[term])
    rows.append({"what": "beta", "method": "profile", **holds(table["lower"], table["upper"], 0.0)})
    if scenario == "right":
        table = by_end(limits["gamma"].loc["Intercept"])
        found = holds(table["lower"], table["upper"], np.log(size))
        rows.append({"what": "gamma", "method": "profile", **found})
    null = nbglm.fit_negbin(counts, "~ 1", obs=obs, progress=False)
    tests = {
        "lr": nbglm.lr_test(fit, null).p_value,
        "score": null.score_test("~ group").p_value,
        "score HC0": null.with_cov("HC0").score_test("~ group").p_value,
    }
    for name, pvalues in tests.items():
        done = pvalues.dropna()
        share = {"coverage": (done >= 0.05).mean(), "exist": len(done) / repeats}
        rows.append({"what": "test", "method": name, **share, "intervals": len(done)})
    return [{**where, **row} for row in rows]


def poisson_cell(seed: int, n: int, mean: float, repeats: int) -> list[dict[str, object]]:
    """Size of the tests of overdispersion."""
    rng = np.random.default_rng([seed, n, int(10 * mean)])
    counts = rng.poisson(mean, size=(n, repeats))
    obs = pd.DataFrame({"group": np.where(np.arange(n) < round(0.3 * n), "small", "large")})
    tests = nbglm.fit_negbin(counts, "~ group", obs=obs, progress=False).overdispersion_test()
    where = {"scenario": "poisson", "n": n, "mean": mean, "size": np.inf, "what": "overdispersion"}
    return [
        {
            **where,
            "method": name,
            "coverage": (tests[column].dropna() >= 0.05).mean(),
            "exist": tests[column].notna().mean(),
            "intervals": int(tests[column].notna().sum()),
        }
        for name, column in (("score", "score_pvalue"), ("lr", "lr_pvalue"))
    ]


def picture(table: pd.DataFrame, path: Path) -> None:
    """Coverage against the number of counts in the smaller group, a panel for each method."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    methods = ["oim", "eim", "HC0", "HC1", "cluster", "profile"]
    scenarios = ["right", "wrong", "donors"]
    figure, axes = plt.subplots(
        len(scenarios), len(methods), figsize=(15, 7.5), sharex=True, sharey="row"
    )
    colours = dict(zip(SIZES, plt.get_cmap("viridis")(np.linspace(0, 0.9, 4)), strict=True))
    for (i, scenario), (j, method) in itertools.product(enumerate(scenarios), enumerate(methods)):
        axis = axes[i, j]
        part = table.query("scenario == @scenario and what == 'beta' and method == @method")
        for size, colour in colours.items():
            some = part[part["size"] == size]
            axis.plot(
                0.3 * some["n"] * some["mean"],
                some["coverage"],
                "o",
                color=colour,
                alpha=0.8,
                ms=4,
                label=f"r = {size:g}",
            )
        axis.axhspan(0.929, 0.971, color="0.9", zorder=0)
        axis.axhline(0.95, color="0.6", lw=0.8, zorder=1)
        axis.set_xscale("log")
        axis.set_ylim({"right": 0.8, "wrong": 0.6, "donors": 0.0}[scenario], 1.01)
        if i == 0:
            axis.set_title(method)
        if j == 0:
            axis.set_ylabel(f"{scenario}\ncoverage")
        if i == len(scenarios) - 1:
            axis.set_xlabel("counts in the smaller group")
    axes[0, 0].legend(fontsize=7, loc="lower right")
    figure.suptitle("Coverage of 95 % intervals for the difference of two groups")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def reason(row: pd.Series) -> str:
    """Why the coverage of a cell need not be 95 %; empty if it should be."""
    donors, wrong = row["scenario"] == "donors", row["scenario"] == "wrong"
    robust = row["method"] in ("HC0", "HC1", "cluster", "score HC0")
    clustered = row["method"] == "cluster"
    # A size far below 1 leaves few cells with a count, and a few large counts decide.
    size = row["size"] / 4.0 if wrong else row["size"]
    counts = 0.3 * row["n"] * row["mean"]
    share = 1.0 - np.exp(-row["mean"])
    if np.isfinite(size):
        share = 1.0 - (size / (size + row["mean"])) ** size
    cells = 0.3 * row["n"] * share
    about_size = row["n"] * expected_size_information(np.log(row["mean"]), np.log(size))
    reasons = {
        "cells of a donor are not independent": donors and not clustered,
        "the size depends on the group, the model says otherwise": wrong and not robust,
        f"fewer than {COMMON} counts in the smaller group": counts < COMMON,
        f"fewer than {COMMON} cells with a count in the smaller group": cells < COMMON,
        f"information about the log size below {INFORMED:g}": row["what"] == "gamma"
        and about_size < INFORMED,
        f"only {DONORS} clusters": clustered,
    }
    return next((text for text, holds_here in reasons.items() if holds_here), "")


def summary(table: pd.DataFrame) -> str:
    """How many numbers there are of each kind, how many are outside, and their range."""
    groups = table.groupby(["scenario", "what", "method"], sort=False)
    found = groups.agg(
        cells=("outside", "size"),
        outside=("outside", "sum"),
        lowest=("coverage", "min"),
        median=("coverage", "median"),
        highest=("coverage", "max"),
    )
    return found.round(3).to_string()


def report(table: pd.DataFrame) -> None:
    """Print what is outside, with its reasons."""
    table = table.assign(reason=table.apply(reason, axis=1))
    print("Coverage, and cells outside three Monte Carlo errors of 95 %:")
    print(summary(table))
    sound = table[table["reason"] == ""]
    print(f"\n{len(sound)} cells in which 95 % should hold:")
    print(summary(sound))
    outside = table[table["outside"]]
    print("\nCells outside by reason:")
    print(outside["reason"].replace("", "none").value_counts().to_string())
    left = outside[outside["reason"] == ""]
    if len(left):
        print("\nOutside without a reason:")
        print(left.drop(columns=["reason", "outside"]).round(3).to_string(index=False))


def main() -> None:
    """Run the grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--profiles", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--dispersion", action="store_true", help="only tests of dispersion terms")
    parser.add_argument("--read", action="store_true", help="only report and draw what is in OUT")
    options = parser.parse_args()
    if options.dispersion:
        found = dispersion_tests.run(options.seed, options.repeats, options.jobs)
        options.out.mkdir(parents=True, exist_ok=True)
        found.round(4).to_csv(options.out / "dispersion_tests.csv", index=False)
        dispersion_tests.report(found)
        return
    if options.read:
        table = pd.read_csv(options.out / "coverage.csv")
        picture(table, options.out / "coverage.png")
        report(table)
        return
    grid = itertools.product(("right", "wrong", "donors"), CELLS, MEANS, SIZES)
    tasks = [
        delayed(one_cell)(options.seed, *cell, options.repeats, options.profiles) for cell in grid
    ]
    tasks += [
        delayed(poisson_cell)(options.seed, *cell, options.repeats)
        for cell in itertools.product(CELLS, MEANS)
    ]
    found = Parallel(n_jobs=options.jobs)(tasks)
    table = pd.DataFrame(itertools.chain.from_iterable(found))
    error = np.sqrt(0.95 * 0.05 / table["intervals"].clip(lower=1))
    table["outside"] = (table["coverage"] - 0.95).abs() > 3.0 * error
    options.out.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(options.out / "coverage.csv", index=False)
    picture(table, options.out / "coverage.png")
    report(table)


if __name__ == "__main__":
    main()
