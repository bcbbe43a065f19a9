"""Calibration and bootstrap as methods of results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from nbglm.inference.levels import check_alpha
from nbglm.inference.methods import FitInference
from nbglm.simulate.cells import check_count
from nbglm.simulate.draws import Seed, seed_entropy
from nbglm.trials.bootstrap import bootstrap
from nbglm.trials.calibration import calibration

if TYPE_CHECKING:
    from nbglm.trials.bootstrap import Bootstrap

__all__ = ["FitTrials"]


@dataclass(frozen=True, repr=False)
class FitTrials(FitInference):
    """:class:`~nbglm.inference.methods.FitInference` that can be put to the test."""

    def calibrate(
        self,
        n_genes: int = 50,
        n_sim: int = 200,
        *,
        seed: Seed = None,
        alpha: float = 0.05,
        groups: object = None,
        size: bool = True,
        n_jobs: int | None = None,
    ) -> pd.DataFrame:
        """Do intervals and tests hold for this design and depth? Draw from the fit and see.

        Counts of some genes are drawn from the fit again and again, for the same cells, and fitted
        with the same formulas, covariances and options.

        Parameters
        ----------
        n_genes : int
            So many genes with counts, chosen at random; ``res[genes].calibrate(...)`` of your own.
        n_sim : int
            How often the counts of each are drawn.
        seed : int, SeedSequence, Generator or None
            As in :meth:`sample`.
        alpha : float
            Level of the tests; intervals are of ``1 - alpha``.
        groups : str or array_like, optional
            Donor of each cell, a column of obs or an array; by default those of
            ``cov_type="cluster"``. Each donor then multiplies the means of its cells by a
            log-normal factor of mean 1, whose variance is estimated from what the cells of a donor
            have in common beside the formula. Means and variances of the cells stay those of the
            fit. What `cov_type` makes of that is what the table says.
        size : bool
            Whether to draw without each term, too: as many fits for each.
        n_jobs : int, optional
            As joblib understands it. The numbers are the same for any value.

        Returns
        -------
        DataFrame
            A row for each coefficient: ``component``, ``term``, ``coverage`` (share of intervals
            that hold the value drawn from), ``mc_error`` (its Monte Carlo error if the genes are
            alike), ``size`` (share of tests that find an effect where its term has none, the
            average of the linear predictor being as before; NaN for constants), ``power`` (share
            that finds the effect of the fit), ``bias`` and ``rmse`` (log scale), ``n_fits``
            (fits with an interval). ``attrs`` say what was drawn, of which genes. Estimates at
            infinity have no Wald interval and are left out of all but tests.

        Raises
        ------
        UnavailableError
            If counts and cells were dropped.
        OptionError, InputTypeError, AlignmentError
            If an argument is none, or groups do not match the cells.

        Notes
        -----
        With ``~ x`` and ``~ 1`` the defaults are 20,000 fits of the same design. An edited fit can
        be calibrated, too: `power` is then that of what was planted.

        Examples
        --------
        >>> import nbglm, numpy as np
        >>> counts = np.random.default_rng(1).negative_binomial(2, 0.3, size=(100, 3))
        >>> fit = nbglm.fit_negbin(counts, "~ 1", progress=False)
        >>> table = fit.calibrate(n_sim=100, seed=1)
        >>> bool((table["coverage"] > 0.85).all()), int(table["n_fits"].min())
        (True, 300)
        """
        check_alpha(alpha)
        self.require_data("calibrate()")
        self.require_likelihood("calibrate()")
        return calibration(
            self,
            n_genes=check_count(n_genes, "n_genes", 1),
            n_sim=check_count(n_sim, "n_sim", 1),
            entropy=seed_entropy(seed),
            alpha=alpha,
            groups=groups,
            size=size,
            n_jobs=n_jobs,
        )

    def bootstrap(
        self,
        gene: str,
        n: int = 1000,
        kind: str = "parametric",
        *,
        seed: Seed = None,
        groups: object = None,
        n_jobs: int | None = None,
    ) -> Bootstrap:
        """Draw the coefficients of one gene by the bootstrap.

        Parameters
        ----------
        gene : str
            Gene name.
        n : int
            Number of draws, each of which is a fit.
        kind : str
            ``"parametric"``: counts are drawn from the fit, as in :meth:`calibrate`. ``"cases"``:
            cells are drawn with replacement. ``"clusters"``: all cells of a cluster at once.
        seed : int, SeedSequence, Generator or None
            As in :meth:`sample`.
        groups : str or array_like, optional
            Cluster of each cell, a column of obs or an array; by default those of
            ``cov_type="cluster"``.
        n_jobs : int, optional
            As joblib understands it. The numbers are the same for any value.

        Returns
        -------
        Bootstrap
            ``draws``, ``bse``, ``bias``, and ``conf_int(alpha, method)`` with the methods
            ``"percentile"``, ``"basic"``, ``"normal"`` and ``"bc"``.

        Raises
        ------
        KeyError
            If there is no such gene.
        UnavailableError
            If the gene has no estimates, or counts and cells were dropped.
        OptionError, InputTypeError, AlignmentError
            If an argument is none, clusters are needed and not given, or do not match the cells.

        Examples
        --------
        >>> import nbglm, numpy as np
        >>> counts = np.random.default_rng(1).negative_binomial(2, 0.3, size=(100, 1))
        >>> fit = nbglm.fit_negbin(counts, "~ 1", progress=False)
        >>> boot = fit.bootstrap("gene_0", 200, "cases", seed=1)
        >>> boot.draws.shape, bool(abs(boot.bse.iloc[0] / fit.bse["beta"].iloc[0, 0] - 1) < 0.2)
        ((200, 2), True)
        """
        self.require_data("bootstrap()")
        self.require_likelihood("bootstrap()")
        position = self._position(gene)
        count = check_count(n, "n", 1)
        return bootstrap(self, position, count, kind, seed_entropy(seed), groups, n_jobs)
