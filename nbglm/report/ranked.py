"""Each group against the others, in the shape in which scanpy keeps ranked genes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri_exp

from nbglm.exceptions import HypothesisError, InputTypeError, OptionError, did_you_mean, some_of
from nbglm.inference.marginal import marginal_quantities
from nbglm.report.rest import against_rest

if TYPE_CHECKING:
    from anndata import AnnData

    from nbglm.inference.methods import FitInference

__all__ = ["rank_genes", "write_ranking"]

FloatArray = NDArray[np.float64]

_REST = "rest"

_COLUMNS = ("names", "scores", "logfoldchanges", "pvals", "pvals_adj")

_ROUNDING = 1e-12

_THEIR_WORDS = {"fdr_bh": "benjamini-hochberg"}
"""What scanpy calls adjustments."""


def _level(what: str, level: object, levels: list[str]) -> int:
    """Position of a group."""
    if str(level) not in levels:
        msg = f"{what} names {level!r}; the groups are {some_of(levels, 9)}."
        raise OptionError(msg + did_you_mean(level, levels))
    return levels.index(str(level))


def _chosen(groups: object, levels: list[str], reference: int | None) -> list[int]:
    """Positions of the groups that are compared."""
    if isinstance(groups, str):
        if groups != "all":
            return [_level("groups=", groups, levels)]
        return [k for k in range(len(levels)) if k != reference]
    if not isinstance(groups, Iterable):
        msg = f"groups= takes 'all' or a list of groups, not a {type(groups).__name__}."
        raise InputTypeError(msg)
    positions = list(dict.fromkeys(_level("groups=", group, levels) for group in groups))
    if not positions or reference in positions:
        what = "is empty" if not positions else f"has the reference {levels[positions[0]]!r}"
        msg = f"groups= {what}; it takes groups that are compared with the reference."
        raise OptionError(msg)
    return positions


def _rows(levels: list[str], chosen: list[int], reference: int | None) -> FloatArray:
    """Weights of the groups in each comparison."""
    identity = np.eye(len(levels))
    if reference is not None:
        return np.asarray(identity[chosen] - identity[reference])
    others = (1.0 - identity) / (len(levels) - 1)
    return np.asarray((identity - others)[chosen])


def rank_genes(
    tables: FitInference,
    groupby: str,
    groups: object,
    reference: object,
    component: str,
    method: str,
) -> pd.DataFrame:
    """Compare groups: see :meth:`nbglm.NegBinResults.rank_genes_groups`."""
    if not isinstance(groupby, str):
        msg = f"groupby= takes the name of a column of obs, not a {type(groupby).__name__}."
        raise InputTypeError(msg)
    quantity = marginal_quantities(tables, groupby, "log", component)
    linear = quantity.mean if component == "mean" else quantity.size
    assert linear is not None
    levels = [str(level) for level in quantity.labels[groupby]]
    if len(levels) < 2:
        msg = f"{groupby!r} has one value, {levels[0]!r}, in this fit; two are needed to compare."
        raise HypothesisError(msg)
    at = None if reference == _REST else _level("reference=", reference, levels)
    chosen = _chosen(groups, levels, at)
    if at is None and component == "mean":
        tests = [against_rest(tables, linear, k, method) for k in chosen]
    else:
        p = len(tables.design.mean.terms)
        part = slice(0, p) if component == "mean" else slice(p, None)
        matrix = (_rows(levels, chosen, at) @ linear)[:, part]
        # What cancels but for rounding must not touch a coefficient, which may be infinite.
        matrix[np.abs(matrix) < _ROUNDING * np.abs(linear).max()] = 0.0
        tests = [tables.t_test(row[None, :], component, method=method) for row in matrix]
    frames = [_one_group(levels[k], table) for k, table in zip(chosen, tests, strict=True)]
    return pd.concat(frames, ignore_index=True)


def _one_group(group: str, tests: pd.DataFrame) -> pd.DataFrame:
    """The genes of one comparison, those with the highest scores first."""
    estimate = tests["estimate"].to_numpy()
    # Where an estimate is infinite its p-value is that of a likelihood ratio: its signed root.
    with np.errstate(invalid="ignore"):
        distance = 0.0 - ndtri_exp(tests["log_p_value"].to_numpy() - np.log(2.0))
        root = np.where(estimate > 0.0, distance, 0.0 - distance)
    scores = np.where(np.isinf(estimate), root, tests["z"].to_numpy())
    order = np.argsort(-scores, kind="stable")
    columns = {
        "group": np.repeat(np.array([group], dtype=object), len(tests)),
        "names": tests.index.to_numpy(dtype=object),
        "scores": scores,
        "logfoldchanges": estimate / np.log(2.0),
        "pvals": tests["p_value"].to_numpy(),
        "pvals_adj": tests["p_adjusted"].to_numpy(),
    }
    return pd.DataFrame({name: values[order] for name, values in columns.items()})


def write_ranking(
    adata: AnnData,
    key: str,
    ranking: pd.DataFrame,
    genes: pd.Index,
    *,
    groupby: str,
    reference: str,
    method: str,
) -> None:
    """Write a ranking into ``adata.uns`` as scanpy would.

    Parameters
    ----------
    adata : AnnData
        Where to.
    key : str
        Name in ``uns``.
    ranking : DataFrame
        From :func:`rank_genes`.
    genes : Index
        Those of the fit.
    groupby, reference, method : str
        What was compared, and how p-values were adjusted.

    Raises
    ------
    InputTypeError
        If it is no AnnData.
    OptionError
        If it has other genes.
    """
    if not hasattr(adata, "uns") or not hasattr(adata, "var_names"):
        msg = f"adata= takes the AnnData to write into, not a {type(adata).__name__}."
        raise InputTypeError(msg)
    absent = genes.difference(adata.var_names, sort=False)
    if len(absent):
        msg = f"adata= lacks genes of this fit: {some_of(absent)}."
        raise OptionError(msg)
    groups = list(dict.fromkeys(ranking["group"]))
    parts = {group: ranking[ranking["group"] == group] for group in groups}
    params = {
        "groupby": groupby,
        "reference": reference,
        "method": "nbglm",
        "use_raw": False,
        "layer": None,
        "corr_method": _THEIR_WORDS.get(method, method),
    }
    told: dict[str, Any] = {"params": params}
    for column in _COLUMNS:
        kind = object if column == "names" else np.float64
        records = np.empty(len(genes), dtype=[(group, kind) for group in groups])
        for group, part in parts.items():
            records[group] = part[column].to_numpy()
        told[column] = records
    adata.uns[key] = told
