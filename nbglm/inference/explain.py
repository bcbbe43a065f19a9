"""What happened to a gene, in sentences, with the evidence in the data.

Every limit is a direction in one of the designs. The evidence for it is the cells that it moves,
named by the levels or the range of a covariate where that says it, and what their counts are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.design import Design
from nbglm.design.offset import offset_remark
from nbglm.design.predictor import LinearPredictor
from nbglm.fit.clusters import BY_CLUSTERS
from nbglm.fit.prediction import predict
from nbglm.inference.aliasing import as_combination, combination, terms_without_columns
from nbglm.inference.tables import FitTables
from nbglm.status import COEF_STATUS, GENE_STATUS, SENTENCES

__all__ = ["explain_gene"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_FEW_LEVELS = 3
_OVERDISPERSED = (
    " Taken together these cells are overdispersed, but not those whose size would become finite "
    "first on the way back along that direction."
)

_OF_CELLS = (
    "The estimate stands, but has no standard error: what tells of it is cells by themselves, such "
    "as the only cell of a level, whose scores are zero whatever their counts are."
)
_NO_EVIDENCE = "Which cells are behind this, the fit says as long as it has its data."
_WITHOUT_VARIANCE = {
    "oim": (
        "The estimate stands, but has no standard error: the likelihood is flat along a direction "
        "that it moves along."
    ),
    "eim": "The estimate stands, but the expected information says nothing of it.",
    "HC0": _OF_CELLS,
    **dict.fromkeys(("HC1", "HC2", "HC3"), _OF_CELLS),
    **dict.fromkeys(
        BY_CLUSTERS,
        "The estimate stands, but has no standard error: what tells of it is single clusters, such "
        "as the only one that was treated, whose scores sum to zero whatever their counts are.",
    ),
}


def _end(cells: BoolArray, values: pd.Series) -> str | None:
    """The cells as one end of a covariate, if they are that."""
    inside, outside = values[cells], values[~cells]
    if inside.min() > outside.max():
        return f"{values.name} >= {inside.min():.6g}"
    if inside.max() < outside.min():
        return f"{values.name} <= {inside.max():.6g}"
    return None


def _levels(cells: BoolArray, values: pd.Series) -> str | None:
    """The cells as a few levels of a factor, if they are those."""
    levels = pd.unique(values[cells])
    if len(levels) > _FEW_LEVELS or values[~cells].isin(levels).any():
        return None
    return f"{values.name} = " + " or ".join(repr(str(level)) for level in levels)


def _pair(cells: BoolArray, first: pd.Series, second: pd.Series) -> str | None:
    """The cells as a combination of levels of two factors, if they are that."""
    a, b = first[cells].iloc[0], second[cells].iloc[0]
    if np.array_equal(((first == a) & (second == b)).to_numpy(), cells):
        return f"{first.name} = {str(a)!r} and {second.name} = {str(b)!r}"
    return None


def _ways_to_say(cells: BoolArray, design: Design, obs: pd.DataFrame) -> Iterator[str | None]:
    columns = {**design.mean.columns, **design.dispersion.columns}.values()
    numbers = [obs[column.name] for column in columns if column.kind == "numeric"]
    factors = [obs[column.name] for column in columns if column.kind != "numeric"]
    yield from (_levels(cells, factor) for factor in factors)
    yield from (_pair(cells, a, b) for a, b in itertools.combinations(factors, 2))
    yield from (_end(cells, number) for number in numbers)
    yield from (_levels(cells, number) for number in numbers)


def _cells(cells: BoolArray, design: Design, obs: pd.DataFrame) -> str:
    """Such as ``40 of 120 cells (g = 'c')``."""
    if cells.all():
        return f"all {cells.size} cells"
    said = next((way for way in _ways_to_say(cells, design, obs) if way), None)
    return f"{cells.sum()} of {cells.size} cells" + (f" ({said})" if said else "")


@dataclass(frozen=True)
class _Gene:
    """What there is to know about one gene."""

    design: Design
    obs: pd.DataFrame
    y: FloatArray
    weight: FloatArray
    mean: FloatArray
    size: FloatArray

    def which(self, cells: BoolArray) -> str:
        return _cells(cells, self.design, self.obs)

    def separated(self, direction: FloatArray) -> Iterator[str]:
        terms = self.design.mean.terms
        if direction.any():
            yield (
                f"The log mean falls without end along {combination(direction, terms)}: on "
                f"{self.which((self.mean == 0) & (self.weight > 0))}, whose counts are all 0."
            )

    def sizes(self, direction: FloatArray) -> Iterator[str]:
        along = combination(direction, self.design.dispersion.terms)
        # Cells of weight 0 are no evidence, and lie anywhere.
        counted = self.weight > 0
        raised, lowered = np.isinf(self.size) & counted, (self.size == 0) & counted
        if not direction.any():
            return
        if raised.any():
            y, mean = self.y[raised], self.mean[raised]
            excess = float(self.weight[raised] @ ((y - mean) ** 2 - y))
            yield (
                f"The log size grows without end along {along}: on {self.which(raised)}, where "
                f"sum((y - mu)^2 - y) is {excess:.4g}. It is 0 on average for a Poisson and larger "
                f"for an overdispersed gene." + (_OVERDISPERSED if excess > 0.0 else "")
            )
        if lowered.any():
            yield (
                f"The log size falls without end along {along}: on {self.which(lowered)}, whose "
                f"counts are all 0."
            )

    def combination(self, predictor: LinearPredictor, term: str, word: str) -> str:
        if word == "aliased":
            everywhere = np.ones(self.y.size, dtype=bool)
            known = as_combination(predictor, everywhere, term)
            return f"{known} on all cells." if known else "earlier columns make it up."
        cells = (self.mean > 0) & (self.size > 0)
        if predictor.key == "dispersion":
            cells &= np.isfinite(self.size)
        if not cells.any():
            return "all cells are at a limit, and none is left that could tell more."
        known = as_combination(predictor, cells, term)
        reason = f"{known} on" if known else "no count tells of it on"
        return f"{reason} {self.which(cells)}, the only ones that could tell of it."

    def combinations(self, words: NDArray[np.object_]) -> Iterator[str]:
        """Why coefficients are missing; one line for those with the same reason."""
        mean, size = self.design.mean, self.design.dispersion
        terms = [(mean, term) for term in mean.terms] + [(size, term) for term in size.terms]
        names: dict[str, list[str]] = {}
        for (predictor, term), word in zip(terms, words, strict=True):
            if word in ("aliased", "not_identified"):
                reason = self.combination(predictor, term, word)
                names.setdefault(reason, []).append(f"{predictor.key} {term}")
        yield from (f"{', '.join(those)}: {reason}" for reason, those in names.items())


def _statuses(tables: FitTables, position: int) -> Iterator[str]:
    """The gene's status and those of its coefficients, each with its sentence."""
    fit = tables.arrays
    status = GENE_STATUS[fit.status[position]]
    words = np.array(COEF_STATUS, dtype=object)[fit.coef_status[position]]
    names = [f"{component} {term}" for component, term in tables.coef_names]
    yield f"{tables.gene_names[position]}: {status}. {SENTENCES[status]}"
    for word in COEF_STATUS[1:]:
        those = [
            name + (f" = {value:+g}" if np.isinf(value) else "")
            for name, value, its in zip(names, fit.coef[position], words, strict=True)
            if its == word
        ]
        if those:
            sentence = "" if word == status else f" {SENTENCES[word]}"
            yield f"{', '.join(those)}: {word}.{sentence}"
    unknown = tables.coef_codes[position] != fit.coef_status[position]
    if unknown.any():
        those = [name for name, its in zip(names, unknown, strict=True) if its]
        yield f"{', '.join(those)}: not_identified. {_WITHOUT_VARIANCE[tables.cov_type]}"


