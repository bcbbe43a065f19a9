"""What is to be estimated: rows of obs, and combinations of coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import (
    HypothesisError,
    OptionError,
    check_choice,
    some_of,
)
from nbglm.inference.statements import Hypothesis, check_component, read_hypothesis

if TYPE_CHECKING:
    from nbglm.inference.tables import FitTables

__all__ = [
    "SCALES",
    "Quantity",
    "contrast_quantities",
    "embedded",
    "needs",
    "row_quantities",
]

FloatArray = NDArray[np.float64]

SCALES = ("log", "response", "alpha", "cv2", "var")
"""``log``: log mean or log size; ``response``: mean or size; ``alpha``: 1 / size; ``cv2`` and
``var``: squared coefficient of variation and variance of a count."""


_OTHER_SCALES = {
    **dict.fromkeys(("link", "linear", "lp", "eta", "logfc", "lfc", "none"), "log"),
    **dict.fromkeys(("exp", "ratio", "count", "counts", "mu", "mean", "irr", "fc"), "response"),
    **dict.fromkeys(("dispersion", "phi", "lnalpha"), "alpha"),
    **dict.fromkeys(("cv", "cv^2", "cv**2"), "cv2"),
    **dict.fromkeys(("variance", "v"), "var"),
}
"""What other packages call the scales."""


@dataclass(frozen=True)
class Quantity:
    """Rows whose log mean, log size, or function of both is to be estimated.

    Attributes
    ----------
    labels : DataFrame
        What each row is called.
    mean, size : ndarray, shape (rows, p + q), or None
        Combinations that give the log mean and the log size, as far as they are needed.
    offset : ndarray, shape (rows,)
        To be added to the log mean.
    """

    labels: pd.DataFrame
    mean: FloatArray | None
    size: FloatArray | None
    offset: FloatArray


def needs(scale: str, component: str) -> tuple[bool, bool]:
    """Whether a scale needs the log mean, and whether it needs the log size.

    Parameters
    ----------
    scale, component : str
        What is to be estimated.

    Returns
    -------
    tuple of bool

    Raises
    ------
    OptionError
        If one of them is unknown.

    Examples
    --------
    >>> needs("alpha", "mean"), needs("response", "mean"), needs("cv2", "mean")
    ((False, True), (True, False), (True, True))
    """
    check_choice("scale", scale, SCALES, _OTHER_SCALES)
    check_component(component)
    if scale in ("cv2", "var"):
        return True, True
    of_size = scale == "alpha" or component == "dispersion"
    return not of_size, of_size


def embedded(tables: FitTables, rows: FloatArray, component: str) -> FloatArray:
    """Rows over one component as rows over all coefficients."""
    p, q = len(tables.design.mean.terms), len(tables.design.dispersion.terms)
    zeros = np.zeros((rows.shape[0], q if component == "mean" else p))
    return np.hstack([rows, zeros] if component == "mean" else [zeros, rows])


def row_quantities(
    tables: FitTables,
    obs: pd.DataFrame,
    scale: str,
    component: str,
    offset: object = None,
    size_factors: object = None,
) -> Quantity:
    """Rows of new obs.

    Parameters
    ----------
    tables : FitTables
        The fit.
    obs : DataFrame
        Rows, as in ``predict``.
    scale, component : str
        What is to be estimated.
    offset, size_factors : array_like or str, optional
        As in ``predict``; used only where a mean is needed.

    Returns
    -------
    Quantity
    """
    of_mean, of_size = needs(scale, component)
    design = tables.design
    total = design.replay_offset(obs, offset, size_factors) if of_mean else np.zeros(len(obs))
    return Quantity(
        pd.DataFrame({"row": obs.index}),
        embedded(tables, design.mean.rebuild(obs), "mean") if of_mean else None,
        embedded(tables, design.dispersion.rebuild(obs), "dispersion") if of_size else None,
        total,
    )


def _combinations(tables: FitTables, what: object, component: str) -> Hypothesis:
    """Combinations of coefficients, where rows of obs could have been meant."""
    try:
        return read_hypothesis(tables, what, component)
    except HypothesisError as error:
        if isinstance(what, str):
            raise
        msg = f"{error} Rows of obs are to be a DataFrame, such as pandas.DataFrame([row])."
        raise HypothesisError(msg) from error


def contrast_quantities(tables: FitTables, what: object, scale: str, component: str) -> Quantity:
    """Linear combinations of coefficients: differences of logs, or ratios.

    Parameters
    ----------
    tables : FitTables
        The fit.
    what : str, sequence of str, mapping, DataFrame or array_like
        The combinations, as in :func:`~nbglm.inference.statements.read_hypothesis`.
    scale, component : str
        ``log``, ``response`` or, for the dispersion, ``alpha``.

    Returns
    -------
    Quantity

    Raises
    ------
    OptionError
        For a scale that needs rows of obs.
    HypothesisError
        For what cannot be read, and for equations.
    """
    of_mean, of_size = needs(scale, component)
    if of_mean and of_size:
        msg = f"scale={scale!r} needs rows of obs, not a contrast of coefficients."
        raise OptionError(msg)
    if scale == "alpha" and component == "mean":
        msg = "scale='alpha' is of the dispersion; pass component='dispersion'."
        raise OptionError(msg)
    hypothesis = _combinations(tables, what, component)
    if hypothesis.constants.any():
        msg = (
            f"{some_of(hypothesis.labels)} is an equation, which can be tested (t_test); what can "
            f"be estimated is a combination: leave its value out."
        )
        raise HypothesisError(msg)
    rows = hypothesis.matrix
    return Quantity(
        pd.DataFrame({"contrast": list(hypothesis.labels)}),
        rows if of_mean else None,
        rows if of_size else None,
        np.zeros(rows.shape[0]),
    )
