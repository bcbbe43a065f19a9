"""Score tests of one response: what they are given, and what they give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.labels import match_rows
from nbglm.exceptions import (
    AlignmentError,
    HypothesisError,
    InputTypeError,
    OptionError,
    UnavailableError,
    did_you_mean,
    some_of,
)
from nbglm.inference.pvalues import chi2_tail
from nbglm.inference.scoretest import score_statistics
from nbglm.single.diagnostics import Diagnostics

__all__ = ["ScoreTest", "ScoreTests"]

FloatArray = NDArray[np.float64]

_OPTIONS = ("hypothesis", "params_constrained", "k_constraints", "r_matrix", "scale")
_IGNORED = ("return_object",)  # has no effect in statsmodels either


@dataclass(frozen=True)
class ScoreTest:
    """A score test; ``statistic, pvalue = test`` unpacks it, as in statsmodels.

    Attributes
    ----------
    statistic, pvalue : ndarray, shape (1,)
        NaN where the counts tell nothing of the columns.
    distribution : str
        ``chi2``.
    k_constraint : int
        Degrees of freedom.
    """

    statistic: FloatArray
    pvalue: FloatArray
    distribution: str
    k_constraint: int

    def __iter__(self) -> Iterator[FloatArray]:
        yield from (self.statistic, self.pvalue)


def refuse_other_options(options: Mapping[str, object]) -> None:
    """Refuse what statsmodels' function offers beyond a joint test of columns.

    Parameters
    ----------
    options : mapping
        Keyword arguments.

    Raises
    ------
    UnavailableError
        For options of statsmodels' function.
    InputTypeError
        For others.
    """
    for name, value in options.items():
        if name in _IGNORED or value is None or (name == "hypothesis" and value == "joint"):
            continue
        if name == "hypothesis":
            msg = f"hypothesis={value!r}: only 'joint' is offered; test each column by itself."
            raise UnavailableError(msg)
        if name in _OPTIONS:
            msg = (
                f"score_test tests columns that are not in the model and takes no {name!r}; for "
                f"restrictions of those that are, fit the smaller model and use nbglm.lr_test."
            )
            raise UnavailableError(msg)
        msg = f"score_test() has no argument {name!r}."
        known = ("exog_extra", "exog_dispersion_extra", "observed", "cov_type", "cov_kwds")
        raise InputTypeError(msg + did_you_mean(name, known))


def extra_columns(name: str, extra: Any, rows: int, labels: pd.Index | None) -> FloatArray:
    """Columns to be tested, one row for each observation of the fit.

    Parameters
    ----------
    name : str
        What they are called in messages.
    extra : array_like, shape (rows,) or (rows, k)
        The columns.
    rows : int
        Number of observations.
    labels : Index or None
        Their labels, which a table must have in the same order.

    Returns
    -------
    ndarray, shape (rows, k)

    Raises
    ------
    AlignmentError
        If they do not match the observations.
    OptionError
        If they are not finite numbers.
    """
    if labels is not None and isinstance(extra, pd.Series | pd.DataFrame):
        match_rows(name, extra.index, labels, whose="the fit", fix=f"use {name}.loc[...]")
    try:
        columns = np.asarray(extra, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{name} must hold numbers ({error})."
        raise OptionError(msg) from error
    columns = columns[:, None] if columns.ndim == 1 else columns
    if columns.ndim != 2 or columns.shape[0] != rows or not columns.shape[1]:
        shapes = some_of((f"({rows},)", f"({rows}, k)"))
        msg = f"{name} has the shape {np.shape(extra)}; it must be one of {shapes}."
        raise AlignmentError(msg)
    if not np.isfinite(columns).all():
        msg = f"{name} contains inf or nans; a score test needs the rows of the fit complete."
        raise OptionError(msg)
    return columns


class ScoreTests(Diagnostics):
    """The score test of :class:`~nbglm.single.results.NegBinModelResults`."""

    def score_test(
        self,
        exog_extra: Any = None,
        exog_dispersion_extra: Any = None,
        *,
        observed: bool = False,
        cov_type: str | None = None,
        cov_kwds: Any = None,
        **options: Any,
    ) -> Any:
        """Score test of columns that are not in the model.

        The numbers are those of :meth:`nbglm.NegBinResults.score_test`.

        Parameters
        ----------
        exog_extra, exog_dispersion_extra : array_like, shape (n,) or (n, k), optional
            Columns for the log mean and for the log size, tested together.
        observed : bool
            Use the observed information, as statsmodels does by default, in place of the expected.
        cov_type : str, optional
            Another kind of covariance than that of the fit.
        cov_kwds : mapping, optional
            For clusters.
        **options
            Of statsmodels' ``score_test``; of these ``hypothesis="joint"`` can be given.

        Returns
        -------
        ScoreTest
            ``statistic`` and ``pvalue``, to which it can be unpacked, ``k_constraint`` and
            ``distribution``.

        Raises
        ------
        HypothesisError
            If no columns are given, or they are in the model already.
        AlignmentError
            If they do not match the rows of the fit.
        UnavailableError
            For what statsmodels' function offers beyond that.

        Notes
        -----
        With ``HC0`` the variance of the score is the sum of the squares of what each observation
        adds to it, cleared of the other coefficients (White 1982; Boos 1992). statsmodels takes
        their empirical variance, centred and with ``n - 1``: the statistics differ by a factor
        near 1, and by more where the score is large.
        """
        refuse_other_options(options)
        if exog_extra is None and exog_dispersion_extra is None:
            msg = "score_test needs exog_extra or exog_dispersion_extra: the columns to be tested."
            raise HypothesisError(msg)
        tables = self._tables
        self._require_data("score_test")
        if cov_type is not None:
            tables = tables.with_cov(cov_type, cov_kwds)
        rows = self.model.data.row_labels
        columns = [
            None if extra is None else extra_columns(name, extra, tables.counts.n_cells, rows)
            for name, extra in (
                ("exog_extra", exog_extra),
                ("exog_dispersion_extra", exog_dispersion_extra),
            )
        ]
        statistic, df = score_statistics(tables, *columns, observed=observed)
        return ScoreTest(statistic, chi2_tail(statistic, df).p, "chi2", int(df[0]))
