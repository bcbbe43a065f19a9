"""What a fit is made of, as a plain tree; and a fit made of such a tree.

Every array is compared with the others before it becomes part of a fit, since what comes of a file
may have been written by anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from nbglm.counts.budget import Budget
from nbglm.counts.opening import Table
from nbglm.counts.table import Counts, read_table
from nbglm.design.design import Design
from nbglm.design.labels import read_only
from nbglm.design.offset import OffsetRule
from nbglm.design.scope import Scope
from nbglm.files.designs import predictor_of_tree, shaped, tree_of_predictor
from nbglm.files.plain import Words, digest
from nbglm.files.tables import index_of_tree, table_of_tree, tree_of_index, tree_of_table
from nbglm.fit.clusters import CovarianceRule, known_kind
from nbglm.fit.collapse import Collapse
from nbglm.fit.covariance import Covariances
from nbglm.fit.genes import FitArrays
from nbglm.fit.moments import Moments
from nbglm.fit.planted import Planted
from nbglm.inference.bounds import LimitTests
from nbglm.inference.remains import AbsentCounts, Remains
from nbglm.inference.tables import FitTables
from nbglm.status import COEF_STATUS, GENE_STATUS

__all__ = ["digest_of_counts", "fit_of_tree", "tree_of_fit"]

Tree = Mapping[str, Any]
Results = TypeVar("Results", bound=FitTables)


# Taken apart -----------------------------------------------------------------------------------


def tree_of_fit(fit: FitTables) -> Tree:
    """Take a fit apart.

    Parameters
    ----------
    fit : FitTables
        With its data, whose counts are left to the caller, or without.

    Returns
    -------
    dict
    """
    counts, cov, remains = fit.counts, fit.cov, fit.remains
    return {
        "genes": Words(counts.genes),
        "gene_index": None if counts.genes.name is None else str(counts.genes.name),
        "annotations": tree_of_table(counts.annotations, "var"),
        "n_cells": counts.n_cells,
        "obs": tree_of_table(counts.obs, "obs") if remains is None else None,
        "obs_names": tree_of_index(counts.obs.columns),
        "remark": counts.remark,
        "numbers": _numbers(fit),
        "gene_status": _words_used(fit.arrays.status, GENE_STATUS),
        "coef_status": _words_used(fit.arrays.coef_status, COEF_STATUS),
        "mean": tree_of_predictor(fit.design.mean),
        "dispersion": tree_of_predictor(fit.design.dispersion),
        "offset_rules": [
            {"what": rule.what, "source": rule.source, "column": rule.column}
            for rule in fit.design.rules
        ],
        "offset": fit.design.offset,
        "weights": fit.weights,
        "cov_type": cov.kind,
        "groups": cov.groups,
        "group_names": None if cov.names is None else tree_of_index(cov.names),
        "use_correction": cov.use_correction,
        "use_t": cov.use_t,
        "rank_deficient": fit.rank_deficient,
        "seconds": float(fit.seconds),
        "without_data": None if remains is None else _tree_of_remains(fit, remains),
        "edited": None if fit.edited is None else _tree_of_edits(fit.edited),
        "dispersion_method": fit.dispersion_method,
    }


def _words_used(codes: NDArray[np.int8], words: Sequence[str]) -> list[str]:
    """Words of a status; versions without edits read all files without one."""
    edited = bool((codes == words.index("planted")).any())
    return [word for word in words if word != "planted" or edited]


def _numbers(fit: FitTables) -> Tree:
    numbers = {part.name: getattr(fit.arrays, part.name) for part in fields(fit.arrays)}
    for name, words in (("status", GENE_STATUS), ("coef_status", COEF_STATUS)):
        used = _words_used(numbers[name], words)
        codes = [used.index(word) if word in used else -1 for word in words]
        numbers[name] = np.array(codes, dtype=np.int8)[numbers[name]]
    return numbers


def _tree_of_edits(edited: Planted) -> Tree:
    flags = edited.edited.astype(np.int8)
    return {"estimates": edited.estimates, "edited": flags, "edits": Words(edited.edits)}


def _tree_of_remains(fit: FitTables, remains: Remains) -> Tree:
    known, tests = remains.covariances, remains.limit_tests
    other = known.root is not known.observed
    return {
        "mean_rows": remains.rows[0],
        "dispersion_rows": remains.rows[1],
        # As a rule both are the factors that the fit found, which are kept once.
        "root": known.root if other else None,
        "observed": None if known.observed is fit.arrays.root else known.observed,
        "collapsed": [
            {"genes": part.genes, "transform": part.transform, "directions": part.directions}
            for part in known.collapsed
        ],
        "df": float(known.df),
        "moments": None if known.moments is None else _tree_of_moments(known.moments),
        "limit_tests": None if tests is None else dict(tests._asdict()),
        "covariate_names": list(remains.covariate_means),
        "covariate_means": [float(value) for value in remains.covariate_means.values()],
        "column_lines": list(remains.column_lines),
        "nobs": float(remains.nobs),
        "n_params": int(remains.n_params),
        "df_model": int(remains.df_model),
        "base_mean": remains.base_mean,
    }


def _tree_of_moments(moments: Moments) -> Tree:
    return {"bread": moments.bread, "mean": moments.mean, "spread": moments.spread}


def digest_of_counts(matrix: sparse.csc_matrix) -> str:
    """By what counts are known again, whatever integers they are stored in.

    Parameters
    ----------
    matrix : sparse CSC matrix, shape (cells, genes)
        The counts.

    Returns
    -------
    str
    """
    parts = (matrix.indptr, matrix.indices, matrix.data)
    return digest(*(part.astype(np.int64) for part in parts))


# Put together ----------------------------------------------------------------------------------


def fit_of_tree(
    kind: type[Results], tree: Tree, scope: Scope, matrix: sparse.csc_matrix | None
) -> Results:
    """Put a fit together.

    Parameters
    ----------
    kind : type
        Class of the results.
    tree : dict
        What :func:`tree_of_fit` made.
    scope : Scope
        What formulas may use for new rows.
    matrix : sparse matrix or None
        The counts of a fit with its data.

    Returns
    -------
    FitTables
        Of that class.

    Raises
    ------
    ValueError, TypeError, KeyError, IndexError, AttributeError
        If the parts do not belong together.
    """
    mean = predictor_of_tree("mean", tree["mean"], scope)
    dispersion = predictor_of_tree("dispersion", tree["dispersion"], scope)
    genes = len(tree["genes"])
    widths = len(mean.terms), len(dispersion.terms)
    arrays = _numbers_of_tree(tree, genes, sum(widths))
    kept = tree["without_data"]
    cells = int(tree["n_cells"]) if kept is None else 0
    counts = _counts_of_tree(tree, matrix)
    for predictor in (mean, dispersion):
        shaped(predictor.matrix, (cells, len(predictor.terms)))
    rules = tuple(
        OffsetRule(str(rule["what"]), str(rule["source"]), str(rule["column"]))
        for rule in tree["offset_rules"]
    )
    weights = tree["weights"]
    return kind(
        arrays=arrays,
        design=Design(mean, dispersion, rules, shaped(tree["offset"], (cells,))),
        counts=counts,
        weights=None if weights is None else shaped(weights, (cells,)),
        cov=_cov_of_tree(tree, cells),
        rank_deficient=str(tree["rank_deficient"]),
        seconds=float(tree["seconds"]),
        remains=None if kept is None else _remains_of_tree(kept, arrays, widths),
        edited=_edits_of_tree(tree.get("edited"), arrays.coef.shape),
        dispersion_method=str(tree.get("dispersion_method", "ml")),
    )


def _edits_of_tree(tree: Tree | None, shape: tuple[int, ...]) -> Planted | None:
    """What was edited; nothing in files of versions that knew no edits."""
    if tree is None:
        return None
    flags = shaped(tree["edited"], shape, np.int8).astype(bool)
    return Planted(shaped(tree["estimates"], shape), flags, tuple(map(str, tree["edits"])))


def _codes(array: object, stored: Sequence[str], now: Sequence[str], shape: Any) -> NDArray[Any]:
    """Positions of words in the list of this version."""
    codes = shaped(array, shape, np.int8)
    new = np.array([now.index(word) for word in stored], dtype=np.int8)
    if codes.size and not (codes.min() >= 0 and codes.max() < len(new)):
        msg = "a status has no word"
        raise ValueError(msg)
    return new[codes]


def _numbers_of_tree(tree: Tree, genes: int, width: int) -> FitArrays:
    given = tree["numbers"]
    by_coefficient = (genes, width)
    return FitArrays(
        **{name: shaped(given[name], by_coefficient) for name in ("coef", "finite", "direction")},
        reach=shaped(given["reach"], (genes, 2)),
        root=shaped(given["root"], (genes, width, width)),
        llf=shaped(given["llf"], (genes,)),
        evaluations=shaped(given["evaluations"], (genes,), np.int64),
        status=_codes(given["status"], tree["gene_status"], GENE_STATUS, (genes,)),
        coef_status=_codes(given["coef_status"], tree["coef_status"], COEF_STATUS, by_coefficient),
    )


def _cov_of_tree(tree: Tree, cells: int) -> CovarianceRule:
    groups = tree["groups"]
    names = None if tree["group_names"] is None else read_only(index_of_tree(tree["group_names"]))
    if groups is not None:
        groups = shaped(groups, (cells,), np.int64)
        groups.flags.writeable = False
    kind = known_kind(tree["cov_type"])
    # Older files lack the last one: their tests referred to the normal distribution.
    use_t = bool(tree.get("use_t", False))
    return CovarianceRule(kind, groups, names, bool(tree["use_correction"]), use_t)


def _counts_of_tree(tree: Tree, matrix: sparse.csc_matrix | None) -> Counts:
    genes = read_only(pd.Index(list(tree["genes"]), name=tree["gene_index"]))
    var = table_of_tree(tree["annotations"])
    if len(var) != len(genes) or not genes.is_unique:
        msg = f"{len(genes)} genes have {len(var)} annotations"
        raise ValueError(msg)
    var.index = genes
    if matrix is None:
        obs, cells = pd.DataFrame(columns=index_of_tree(tree["obs_names"])), int(tree["n_cells"])
        return AbsentCounts(None, genes, obs, var, str(tree["remark"]), absent_cells=cells)
    obs = table_of_tree(tree["obs"])
    if matrix.shape != (len(obs), len(genes)):
        msg = f"counts have the shape {matrix.shape}, of {len(obs)} cells and {len(genes)} genes"
        raise ValueError(msg)
    table = Table(matrix, genes, obs, "The file was changed.", var, str(tree["remark"]))
    return read_table(table, Budget(matrix.data.nbytes), progress=False)


def _remains_of_tree(tree: Tree, arrays: FitArrays, widths: tuple[int, int]) -> Remains:
    genes, width = arrays.coef.shape
    square = (genes, width, width)
    observed = tree["observed"]
    observed = arrays.root if observed is None else shaped(observed, square)
    root = observed if tree["root"] is None else shaped(tree["root"], square)
    collapsed = tuple(
        Collapse(
            genes=_positions(part["genes"], genes),
            transform=shaped(part["transform"], (width, None)),
            directions=shaped(part["directions"], (np.shape(part["transform"])[1], None)),
        )
        for part in tree["collapsed"]
    )
    moments = tree.get("moments")
    if moments is not None:
        pairs = width * (width + 1) // 2
        moments = Moments(
            shaped(moments["bread"], square),
            shaped(moments["mean"], square),
            shaped(moments["spread"], (genes, pairs, pairs)),
        )
    df = float(tree.get("df", np.inf))
    tests = tree["limit_tests"]
    if tests is not None:
        names = LimitTests._fields
        tests = LimitTests(*(shaped(tests[name], (genes, width)) for name in names))
    x, z = tree["mean_rows"], tree["dispersion_rows"]
    pairs = zip(tree["covariate_names"], tree["covariate_means"], strict=True)
    return Remains(
        rows=(shaped(x, (None, widths[0])), shaped(z, (len(x), widths[1]))),
        covariances=Covariances(root, observed, collapsed, df, moments),
        limit_tests=tests,
        covariate_means={str(name): float(mean) for name, mean in pairs},
        column_lines=tuple(str(line) for line in tree["column_lines"]),
        nobs=float(tree["nobs"]),
        n_params=int(tree["n_params"]),
        df_model=int(tree["df_model"]),
        base_mean=shaped(tree["base_mean"], (genes,)),
    )


def _positions(array: object, genes: int) -> NDArray[np.int64]:
    positions = shaped(array, (None,), np.int64)
    if positions.size and not (positions.min() >= 0 and positions.max() < genes):
        msg = "a gene has no number"
        raise ValueError(msg)
    return positions
