"""Size and power of tests between donors, by number of donors, cells, mean and donor variance.

``python validation/few_donors.py OUT`` simulates cells of donors that belong to one of two groups
each, with normal effects of the donors on the log mean and a size of 2 in every cell, and tests the
difference of the groups in mean and in size, and a quarter as many genes more with a difference of
``log(2)`` in the mean. Rates are those of genes with finite estimates. It appends a row for
each setting and test to ``few_donors.csv`` in OUT, so that what was run is there whenever it is
stopped; ``--read`` prints the summary and draws ``few_donors.png``.

========== ======================================================================================
test       what
========== ======================================================================================
oim        cells taken for independent, normal quantiles
normal     ``cluster``, normal quantiles
cluster    ``cluster``, t with clusters - 1
CR2, CR3   Satterthwaite's degrees of freedom
bulk       counts summed over the cells of each donor, ``oim``, t with donors - 3
========== ======================================================================================
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import nbglm
from nbglm.inference.student import t_tail

DONORS = (4, 6, 8, 12, 20)
CELLS = (20, 100, 1000)
MEANS = (0.1, 1.0, 10.0)
VARIANCES = (0.0, 0.1, 0.5)
SHARES = {"1:1": 2, "1:2": 3}  # every so many-th donor is treated
SIZE = 2.0
EFFECT = np.log(2.0)
FORMULA = {"mean": "~ treated", "dispersion": "~ treated"}


def treated_donors(donors: int, share: str) -> np.ndarray:
    """Which donors are treated."""
    return np.arange(donors) < donors // SHARES[share]


def simulate(
    rng: np.random.Generator,
    donors: int,
    cells: int,
    mean: float,
    variance: float,
    treated: np.ndarray,
    genes: int,
    changed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts of cells, the last genes with an effect."""
    donor = np.repeat(np.arange(donors), cells)
    level = rng.normal(-0.5 * variance, np.sqrt(variance), (donors, genes + changed))
    level[:, genes:] += EFFECT * treated[:, None]
    mu = mean * np.exp(level)
    counts = rng.poisson(rng.gamma(SIZE, mu[donor] / SIZE))
    obs = pd.DataFrame({"donor": donor.astype(str), "treated": treated[donor].astype(float)})
    return pd.DataFrame(counts, columns=[f"g{k}" for k in range(genes + changed)]), obs


def wald(fit: nbglm.NegBinResults, component: str) -> np.ndarray:
    """P-values of the difference, without likelihood ratios for infinite estimates."""
    part = {"mean": "beta", "dispersion": "gamma"}[component]
    t, df = (table[part].loc["treated"].to_numpy() for table in (fit.tvalues, fit.df_tests))
    return np.where(np.isfinite(t), t_tail(t, df).p, np.nan)


