"""Negative binomial GLMs with formulas for the mean and the dispersion, for every gene.

>>> import nbglm
>>> nbglm.fit_negbin  # doctest: +ELLIPSIS
<function fit_negbin at ...>

Fit with :func:`fit_negbin`, or use :class:`NegBinRegressionSimulator` as a simulator of counts.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from nbglm.comparison import compare, lr_test
from nbglm.exceptions import (
    AlignmentError,
    CountsError,
    FormulaError,
    HypothesisError,
    NbglmError,
    NbglmWarning,
    RankError,
)
from nbglm.negbin import fit_negbin
from nbglm.results import NegBinResults
from nbglm.simulator import NegBinRegressionSimulator

try:
    __version__ = version("nbglm")
except PackageNotFoundError:  # a source tree that has not been installed
    __version__ = "0+unknown"

__all__ = [
    "AlignmentError",
    "CountsError",
    "FormulaError",
    "HypothesisError",
    "NbglmError",
    "NbglmWarning",
    "NegBinRegressionSimulator",
    "NegBinResults",
    "RankError",
    "compare",
    "fit_negbin",
    "lr_test",
]
