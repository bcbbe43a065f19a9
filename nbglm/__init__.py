"""Negative binomial GLMs with formulas for the mean and the dispersion, for every gene.

>>> import nbglm
>>> nbglm.fit_negbin  # doctest: +ELLIPSIS
<function fit_negbin at ...>

Fit with :func:`fit_negbin`; :class:`NegBinModel` is the model of one response, after statsmodels;
:class:`NegBinRegressionSimulator` is a simulator of counts.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from nbglm.comparison import compare, lr_test
from nbglm.exceptions import (
    AlignmentError,
    CountsError,
    FormulaError,
    HypothesisError,
    InputTypeError,
    NbglmError,
    NbglmWarning,
    OptionError,
    RankError,
    UnavailableError,
    UnknownNameError,
    WorkerError,
)
from nbglm.negbin import fit_negbin
from nbglm.results import NegBinResults
from nbglm.simulator import NegBinRegressionSimulator

if TYPE_CHECKING:
    from nbglm.single.model import NegBinModel as NegBinModel

try:
    __version__ = version("nbglm")
except PackageNotFoundError:  # a source tree that has not been installed
    __version__ = "0+unknown"

__all__ = [
    "AlignmentError",
    "CountsError",
    "FormulaError",
    "HypothesisError",
    "InputTypeError",
    "NbglmError",
    "NbglmWarning",
    "NegBinModel",
    "NegBinRegressionSimulator",
    "NegBinResults",
    "OptionError",
    "RankError",
    "UnavailableError",
    "UnknownNameError",
    "WorkerError",
    "compare",
    "fit_negbin",
    "lr_test",
]


def __getattr__(name: str) -> Any:
    """Import the model of one response, and statsmodels with it, when it is first asked for."""
    if name == "NegBinModel":
        from nbglm.single.model import NegBinModel

        return NegBinModel
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