def tests(counts: pd.DataFrame, obs: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """P-values by test and component; NaN where a gene has no Wald test."""
    groups = {"groups": "donor"}
    res = nbglm.fit_negbin(counts, FORMULA, obs=obs, progress=False)
    fits = {
        "oim": res,
        "cluster": res.with_cov("cluster", groups),
        "CR2": res.with_cov("CR2", groups),
        "CR3": res.with_cov("CR3", groups),
    }
    found = {}
    for name, fit in fits.items():
        for component in ("mean", "dispersion"):
            found[name, component] = wald(fit, component)
    for component, part in (("mean", "beta"), ("dispersion", "gamma")):
        z = fits["cluster"].tvalues[part].loc["treated"].to_numpy()
        found["normal", component] = np.where(np.isfinite(z), t_tail(z, np.inf).p, np.nan)
    sums = counts.groupby(obs["donor"].to_numpy()).sum()
    about = obs.groupby("donor").first().loc[sums.index]
    bulk = nbglm.fit_negbin(sums, "~ treated", obs=about, progress=False, cov_kwds={"use_t": True})
    found["bulk", "mean"] = wald(bulk, "mean")
    return found


def one_setting(seed: int, setting: tuple, repeats: int) -> list[dict[str, object]]:
    """Rates of rejection in one setting."""
    share, donors, cells, mean, variance = setting
    rng = np.random.default_rng(
        [seed, donors, cells, int(10 * mean), int(10 * variance), SHARES[share]]
    )
    treated = treated_donors(donors, share)
    counts, obs = simulate(rng, donors, cells, mean, variance, treated, repeats, repeats // 4)
    rows = []
    for (test, component), p in tests(counts, obs).items():
        null, effect = p[:repeats], p[repeats:]
        known = null[np.isfinite(null)]
        rows.append(
            {
                "share": share,
                "donors": donors,
                "cells": cells,
                "mean": mean,
                "variance": variance,
                "component": component,
                "test": test,
                "tested": known.size / repeats,
                "size_5": (known < 0.05).mean() if known.size else np.nan,
                "size_1": (known < 0.01).mean() if known.size else np.nan,
                "power_5": np.nanmean(effect < 0.05) if component == "mean" else np.nan,
                "repeats": repeats,
            }
        )
    return rows


def report(table: pd.DataFrame, out: Path) -> None:
    """Print sizes by number of donors, and draw them."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    table = table[table["cells"] * table["mean"] >= 5.0]
    for component in ("mean", "dispersion"):
        part = table[table["component"] == component]
        for what in ("size_5", "size_1", "power_5"):
            if part[what].notna().any():
                rates = 100.0 * part.pivot_table(what, ["share", "donors"], "test", sort=False)
                print(f"\n{component}: {what}, per cent, mean over settings with 5 counts a donor")
                print(rates.round(1).to_string())
        cr2 = part[part["test"] == "CR2"]
        inside = cr2["size_5"].between(0.035, 0.065)
        print(f"\n{component}: CR2 within 3.5 to 6.5 % in {inside.sum()} of {len(cr2)} settings")
        by = cr2.groupby(["share", "donors", "variance"])["size_5"].agg(["min", "mean", "max"])
        print((100.0 * by).round(1).to_string())
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.5), sharex=True, sharey="row")
    colours = {
        "oim": "#999999",
        "normal": "#d55e00",
        "cluster": "#e69f00",
        "CR2": "#0072b2",
        "CR3": "#56b4e9",
        "bulk": "#009e73",
    }
    for (i, component), (j, share) in itertools.product(
        enumerate(("mean", "dispersion")), enumerate(SHARES)
    ):
        axis = axes[i, j]
        axis.axhspan(3.5, 6.5, color="0.92", zorder=0)
        axis.axhline(5.0, color="0.6", lw=0.8)
        for number, (test, colour) in enumerate(colours.items()):
            some = table.query("component == @component and share == @share and test == @test")
            if len(some):
                at = [DONORS.index(d) + 0.12 * (number - 2.5) for d in some["donors"]]
                axis.plot(
                    at,
                    100.0 * some["size_5"].clip(lower=0.003),
                    "o",
                    ms=3,
                    alpha=0.6,
                    color=colour,
                    label=test,
                )
        axis.set_yscale("log")
        axis.set_yticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
        axis.set_xticks(range(len(DONORS)), [str(d) for d in DONORS])
        axis.set_title(f"{component}, {share}")
        if j == 0:
            axis.set_ylabel("% rejected at 5 %")
        if i == 1:
            axis.set_xlabel("donors")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=6, loc="lower center", frameon=False)
    figure.suptitle("Tests without an effect; each point one setting with 5 counts a donor or more")
    figure.tight_layout(rect=(0.0, 0.05, 1.0, 1.0))
    figure.savefig(out / "few_donors.png", dpi=90)


def main() -> None:
    """Run the grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--read", action="store_true", help="only report and draw what is in OUT")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "few_donors.csv"
    if not options.read:
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        path.unlink(missing_ok=True)
        grid = list(itertools.product(CELLS, VARIANCES, SHARES, DONORS, MEANS))
        # In a random order: what was run until it is stopped is a sample of all settings.
        for number in np.random.default_rng(options.seed).permutation(len(grid)):
            cells, variance, share, donors, mean = grid[number]
            if cells * mean < 5.0:  # no test can be expected to hold
                continue
            setting = (share, donors, cells, mean, variance)
            rows = pd.DataFrame(one_setting(options.seed, setting, options.repeats))
            rows.round(4).to_csv(path, mode="a", header=not path.exists(), index=False)
    report(pd.read_csv(path), options.out)


if __name__ == "__main__":
    main()
