"""The fit of one response comes back from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from nbglm.inference.methods import FitInference
from nbglm.single.likelihood import PREFIX
from nbglm.single.model import NegBinModel
from nbglm.single.results import NegBinModelResults, NegBinModelResultsWrapper

__all__ = ["restored_results"]


def restored_results(
    tables: FitInference, response: Mapping[str, Any]
) -> NegBinModelResultsWrapper:
    """Results of one response, made of its fit and what was kept beside it.

    Parameters
    ----------
    tables : FitInference
        The fit.
    response : mapping
        What :meth:`nbglm.single.keeping.Keeping.save` says of the model.

    Returns
    -------
    NegBinModelResultsWrapper

    Raises
    ------
    ValueError
        If the fit is of several genes.
    """
    if len(tables.counts.genes) != 1:
        msg = f"it has {len(tables.counts.genes)} responses in place of one"
        raise ValueError(msg)
    design = tables.design
    if tables.remains is not None:
        # A model of the rows that are left knows which columns are constant.
        x, z = tables.remains.rows
        design = design.of_rows(x, z, np.zeros(len(x)))
        endog = pd.Series(np.zeros(len(x)), name=response["name"])
    else:
        endog = pd.Series(tables.counts.gene(0), tables.counts.cells, name=response["name"])
    if response["labelled"]:
        model = NegBinModel.of_design(endog, design, tables.weights)
    else:
        offset = design.offset if design.offset.any() else None
        model = NegBinModel(
            endog.to_numpy(),
            design.mean.matrix,
            design.dispersion.matrix,
            offset=offset,
            weights=tables.weights,
        )
        names = [PREFIX + term for term in design.dispersion.terms]
        model.data.xnames = [*design.mean.terms, *names]
    if response["formula"] is None:
        model.without_formula()
    else:
        model.formula = str(response["formula"])
        if response["frame"]:
            model.data.frame = tables.counts.obs
    results = NegBinModelResults(model, tables)
    if response["llnull"] is not None:
        results.llnull = float(response["llnull"])
    if tables.remains is not None:
        results.forget_rows()
    return NegBinModelResultsWrapper(results)
