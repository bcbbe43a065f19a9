"""Draws of the coefficients of one gene, by the bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from nbglm.exceptions import OptionError, UnavailableError, check_choice
from nbglm.fit.clusters import covariance_rule
from nbglm.fit.genes import FitArrays, fit_blocks
from nbglm.inference.levels import check_alpha
from nbglm.inference.methods import FitInference
from nbglm.parallel.threads import in_threads
from nbglm.problem.problem import make_problem
from nbglm.simulate.draws import gene_stream
from nbglm.status import GENE_STATUS, NOTHING_TOLD
from nbglm.trials.repeats import cells_of_fit, refits, rule_of_rows

__all__ = ["KINDS", "Bootstrap", "bootstrap"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

KINDS = ("parametric", "cases", "clusters")
"""What is drawn: counts from the fit, cells, or clusters of cells."""

_METHODS = ("percentile", "basic", "normal", "bc")
_BOOT = 0x626F6F74  # the letters of "boot"


@dataclass(frozen=True)
class Bootstrap:
    """Draws of the coefficients of one gene.

    Attributes
    ----------
    gene : str
        Its name.
    kind : str
        ``parametric``, ``cases`` or ``clusters``.
    estimate : Series
        The coefficients of the fit, by ``(component, term)``.
    draws : DataFrame, shape (draws, coefficients)
        Those of each draw; infinite at a limit, NaN where a draw says nothing.
    """

    gene: str
    kind: str
    estimate: pd.Series
    draws: pd.DataFrame

    @property
    def bse(self) -> pd.Series:
        """Standard deviations of the draws, of those that are finite."""
        return self.draws.where(np.isfinite(self.draws)).std().rename("bse")

    @property
    def bias(self) -> pd.Series:
        """Mean of the draws that are finite, minus the estimate."""
        finite = self.draws.where(np.isfinite(self.draws))
        return (finite.mean() - self.estimate).rename("bias")

    def conf_int(self, alpha: float = 0.05, method: str = "percentile") -> pd.DataFrame:
        """Confidence intervals of the coefficients.

        Parameters
        ----------
        alpha : float
            Significance level.
        method : str
            ``"percentile"``: quantiles of the draws. ``"basic"``: these reflected at the estimate.
            ``"normal"``: the estimate and the standard deviation of the draws. ``"bc"``: quantiles
            at levels that allow for how many draws lie below the estimate.

        Returns
        -------
        DataFrame
            ``lower`` and ``upper`` of each coefficient (log scale). Quantiles are draws
            themselves, and may be infinite; draws that are NaN are left out.

        Raises
        ------
        OptionError, InputTypeError
            If an argument is none.
        """
        check_alpha(alpha)
        check_choice("method", method, _METHODS)
        levels = np.array([alpha / 2.0, 1.0 - alpha / 2.0])
        limits = np.full((self.draws.shape[1], 2), np.nan)
        estimate = self.estimate.to_numpy(dtype=np.float64)
        for k, column in enumerate(self.draws.to_numpy(dtype=np.float64).T):
            known = column[~np.isnan(column)]
            if not known.size or np.isnan(estimate[k]):
                continue
            if method == "normal":
                limits[k] = estimate[k] + ndtri(levels) * self.bse.iloc[k]
                continue
            at = levels
            if method == "bc":
                below = np.mean(known < estimate[k]) + 0.5 * np.mean(known == estimate[k])
                at = ndtr(2.0 * ndtri(below) + ndtri(levels))
            # Draws as they are: between a finite and an infinite one there is nothing.
            ends = np.quantile(known, at, method="inverted_cdf")
            limits[k] = 2.0 * estimate[k] - ends[::-1] if method == "basic" else ends
        return pd.DataFrame(limits, self.draws.columns, ["lower", "upper"])


def _refitted(fit: FitInference, position: int, weights: FloatArray) -> FloatArray:
    """Coefficients of one gene with other frequency weights."""
    design = fit.design
    problem = make_problem(
        design.mean.matrix,
        design.dispersion.matrix,
        design.offset,
        weights,
        minimum_norm=fit.rank_deficient == "min_norm",
    )
    counts = fit.counts.of_genes(np.array([position]))
    return np.asarray(FitArrays.concatenate(fit_blocks(counts, problem, None)).coef[0])


def _resampled(
    rng: np.random.Generator, weights: FloatArray, clusters: IntArray | None
) -> FloatArray:
    """How often each cell is drawn, with replacement."""
    if clusters is not None:
        there = np.unique(clusters[weights > 0.0])
        often = np.zeros(int(clusters.max()) + 1)
        np.add.at(often, rng.choice(there, there.size), 1.0)
        return np.asarray(weights * often[clusters])
    total = round(float(weights.sum()))
    return rng.multinomial(total, weights / weights.sum()).astype(np.float64)


def bootstrap(
    fit: FitInference,
    position: int,
    n: int,
    kind: str,
    entropy: tuple[int, ...],
    groups: object,
    n_jobs: int | None,
) -> Bootstrap:
    """Draw the coefficients of one gene: see :meth:`nbglm.NegBinResults.bootstrap`."""
    check_choice("kind", kind, KINDS)
    name = str(fit.gene_names[position])
    word = GENE_STATUS[fit.arrays.status[position]]
    if word in NOTHING_TOLD and not (word == "planted" and kind == "parametric"):
        msg = f"gene {name!r} is {word!r}; its estimates are none that draws could be around."
        raise UnavailableError(msg)
    if kind == "parametric":
        genes = np.array([position])
        cells, rows = cells_of_fit(fit, genes, groups)
        fits = refits(
            fit, fit.arrays, cells, genes,
            entropy=(*entropy, _BOOT), n_sim=n, cov=rule_of_rows(fit.cov, rows), n_jobs=n_jobs,
        )  # fmt: skip
        draws = np.concatenate([one.arrays.coef for one in fits])
    else:
        clusters = None
        if kind == "clusters":
            clusters = fit.cov.groups
            if groups is not None:
                clusters = covariance_rule("cluster", {"groups": groups}, fit.counts.obs).groups
            if clusters is None:
                msg = "kind='clusters' needs groups=, a column of obs or an array of donors."
                raise OptionError(msg)
        weights = np.ones(fit.counts.n_cells) if fit.weights is None else fit.weights

        def one(draw: int) -> FloatArray:
            rng = gene_stream((*entropy, _BOOT, draw), name)
            return _refitted(fit, position, _resampled(rng, weights, clusters))

        draws = np.stack(list(in_threads(one, range(n), n_jobs)))
    names = fit.coef_names
    return Bootstrap(
        gene=name,
        kind=kind,
        estimate=pd.Series(fit.arrays.coef[position].copy(), names, name="estimate"),
        draws=pd.DataFrame(draws, columns=names),
    )
