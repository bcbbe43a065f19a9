"""Which covariance was asked for, and the clusters that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.covariance import COV_TYPES
from nbglm.exceptions import AlignmentError, OptionError, check_choice, did_you_mean, some_of
from nbglm.labels import row_values

__all__ = ["CovarianceRule", "covariance_rule"]

_KEYWORDS = ("groups", "use_correction")


@dataclass(frozen=True)
class CovarianceRule:
    """Kind of covariance, with its clusters.

    Attributes
    ----------
    kind : str
        One of ``COV_TYPES``.
    groups : ndarray of int, shape (cells,), or None
        Number of each cell's cluster.
    names : Index or None
        Names of the clusters.
    use_correction : bool
        Whether clusters get the small-sample factor.
    """

    kind: str
    groups: NDArray[np.int64] | None = None
    names: pd.Index | None = None
    use_correction: bool = True


def _codes(groups: object, obs: pd.DataFrame) -> tuple[NDArray[np.int64], pd.Index]:
    source, given = row_values("groups", groups, obs)
    try:
        codes, names = pd.factorize(pd.Series(given))
    except TypeError as error:
        msg = f"{source} must hold one name for each cell: {error}."
        raise AlignmentError(msg) from error
    if (codes < 0).any():
        missing = some_of(obs.index[codes < 0])
        msg = f"{source} must name a cluster for every cell; none is given for {missing}."
        raise AlignmentError(msg)
    if len(names) < 2:
        msg = f"{source} must have two clusters or more; all cells are in {names[0]!r}."
        raise AlignmentError(msg)
    return codes.astype(np.int64), pd.Index(names)


def covariance_rule(
    cov_type: str, cov_kwds: Mapping[str, object] | None, obs: pd.DataFrame
) -> CovarianceRule:
    """Check a covariance type and its options.

    Parameters
    ----------
    cov_type : str
        One of ``COV_TYPES``.
    cov_kwds : mapping or None
        ``groups`` (an array, or the name of a column of obs) and ``use_correction`` for
        ``"cluster"``.
    obs : DataFrame
        Cells.

    Returns
    -------
    CovarianceRule

    Raises
    ------
    ValueError
        If the type or an option is unknown, or clusters are needed and not given.
    AlignmentError
        If the clusters do not match the cells.

    Examples
    --------
    >>> obs = pd.DataFrame({"donor": ["a", "a", "b"]})
    >>> covariance_rule("cluster", {"groups": "donor"}, obs).groups
    array([0, 0, 1])
    """
    options = dict(cov_kwds or {})
    check_choice("cov_type", cov_type, COV_TYPES)
    if cov_type != "cluster":
        if options:
            msg = f"cov_type={cov_type!r} takes no cov_kwds; got {some_of(options)}."
            raise OptionError(msg)
        return CovarianceRule(cov_type)
    for name in options:
        if name not in _KEYWORDS:
            msg = f"cov_kwds has an unknown key {name!r}; the keys are {some_of(_KEYWORDS)}."
            raise OptionError(msg + did_you_mean(name, _KEYWORDS))
    if options.get("groups") is None:
        msg = "cov_type='cluster' needs cov_kwds={'groups': ...}: a column of obs, or an array."
        raise OptionError(msg)
    codes, names = _codes(options["groups"], obs)
    return CovarianceRule("cluster", codes, names, bool(options.get("use_correction", True)))
