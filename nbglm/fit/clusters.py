"""Which covariance was asked for, and the clusters that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.design import Design
from nbglm.design.labels import read_only
from nbglm.design.predictor import LinearPredictor
from nbglm.design.rowvalues import row_values
from nbglm.exceptions import (
    AlignmentError,
    InputTypeError,
    OptionError,
    check_choice,
    did_you_mean,
    some_of,
)
from nbglm.fit.adjusted import POWERS
from nbglm.fit.covariance import COV_TYPES
from nbglm.fit.moments import MOST_COEFFICIENTS

__all__ = ["BY_CLUSTERS", "CovarianceRule", "covariance_rule", "few_clusters", "known_kind"]

BY_CLUSTERS = ("cluster", "CR1", "CR2", "CR3")
"""Kinds that need clusters."""

_KEYWORDS = ("groups", "use_correction", "use_t")
_SMALL_SAMPLE = ("cluster", *POWERS)  # whose tests refer to Student's t unless told otherwise
_ENOUGH = 10  # clusters, below which their errors are known to be too small

_SAME = {"nonrobust": "oim"}  # statsmodels' word

_ROBUST = (
    "Robust to a wrong variance are 'HC0' to 'HC3', and to dependent cells 'cluster' and 'CR1' to "
    "'CR3'."
)
_ELSEWHERE = {
    **dict.fromkeys(
        ("hc4", "hc4m", "hc5"),
        "Corrected for leverages are 'HC2' and 'HC3'.",
    ),
    **dict.fromkeys(("robust", "sandwich", "white", "huber", "qmle", "mlr", "hc"), _ROBUST),
    **dict.fromkeys(
        ("opg", "bhhh", "jac", "jhj"),
        f"The outer product of gradients alone is not offered. {_ROBUST}",
    ),
    **dict.fromkeys(
        ("hac", "hac-panel", "hac-groupsum", "nw", "nw-panel", "nw-groupsum", "newey-west"),
        "Cells have no order in time; 'cluster' lets those of a group depend on each other.",
    ),
    **dict.fromkeys(("bootstrap", "jackknife", "mbn"), f"Nothing is resampled. {_ROBUST}"),
    **dict.fromkeys(("hessian", "observed", "obs"), "That of the observed information is 'oim'."),
    **dict.fromkeys(("fisher", "expected", "exp"), "That of the expected information is 'eim'."),
    **dict.fromkeys(
        ("clustered", "cr", "cr0", "cr1s", "cr1p", "vcovcl", "groups"),
        "With cov_kwds={'groups': ...} it is 'cluster': the sum over clusters, with its "
        "small-sample factor unless use_correction=False; with few clusters 'CR2' is better.",
    ),
}
"""Words of other packages, in lower case, and what to write here."""


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
    use_t : bool
        Whether tests refer to Student's t.
    """

    kind: str
    groups: NDArray[np.int64] | None = None
    names: pd.Index | None = None
    use_correction: bool = True
    use_t: bool = False

    @property
    def reference(self) -> str:
        """What tests refer to, in words."""
        if not self.use_t:
            return "normal quantiles"
        if self.kind in POWERS:
            return "t, Satterthwaite's degrees of freedom"
        return "t, clusters - 1" if self.kind == "cluster" else "t, residual degrees of freedom"


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
        One of ``COV_TYPES``, or statsmodels' word ``nonrobust`` for ``oim``.
    cov_kwds : mapping or None
        ``groups`` (an array, or the name of a column of obs) and ``use_correction`` for
        kinds with clusters, and ``use_t``: whether tests refer to Student's t, as they do by
        default for clusters and for ``HC2`` and ``HC3``.
    obs : DataFrame
        Cells.

    Returns
    -------
    CovarianceRule

    Raises
    ------
    OptionError
        If the type or an option is unknown, or clusters are needed and not given.
    InputTypeError
        If the options are no mapping.
    AlignmentError
        If the clusters do not match the cells.

    Examples
    --------
    >>> obs = pd.DataFrame({"donor": ["a", "a", "b"]})
    >>> covariance_rule("cluster", {"groups": "donor"}, obs).groups
    array([0, 0, 1])
    """
    cov_type = known_kind(cov_type)
    options = _options(cov_kwds)
    _check_keys(cov_type, options)
    use_t = options.get("use_t")
    if use_t is not None and not isinstance(use_t, bool | np.bool_):
        msg = f"use_t must be True or False, not {use_t!r}."
        raise OptionError(msg)
    student = cov_type in _SMALL_SAMPLE if use_t is None else bool(use_t)
    if cov_type not in BY_CLUSTERS:
        return CovarianceRule(cov_type, use_t=student)
    if options.get("groups") is None:
        msg = (
            f"cov_type={cov_type!r} needs cov_kwds={{'groups': ...}}: a column of obs, or an array."
        )
        raise OptionError(msg)
    correction = options.get("use_correction", True)
    if not isinstance(correction, bool | np.bool_):
        msg = f"use_correction must be True or False, not {correction!r}."
        raise OptionError(msg)
    _check_shape(options["groups"])
    if isinstance(options["groups"], str) and not obs.columns.size:
        msg = (
            f"groups={options['groups']!r} names a column, but this fit was given no columns; pass "
            f"the cluster of each cell as an array."
        )
        raise AlignmentError(msg)
    codes, names = _codes(options["groups"], obs)
    codes.flags.writeable = False
    return CovarianceRule(cov_type, codes, read_only(names), bool(correction), student)


def known_kind(cov_type: object) -> str:
    """The kind itself, or an error that knows the words of other packages.

    Parameters
    ----------
    cov_type : str
        What was given.

    Returns
    -------
    str

    Raises
    ------
    OptionError
        If it is unknown.
    """
    if isinstance(cov_type, str):
        if cov_type in COV_TYPES:
            return cov_type
        if cov_type in _SAME:
            return _SAME[cov_type]
        advice = _ELSEWHERE.get(cov_type.lower())
        if advice is not None:
            msg = f"cov_type={cov_type!r} is not one of {some_of(COV_TYPES, 10)}. {advice}"
            raise OptionError(msg)
    check_choice("cov_type", cov_type, COV_TYPES)
    raise AssertionError  # check_choice has refused everything else


def _options(cov_kwds: object) -> dict[str, object]:
    if cov_kwds is None:
        return {}
    if not isinstance(cov_kwds, Mapping):
        msg = (
            f"cov_kwds must be a mapping such as {{'groups': 'donor'}}, not "
            f"{type(cov_kwds).__name__}."
        )
        raise InputTypeError(msg)
    return dict(cov_kwds)


def _check_keys(kind: str, options: Mapping[str, object]) -> None:
    known: tuple[str, ...] = _KEYWORDS if kind == "cluster" else ("use_t",)
    if kind in BY_CLUSTERS and kind != "cluster":
        known = ("groups", "use_t")
    for name in options:
        if name in known:
            continue
        if name in _KEYWORDS:
            msg = f"cov_type={kind!r} takes no cov_kwds but {some_of(known)}; got {name!r}."
            raise OptionError(msg)
        msg = f"cov_kwds has an unknown key {name!r}; the keys are {some_of(_KEYWORDS)}."
        raise OptionError(msg + did_you_mean(name, _KEYWORDS))


def _check_shape(groups: object) -> None:
    if isinstance(groups, str) or (isinstance(groups, pd.DataFrame) and groups.shape[1] == 1):
        return
    shape = np.shape(groups) if hasattr(groups, "shape") else np.asarray(groups, dtype=object).shape
    if len(shape) != 1:
        msg = (
            f"groups must name one cluster for each cell, as a column of obs or an array of one "
            f"dimension; it has the shape {shape}. Clusters of two kinds at once are not offered."
        )
        raise AlignmentError(msg)


def _carriers(column: NDArray[np.float64], clusters: NDArray[np.int64], total: int) -> int:
    """In how many clusters a column of a design has something to tell of its coefficient.

    These are the clusters with a value other than the most frequent one, such as that of the
    reference level; of two values the one in fewer clusters counts.
    """
    codes, values = pd.factorize(column)
    if len(values) == 1:
        return total

    def without(value: int) -> int:
        return int(np.unique(clusters[codes != value]).size)

    if len(values) == 2:
        return min(without(0), without(1))
    return without(int(np.bincount(codes).argmax()))


def _term_carriers(
    predictor: LinearPredictor, used: NDArray[np.bool_], clusters: NDArray[np.int64], total: int
) -> dict[str, int]:
    prefix = "" if predictor.key == "mean" else f"{predictor.key} "
    matrix = predictor.matrix[used]
    return {
        prefix + term: min(_carriers(column, clusters, total) for column in matrix[:, where].T)
        for term, where in predictor.term_slices.items()
        if matrix[:, where].shape[1]
    }


def few_clusters(
    rule: CovarianceRule, design: Design, weights: NDArray[np.float64] | None
) -> str | None:
    """Say which terms are carried by fewer than ten clusters.

    Parameters
    ----------
    rule : CovarianceRule
        Which covariance was asked for.
    design : Design
        Designs of the fit.
    weights : ndarray or None, shape (cells,)
        Frequency weights.

    Returns
    -------
    str or None
        None if there are clusters enough, none were asked for, or each test has degrees of
        freedom of its own.

    Raises
    ------
    OptionError
        If there are more coefficients than degrees of freedom are computed for.
    """
    width = len(design.mean.terms) + len(design.dispersion.terms)
    if rule.kind in POWERS and rule.use_t and width > MOST_COEFFICIENTS:
        msg = (
            f"the degrees of freedom of cov_type={rule.kind!r} are computed for up to "
            f"{MOST_COEFFICIENTS} coefficients; this fit has {width}. Use "
            f"cov_kwds={{'use_t': False}} for normal quantiles, or 'cluster'."
        )
        raise OptionError(msg)
    if rule.groups is None or (rule.kind in POWERS and rule.use_t):
        return None
    used = np.ones(rule.groups.size, dtype=bool) if weights is None else weights > 0
    clusters = rule.groups[used]
    total = int(np.unique(clusters).size)
    carried = {
        term: number
        for predictor in (design.mean, design.dispersion)
        for term, number in _term_carriers(predictor, used, clusters, total).items()
        if number < _ENOUGH
    }
    if not carried:
        return None
    fewest = sorted(carried.items(), key=lambda item: item[1])
    named = some_of((f"{term} ({number})" for term, number in fewest), 6)
    return (
        f"Of {total} clusters fewer than {_ENOUGH} carry these terms, as counted in brackets: "
        f"{named}. Clustered standard errors from so few are too small as a rule, and "
        f"cov_type='CR2' corrects them; a coefficient of "
        f"which the clusters leave no variance has none, and the status 'not_identified'."
    )
