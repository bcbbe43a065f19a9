"""Likelihood-ratio tests of the terms of both formulas, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.genewise import gene_table
from nbglm.design.predictor import LinearPredictor
from nbglm.exceptions import OptionError
from nbglm.fit.genes import FitArrays, fit_blocks
from nbglm.inference.comparison import LR_COLUMNS, lr_frame
from nbglm.inference.evidence import Evidence
from nbglm.problem.problem import make_problem

if TYPE_CHECKING:
    from nbglm.inference.tables import FitTables

__all__ = ["anova", "check_type"]

FloatArray = NDArray[np.float64]
Columns = tuple[int, ...]

_ROMAN = {"I": 1, "II": 2, "III": 3}


@dataclass(frozen=True)
class _Step:
    """Two nested models, by their columns of both designs."""

    component: str
    term: str
    full: tuple[Columns, Columns]
    reduced: tuple[Columns, Columns]


def _kept(predictor: LinearPredictor, names: set[str]) -> Columns:
    """Columns of some terms."""
    return tuple(
        column
        for name, where in predictor.term_slices.items()
        if name in names
        for column in range(where.start, where.stop)
    )


def _contains(predictor: LinearPredictor, term: str) -> set[str]:
    """Terms that are an interaction of this term with something, and itself."""
    inside = predictor.term_factors[term]
    return {name for name, factors in predictor.term_factors.items() if inside <= factors}


def _steps(tables: FitTables, typ: int) -> Iterator[_Step]:
    """The tests, in the order of the formulas."""
    design = tables.design
    whole = (
        tuple(range(len(design.mean.terms))),
        tuple(range(len(design.dispersion.terms))),
    )
    constant = _kept(design.dispersion, {"Intercept"})
    for k, predictor in enumerate((design.mean, design.dispersion)):
        before = {"Intercept"}
        for term in predictor.term_slices:
            if term == "Intercept":
                continue
            everything = set(predictor.term_slices)
            if typ == 1:
                larger, smaller = before | {term}, before
                before = larger
            elif typ == 2:
                larger = everything - (_contains(predictor, term) - {term})
                smaller = larger - {term}
            else:
                larger, smaller = everything, everything - {term}
            full, reduced = list(whole), list(whole)
            if typ == 1 and k == 0 and constant:
                # In sequence the mean comes first, beside a constant size.
                full[1] = reduced[1] = constant
            full[k], reduced[k] = _kept(predictor, larger), _kept(predictor, smaller)
            yield _Step(predictor.key, term, (full[0], full[1]), (reduced[0], reduced[1]))


def check_type(typ: object) -> None:
    """Refuse what is no type of an analysis of deviance.

    Parameters
    ----------
    typ : int
        1, 2 or 3.

    Raises
    ------
    OptionError
        Else; the message translates Roman numerals.

    Examples
    --------
    >>> check_type(2)
    """
    if isinstance(typ, int | np.integer) and not isinstance(typ, bool) and typ in (1, 2, 3):
        return
    word = str(typ).upper().removeprefix("TYPE").strip()
    meant = _ROMAN.get(word, int(word) if word in ("1", "2", "3") else None)
    hint = f" Write typ={meant}." if meant else ""
    msg = f"typ={typ!r} is not one of 1, 2, 3.{hint}"
    raise OptionError(msg)


class _Fits:
    """Fits of submodels; each is made once."""

    def __init__(self, tables: FitTables, n_jobs: int | None) -> None:
        self._tables, self._n_jobs = tables, n_jobs
        rows = tables.problem.layout.cell_of_row
        x, z = tables.design.mean.matrix, tables.design.dispersion.matrix
        self._x, self._z = x, z
        self._rows = x[rows], z[rows]
        whole = (tuple(range(x.shape[1])), tuple(range(z.shape[1])))
        self._done: dict[tuple[Columns, Columns], FitArrays] = {whole: tables.arrays}

    def rows(self, columns: tuple[Columns, Columns]) -> tuple[FloatArray, FloatArray]:
        """Distinct rows of a submodel's designs."""
        return self._rows[0][:, columns[0]], self._rows[1][:, columns[1]]

    def evidence(self, columns: tuple[Columns, Columns]) -> Evidence:
        """A submodel beside the counts."""
        tables = self._tables
        return Evidence(
            self.fit(columns), *self.rows(columns), tables.problem.layout, tables.counts
        )

    def fit(self, columns: tuple[Columns, Columns]) -> FitArrays:
        """Fit a submodel to every gene."""
        if columns not in self._done:
            tables = self._tables
            problem = make_problem(
                self._x[:, columns[0]],
                self._z[:, columns[1]],
                tables.design.offset,
                tables.weights,
            )
            blocks = fit_blocks(tables.counts, problem, self._n_jobs)
            self._done[columns] = FitArrays.concatenate(blocks)
        return self._done[columns]


def _beside(columns: list[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Columns of all tests; none if there is no term to test."""
    return np.column_stack(columns) if columns else np.zeros((0, 0))


def anova(tables: FitTables, typ: int, method: str, n_jobs: int | None) -> pd.DataFrame:
    """Test each term: see :meth:`nbglm.NegBinResults.anova`."""
    fits = _Fits(tables, n_jobs)
    steps = list(_steps(tables, typ))
    frames = [
        lr_frame(fits.fit(step.full), fits.rows(step.full), fits.evidence(step.reduced), method)
        for step in steps
    ]
    labels = {
        "component": [step.component for step in steps],
        "term": [step.term for step in steps],
    }
    return gene_table(
        tables.gene_names,
        {name: _beside([frame[name] for frame in frames]) for name in LR_COLUMNS},
        pd.DataFrame(labels),
    )
