"""Predictions for any rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.genewise import Components
from nbglm.exceptions import AlignmentError
from nbglm.fit.prediction import predict
from nbglm.inference.estimates import predict_intervals
from nbglm.inference.levels import check_interval
from nbglm.inference.methods import FitInference

__all__ = ["FitPredictions"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class FitPredictions(FitInference):
    """:class:`~nbglm.inference.methods.FitInference` with predictions."""

    @cached_property
    def _every_gene(self) -> slice:
        return slice(0, len(self.gene_names))

    @property
    def fittedvalues(self) -> pd.DataFrame:
        """Fitted means on the count scale, cells x genes."""
        return self.predict()["mean"]

    def _rows(
        self, obs: pd.DataFrame | None, offset: object, size_factors: object
    ) -> tuple[pd.DataFrame, FloatArray, FloatArray, FloatArray]:
        """New rows (or those of the fit) with their designs and offset."""
        if obs is None:
            instead = "Pass obs=, a DataFrame of rows."
            self.require_data("a prediction or a sample for the rows of the fit", instead)
            obs = self.counts.obs
            if offset is None and size_factors is None:
                matrices = self.design.mean.matrix, self.design.dispersion.matrix
                return obs, *matrices, self.design.offset
        elif not isinstance(obs, pd.DataFrame):
            if hasattr(obs, "obs"):
                obs = obs.obs
            else:
                raise AlignmentError(_no_rows(obs))
        return obs, *self.design.replay(obs, offset, size_factors)

    def predict(
        self,
        obs: pd.DataFrame | None = None,
        offset: object = None,
        *,
        size_factors: object = None,
        interval: float | None = None,
    ) -> dict[str, pd.DataFrame]:
        """Mean and size of every gene for given rows.

        Parameters
        ----------
        obs : DataFrame, optional
            New rows; those of the fit by default. Levels, contrasts and knots stay those of the
            fit.
        offset, size_factors : array_like or str, optional
            As in :func:`nbglm.fit_negbin`; needed for new rows if the fit was given arrays.
        interval : float, optional
            Level of confidence intervals for the mean and the size, such as 0.95.

        Returns
        -------
        dict of DataFrame
            ``mean`` (counts) and ``dispersion`` (the size ``r``), cells x genes. A mean is 0
            where the counts were separated, a size infinite at a Poisson limit. With `interval`
            also ``mean_lower``, ``mean_upper``, ``dispersion_lower`` and ``dispersion_upper``:
            Wald intervals of the logarithms, mapped back; NaN where there are none.

        Raises
        ------
        FormulaError
            If a column is missing or a level is unknown to the fit.
        AlignmentError
            If an offset is missing or does not match.
        """
        if interval is None:
            return self.predict_genes(self._every_gene, obs, offset, size_factors)
        check_interval(interval)
        obs, x, z, total = self._rows(obs, offset, size_factors)
        tables = predict_intervals(self, x, z, total, interval)
        return Components(
            {
                name: pd.DataFrame(values, obs.index.copy(deep=True), self.gene_names)
                for name, values in tables.items()
            }
        )

    def predict_genes(
        self,
        genes: slice,
        obs: pd.DataFrame | None = None,
        offset: object = None,
        size_factors: object = None,
    ) -> dict[str, pd.DataFrame]:
        """Predict some of the genes: :meth:`predict` for a slice of their positions."""
        obs, x, z, total = self._rows(obs, offset, size_factors)
        mean, size = predict(self.arrays, x, z, total, genes)
        names = self.gene_names[genes]
        return Components(
            mean=pd.DataFrame(mean, obs.index.copy(deep=True), names),
            dispersion=pd.DataFrame(size, obs.index.copy(deep=True), names.copy()),
        )


def _no_rows(obs: object) -> str:
    """What to do with something that is no DataFrame of rows."""
    msg = f"obs must be a DataFrame of new rows, not {type(obs).__name__}."
    if isinstance(obs, pd.Series):
        return f"{msg} obs.to_frame().T is one, of one row."
    if isinstance(obs, Mapping):
        return (
            f"{msg} pandas.DataFrame(obs) makes one of columns, pandas.DataFrame([obs]) of a row."
        )
    return msg
