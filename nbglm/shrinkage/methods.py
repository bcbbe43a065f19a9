"""Shrinkage of effects as a method of results."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

import pandas as pd

from nbglm.exceptions import InputTypeError, OptionError, check_choice
from nbglm.inference.methods import FitInference
from nbglm.inference.statements import read_hypothesis
from nbglm.shrinkage.effects import shrunken_effects
from nbglm.shrinkage.priors import PRIORS

__all__ = ["FitShrinkage"]

_OTHER_PRIORS = {
    **dict.fromkeys(("apeglm", "t", "ashr"), "cauchy"),
    **dict.fromkeys(("gaussian", "norm", "ridge"), "normal"),
}
"""What other packages call the priors."""


def _check_scale(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Real):
        msg = f"{name}= is a number, or None, not {value!r}."
        raise InputTypeError(msg)
    if not (math.isfinite(value) and float(value) > 0.0):
        msg = f"{name}= is a positive number on the scale of the logarithm, not {value!r}."
        raise OptionError(msg)


@dataclass(frozen=True, repr=False)
class FitShrinkage(FitInference):
    """:class:`~nbglm.inference.methods.FitInference` with shrunken effects."""

    def shrink(
        self,
        term: object,
        prior: str = "cauchy",
        *,
        scale: float | None = None,
        nuisance_scale: float | None = None,
    ) -> pd.DataFrame:
        """Draw the effects of all genes towards 0, as far as their counts leave that open.

        What apeglm does: an effect that the counts of a gene hardly tell of is drawn far, one that
        they tell of stays where it is. Infinite estimates become finite. The estimates stay beside
        it, and no test changes.

        Parameters
        ----------
        term : str, sequence of str, mapping, DataFrame or array_like
            Coefficients of the mean or combinations of them, as in :meth:`t_test`; each by itself.
        prior : str
            ``"cauchy"``, whose long tails leave large effects alone, or ``"normal"``.
        scale : float, optional
            Scale of the prior (natural logarithm, for one unit of the effect): standard deviation
            of the normal, half the distance between the quartiles of the Cauchy. By default what
            the estimates of all genes tell of it, net of their standard errors.
        nuisance_scale : float, optional
            Standard deviation of a normal prior of each other coefficient of the mean; apeglm's is
            15. None by default, so that units and coding of other terms change nothing.

        Returns
        -------
        DataFrame
            Indexed by gene (by gene and contrast if there are several):

            ``estimate``, ``std_err``
                Of the fit, as in :meth:`t_test`.
            ``shrunken``, ``posterior_sd``
                Mode of the posterior, and its standard deviation by Laplace's approximation there.
            ``false_sign_rate``
                Probability that the effect has the other sign (of a normal with these two).
            ``s_value``
                Mean of the false sign rates of all genes that are at least as sure.
            ``prior_scale``
                The scale that was used.
            ``status``
                Of the estimate, as in :meth:`t_test`; ``all_zero`` for a gene without a count.
                Where counts or design say nothing of the effect (``all_zero``, ``aliased``,
                ``not_identified``, ``not_converged``) the rest is NaN.

        Raises
        ------
        HypothesisError
            If the term cannot be read, or is an equation.
        OptionError, InputTypeError
            If another argument is unknown, if fewer than two genes tell of the scale, or if the
            covariance is robust: the posterior is that of independent cells.
        UnavailableError
            If the counts were dropped.

        Notes
        -----
        The sizes are held where the fit has them (infinite for a gene without overdispersion). The
        size of rows without a count, where a dispersion formula leaves it open, is taken to have
        the mean ``1 / r`` of the gene's other cells. The other coefficients of the mean are where
        the posterior is highest. With a Cauchy the posterior may have two modes; it is climbed
        from the estimate and from 0, and the higher one is reported.

        References
        ----------
        Zhu, Ibrahim and Love (2019), *Bioinformatics* 35, 2084-2092; Stephens (2017),
        *Biostatistics* 18, 275-294, for the s-value.

        Examples
        --------
        >>> import numpy as np, pandas as pd, nbglm
        >>> obs = pd.DataFrame({"dose": np.arange(8) % 2})
        >>> counts = {"flat": [3, 2, 1, 5, 2, 4, 4, 2], "up": [0, 9, 0, 5, 0, 4, 0, 8]}
        >>> res = nbglm.fit_negbin(pd.DataFrame(counts), "~ dose", obs=obs, progress=False)
        >>> table = res.shrink("dose", scale=0.5)
        >>> table[["estimate", "shrunken", "posterior_sd", "status"]].round(2)
              estimate  shrunken  posterior_sd     status
        gene
        flat      0.26      0.11          0.28         ok
        up         inf      3.93          1.65  separated
        """
        check_choice("prior", prior, PRIORS, _OTHER_PRIORS)
        _check_scale("scale", scale)
        _check_scale("nuisance_scale", nuisance_scale)
        hypothesis = read_hypothesis(self, term, "mean")
        self.require_data("shrink()")
        return shrunken_effects(self, hypothesis, prior, scale, nuisance_scale)