def _evidence(tables: FitTables, position: int) -> Iterator[str]:
    """Which cells, levels and columns are behind them."""
    fit, design = tables.arrays, tables.design
    status = GENE_STATUS[fit.status[position]]
    words = np.array(COEF_STATUS, dtype=object)[fit.coef_status[position]]
    if status == "all_zero":
        # Its status says it all; aliased columns have reasons of their own.
        words = np.where(words == "aliased", words, "")
    elif status in ("ok", "not_converged", "planted") and not (words == "aliased").any():
        return
    if tables.remains is not None:
        yield _NO_EVIDENCE
        return
    one = slice(position, position + 1)
    x, z = design.mean.matrix, design.dispersion.matrix
    mean, size = (part[:, 0] for part in predict(fit, x, z, design.offset, one))
    weight = np.ones(mean.size) if tables.weights is None else tables.weights
    gene = _Gene(design, tables.counts.obs, tables.counts.gene(position), weight, mean, size)
    if status != "all_zero":
        p = len(design.mean.terms)
        yield from gene.separated(fit.direction[position, :p])
        yield from gene.sizes(fit.direction[position, p:])
    yield from gene.combinations(words)


def explain_gene(tables: FitTables, position: int) -> str:
    """Status of a gene and of its coefficients, each with its evidence in the data.

    Parameters
    ----------
    tables : FitTables
        The fit.
    position : int
        Which gene.

    Returns
    -------
    str
        Several lines.
    """
    first, *others = _statuses(tables, position)
    nothing = "no column, since a factor with one level changes nothing."
    without = (f"{term}: {nothing}" for term in terms_without_columns(tables.design))
    lines = [*others, *_evidence(tables, position), *without]
    failed = GENE_STATUS[tables.arrays.status[position]] == "not_converged"
    if failed and offset_remark(tables.design.offset):
        lines.append(offset_remark(tables.design.offset))
    return "\n".join([first, *(f"  {line}" for line in lines)])
