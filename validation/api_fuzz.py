"""Everything that a fit can be asked, on random small data sets with edge genes.

``python validation/api_fuzz.py [--sets 2000] [--seed 0] [--jobs 2] [--profile-every 10]``

Each data set has 3 to 60 cells, the hostile designs of ``validation/fuzz.py``, and besides its
random gene an all-zero one, one with a single count, one without overdispersion and one whose
counts stand in one level alone; some have frequency weights, some clusters. Violations, counted by
kind: an exception other than the package's; a warning other than its own; a p-value outside
[0, 1] or without its logarithm; a missing p-value, standard error or interval in a row whose
status is ``ok``; an interval without its estimate, or one that does not hold it; a missing or
infinite prediction.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from fuzz import random_data
from joblib import Parallel, delayed

import nbglm

ROUNDING = 1e-9  # of an interval's end beside its estimate
EXTRA = "~ e"  # a covariate that no model has

Check = Callable[[], Iterator[str]]


def data_set(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Counts of five genes, covariates, and the arguments of a fit."""
    y, obs, formula, offset = random_data(rng)
    n = len(y)
    first = (obs["g"] == obs["g"].iloc[0]).to_numpy()
    counts = pd.DataFrame(
        {
            "y": y,
            "zero": 0,
            "single": (np.arange(n) == rng.integers(n)) * int(rng.integers(1, 9)),
            "even": rng.binomial(4, 0.5, n),
            "level": np.where(first, rng.poisson(3.0, n), 0),
        }
    )
    obs = obs.assign(
        e=rng.normal(size=n), donor=rng.choice(list("pqrst")[: rng.integers(2, 6)], n), o=offset
    )
    options: dict[str, Any] = {"formula": formula, "offset": "o"}
    if rng.random() < 0.3:
        options["weights"] = rng.integers(0, 4, n) + (np.arange(n) < 2)
    return counts, obs, options


# What must hold of a table -----------------------------------------------------------------------


def _rows(table: pd.DataFrame, bad: np.ndarray) -> str:
    row = table[bad].iloc[0]
    return f"{table.index[bad][0]!r}: {row.to_dict()}"


def check_pvalues(table: pd.DataFrame) -> Iterator[str]:
    """P-values lie between 0 and 1, and are there where the status is ok."""
    ok = _is_ok(table)
    names = [str(c) for c in table if "log" not in str(c)]
    for name in [c for c in names if c.startswith("p_") or c.endswith("pvalue")]:
        p = table[name].to_numpy(dtype=float)
        outside = (p < 0) | (p > 1)
        if outside.any():
            yield f"{name} outside [0, 1] at {_rows(table, outside)}"
        lacking = np.isnan(p) & ok
        if lacking.any():
            yield f"{name} is NaN with status ok at {_rows(table, lacking)}"
    for name in [c for c in names if c.endswith(("p_value", "pvalue"))]:
        logarithm = "log_p_value" if name == "p_value" else name.replace("pvalue", "log_pvalue")
        p, log_p = (table[c].to_numpy(dtype=float) for c in (name, logarithm))
        parted = (np.isnan(p) != np.isnan(log_p)) | (log_p > 0) | ((p > 0) & np.isneginf(log_p))
        if parted.any():
            yield f"{name} and {logarithm} part at {_rows(table, parted)}"


def _is_ok(table: pd.DataFrame) -> np.ndarray:
    # In a table of models the first one has no test.
    column = "lr_status" if "lr_status" in table else "status"
    if column not in table:
        return np.zeros(len(table), dtype=bool)
    return (table[column] == "ok").to_numpy()


