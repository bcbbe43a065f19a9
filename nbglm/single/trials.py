"""Calibration and bootstrap of the fit of one response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbglm.inference.levels import check_alpha
from nbglm.simulate.cells import check_count
from nbglm.simulate.draws import Seed, seed_entropy
from nbglm.trials.bootstrap import bootstrap
from nbglm.trials.calibration import calibration

if TYPE_CHECKING:
    import pandas as pd

    from nbglm.inference.methods import FitInference
    from nbglm.trials.bootstrap import Bootstrap

__all__ = ["Trials"]


class Trials:
    """Counts are drawn from the fit of one response, or from its data, and fitted again."""

    _tables: FitInference

    def calibrate(
        self,
        n_sim: int = 1000,
        *,
        seed: Seed = None,
        alpha: float = 0.05,
        groups: object = None,
        size: bool = True,
        n_jobs: int | None = None,
    ) -> pd.DataFrame:
        """Coverage, size, bias and power of the intervals and tests of this fit, for its design.

        Parameters
        ----------
        n_sim : int
            How often counts are drawn.
        seed, alpha, groups, size, n_jobs
            As for :meth:`nbglm.NegBinResults.calibrate`.

        Returns
        -------
        DataFrame
            As from :meth:`nbglm.NegBinResults.calibrate`.

        Examples
        --------
        >>> import nbglm, numpy as np
        >>> y = np.random.default_rng(1).negative_binomial(2, 0.3, size=150)
        >>> fit = nbglm.NegBinModel(y, np.ones(150)).fit()
        >>> fit.calibrate(100, seed=1)["coverage"].between(0.85, 1.0).tolist()
        [True, True]
        """
        check_alpha(alpha)
        self._tables.require_data("calibrate()")
        return calibration(
            self._tables,
            n_genes=1,
            n_sim=check_count(n_sim, "n_sim", 1),
            entropy=seed_entropy(seed),
            alpha=alpha,
            groups=groups,
            size=size,
            n_jobs=n_jobs,
        )

    def bootstrap(
        self,
        n: int = 1000,
        kind: str = "parametric",
        *,
        seed: Seed = None,
        groups: object = None,
        n_jobs: int | None = None,
    ) -> Bootstrap:
        """Draw the coefficients by the bootstrap.

        Parameters
        ----------
        n, kind, seed, groups, n_jobs
            As for :meth:`nbglm.NegBinResults.bootstrap`.

        Returns
        -------
        Bootstrap
            As from :meth:`nbglm.NegBinResults.bootstrap`.

        Examples
        --------
        >>> import nbglm, numpy as np
        >>> y = np.random.default_rng(1).negative_binomial(2, 0.3, size=150)
        >>> fit = nbglm.NegBinModel(y, np.ones(150)).fit()
        >>> fit.bootstrap(50, "cases", seed=1).draws.shape
        (50, 2)
        """
        self._tables.require_data("bootstrap()")
        count = check_count(n, "n", 1)
        return bootstrap(self._tables, 0, count, kind, seed_entropy(seed), groups, n_jobs)
