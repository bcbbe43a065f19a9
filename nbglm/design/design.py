"""Formulas and obs become the frozen design of a fit: two linear predictors and an offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.offset import OffsetRule, check_offset_scale, offset_rules, total_offset
from nbglm.design.predictor import LinearPredictor, build_predictor
from nbglm.design.scope import Scope, plain_scope
from nbglm.design.sides import split_formulas

__all__ = ["Design", "build_design"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """Both linear predictors and the offset of a fit.

    Attributes
    ----------
    mean, dispersion : LinearPredictor
        Of the log mean and the log size.
    rules : tuple of OffsetRule
        Where the offset of new rows comes from.
    offset : ndarray, shape (cells,)
        Offset of the log mean at the fit.
    """

    mean: LinearPredictor
    dispersion: LinearPredictor
    rules: tuple[OffsetRule, ...]
    offset: FloatArray

    @property
    def n(self) -> int:
        """Number of cells."""
        return self.offset.size

    def of_rows(self, x: FloatArray, z: FloatArray, offset: FloatArray) -> Design:
        """The same formulas on other rows, whose designs are given."""
        mean, dispersion = replace(self.mean, matrix=x), replace(self.dispersion, matrix=z)
        return replace(self, mean=mean, dispersion=dispersion, offset=offset)

    def with_size_factors(self, factors: FloatArray, method: str, obs: pd.DataFrame) -> Design:
        """The same design with size factors that were computed from the counts.

        Parameters
        ----------
        factors : ndarray, shape (cells,)
            Factors of the mean (count scale).
        method : str
            How they were computed, which stands in place of the name of a column.
        obs : DataFrame
            Cells of the fit.

        Returns
        -------
        Design
        """
        rules = tuple(
            replace(rule, source=method) if rule.what == "size_factors" else rule
            for rule in self.rules
        )
        added = total_offset(
            [rule for rule in rules if rule.what == "size_factors"], obs, {"size_factors": factors}
        )
        check_offset_scale(self.offset + added, obs.index)
        return replace(self, rules=rules, offset=self.offset + added)

    def replay(
        self, obs: pd.DataFrame, offset: object = None, size_factors: object = None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Designs and offset of new rows.

        Parameters
        ----------
        obs : DataFrame
            New rows.
        offset, size_factors : array_like or str, optional
            Needed where the fit was given an array; in place of a column otherwise.

        Returns
        -------
        x, z, offset : ndarray

        Raises
        ------
        FormulaError
            If the formulas cannot be applied to `obs`.
        AlignmentError
            If an offset is missing or does not match.
        """
        total = self.replay_offset(obs, offset, size_factors)
        return self.mean.rebuild(obs), self.dispersion.rebuild(obs), total

    def replay_offset(
        self, obs: pd.DataFrame, offset: object = None, size_factors: object = None
    ) -> FloatArray:
        """Offset of new rows: the last part of :meth:`replay`."""
        given = {"offset": offset, "size_factors": size_factors}
        return total_offset(self.rules, obs, given)


def build_design(
    formula: str | Mapping[str, str],
    obs: pd.DataFrame,
    *,
    offset: object = None,
    size_factors: object = None,
    scope: Scope | None = None,
    response: Sequence[str] = (),
) -> Design:
    """Turn formulas and obs into the frozen design of a fit.

    Parameters
    ----------
    formula : str or mapping
        Mean formula, or formulas for ``mean`` and ``dispersion``.
    obs : DataFrame
        Covariates, a row for each cell.
    offset, size_factors : array_like or str, optional
        Offset of the log mean (log scale) and factors of the mean (count scale): values, or the
        name of a column of `obs`. Given both, they add up.
    scope : Scope, optional
        Where functions and variables in formulas are looked up.
    response : sequence of str
        Columns of `obs` that are the response, for which ``.`` does not stand.

    Returns
    -------
    Design

    Raises
    ------
    FormulaError
        If a formula cannot be read or evaluated; the message names the culprit.
    AlignmentError
        If an offset does not match `obs`.

    Examples
    --------
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"cell type": ["a", "b", "a", "b"], "x": [0.0, 1.0, 2.0, 3.0]})
    >>> design = build_design({"mean": "~ .", "dispersion": "~ x"}, obs)
    >>> design.mean.terms
    ('Intercept', 'cell type[T.b]', 'x')
    """
    texts = split_formulas(formula)
    scope = plain_scope() if scope is None else scope
    rules = offset_rules(obs, offset, size_factors)
    total = total_offset(rules, obs, {"offset": offset, "size_factors": size_factors})
    mean = build_predictor("mean", texts["mean"], obs, scope, response=response)
    dispersion = build_predictor("dispersion", texts["dispersion"], obs, scope, response=response)
    return Design(mean, dispersion, rules, total)
