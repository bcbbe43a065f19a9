"""Negative binomial GLMs with formulas for the mean and the dispersion, for every gene.

>>> import nbglm
>>> nbglm.fit_negbin  # doctest: +ELLIPSIS
<function fit_negbin at ...>

Fit with :func:`fit_negbin`; :class:`NegBinModel` is the model of one response, after statsmodels;
:class:`NegBinRegressionSimulator` is a simulator of counts.

Names are imported when they are first asked for, so that ``import nbglm`` waits for no compiler and
no table library, and a script that only catches the errors never does.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from nbglm.exceptions import (
    AlignmentError,
    CacheError,
    CountsError,
    FileError,
    FormulaError,
    HypothesisError,
    InputTypeError,
    MissingPackageError,
    NbglmError,
    NbglmWarning,
    OptionError,
    RankError,
    UnavailableError,
    UnknownNameError,
    WorkerError,
)

if TYPE_CHECKING:
    from nbglm import datasets, plots
    from nbglm.copula.fitting import fit_copula
    from nbglm.copula.gaussian import GaussianCopula
    from nbglm.inference.comparison import compare, lr_test
    from nbglm.likeness.comparing import CountsComparison, compare_counts
    from nbglm.loading import from_anndata, load
    from nbglm.negbin import fit_negbin
    from nbglm.preprocessing.pseudobulk import pseudobulk
    from nbglm.preprocessing.sizefactors import size_factors
    from nbglm.results import NegBinResults
    from nbglm.simulator import NegBinRegressionSimulator
    from nbglm.single.model import NegBinModel
    from nbglm.trials.power import power
    from nbglm.warming import warmup

    __version__: str

__all__ = [
    "AlignmentError",
    "CacheError",
    "CountsComparison",
    "CountsError",
    "FileError",
    "FormulaError",
    "GaussianCopula",
    "HypothesisError",
    "InputTypeError",
    "MissingPackageError",
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
    "compare_counts",
    "datasets",
    "fit_copula",
    "fit_negbin",
    "from_anndata",
    "load",
    "lr_test",
    "plots",
    "power",
    "pseudobulk",
    "size_factors",
    "warmup",
]

_HOMES = {
    "CountsComparison": "nbglm.likeness.comparing",
    "GaussianCopula": "nbglm.copula.gaussian",
    "NegBinModel": "nbglm.single.model",
    "NegBinRegressionSimulator": "nbglm.simulator",
    "NegBinResults": "nbglm.results",
    "compare": "nbglm.inference.comparison",
    "compare_counts": "nbglm.likeness.comparing",
    "fit_copula": "nbglm.copula.fitting",
    "fit_negbin": "nbglm.negbin",
    "from_anndata": "nbglm.loading",
    "load": "nbglm.loading",
    "lr_test": "nbglm.inference.comparison",
    "power": "nbglm.trials.power",
    "pseudobulk": "nbglm.preprocessing.pseudobulk",
    "size_factors": "nbglm.preprocessing.sizefactors",
    "warmup": "nbglm.warming",
}


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("nbglm")
    except PackageNotFoundError:  # a source tree that has not been installed
        return "0+unknown"


def __getattr__(name: str) -> Any:
    """Import what is first asked for; from then on it is an ordinary name of the package.

    Modules are found as well, as if the package had imported all of them.
    """
    if name == "__version__":
        value: Any = _installed_version()
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name.isidentifier() and find_spec(f"{__name__}.{name}"):
        value = import_module(f"{__name__}.{name}")
    else:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg, name=name, obj=import_module(__name__))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return __all__
