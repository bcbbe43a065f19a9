"""Terms that vary only between donors, in a fit that takes cells for independent."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.design import Design
from nbglm.exceptions import some_of
from nbglm.fit.clusters import CovarianceRule

__all__ = ["nested_terms"]

# Names alone tell donors from finer labels of cells, which nest in coarser ones as well.
_UNITS = re.compile(
    r"(^|[^a-z])(donor|patient|subject|individual|person|participant|animal|mouse|replicate|"
    r"biosample|sample|litter)s?([^a-z]|$)|^(donor|patient|subject|individual|mouse|sample)[a-z]?id$",
    re.IGNORECASE,
)
_MOST = 0.2  # of the cells: a column with more levels names cells, or nearly


def nested_terms(
    rule: CovarianceRule, design: Design, obs: pd.DataFrame, weights: NDArray[np.float64] | None
) -> str | None:
    """Say which terms vary only between the levels of a column that names donors or the like.

    Parameters
    ----------
    rule : CovarianceRule
        Which covariance was asked for.
    design : Design
        Designs of the fit.
    obs : DataFrame
        Cells.
    weights : ndarray or None, shape (cells,)
        Frequency weights.

    Returns
    -------
    str or None
        None if clusters were given, such a column is in a formula, or there is none.

    Examples
    --------
    >>> obs = pd.DataFrame({"donor": ["a", "b", "c", "d"] * 10, "x": [0.0, 0.0, 1.0, 1.0] * 10})
    >>> from nbglm.design.design import build_design
    >>> said = nested_terms(CovarianceRule("oim"), build_design("~ x", obs), obs, None)
    >>> said[:48]
    "'x' varies only between the 4 levels of 'donor',"
    """
    if rule.groups is not None:
        return None
    used = np.ones(len(obs), dtype=bool) if weights is None else weights > 0
    known = {*design.mean.columns, *design.dispersion.columns}
    for name in obs.columns:
        if name in known or not _UNITS.search(str(name)):
            continue
        codes, levels = pd.factorize(obs[name][used])
        if not 2 <= len(levels) <= _MOST * used.sum() or (codes < 0).any():
            continue
        first = np.unique(codes, return_index=True)[1]
        terms = [
            term
            for predictor in (design.mean, design.dispersion)
            for term, where in predictor.term_slices.items()
            if _between(predictor.matrix[used][:, where], codes, first)
        ]
        if terms:
            named = some_of(dict.fromkeys(terms))
            return (
                f"{named} varies only between the {len(levels)} levels of {str(name)!r}, and "
                f"errors of the kind {rule.kind!r} take cells for independent: far too small if "
                f"those of one level are alike. "
                f"cov_type='CR2', cov_kwds={{'groups': {str(name)!r}}} counts levels."
            )
    return None


def _between(
    columns: NDArray[np.float64], codes: NDArray[np.intp], first: NDArray[np.intp]
) -> bool:
    """Whether columns vary, but not within the levels."""
    return bool((columns[first][codes] == columns).all() and (columns != columns[0]).any())
