"""The distinct rows of both designs, in any coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbglm.fit.genes import FitArrays
from nbglm.fit.prediction import predict
from nbglm.problem.layout import Layout

__all__ = ["DesignRows"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class DesignRows:
    """The distinct rows of the design, in the user's columns."""

    x: FloatArray
    z: FloatArray
    layout: Layout

    def predictors(self, fit: FitArrays, gene: int) -> tuple[FloatArray, FloatArray]:
        """Log mean and log size of each row."""
        mean, size = predict(fit, self.x, self.z, self.layout.offset, slice(gene, gene + 1))
        with np.errstate(divide="ignore"):
            return np.log(mean[:, 0]), np.log(size[:, 0])

    def in_coordinates_of(self, root: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The designs in coordinates in which the observed information is the identity."""
        p = self.x.shape[1]
        return self.x @ root[:p], self.z @ root[p:]
