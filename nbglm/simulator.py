"""The simulator: fit to an AnnData, look at the parameters, draw counts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any, Self

import pandas as pd
from numpy.typing import ArrayLike

from nbglm.exceptions import (
    InputTypeError,
    NbglmWarning,
    UnavailableError,
    did_you_mean,
    some_of,
)
from nbglm.files.saving import save_fit
from nbglm.negbin import fit_negbin
from nbglm.report.html import as_heading
from nbglm.report.summary import fit_html
from nbglm.results import NegBinResults
from nbglm.simulate.dependence import Dependence
from nbglm.simulate.draws import Seed

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["NegBinRegressionSimulator"]

_OPTIONS = tuple(
    name
    for name in signature(fit_negbin).parameters
    if name not in ("data", "formula", "_frames_up")
)


def _check_options(options: Mapping[str, object]) -> None:
    """Refuse what fit_negbin does not take, where it is said rather than at a later fit."""
    for name in options:
        if name not in _OPTIONS:
            msg = f"{name!r} is no option of a fit; the options are {', '.join(_OPTIONS)}."
            raise InputTypeError(msg + did_you_mean(name, _OPTIONS))


class NegBinRegressionSimulator:
    """Negative binomial regression as a simulator of counts.

    Parameters
    ----------
    **options
        Passed to :func:`nbglm.fit_negbin` by :meth:`fit`.

    Raises
    ------
    TypeError
        If an option is unknown.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> obs = pd.DataFrame({"x": rng.normal(size=200)}, index=[f"cell{i}" for i in range(200)])
    >>> adata = anndata.AnnData(rng.negative_binomial(3, 0.4, size=(200, 2)), obs=obs)
    >>> simulator = NegBinRegressionSimulator(progress=False)
    >>> simulator.fit(adata, {"mean": "~ x", "dispersion": "~ 1"}).params["beta"].shape
    (2, 2)
    >>> simulator.sample(obs.head(5), seed=0).shape
    (5, 2)
    """

    def __init__(self, **options: Any) -> None:
        _check_options(options)
        self.options = options
        self._results: NegBinResults | None = None

    def fit(
        self, data: AnnData | Any, formula: str | Mapping[str, str] = "~ 1", **options: Any
    ) -> NegBinRegressionSimulator:
        """Fit every gene.

        Parameters
        ----------
        data : AnnData or table
            Counts, cells x genes.
        formula : str or mapping
            Mean formula, or formulas for ``mean`` and ``dispersion``. They are evaluated as Python
            unless ``scope="columns"`` is among the options.
        **options
            Further options of :func:`nbglm.fit_negbin`.

        Returns
        -------
        NegBinRegressionSimulator
            This object. If the fit fails it stays as it was.

        Raises
        ------
        TypeError
            If an option is unknown.
        NbglmError
            As :func:`nbglm.fit_negbin` raises it.
        """
        _check_options(options)
        self._results = fit_negbin(data, formula, **{**self.options, **options}, _frames_up=1)
        return self

    @property
    def results(self) -> NegBinResults:
        """The fit, with its inference."""
        if self._results is None:
            msg = "this simulator has not been fitted; call fit(adata, formula) first."
            raise UnavailableError(msg)
        return self._results

    @property
    def params(self) -> dict[str, pd.DataFrame]:
        """Coefficients ``beta`` of the log mean and ``gamma`` of the log size, terms x genes."""
        return self.results.params

    def edit(
        self,
        term: str | Iterable[str],
        genes: str | Iterable[str] | ArrayLike | None = None,
        *,
        add: float | ArrayLike | None = None,
        multiply: float | ArrayLike | None = None,
        to_null: bool = False,
        component: str = "mean",
    ) -> Self:
        """A simulator with an effect changed in some genes.

        Parameters
        ----------
        term, genes, add, multiply, to_null, component
            As for :meth:`nbglm.NegBinResults.edit`.

        Returns
        -------
        NegBinRegressionSimulator
            A new one, with the same options; this one stays as it is.
        """
        edited = self.results.edit(
            term, genes, add=add, multiply=multiply, to_null=to_null, component=component
        )
        return self.restored(edited, self.options)

    def with_params(self, params: Mapping[str, Any]) -> Self:
        """A simulator with other coefficients.

        Parameters
        ----------
        params : mapping
            As for :meth:`nbglm.NegBinResults.with_params`.

        Returns
        -------
        NegBinRegressionSimulator
            A new one, with the same options; this one stays as it is.
        """
        return self.restored(self.results.with_params(params), self.options)

    def predict(
        self,
        obs: pd.DataFrame | None = None,
        offset: object = None,
        *,
        size_factors: object = None,
        interval: float | None = None,
    ) -> dict[str, pd.DataFrame]:
        """Mean and size for given rows: see :meth:`nbglm.NegBinResults.predict`.

        Parameters
        ----------
        obs : DataFrame, optional
            New rows; those of the fit by default.
        offset, size_factors : array_like or str, optional
            Offset of the log mean, and factors of the mean; needed for new rows if the fit was
            given arrays.
        interval : float, optional
            Level of confidence intervals, such as 0.95.

        Returns
        -------
        dict of DataFrame
            ``mean`` and ``dispersion``, cells x genes.
        """
        return self.results.predict(obs, offset, size_factors=size_factors, interval=interval)

    def sample(
        self,
        obs: pd.DataFrame | None = None,
        *,
        n_cells: int | None = None,
        replicates: int = 1,
        offset: object = None,
        size_factors: object = None,
        seed: Seed = None,
        uncertainty: bool = False,
        truth: bool = False,
        copula: Dependence | None = None,
        out: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
    ) -> AnnData | None:
        """Draw counts for given rows: see :meth:`nbglm.NegBinResults.sample`.

        Parameters
        ----------
        obs : DataFrame, optional
            New rows; those of the fit by default.
        n_cells, replicates : int
            So many cells, their rows drawn with replacement; how often they are drawn.
        offset, size_factors : array_like or str, optional
            As in :meth:`predict`.
        seed : int, SeedSequence, Generator or None
            Makes the draws repeatable.
        uncertainty : bool
            Draw the coefficients from their estimated covariance first.
        truth : bool
            Keep means and sizes as layers.
        copula : GaussianCopula, optional
            From :func:`nbglm.fit_copula`: how the genes of a cell depend on each other.
        out : path, optional
            A new file ``.h5ad`` or ``.zarr`` in place of an AnnData.
        n_jobs : int, optional
            As joblib understands it.

        Returns
        -------
        AnnData or None
            Integer counts, as a CSR matrix; None with `out`.
        """
        sample: Any = self.results.sample  # whose two signatures are one here
        return sample(
            obs,
            n_cells=n_cells,
            replicates=replicates,
            offset=offset,
            size_factors=size_factors,
            seed=seed,
            uncertainty=uncertainty,
            truth=truth,
            copula=copula,
            out=out,
            n_jobs=n_jobs,
        )

    def _repr_html_(self) -> str:
        """The simulator in a notebook."""
        if self._results is None:
            return as_heading(type(self).__name__, "not fitted")
        return fit_html(self._results, type(self).__name__)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        data: bool = False,
        limit_tests: bool = True,
        overwrite: bool | None = None,
    ) -> None:
        """Keep the simulator in a file, which :func:`nbglm.load` reads.

        Parameters
        ----------
        path : str or PathLike
            A name that ends in ``.h5ad`` (one file) or ``.zarr`` (a folder).
        data, limit_tests, overwrite
            As for :meth:`nbglm.NegBinResults.save`.

        Raises
        ------
        UnavailableError
            If it has not been fitted, or `data` are wanted that were dropped.
        FileError
            If the file cannot be written, or there is another.

        Warns
        -----
        NbglmWarning
            With options that are neither numbers nor words, such as arrays, and are not kept.
        """
        results = self.results
        kept = {
            name: value
            for name, value in self.options.items()
            if value is None or isinstance(value, bool | int | float | str)
        }
        if len(kept) < len(self.options):
            lost = [name for name in self.options if name not in kept]
            msg = f"options of the simulator that a file does not keep: {some_of(lost)}."
            warnings.warn(msg, NbglmWarning, stacklevel=2)
        save_fit(
            results,
            path,
            type(self).__name__,
            {"options": kept},
            data=data,
            limit_tests=limit_tests,
            overwrite=overwrite,
        )

    @classmethod
    def restored(cls, results: NegBinResults, options: Mapping[str, Any]) -> Self:
        """A simulator that was fitted before.

        Parameters
        ----------
        results : NegBinResults
            Its fit.
        options : mapping
            As for the constructor.

        Returns
        -------
        NegBinRegressionSimulator
        """
        simulator = cls(**options)
        simulator._results = results
        return simulator

    def __repr__(self) -> str:
        if self._results is None:
            return "NegBinRegressionSimulator (not fitted)"
        return f"NegBinRegressionSimulator of\n{self._results!r}"
