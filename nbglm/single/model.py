"""The model of one response: from arrays, from formulas, or of one gene of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nbglm.counts.table import Counts, read_counts
from nbglm.design.design import Design, build_design
from nbglm.design.offset import offset_rules
from nbglm.design.predictor import matrix_predictor
from nbglm.design.scope import columns_of_formula, scope_of_caller
from nbglm.design.sides import require_text
from nbglm.design.weights import frequency_weights
from nbglm.exceptions import InputTypeError, check_choice
from nbglm.fit.clusters import covariance_rule
from nbglm.fitting import fit_design
from nbglm.inference.dropping import of_genes
from nbglm.inference.methods import FitInference
from nbglm.single.likelihood import PREFIX, NegBinLikelihood
from nbglm.single.reading import (
    complete_rows,
    read_frame,
    read_response,
    require_columns,
    require_exposure,
)
from nbglm.single.refused import refuse_unknown_options
from nbglm.single.results import NegBinModelResults, NegBinModelResultsWrapper

__all__ = ["NegBinModel", "gene_results"]

FloatArray = NDArray[np.float64]

_MISSING = ("none", "drop", "raise")


def _labelled(matrix: Any, names: list[str], index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(np.asarray(matrix, dtype=np.float64), index, names)


class NegBinModel(NegBinLikelihood):
    """Negative binomial regression with linear predictors for log mean and log size.

    ``Y ~ NB(mean mu, size r)``, ``Var Y = mu + mu**2 / r``, ``log mu = offset + X beta``,
    ``log r = Z gamma``. statsmodels' ``NegativeBinomial`` (NB2) is the case of a constant size,
    with ``alpha = exp(-gamma)``.

    Parameters
    ----------
    endog : array_like, shape (n,)
        Counts.
    exog : array_like, shape (n, p)
        Design of the mean; no intercept is added.
    exog_dispersion : array_like, shape (n, q), optional
        Design of the log size; a constant by default.
    offset : array_like, shape (n,), optional
        Added to the log mean.
    exposure : array_like, shape (n,), optional
        Multiplies the mean.
    weights : array_like, shape (n,), optional
        Frequency weights.
    missing : str
        ``"none"``, ``"drop"`` or ``"raise"``, as in statsmodels.
    hasconst : bool, optional
        As in statsmodels.

    Raises
    ------
    AlignmentError
        If lengths do not match.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = np.column_stack([np.ones(500), rng.normal(size=500)])
    >>> r = np.exp(x @ [0.5, 0.8])
    >>> y = rng.poisson(rng.gamma(r, np.exp(x @ [1.0, 0.3]) / r))
    >>> NegBinModel(y, x, x).fit().params.round(1)
    array([1. , 0.3, 0.6, 0.9])
    """

    _design: Design | None = None

    def __repr__(self) -> str:
        names = [str(name) for name in self.data.xnames]
        mean = " + ".join(name for name in names if not name.startswith(PREFIX))
        size = " + ".join(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
        if self._design is not None:
            mean, size = (
                part.formula.expanded for part in (self._design.mean, self._design.dispersion)
            )
        head = f"NegBinModel of {self.endog_names}; fit() fits it"
        return f"{head}\n  Log mean  {mean}\n  Log size  {size}"

    @classmethod
    def from_formula(
        cls,
        formula: str,
        data: pd.DataFrame | Mapping[str, Any],
        dispersion: str = "~ 1",
        *,
        offset: ArrayLike | str | None = None,
        exposure: ArrayLike | str | None = None,
        weights: ArrayLike | str | None = None,
        subset: ArrayLike | None = None,
        missing: str = "drop",
        scope: str = "caller",
        _frames_up: int = 0,
    ) -> Self:
        """Make a model from formulas.

        Parameters
        ----------
        formula : str
            Response and mean, ``"y ~ x + C(g)"``. ``.`` is every column that the response does
            not use, as in R.
        data : DataFrame or mapping
            The columns.
        dispersion : str
            Formula of the log size.
        offset, exposure, weights : array_like or str, optional
            Values or the names of columns.
        subset : array_like, optional
            Labels or a mask of the rows to use.
        missing : str
            What to do with rows that lack a value which is needed: ``"drop"`` (as statsmodels
            does for formulas), ``"raise"``, or ``"none"``, which refuses them by column.
        scope : str
            What a formula may use beside columns, as in :func:`nbglm.fit_negbin`: ``"caller"``
            evaluates it as Python, ``"columns"`` is for formulas of strangers.

        Returns
        -------
        NegBinModel

        Raises
        ------
        FormulaError
            If a formula cannot be used, or the response is not one column of numbers.
        AlignmentError
            If other arguments do not match.
        KeyError
            If a column that an argument names is not there.
        TypeError
            If `data` has no named columns.
        """
        check_choice("missing", missing, _MISSING)
        names = scope_of_caller(_frames_up, scope)
        obs = read_frame(data, subset)
        response = read_response(formula, obs, names)
        require_text("dispersion", dispersion)
        require_columns(obs, offset=offset, exposure=exposure, weights=weights)
        extras = {"offset": offset, "exposure": exposure, "weights": weights}
        if missing != "none":
            used = [*response.columns, *(name for name in extras.values() if type(name) is str)]
            for key, text in (("mean", response.mean), ("dispersion", dispersion)):
                used += columns_of_formula(key, text, obs, names, response=response.columns)
            obs, extras = complete_rows(obs, list(dict.fromkeys(used)), extras, missing)
        require_exposure(extras["exposure"], obs)
        design = build_design(
            {"mean": response.mean, "dispersion": dispersion},
            obs,
            offset=extras["offset"],
            size_factors=extras["exposure"],
            scope=names,
            response=response.columns,
        )
        model = cls(
            response.values(obs, names),
            _labelled(design.mean.matrix, list(design.mean.terms), obs.index),
            _labelled(design.dispersion.matrix, list(design.dispersion.terms), obs.index),
            offset=None if offset is None and exposure is None else design.offset,
            weights=frequency_weights(extras["weights"], obs),
        )
        model.formula = formula
        model._attach(design, obs)
        return model

    @classmethod
    def of_design(cls, endog: pd.Series, design: Design, weights: FloatArray | None) -> Self:
        """The model of one gene of a fit, with its frozen design."""
        index = endog.index
        model = cls(
            endog,
            _labelled(design.mean.matrix, list(design.mean.terms), index),
            _labelled(design.dispersion.matrix, list(design.dispersion.terms), index),
            offset=design.offset if design.offset.any() else None,
            weights=weights,
        )
        model.formula = f"{endog.name} {design.mean.formula.expanded}"
        model._attach(design, None)
        return model

    def _attach(self, design: Design, frame: pd.DataFrame | None) -> None:
        self._design = design
        # Where statsmodels looks for the terms of the mean.
        self.data.model_spec = self.data.design_info = design.mean.info
        if frame is not None:
            self.data.frame = frame

    def without_formula(self) -> None:
        """Take rows of the designs themselves for new rows, as a model of arrays does."""
        self._design = None
        self.__dict__.pop("formula", None)

    def forget_data(self, design: Design) -> None:
        """Keep of the designs only what new rows need."""
        self._design = design if self._design is not None else None
        constant = not np.ptp(self.exog_dispersion, axis=0).any()
        self.exog_dispersion = self.exog_dispersion[: int(constant)]

    def __getstate__(self) -> dict[str, Any]:
        """Everything but patsy's objects, which cannot be pickled; the design brings them back."""
        data = object.__new__(type(self.data))
        data.__dict__.update(self.data.__dict__)
        for name in ("model_spec", "design_info"):
            data.__dict__.pop(name, None)
        return {**self.__dict__, "data": data}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Put them back where statsmodels looks for them."""
        self.__dict__.update(state)
        if self._design is not None:
            self._attach(self._design, None)

    def _data_and_design(self) -> tuple[Counts, Design]:
        labels = self.data.row_labels
        index = pd.RangeIndex(self.endog.size) if labels is None else pd.Index(labels)
        name = self.endog_names if isinstance(self.endog_names, str) else "y"
        frame = getattr(self.data, "frame", None)
        obs = pd.DataFrame(index=index) if frame is None else frame
        counts = read_counts(pd.DataFrame({name: self.endog}, index), obs=obs)
        if self._design is not None:
            return counts, self._design
        p = self.exog.shape[1]
        names = [str(term) for term in self.data.xnames]
        design = Design(
            matrix_predictor("mean", self.exog, names[:p]),
            matrix_predictor(
                "dispersion",
                self.exog_dispersion,
                [term.removeprefix(PREFIX) for term in names[p:]],
            ),
            offset_rules(obs, None, None),
            self.total_offset(),
        )
        return counts, design

    def fit(
        self,
        cov_type: str = "oim",
        cov_kwds: Mapping[str, Any] | None = None,
        *,
        use_t: bool | None = None,
        rank_deficient: str = "drop",
        **ignored: Any,
    ) -> Any:
        """Fit by exact maximum likelihood.

        Parameters
        ----------
        cov_type : str
            ``"oim"`` (or statsmodels' word ``"nonrobust"``), ``"eim"``, ``"HC0"`` to
            ``"HC3"``, ``"cluster"``, or ``"CR1"`` to ``"CR3"``.
        cov_kwds : mapping, optional
            For clusters: ``groups``, and for ``"cluster"`` ``use_correction``. For all: ``use_t``.
        use_t : bool, optional
            Whether tests refer to Student's t; the same as in `cov_kwds`.
        rank_deficient : str
            As in :func:`nbglm.fit_negbin`.
        **ignored
            ``start_params``, ``method``, ``maxiter``, ``disp`` and other options of statsmodels'
            optimisers are accepted, so that code which passes them runs; none is needed.

        Returns
        -------
        NegBinModelResultsWrapper

        Raises
        ------
        CountsError
            If the response does not hold counts.
        InputTypeError
            If an option is unknown to statsmodels too.
        UnavailableError
            If the data were removed, or an option asks for what is not offered.
        RankError
            If a design has aliased columns and ``rank_deficient="raise"``.
        """
        refuse_unknown_options("fit()", ignored)
        self.require_data()
        if not isinstance(cov_type, str):
            msg = (
                f"fit() takes cov_type first, not {type(cov_type).__name__}; start_params and "
                f"other options of optimisers are keywords, and none is needed."
            )
            raise InputTypeError(msg)
        if use_t is not None:
            cov_kwds = {**(cov_kwds or {}), "use_t": use_t}
        counts, design = self._data_and_design()
        tables = fit_design(
            FitInference,
            counts,
            design,
            getattr(self, "weights", None),
            covariance_rule(cov_type, cov_kwds, counts.obs),
            rank_deficient=rank_deficient,
        )
        return NegBinModelResultsWrapper(NegBinModelResults(self, tables))


def gene_results(tables: FitInference, position: int) -> NegBinModelResultsWrapper:
    """Results of one gene of a fit, without fitting it again.

    Parameters
    ----------
    tables : FitInference
        The fit.
    position : int
        Number of the gene.

    Returns
    -------
    NegBinModelResultsWrapper
    """
    one = of_genes(tables, np.array([position]))
    counts, name = one.counts, str(one.counts.genes[0])
    if one.remains is not None:
        # A model of the rows that are left knows which columns are constant.
        x, z = one.remains.rows
        nothing = np.zeros(len(x))
        endog = pd.Series(nothing, name=name)
        model = NegBinModel.of_design(endog, one.design.of_rows(x, z, nothing), None)
        results = NegBinModelResults(model, one)
        results.forget_rows()
        return NegBinModelResultsWrapper(results)
    endog = pd.Series(counts.gene(0), counts.cells, name=name)
    model = NegBinModel.of_design(endog, one.design, one.weights)
    return NegBinModelResultsWrapper(NegBinModelResults(model, one))
