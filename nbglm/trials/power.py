"""Chances to find an effect with other numbers of cells and donors, by simulation."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaincinv

from nbglm.editing.wanted import columns_of_term
from nbglm.exceptions import InputTypeError, OptionError
from nbglm.inference.levels import check_alpha
from nbglm.inference.methods import FitInference
from nbglm.inference.statements import check_component
from nbglm.simulate.cells import check_count
from nbglm.simulate.draws import Seed, seed_entropy
from nbglm.trials.calibration import changed_effect
from nbglm.trials.repeats import Cells, cells_of_fit, chosen_genes, drawn, fitted

__all__ = ["power"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LEVEL = 0.95  # of the intervals of a power
_POWER = 0x706F776572  # the letters of "power"


def _listed(name: str, given: object) -> list[object]:
    """One value or several."""
    if given is None or isinstance(given, Real | str) or not isinstance(given, Iterable):
        return [given]
    values = list(given)
    if not values:
        msg = f"{name}= is empty; give one value or several."
        raise OptionError(msg)
    return values


def _effects(given: object) -> list[float]:
    values = []
    for value in _listed("effect", given):
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not number or not np.isfinite(float(value)):  # type: ignore[arg-type]
            msg = f"effect= must be finite numbers on the log scale, not {value!r}."
            raise InputTypeError(msg)
        values.append(float(value))  # type: ignore[arg-type]
    return values


def _donors_in_turn(values: FloatArray, number: int, rng: np.random.Generator) -> IntArray:
    """Donors of the pilot, as often as each other, and each value of the term in its turn."""
    _, level = np.unique(np.round(values, 9), return_inverse=True)
    spread = bool(np.bincount(level).min() > 1)
    order: list[int] = []
    while len(order) < number:
        shuffled = rng.permutation(values.size)
        if spread:
            queues = [shuffled[level[shuffled] == k].tolist() for k in range(level.max() + 1)]
            turns = itertools.zip_longest(*queues)
            order += [donor for turn in turns for donor in turn if donor is not None]
        else:
            order += shuffled.tolist()
    return np.array(order[:number], dtype=np.int64)


@dataclass(frozen=True)
class _Plan:
    """The pilot, and what is drawn from it."""

    fit: FitInference
    cells: Cells
    genes: IntArray
    column: int
    component: str

    def experiment(self, n: int, donors: int | None, rng: np.random.Generator) -> Cells:
        """The cells of one planned experiment."""
        cells = self.cells
        if donors is None:
            rows = rng.choice(cells.offset.size, n)
            return cells.rows(rows, None if cells.donors is None else cells.donors[rows])
        pilot = cells.donors
        if pilot is None:
            msg = "donors= needs the donors of the pilot: pass groups=, a column of obs."
            raise OptionError(msg)
        of_mean = self.component == "mean"
        p = cells.x.shape[1]
        column = cells.x[:, self.column] if of_mean else cells.z[:, self.column - p]
        _, code = np.unique(pilot, return_inverse=True)
        values = np.bincount(code, column) / np.bincount(code)
        turns = _donors_in_turn(values, donors, rng)
        number = np.full(donors, n // donors) + (np.arange(donors) < n % donors)
        parts = [
            rng.choice(np.flatnonzero(code == donor), many)
            for donor, many in zip(turns, number, strict=True)
        ]
        return cells.rows(np.concatenate(parts), np.repeat(np.arange(donors), number))

    def p_values(
        self, effect: float, n: int, donors: int | None, entropy: tuple[int, ...],
        n_jobs: int | None,
    ) -> FloatArray:  # fmt: skip
        """P-values of the effect in all genes, of one planned experiment."""
        rng = np.random.default_rng(np.random.SeedSequence([*entropy, _POWER]))
        cells = self.experiment(n, donors, rng)
        fit, p = self.fit, self.cells.x.shape[1]
        start = 0 if self.component == "mean" else p
        predictor = fit.design.mean if start == 0 else fit.design.dispersion
        columns = np.array([self.column])
        intercept = predictor.terms[0] == "Intercept"
        arrays = changed_effect(fit.arrays, self.cells, columns, effect, start, intercept)
        values = drawn(fit, arrays, cells, self.genes, entropy)
        cov = fit.cov
        if cov.groups is not None and cells.donors is not None:
            used = np.unique(cells.donors, return_inverse=True)[1].astype(np.int64)
            cov = replace(cov, groups=used, names=None)
        again = fitted(fit, cells, values, cov, n_jobs)
        part = again.pvalues["beta" if start == 0 else "gamma"]
        return part.to_numpy(dtype=np.float64)[self.column - start]


def _interval(found: int, number: int) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share."""
    tail = 0.5 * (1.0 - _LEVEL)
    low = float(betaincinv(found, number - found + 1, tail)) if found else 0.0
    high = float(betaincinv(found + 1, number - found, 1.0 - tail)) if found < number else 1.0
    return low, high


