"""A fit whose coefficients were given other values.

A coefficient at infinity is part of a limit: the cells of a silent reference level have a mean of 0
since the intercept falls without end while another coefficient rises as fast. Whoever gives one of
them a number takes the limit apart, so every edit is held against the cells of the fit: those
whose mean or size was a number have one afterwards, unless it was their coefficient that was sent
to infinity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from nbglm.exceptions import OptionError, some_of
from nbglm.fit.covariance import Covariances
from nbglm.fit.genes import FitArrays
from nbglm.fit.movement import movement
from nbglm.fit.planted import Planted
from nbglm.inference.bounds import LimitTests
from nbglm.inference.hypotheses import distinct_rows
from nbglm.status import COEF_STATUS, GENE_STATUS

if TYPE_CHECKING:
    from nbglm.inference.tables import FitTables

__all__ = ["plant"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Results = TypeVar("Results", bound="FitTables")

_COEF = {word: code for code, word in enumerate(COEF_STATUS)}
_GENE = {word: code for code, word in enumerate(GENE_STATUS)}

_LEAVE_OUT = "or leave such genes out with genes=, such as genes=res.status == 'ok'"


@dataclass(frozen=True)
class _Edit:
    """New values of the coefficients of one gene."""

    tables: FitTables
    gene: int
    values: FloatArray
    edited: BoolArray
    rows: tuple[FloatArray, FloatArray]

    @property
    def _p(self) -> int:
        return self.rows[0].shape[1]

    def parts(self) -> tuple[slice, slice]:
        """Coefficients of the mean, and of the size."""
        return slice(0, self._p), slice(self._p, None)

    def refuse(self, why: str) -> NoReturn:
        """Say for which gene an edit makes no sense, and why."""
        msg = f"gene {self.tables.gene_names[self.gene]!r}: {why}"
        raise OptionError(msg)

    def named(self, chosen: BoolArray) -> str:
        """Coefficients in words."""
        names = self.tables.coef_names[chosen]
        return some_of((f"{component} {term}" for component, term in names), 6)

    def check_values(self) -> None:
        """Refuse numbers for what has none, and nothing for what has."""
        aliased = self.tables.arrays.coef_status[self.gene] == _COEF["aliased"]
        was = self.tables.arrays.coef[self.gene]
        lost = self.edited & aliased & np.isnan(was)
        if lost.any():
            self.refuse(
                f"{self.named(lost)} is aliased, a combination of earlier columns; change those."
            )
        missing = self.edited & np.isnan(self.values)
        if missing.any():
            self.refuse(f"{self.named(missing)} would become NaN; give it a number.")
        beta, _ = self.parts()
        rising = self.edited & np.isposinf(self.values)
        if rising[beta].any():
            self.refuse(f"{self.named(rising)} would become inf, and no count can be drawn then.")

    def check_known(self) -> None:
        """Refuse to leave open what now matters."""
        fit, gene = self.tables.arrays, self.gene
        open_ = np.isnan(self.values) & (fit.coef_status[gene] != _COEF["aliased"])
        freed = self.edited & np.isinf(fit.coef[gene]) & np.isfinite(self.values)
        found = self.edited & np.isnan(fit.coef[gene])
        for part in self.parts():
            those = np.zeros_like(open_)
            those[part] = open_[part]
            if those.any() and (freed.any() or found[part].any()):
                self.refuse(
                    f"its counts say nothing of {self.named(those)}, which would matter now; give "
                    f"a value for that as well, {_LEAVE_OUT}."
                )

    def check_empty(self) -> None:
        """Refuse to change a gene without a count that would still have none."""
        part = slice(0, self._p)
        aliased = self.tables.arrays.coef_status[self.gene, part] == _COEF["aliased"]
        if not (np.isfinite(self.values[part]) | aliased).all():
            self.refuse(
                f"all its counts are 0, and so its mean would remain, whatever "
                f"{self.named(self.edited)} is; give values for all coefficients, {_LEAVE_OUT}."
            )

    def direction(self) -> FloatArray:
        """Where the coefficients go that are infinite now."""
        old = self.tables.arrays.direction[self.gene]
        sign = np.where(np.isinf(self.values), np.sign(self.values), 0.0)
        new = np.where(self.edited & (np.sign(old) != sign), sign, old)
        new = np.where(self.edited & (sign == 0.0), 0.0, new)
        if old.any() or new.any():
            for rows, part, reach in zip(
                self.rows, self.parts(), self.tables.arrays.reach[self.gene], strict=True
            ):
                self._check_limit(rows, part, old[part], new[part], float(reach))
        return np.asarray(new)

    def _check_limit(
        self, rows: FloatArray, part: slice, old: FloatArray, new: FloatArray, reach: float
    ) -> None:
        """Hold what is infinite now against what was, on the cells of the fit."""
        kept = np.where(new == old, new, 0.0)
        sent = np.where(new == old, 0.0, new)
        before = movement(rows, old, reach)
        rest = movement(rows, kept, float(np.abs(rows @ kept).max(initial=0.0)))
        infinite = np.zeros_like(self.edited)
        infinite[part] = kept != 0.0
        if ((before == 0.0) & (rest != 0.0)).any():
            self.refuse(
                f"{self.named(infinite)} is infinite together with what was changed: cells whose "
                f"number was finite would have none. Give values for all of these, {_LEAVE_OUT}."
            )
        moves = np.column_stack([rest, rows * sent])
        if ((moves > 0.0).any(axis=1) & (moves < 0.0).any(axis=1)).any():
            infinite[part] |= sent != 0.0
            self.refuse(
                f"{self.named(infinite)} would be infinite in opposite directions on some cells, "
                f"which leaves no number for them."
            )
        if part.start == 0 and (moves > 0.0).any():
            infinite[part] |= sent != 0.0
            self.refuse(
                f"with {self.named(infinite)} infinite the mean of some cells would be, too, and "
                f"no count can be drawn."
            )


def _edited_gene(edit: _Edit, out: dict[str, NDArray[Any]]) -> None:
    """Write one gene's new coefficients into copies of the arrays of the fit."""
    fit, gene = edit.tables.arrays, edit.gene
    edit.check_values()
    if fit.status[gene] == _GENE["all_zero"]:
        edit.check_empty()
    edit.check_known()
    direction = edit.direction()
    numbers = edit.edited & np.isfinite(edit.values)
    out["finite"][gene, numbers] = edit.values[numbers]
    out["coef"][gene] = edit.values
    out["direction"][gene] = direction
    out["reach"][gene] = [
        np.abs(rows @ direction[part]).max(initial=0.0)
        for rows, part in zip(edit.rows, edit.parts(), strict=True)
    ]
    out["root"][gene], out["llf"][gene], out["evaluations"][gene] = np.nan, np.nan, 0
    out["status"][gene] = _GENE["planted"]
    known = ~np.isnan(edit.values) & (fit.coef_status[gene] != _COEF["aliased"])
    out["coef_status"][gene, known] = _COEF["planted"]


