"""What a fit of many genes comes to: how many have which status, and where coefficients lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import UnavailableError
from nbglm.inference.pvalues import adjusted
from nbglm.status import GENE_STATUS

if TYPE_CHECKING:
    from nbglm.inference.methods import FitInference

__all__ = [
    "coefficient_quantiles",
    "formula_facts",
    "significant_genes",
    "status_counts",
    "told_number",
]

FloatArray = NDArray[np.float64]

_QUANTILES = {"5%": 0.05, "25%": 0.25, "median": 0.5, "75%": 0.75, "95%": 0.95}

_LONGEST = 100  # characters of a formula that are repeated


def told_number(value: float) -> str:
    """A number in four digits or so; an integer as it is.

    Parameters
    ----------
    value : float
        The number.

    Returns
    -------
    str

    Examples
    --------
    >>> told_number(-1.58512), told_number(2087.0), told_number(float("nan"))
    ('-1.585', '2087', 'NaN')
    """
    if np.isnan(value):
        return "NaN"
    if np.isfinite(value) and value == round(value) and abs(value) < 1e9:
        return str(int(value))
    return f"{value:.4g}"


def status_counts(tables: FitInference) -> dict[str, int]:
    """How many genes have each status, ``ok`` first; those that no gene has are left out.

    Parameters
    ----------
    tables : FitInference
        The fit.

    Returns
    -------
    dict of int
    """
    counts = np.bincount(tables.arrays.status, minlength=len(GENE_STATUS))
    return {word: int(n) for word, n in zip(GENE_STATUS[::-1], counts[::-1], strict=True) if n}


def formula_facts(tables: FitInference) -> list[tuple[str, str]]:
    """Both formulas, by what they are of.

    Parameters
    ----------
    tables : FitInference
        The fit.

    Returns
    -------
    list of pairs of str
    """

    def short(text: str) -> str:
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

    design = tables.design
    return [
        ("Log mean", short(design.mean.formula.expanded)),
        ("Log size", short(design.dispersion.formula.expanded)),
    ]


def coefficient_quantiles(tables: FitInference) -> pd.DataFrame:
    """Where the finite estimates of each coefficient lie among genes, and how many are finite.

    Parameters
    ----------
    tables : FitInference
        The fit.

    Returns
    -------
    DataFrame
        A row for each coefficient, by component and term: quantiles over the genes with a finite
        estimate, and the numbers of genes with a ``finite``, an ``infinite`` and a ``missing``
        (aliased or not identified) one.
    """
    coef = tables.arrays.coef
    finite = np.isfinite(coef)
    columns: dict[str, list[float]] = {name: [] for name in _QUANTILES}
    for values, known in zip(coef.T, finite.T, strict=True):
        some = values[known]
        spread = np.quantile(some, list(_QUANTILES.values())) if some.size else [np.nan] * 5
        for name, value in zip(_QUANTILES, spread, strict=True):
            columns[name].append(float(value))
    numbers = {
        "finite": finite.sum(axis=0),
        "infinite": np.isinf(coef).sum(axis=0),
        "missing": np.isnan(coef).sum(axis=0),
    }
    return pd.DataFrame({**columns, **numbers}, tables.coef_names)


def significant_genes(tables: FitInference, alpha: float, method: str) -> NDArray[np.int64] | None:
    """For how many genes the adjusted p-value of each coefficient is below a level.

    Parameters
    ----------
    tables : FitInference
        The fit.
    alpha : float
        The level.
    method : str
        Adjustment for the number of genes, made for each coefficient by itself.

    Returns
    -------
    ndarray of int, shape (coefficients,), or None
        None if the tests of infinite coefficients were dropped with the data.
    """
    try:
        pvalues = np.vstack([table.to_numpy() for table in tables.pvalues.values()])
    except UnavailableError:
        return None
    with np.errstate(invalid="ignore"):
        return np.asarray((adjusted(pvalues.T, method) < alpha).sum(axis=0), dtype=np.int64)
