"""Fits of one response as models of the package marginaleffects.

It makes predictions, comparisons, slopes and tests of any of these from four things: coefficients,
their covariance, the data, and a function that predicts from coefficients. It knows by name which
packages it takes models of, so that others are handed over through its own base class.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import InputTypeError, OptionError, UnavailableError, check_choice, some_of
from nbglm.fit.prediction import excess_variance
from nbglm.neighbours.extras import import_extra
from nbglm.single.results import NegBinModelResults, NegBinModelResultsWrapper

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PREDICTED", "for_marginaleffects"]

FloatArray = NDArray[np.float64]

PREDICTED = ("mean", "linear", "var", "dispersion", "linear-dispersion")
"""What can be predicted, in the words of ``get_prediction(which=...)``."""

_RESERVED = frozenset(
    (
        *("rowid", "type", "group", "estimate", "std_error", "p_value", "s_value", "conf_low"),
        *("conf_high", "term", "contrast", "statistic"),
    )
)
"""Columns that marginaleffects makes itself."""


class _Adapter:
    """The methods of a model of marginaleffects; :func:`_model_class` adds its base class."""

    model: NegBinModelResults
    vault: Any
    what: tuple[str, ...]

    df_resid = float("inf")  # tests refer to the normal distribution, as everywhere else

    def get_exog(self, newdata: pl.DataFrame) -> FloatArray:
        """Both designs and the offset of some rows, beside each other."""
        return _rows(self.model, newdata)

    def get_predict(self, params: FloatArray, newdata: Any) -> pl.DataFrame:
        """What is predicted from any coefficients, one after the other."""
        polars = import_extra("polars", "neighbours")
        rows = newdata if isinstance(newdata, np.ndarray) else self.get_exog(newdata)
        p = len(self.model._tables.design.mean.terms)  # noqa: SLF001
        eta = rows[:, :p] @ params[:p] + rows[:, -1]
        zeta = rows[:, p:-1] @ params[p:]
        number = np.arange(len(rows), dtype=np.int32)
        if len(self.what) == 1:
            return polars.DataFrame(
                {"rowid": number, "estimate": _predicted(self.what[0], eta, zeta)}
            )
        # By the name of the group: it is replayed in this order.
        parts = [
            polars.DataFrame(
                {
                    "rowid": number,
                    "group": [name] * len(rows),
                    "estimate": _predicted(name, eta, zeta),
                }
            )
            for name in sorted(self.what)
        ]
        return polars.concat(parts)

    def get_vcov(self, vcov: bool | str = True) -> FloatArray | None:  # noqa: FBT002 - theirs
        """The covariance of the fit, or another of its kinds by its name."""
        if vcov is False or vcov is None:
            return None
        results = self.model
        if isinstance(vcov, str):
            results = results.with_cov(vcov)._results  # noqa: SLF001
        matrix = results._tables.covariance_of(0)  # noqa: SLF001
        # An aliased column is left out, which is a coefficient of 0 without an error.
        return np.where(np.isnan(matrix), 0.0, matrix)

    def get_autodiff_args(self) -> None:
        """There is no derivative by machine for this model."""


def _rows(results: NegBinModelResults, newdata: pl.DataFrame) -> FloatArray:
    """Both designs and the offset of some rows, beside each other."""
    obs = pd.DataFrame({name: newdata[name].to_list() for name in newdata.columns})
    x, z, offset = results._tables.design.replay(obs)  # noqa: SLF001 - of the same package
    return np.column_stack([x, z, offset])


def _predicted(which: str, eta: FloatArray, zeta: FloatArray) -> FloatArray:
    """What is predicted, from log means and log sizes."""
    if which in ("linear", "linear-dispersion"):
        return eta if which == "linear" else zeta
    if which == "dispersion":
        return np.exp(zeta)
    mean = np.exp(eta)
    return mean if which == "mean" else mean + excess_variance(mean, np.exp(zeta))


@cache
def _model_class() -> tuple[type, type]:
    """The class of their models that stand for our fits, and the class of what these keep."""
    theirs = import_extra("marginaleffects.classes", "neighbours")
    made = type("ModelNbglm", (_Adapter, theirs.ModelAbstract), {"__module__": __name__})
    return made, theirs.ModelVault


def _coefficients(results: NegBinModelResults) -> FloatArray:
    """Coefficients with 0 for aliased columns."""
    words = results.coef_status
    odd = words[~words.isin(["ok", "aliased"])]
    if len(odd):
        msg = (
            f"{results.gene_name!r} has coefficients without a finite estimate "
            f"({some_of(odd.index)}: {odd.iloc[0]}), from which no slopes can be made; leave out "
            f"the cells or the term that this comes from, or use get_prediction()."
        )
        raise UnavailableError(msg)
    coef = np.array(results.params, dtype=np.float64)
    return np.where(np.isnan(coef), 0.0, coef)


def _data(results: NegBinModelResults) -> pl.DataFrame:
    """The response and the columns of obs, factors with the levels of the fit in their order."""
    polars = import_extra("polars", "neighbours")
    tables = results._tables  # noqa: SLF001
    obs = tables.counts.obs
    used = {**tables.design.mean.columns, **tables.design.dispersion.columns}
    needed = [*used, *(rule.column for rule in tables.design.rules if rule.source == "column")]
    columns = {results.gene_name: polars.Series(tables.counts.gene(0).astype(np.int64))}
    for name in obs.columns:
        values = obs[name]
        # Of the others, those that could be asked for by their name.
        if name not in needed and (name in _RESERVED or values.isna().any()):
            continue
        if name == results.gene_name:
            continue
        kind = None
        if name in used and used[name].kind == "categorical":
            kind = polars.Enum([str(level) for level in used[name].levels])
        elif not pd.api.types.is_numeric_dtype(values):
            kind = polars.Enum(list(dict.fromkeys(values.astype(str))))
        held = values.astype(str).tolist() if kind is not None else values.to_numpy()
        columns[str(name)] = polars.Series(held, dtype=kind)
    return polars.DataFrame(columns)


def for_marginaleffects(
    results: NegBinModelResults | NegBinModelResultsWrapper, what: str | Sequence[str] = "mean"
) -> Any:
    """Hand the fit of one response over to the package marginaleffects.

    Parameters
    ----------
    results : NegBinModelResults
        From :meth:`nbglm.NegBinModel.fit` of a model with formulas, or ``res.gene(name)``.
    what : str or sequence of str
        What is predicted: ``"mean"``, ``"linear"`` (log mean), ``"var"``, ``"dispersion"`` (the
        size ``r``) or ``"linear-dispersion"`` (log size), as in ``get_prediction``. Of several,
        each is a ``group`` of its own.

    Returns
    -------
    marginaleffects.classes.ModelAbstract
        Takes the place of a model in ``predictions``, ``comparisons``, ``slopes``,
        ``hypotheses`` and their ``avg_`` forms. ``vcov="HC0"`` and other kinds of
        :meth:`nbglm.NegBinResults.with_cov` work there.

    Raises
    ------
    UnavailableError
        If marginaleffects is not installed (``pip install 'nbglm[neighbours]'``), the data were
        removed, the model has no formula, or a coefficient is infinite or unknown.
    InputTypeError, OptionError
        If it is no fit of one response, or `what` is unknown.

    Notes
    -----
    Averages are over rows as they are: where the fit has frequency weights, pass their column as
    ``wts=``. Offsets and exposures must be columns.

    Examples
    --------
    >>> from nbglm.neighbours.marginaleffects import for_marginaleffects
    >>> fit = nbglm.NegBinModel.from_formula("y ~ x + g", data).fit()  # doctest: +SKIP
    >>> marginaleffects.avg_slopes(for_marginaleffects(fit))  # doctest: +SKIP
    """
    inner = getattr(results, "_results", results)
    if not isinstance(inner, NegBinModelResults):
        msg = (
            f"for_marginaleffects() takes the fit of one response, not a {type(results).__name__}; "
            f"of a fit of many genes, res.gene(name)."
        )
        raise InputTypeError(msg)
    wanted = (what,) if isinstance(what, str) else tuple(what)
    for word in wanted:
        check_choice("what", word, PREDICTED)
    if not wanted or len(set(wanted)) < len(wanted):
        msg = f"what= takes one or several different ones of {some_of(PREDICTED, 9)}."
        raise OptionError(msg)
    inner._tables.require_data("marginaleffects")  # noqa: SLF001
    design = inner._tables.design  # noqa: SLF001
    if not design.mean.formula.patsy:
        msg = (
            "a model of arrays has no columns to compare; make it with NegBinModel.from_formula()."
        )
        raise UnavailableError(msg)
    coef = _coefficients(inner)
    model_class, vault_class = _model_class()
    # Only what may change a prediction is varied.
    columns = {
        **(design.mean.columns if set(wanted) & {"mean", "linear", "var"} else {}),
        **(design.dispersion.columns if set(wanted) - {"mean", "linear"} else {}),
    }
    vault = vault_class(
        coef=coef,
        coefnames=np.array([str(name) for name in inner.model.data.xnames]),
        modeldata=_data(inner),
        # A function, so that nobody reads patsy's formulas as another package's.
        formula=lambda newdata: (None, _rows(inner, newdata)),
        package="nbglm",
        variable_names=[inner.gene_name, *columns],
    )
    model = model_class(inner, vault)
    model.what = wanted
    return model