def _record(tables: FitTables, edited: BoolArray, said: str) -> Planted:
    known = tables.edited
    if known is None:
        return Planted(tables.arrays.coef.copy(), edited.copy(), (said,))
    return Planted(known.estimates, known.edited | edited, (*known.edits, said))


def _without_genes(known: Covariances, genes: IntArray) -> Covariances:
    """Covariances of which some genes have none."""
    observed = known.observed.copy()
    root = observed if known.root is known.observed else known.root.copy()
    root[genes] = observed[genes] = np.nan
    return replace(known, root=root, observed=observed)


def plant(results: Results, values: FloatArray, said: str) -> Results:
    """A fit with other coefficients.

    Parameters
    ----------
    results : FitTables
        The fit, which stays as it is.
    values : ndarray, shape (genes, p + q)
        The coefficients; those that are the same as in the fit, NaN included, are no edit.
    said : str
        The call that asked for it.

    Returns
    -------
    FitTables
        Of the same class. Genes that were not edited keep all that is known of them; the status of
        the others is ``planted``.

    Raises
    ------
    OptionError
        If a gene has no prediction with these coefficients.
    """
    fit = results.arrays
    same = (values == fit.coef) | (np.isnan(values) & np.isnan(fit.coef))
    edited = ~same
    genes = np.flatnonzero(edited.any(axis=1))
    failed = results.gene_names[genes[~fit.converged[genes]]]
    if len(failed):
        msg = (
            f"{len(failed)} genes did not converge, so that there is nothing to edit (the first is "
            f"{failed[0]!r}); leave them out with genes=."
        )
        raise OptionError(msg)
    if not genes.size:
        return results
    out = {name: getattr(fit, name).copy() for name in FitArrays.__dataclass_fields__}
    rows = distinct_rows(results)
    for gene in genes:
        _edited_gene(_Edit(results, int(gene), values[gene], edited[gene], rows), out)
    remains = results.remains
    if remains is not None:
        tests = remains.limit_tests
        if tests is not None:
            tests = LimitTests(*(part.copy() for part in tests))
            for part in tests:
                part[genes] = np.nan
        known = _without_genes(remains.covariances, genes)
        remains = replace(remains, covariances=known, limit_tests=tests)
    new = replace(
        results,
        arrays=FitArrays(**out),
        edited=_record(results, edited, said),
        remains=remains,
    )
    # What was prepared for the fit serves this one, which has the same designs.
    if results.remains is None:
        new.__dict__["problem"] = results.problem
        if "covariances" in results.__dict__:
            new.__dict__["covariances"] = _without_genes(results.covariances, genes)
    return new