def check_errors(table: pd.DataFrame, estimate: str) -> Iterator[str]:
    """Standard errors and intervals are there where the status is ok, and hold the estimate."""
    ok = _is_ok(table)
    value = table[estimate].to_numpy(dtype=float)
    lacking = ok & ~np.isfinite(value)
    if lacking.any():
        yield f"{estimate} is not finite with status ok at {_rows(table, lacking)}"
    if "std_err" in table:
        error = table["std_err"].to_numpy(dtype=float)
        wrong = (error < 0) | (ok & ~np.isfinite(error))
        if wrong.any():
            yield f"std_err at {_rows(table, wrong)}"
    if "ci_lower" not in table:
        return
    lower, upper = (table[c].to_numpy(dtype=float) for c in ("ci_lower", "ci_upper"))
    slack = ROUNDING * (1.0 + np.abs(value))
    with np.errstate(invalid="ignore"):
        wrong = (lower > value + slack) | (upper < value - slack) | (lower > upper)
    wrong |= ok & (np.isnan(lower) | np.isnan(upper))
    # The whole line is the interval of a coefficient of which the counts say nothing.
    nothing = np.isnan(lower) & np.isnan(upper) | np.isneginf(lower) & np.isposinf(upper)
    wrong |= np.isnan(value) & ~nothing
    if wrong.any():
        yield f"interval at {_rows(table, wrong)}"


def check_table(table: Any) -> Iterator[str]:
    """All that can be checked of a table of tests or estimates."""
    if not isinstance(table, pd.DataFrame):
        yield f"is a {type(table).__name__}"
        return
    yield from check_pvalues(table)
    for estimate in ("estimate", "coef"):
        if estimate in table:
            yield from check_errors(table, estimate)


def check_ranking(table: pd.DataFrame) -> Iterator[str]:
    """As any table, with its order and what was computed beside."""
    yield from check_table(table.assign(log_p_value=-np.log(10.0) * table["neg_log10_p"]))
    known = table["neg_log10_p"].dropna().to_numpy()
    if not (np.diff(known) <= 0).all() or table["neg_log10_p"].iloc[: known.size].isna().any():
        yield "is not in the order of its p-values"
    if not (np.isfinite(known) & (known >= 0)).all():
        yield "has logarithms of p-values that are none"
    if (table["base_mean"] < 0).any() or table["base_mean"].isna().any():
        yield "has base means that are none"


def check_groups(ranking: pd.DataFrame) -> Iterator[str]:
    """Scores descend in each group, and have the signs of the effects."""
    for group, part in ranking.groupby("group"):
        if not part["scores"].dropna().is_monotonic_decreasing:
            yield f"{group} is not in the order of its scores"
    wrong = ranking["scores"] * np.sign(ranking["logfoldchanges"]) < -ROUNDING
    if wrong.any():
        yield f"{wrong.sum()} scores have the wrong sign"


def check_numbers(values: Any, *, finite: bool = False) -> Iterator[str]:
    """No NaN, and no infinity if there must be none."""
    array = np.asarray(values, dtype=float)
    if np.isnan(array).any():
        yield f"{np.isnan(array).sum()} of {array.size} values are NaN"
    if finite and np.isinf(array).any():
        yield f"{np.isinf(array).sum()} of {array.size} values are infinite"


