"""Edits as methods of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nbglm.editing.plant import plant
from nbglm.editing.truth import planted_table
from nbglm.editing.wanted import as_numbers, terms_named, values_of_params
from nbglm.exceptions import InputTypeError, OptionError
from nbglm.inference.selection import gene_positions
from nbglm.inference.statements import check_component
from nbglm.inference.tables import FitTables
from nbglm.status import COEF_STATUS, GENE_STATUS

__all__ = ["FitEdits"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_FEW = 3  # genes that are named
_ALIASED = COEF_STATUS.index("aliased")
_ALL_ZERO = GENE_STATUS.index("all_zero")


def _kind_of_edit(add: object, multiply: object, to_null: object) -> str:
    """Which of the three was asked for."""
    if not isinstance(to_null, bool | np.bool_):
        msg = f"to_null= is True or False, not {to_null!r}; True sets coefficients to 0."
        raise InputTypeError(msg)
    wanted = {"add": add is not None, "multiply": multiply is not None, "to_null": bool(to_null)}
    chosen = [name for name, given in wanted.items() if given]
    if len(chosen) != 1:
        said = " and ".join(f"{name}=" for name in chosen) if chosen else "none"
        msg = f"edit() takes one of add=, multiply= and to_null=True; it was given {said}."
        raise OptionError(msg)
    return chosen[0]


@dataclass(frozen=True, repr=False)
class FitEdits(FitTables):
    """:class:`~nbglm.inference.tables.FitTables` whose coefficients can be given other values."""

    @property
    def planted(self) -> pd.DataFrame:
        """The coefficients that were edited, a row for each; without rows in a fit as it was made.

        ``gene``, ``component``, ``term``, ``planted`` (the coefficient now, log scale) and
        ``estimate`` (what it was before the first edit; NaN where the counts said nothing).
        """
        return planted_table(self)

    @property
    def edits(self) -> tuple[str, ...]:
        """The edits that led here from the fit, in words and in order."""
        return () if self.edited is None else self.edited.edits

    def with_params(self, params: Mapping[str, Any]) -> Self:
        """The same model with other coefficients, for predictions and samples.

        Parameters
        ----------
        params : mapping
            ``"beta"``, ``"gamma"``, or both, in the shape of :attr:`params`: a DataFrame of
            coefficients x genes, all of them or some; or a mapping from ``(term, genes)``, with
            one gene or a tuple of genes, or from a term alone (all genes) to a value, or to one
            value for each gene. A term of several coefficients gets the value in each.
            ``-inf`` silences the cells of a level, ``inf`` in ``gamma`` makes them Poisson.

        Returns
        -------
        NegBinResults
            A new fit; this one stays as it is. Coefficients that are given the value that they
            have are not edited, so ``res.with_params(res.params)`` changes nothing. An edited
            gene has the status ``planted``: :meth:`predict` and :meth:`sample` use its
            coefficients, and it has neither standard errors nor intervals, tests or
            log-likelihood, which are NaN. All other genes keep theirs, to the last bit.

        Raises
        ------
        OptionError, InputTypeError
            If a term or a value is none, or a gene would have no prediction: an aliased
            coefficient, a mean of infinity, one half of a limit.
        UnknownNameError, AlignmentError
            If a gene is unknown, or values do not match the genes.

        Examples
        --------
        >>> import nbglm, numpy as np, pandas as pd
        >>> obs = pd.DataFrame({"dose": np.arange(60) % 2}, index=[f"c{i}" for i in range(60)])
        >>> counts = np.random.default_rng(1).poisson(2.0, size=(60, 2))
        >>> fit = nbglm.fit_negbin(counts, "~ dose", obs=obs, progress=False)
        >>> edited = fit.with_params({"beta": {("dose", "gene_1"): 1.5}})
        >>> edited.planted[["gene", "term", "planted"]].values.tolist()
        [['gene_1', 'dose', 1.5]]
        >>> edited.status.tolist(), fit.planted.empty
        (['poisson_limit', 'planted'], True)
        """
        values = values_of_params(self, params)
        names = " and ".join(str(name) for name in params)
        return plant(self, values, f"with_params({names})")

    def edit(
        self,
        term: str | Iterable[str],
        genes: str | Iterable[str] | ArrayLike | None = None,
        *,
        add: float | ArrayLike | None = None,
        multiply: float | ArrayLike | None = None,
        to_null: bool = False,
        component: str = "mean",
    ) -> Self:
        """The same model with an effect changed in some genes, for predictions and samples.

        Parameters
        ----------
        term : str or sequence of str
            A coefficient, or a term of the formula with all its coefficients, such as a factor or
            a spline.
        genes : str, sequence of str, or array or Series of bool, optional
            Some of the genes, by their names or a mask; all by default.
        add : float, array_like or Series, optional
            Added to each coefficient (log scale): ``add=np.log(2)`` doubles a ratio. One number,
            one for each gene in their order, or a Series by their names.
        multiply : float, array_like or Series, optional
            Multiplies each coefficient (log scale): 2 squares a ratio, -1 turns it around.
        to_null : bool
            Set the coefficients to 0: the genes have no such effect. Genes without a count stay
            as they are.
        component : str
            ``"mean"`` or ``"dispersion"``.

        Returns
        -------
        NegBinResults
            A new fit, as from :meth:`with_params`; this one stays as it is. Edits can follow each
            other; :attr:`planted` has the coefficients as they are in the end beside the
            estimates of the fit.

        Raises
        ------
        OptionError, InputTypeError
            If the term or an option is unknown, or a coefficient is infinite or missing where
            there is something to add to it or to multiply.
        UnknownNameError, AlignmentError
            If a gene is unknown, or a mask or numbers do not match the genes.

        Examples
        --------
        >>> import nbglm, numpy as np, pandas as pd
        >>> obs = pd.DataFrame({"dose": np.arange(60) % 2}, index=[f"c{i}" for i in range(60)])
        >>> counts = np.random.default_rng(1).negative_binomial(2, 0.5, size=(60, 3))
        >>> fit = nbglm.fit_negbin(counts, "~ dose", obs=obs, progress=False)
        >>> changed = fit.edit("dose", to_null=True).edit("dose", "gene_2", add=0.7)
        >>> changed.params["beta"].loc["dose"].tolist()
        [0.0, 0.0, 0.7]
        >>> changed.sample(seed=1).var["planted_dose"].tolist()
        [0.0, 0.0, 0.7]
        """
        check_component(component)
        kind = _kind_of_edit(add, multiply, to_null)
        columns = terms_named(self, component, term)
        rows = gene_positions(self.counts.genes, genes)
        values = self.arrays.coef.copy()
        where = np.ix_(rows, columns)
        if kind == "to_null":
            values[where] = self._nulls(rows, values[where], columns)
            amount: object = True
        else:
            given = add if kind == "add" else multiply
            amount = given if np.ndim(given) == 0 else "..."  # type: ignore[arg-type]
            numbers = as_numbers(f"{kind}=", given, self.counts.genes[rows])[:, None]
            self._require_finite(kind, values[where], numbers, rows, columns)
            values[where] = values[where] + numbers if kind == "add" else values[where] * numbers
        shown = repr(term) if isinstance(term, str) else repr(list(term))
        names = self.counts.genes[rows]
        of = str(names.tolist()) if rows.size <= _FEW else f"{rows.size} genes"
        said = f"edit({shown}, {of}, {kind}={amount}, component={component!r})"
        return plant(self, values, said)

    def _nulls(self, rows: IntArray, now: FloatArray, columns: IntArray) -> FloatArray:
        """Zeros, but for what has no number, which makes no difference either."""
        aliased = self.arrays.coef_status[np.ix_(rows, columns)] == _ALIASED
        empty = self.arrays.status[rows] == _ALL_ZERO
        stays = (aliased & np.isnan(now)) | empty[:, None]
        return np.where(stays, now, 0.0)

    def _require_finite(
        self, kind: str, now: FloatArray, numbers: FloatArray, rows: IntArray, columns: IntArray
    ) -> None:
        """Refuse to do sums with what is no number."""
        if not np.isfinite(numbers).all():
            msg = f"{kind}= must be finite; with_params() takes infinite coefficients."
            raise OptionError(msg)
        odd = ~np.isfinite(now)
        if odd.any():
            k, j = (int(part[0]) for part in np.nonzero(odd))
            component, term = self.coef_names[columns[j]]
            msg = (
                f"{kind}= needs finite coefficients: {component} {term} is {now[k, j]} in "
                f"{int(odd.any(axis=1).sum())} of the {rows.size} genes (the first is "
                f"{self.counts.genes[rows[k]]!r}). Leave these out with genes=, such as "
                f"genes=res.status == 'ok', or give them values with with_params()."
            )
            raise OptionError(msg)
