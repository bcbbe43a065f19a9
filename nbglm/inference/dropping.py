"""Results without the counts and cells of their fit, and results of some of their genes."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nbglm.design.design import Design
from nbglm.inference.hypotheses import distinct_rows
from nbglm.inference.marginal import covariate_mean
from nbglm.inference.remains import AbsentCounts, Remains
from nbglm.inference.tables import FitTables

__all__ = ["of_genes", "without_data"]

IntArray = NDArray[np.int64]
Results = TypeVar("Results", bound=FitTables)


def _design_without_cells(design: Design) -> Design:
    return replace(
        design,
        mean=design.mean.without_cells(),
        dispersion=design.dispersion.without_cells(),
        offset=design.offset[:0].copy(),
    )


def _remains(results: FitTables, *, limit_tests: bool) -> Remains:
    x, z = distinct_rows(results)
    # Rows that differ in their offsets alone are one here.
    pairs = np.unique(np.hstack([x, z]), axis=0)
    columns = {**results.design.mean.columns, **results.design.dispersion.columns}
    genes = np.arange(len(results.gene_names))
    return Remains(
        rows=(pairs[:, : x.shape[1]].copy(), pairs[:, x.shape[1] :].copy()),
        covariances=results.covariances,
        limit_tests=results.limit_tests(genes) if limit_tests else None,
        covariate_means={
            name: covariate_mean(results, name)
            for name, column in columns.items()
            if column.kind == "numeric"
        },
        column_lines=tuple(results.column_lines),
        nobs=results.nobs,
        n_params=results.n_params,
        df_model=results.df_model,
        base_mean=results.base_mean.to_numpy(copy=True),
    )


def without_data(results: Results, *, limit_tests: bool) -> Results:
    """Drop counts and cells: see :meth:`nbglm.NegBinResults.without_data`."""
    if results.remains is not None:
        return results
    counts = results.counts
    return replace(
        results,
        remains=_remains(results, limit_tests=limit_tests),
        counts=AbsentCounts(
            None,
            counts.genes,
            counts.obs.iloc[:0],
            counts.annotations,
            counts.remark,
            absent_cells=counts.n_cells,
        ),
        design=_design_without_cells(results.design),
        weights=None,
        cov=replace(results.cov, groups=None),
    )


def of_genes(results: Results, positions: IntArray) -> Results:
    """The fit of some genes: see :meth:`nbglm.NegBinResults.subset`."""
    some = replace(
        results,
        arrays=results.arrays.of_genes(positions),
        counts=results.counts.of_genes(positions),
        remains=None if results.remains is None else results.remains.of_genes(positions),
        edited=None if results.edited is None else results.edited.of_genes(positions),
    )
    # What was prepared for all genes serves these.
    if results.remains is None:
        some.__dict__["problem"] = results.problem
        if "covariances" in results.__dict__:
            some.__dict__["covariances"] = results.covariances.of_genes(positions)
    return some