def check_predictions(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    """Means are finite, sizes are numbers, and intervals hold them."""
    yield from check_numbers(tables["mean"], finite=True)
    yield from check_numbers(tables["dispersion"])
    for name in ("mean", "dispersion"):
        if f"{name}_lower" in tables:
            value, lower, upper = (
                tables[part].to_numpy() for part in (name, f"{name}_lower", f"{name}_upper")
            )
            # Infinity is its own limit, and a difference of infinities no number.
            with np.errstate(invalid="ignore"):
                wrong = (lower > value * (1 + ROUNDING)) | (upper < value * (1 - ROUNDING))
            if wrong.any():
                yield f"{name} outside its interval"


def of_used_cells(res: nbglm.NegBinResults, predicted: Any) -> Any:
    """Without the cells of weight 0, which are new to the fit and may lie where it has no bound."""
    if res.weights is None:
        return predicted
    used = np.asarray(res.weights) > 0
    if isinstance(predicted, dict):
        return {name: table[used] for name, table in predicted.items()}
    return predicted[used]


# What a fit is asked -----------------------------------------------------------------------------


def gene_wise(res: nbglm.NegBinResults) -> Iterator[tuple[str, Check]]:
    """Questions that are answered for every gene in a table."""
    for component, key in (("mean", "beta"), ("dispersion", "gamma")):
        design = res.design.mean if component == "mean" else res.design.dispersion
        for term in res.params[key].index:
            row = np.eye(len(design.terms))[[list(design.terms).index(term)]]
            yield (
                f"t_test {component}",
                lambda row=row, component=component: check_table(
                    res.t_test(row, component=component)
                ),
            )
            yield (
                f"table {component}",
                lambda row=row, component=component: check_ranking(
                    res.table(row, component=component)
                ),
            )
        for term in design.term_slices:
            yield (
                f"wald_test {component}",
                lambda term=term, component=component: check_table(
                    res.wald_test(term, component=component)
                ),
            )
        yield (
            f"score_test {component}",
            lambda component=component: check_table(res.score_test(EXTRA, component=component)),
        )
        for scale in ("log", "response", "alpha", "cv2", "var"):
            yield (
                f"estimate {scale}",
                lambda scale=scale, component=component: check_table(
                    res.estimate(res.counts.obs.iloc[:3], component=component, scale=scale)
                ),
            )
        if "g" in design.columns:
            yield (
                f"marginal_means {component}",
                lambda component=component: check_table(
                    res.marginal_means("g", component=component, pairwise=True)
                ),
            )
            yield (
                f"rank_genes_groups {component}",
                lambda component=component: check_groups(
                    res.rank_genes_groups("g", component=component)
                ),
            )
    yield "anova", lambda: check_table(res.anova())
    yield "to_frame", lambda: check_table(res.to_frame())
    yield "summary of all", lambda: told(res.summary())
    yield "html", lambda: told(res._repr_html_())
    yield "overdispersion_test", lambda: check_table(res.overdispersion_test())
    yield "conf_int", lambda: check_limits(res, "wald")


def told(text: object) -> Iterator[str]:
    """A text has something in it."""
    if not str(text).strip():
        yield "is empty"


def check_limits(res: nbglm.NegBinResults, method: str) -> Iterator[str]:
    """Intervals of all coefficients hold their estimates."""
    limits = res.conf_int(method=method)
    for part in ("beta", "gamma"):
        coef, word = res.params[part], res.coef_status[part]
        for gene in coef:
            table = pd.DataFrame(
                {
                    "estimate": coef[gene],
                    "ci_lower": limits[part][gene]["lower"],
                    "ci_upper": limits[part][gene]["upper"],
                    "status": word[gene],
                }
            )
            yield from (f"{gene} {wrong}" for wrong in check_errors(table, "estimate"))


def predictions(res: nbglm.NegBinResults, seed: int) -> Iterator[tuple[str, Check]]:
    """Means, sizes and draws."""
    yield "predict", lambda: check_predictions(of_used_cells(res, res.predict()))
    yield (
        "predict interval",
        lambda: check_predictions(of_used_cells(res, res.predict(interval=0.9))),
    )
    yield "resid_pearson", lambda: check_numbers(of_used_cells(res, res.resid_pearson))
    yield "sample", lambda: check_numbers(res.sample(seed=seed).X.toarray(), finite=True)


def single(res: nbglm.NegBinResults, gene: str) -> Iterator[tuple[str, Check]]:
    """What the results of one gene offer."""

    def of_model(ask: Callable[[Any], Any]) -> Check:
        def check() -> Iterator[str]:
            ask(res.gene(gene))
            yield from ()

        return check

    yield "explain", lambda: told(res.explain(gene))
    yield "repr", lambda: told(repr(res.gene(gene)) + res.gene(gene)._repr_html_())
    yield "summary", lambda: told(res.gene(gene).summary())
    yield "summary_frame", of_model(lambda one: one.summary_frame())
    yield "wald_test_terms", of_model(lambda one: one.wald_test_terms())
    yield "single t_test", of_model(lambda one: one.t_test(np.eye(len(one.params))))
    yield "single predict", of_model(lambda one: one.predict())
    yield "get_prediction", of_model(lambda one: one.get_prediction().summary_frame())
    yield "get_distribution", of_model(lambda one: one.get_distribution().cdf(3))
    yield "get_margeff", of_model(lambda one: one.get_margeff().summary())
    yield "get_diagnostic", of_model(lambda one: one.get_diagnostic())
    yield "single resid_pearson", of_model(lambda one: one.resid_pearson)


def comparisons(
    res: nbglm.NegBinResults, counts: pd.DataFrame, obs: pd.DataFrame, options: dict[str, Any]
) -> Iterator[tuple[str, Check]]:
    """The fit beside smaller ones."""
    for smaller in ({"mean": "~ 1"}, {"dispersion": "~ 1"}):
        given = {**options, "formula": {**options["formula"], **smaller}}

        def compared(given: dict[str, Any] = given) -> Iterator[str]:
            small = nbglm.fit_negbin(counts, obs=obs, progress=False, **given)
            yield from check_table(nbglm.lr_test(res, small))
            yield from check_table(nbglm.compare({"small": small, "large": res}))

        yield "lr_test and compare", compared


def questions(
    res: nbglm.NegBinResults,
    counts: pd.DataFrame,
    obs: pd.DataFrame,
    options: dict[str, Any],
    seed: int,
    profile: bool,
) -> Iterator[tuple[str, Check]]:
    """All questions, under every kind of covariance."""
    yield from gene_wise(res)
    yield from predictions(res, seed)
    yield from comparisons(res, counts, obs, options)
    for gene in counts:
        yield from single(res, gene)
    if profile:
        yield "conf_int profile", lambda: check_limits(res, "profile")
    for cov_type in ("eim", "HC0", "HC1", "HC2", "HC3", "cluster", "CR1", "CR2", "CR3"):
        kwds = {"groups": "donor"} if cov_type[0] in "cC" else None

        def robust(cov_type: str = cov_type, kwds: dict[str, str] | None = kwds) -> Iterator[str]:
            other = res.with_cov(cov_type, kwds)
            yield from check_table(other.to_frame())
            yield from check_predictions(of_used_cells(other, other.predict(interval=0.9)))
            for name, check in gene_wise(other):
                if name != "overdispersion_test":
                    yield from (f"{name}: {wrong}" for wrong in check())

        yield f"with_cov {cov_type}", robust


def ask(name: str, check: Check) -> list[tuple[str, str]]:
    """What is wrong with one answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        try:
            return [(name, wrong) for wrong in check()]
        except nbglm.NbglmError:
            return []
        except Exception as error:  # noqa: BLE001 - any other is a violation
            return [(f"{name}: {type(error).__name__}", str(error)[:300])]


def one(seed: int, profile: bool) -> tuple[str, int, list[tuple[str, str]]]:
    """Fit one random data set and ask everything of it."""
    counts, obs, options = data_set(np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", nbglm.NbglmWarning)
        try:
            res = nbglm.fit_negbin(counts, obs=obs, progress=False, **options)
        except nbglm.NbglmError:
            return "refused", 0, []
        except Exception as error:  # noqa: BLE001 - any other is a violation
            return "fitted", 0, [(f"fit: {type(error).__name__}", str(error)[:300])]
    asked = list(questions(res, counts, obs, options, seed, profile))
    return "fitted", len(asked), [wrong for name, check in asked for wrong in ask(name, check)]


def main() -> int:
    """Ask, count what is wrong by kind, and fail if anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--profile-every", type=int, default=10)
    options = parser.parse_args()
    started = time.perf_counter()
    seeds = range(options.seed, options.seed + options.sets)
    # One after the other as they are done, so that a run that is stopped has told what it found.
    rows = Parallel(n_jobs=options.jobs, batch_size=5, return_as="generator")(
        delayed(one)(seed, seed % options.profile_every == 0) for seed in seeds
    )
    kinds: Counter[str] = Counter()
    states: Counter[str] = Counter()
    asked = 0
    for seed, (state, number, wrong) in zip(seeds, rows, strict=True):
        states[state] += 1
        asked += number
        for name, text in wrong:
            kinds[name] += 1
            if kinds[name] <= 3:
                print(f"seed {seed}, {name}: {text}", flush=True)
    print(f"{dict(states)}, {asked} questions in {time.perf_counter() - started:.0f} s")
    print(f"violations: {sum(kinds.values())} {dict(kinds)}")
    return int(bool(kinds))


if __name__ == "__main__":
    sys.exit(main())