def power(
    results: FitInference,
    term: str,
    effect: float | Iterable[float],
    n: int | Iterable[int],
    donors: int | Iterable[int] | None = None,
    *,
    component: str = "mean",
    n_genes: int = 20,
    n_sim: int = 50,
    alpha: float = 0.05,
    groups: object = None,
    seed: Seed = None,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Chances that an effect is found, with other numbers of cells and donors.

    Experiments are drawn from a fit of pilot data, whose genes are given the effect, and fitted
    with the same formulas and covariances.

    Parameters
    ----------
    results : NegBinResults
        The pilot, with its data. Its ``cov_type`` is that of the tests.
    term : str
        One coefficient.
    effect : float or sequence of float
        What it is to be (log scale), at the same average of the linear predictor;
        ``np.log(1.5)`` is a ratio of 1.5. 0 gives the size of the test.
    n : int or sequence of int
        Numbers of cells in all, whose rows are drawn anew from those of the pilot for each
        experiment.
    donors : int or sequence of int, optional
        Numbers of donors in all, with as many cells each. They are drawn from those of the pilot,
        all as often, and those with each value of the term in turn; each is a new donor, with an
        effect of its own as in :meth:`nbglm.NegBinResults.calibrate`.
    component : str
        ``"mean"`` or ``"dispersion"``.
    n_genes : int
        So many genes of the pilot, chosen at random; ``results[genes]`` for your own.
    n_sim : int
        Experiments for each line of the table.
    alpha : float
        Level of the tests, which are not adjusted for the number of genes.
    groups : str or array_like, optional
        Donor of each cell of the pilot; by default those of ``cov_type="cluster"``.
    seed : int, SeedSequence, Generator or None
        As in :meth:`nbglm.NegBinResults.sample`.
    n_jobs : int, optional
        As joblib understands it. The numbers are the same for any value.

    Returns
    -------
    DataFrame
        ``term``, ``effect``, ``n``, ``donors`` (0 if there were none to choose), ``power`` (share
        of tests with a p-value below `alpha`), ``lower`` and ``upper`` (95 % intervals of Clopper
        and Pearson: the Monte Carlo error, with genes as they are), ``n_tests``. A test without a
        p-value finds nothing.

    Raises
    ------
    OptionError, InputTypeError, AlignmentError
        If an argument is none, a term has several coefficients, donors are needed and not given.
    UnavailableError
        If counts and cells were dropped.

    Examples
    --------
    >>> import nbglm, numpy as np, pandas as pd
    >>> obs = pd.DataFrame({"dose": np.arange(80) % 2})
    >>> counts = np.random.default_rng(1).negative_binomial(2, 0.3, size=(80, 3))
    >>> pilot = nbglm.fit_negbin(counts, "~ dose", obs=obs, progress=False)
    >>> table = power(pilot, "dose", np.log(1.5), n=[50, 400], n_sim=20, seed=1)
    >>> bool(table["power"].is_monotonic_increasing), table["n_tests"].tolist()
    (True, [60, 60])
    """
    if not isinstance(results, FitInference):
        msg = f"power() takes the results of fit_negbin; it was given a {type(results).__name__}."
        raise InputTypeError(msg)
    check_component(component)
    check_alpha(alpha)
    results.require_data("power()")
    results.require_likelihood("power()")
    columns = columns_of_term(results, component, term)
    if columns.size > 1:
        names = [results.coef_names[k][1] for k in columns]
        msg = f"the term {term!r} has several coefficients ({names}); name one of them."
        raise OptionError(msg)
    effects = _effects(effect)
    numbers = [check_count(value, "n", 1) for value in _listed("n", n)]
    teams = [
        None if value is None else check_count(value, "donors", 2)
        for value in _listed("donors", donors)
    ]
    check_count(n_sim, "n_sim", 1)
    entropy = seed_entropy(seed)
    genes = chosen_genes(results, check_count(n_genes, "n_genes", 1), entropy)
    cells, _ = cells_of_fit(results, genes, groups)
    plan = _Plan(results, cells, genes, int(columns[0]), component)
    lines = []
    for value, number, team in itertools.product(effects, numbers, teams):
        key = (*entropy, number, 0 if team is None else team)
        found = np.concatenate(
            [plan.p_values(value, number, team, (*key, sim), n_jobs) for sim in range(n_sim)]
        )
        hits = int((found < alpha).sum())
        low, high = _interval(hits, found.size)
        lines.append(
            {
                "term": term,
                "effect": value,
                "n": number,
                "donors": 0 if team is None else team,
                "power": hits / found.size,
                "lower": low,
                "upper": high,
                "n_tests": found.size,
            }
        )
    return pd.DataFrame(lines)
