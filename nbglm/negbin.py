"""The main entry: data and formulas in, results out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nbglm.counts.budget import Budget
from nbglm.counts.opening import open_counts
from nbglm.counts.table import read_table
from nbglm.design.design import build_design
from nbglm.design.scope import scope_of_caller
from nbglm.design.weights import frequency_weights
from nbglm.exceptions import check_choice
from nbglm.fit.clusters import covariance_rule
from nbglm.fitting import DISPERSION_METHODS, RANK_RULES, fit_design
from nbglm.memory import default_budget, parse_memory
from nbglm.parallel.blocks import check_progress, wanted_jobs
from nbglm.preprocessing.sizefactors import factors_of, method_named
from nbglm.results import NegBinResults

if TYPE_CHECKING:
    from anndata import AnnData
    from scipy import sparse

__all__ = ["fit_negbin"]

_OTHER_METHODS = {"reml": "cox_reid", "cr": "cox_reid", "apl": "cox_reid", "mle": "ml"}


def fit_negbin(
    data: AnnData | pd.DataFrame | NDArray[Any] | sparse.spmatrix | str | PathLike[str],
    formula: str | Mapping[str, str],
    *,
    obs: pd.DataFrame | Mapping[str, Any] | None = None,
    layer: str | None = None,
    offset: ArrayLike | str | None = None,
    size_factors: ArrayLike | str | None = None,
    weights: ArrayLike | str | None = None,
    cov_type: str = "oim",
    cov_kwds: Mapping[str, Any] | None = None,
    dispersion_method: str = "ml",
    rank_deficient: str = "drop",
    n_jobs: int | None = None,
    progress: bool | None = None,
    max_memory: int | str | None = None,
    scope: str = "caller",
    _frames_up: int = 0,
) -> NegBinResults:
    """Fit a negative binomial GLM with formulas for mean and dispersion to every gene.

    For each gene, exact joint maximum likelihood of ``Y ~ NB(mean mu, size r)``,
    ``Var Y = mu + mu**2 / r``, with ``log mu = offset + X beta`` and ``log r = Z gamma``.

    Parameters
    ----------
    data : AnnData, path, DataFrame, array or scipy sparse matrix, shape (cells, genes)
        Raw counts: whole numbers, of any dtype. A path is that of an ``.h5ad`` file or a ``.zarr``
        folder, of which only obs, var and the counts are read; ``adata.raw`` is taken as well.
        They may lie outside memory: an AnnData in backed mode, or with a dask array, a zarr array
        or a sparse group of a file as ``X`` or layer, or any of these by itself. Such data are
        read once, in pieces, and kept by gene in about three bytes for each non-zero count; the
        file may be closed afterwards.
    formula : str or mapping
        The mean formula, or ``{"mean": ..., "dispersion": ...}`` in patsy's language; a missing
        dispersion is ``~ 1``. ``.`` is every column of obs. patsy evaluates formulas as Python:
        see `scope` before fitting one that a stranger wrote.
    obs : DataFrame or mapping, optional
        Covariates, a row for each cell; an AnnData brings its own. What has row labels here, in
        `data` or below must have the same ones in the same order, and is refused otherwise; an
        index 0, 1, 2, ... is none, and what has none is taken in order.
    layer : str, optional
        Layer of an AnnData to use in place of ``X``.
    offset : array_like or str, optional
        Offset of the log mean (log scale), or the name of a column of obs.
    size_factors : array_like or str, optional
        Factors of the mean (count scale, positive), or the name of a column of obs. If there is
        no column of that name, ``"total"``, ``"median_ratio"``, ``"poscounts"`` and ``"pooled"``
        compute them from the counts of these genes: see :func:`nbglm.size_factors`.
    weights : array_like or str, optional
        Frequency weights: a cell of weight 2 counts as two cells.
    cov_type : str
        Covariances from the observed information (``"oim"``) or the expected (``"eim"``), or
        robust ones: ``"HC0"`` to ``"HC3"`` take cells for independent. If what is compared varies
        only between donors, their errors are far too small: ``"cluster"``, or with few donors
        ``"CR2"`` (``"CR1"``, ``"CR3"``), with the donors as groups is needed.
    cov_kwds : mapping, optional
        For clusters: ``groups``, a column of obs or an array, such as the donor of each cell; for
        ``"cluster"`` also ``use_correction``, whether to apply the small-sample factor (True). For
        all: ``use_t``, whether tests refer to Student's t and F, by default with clusters less 1
        degrees of freedom for ``"cluster"``, Satterthwaite's for ``"HC2"``, ``"HC3"`` and ``"CR1"``
        to ``"CR3"``, and not at all for the others.
    dispersion_method : str
        ``"ml"``, maximum likelihood, or ``"cox_reid"``, which takes out the bias towards too
        little dispersion that comes of fitting the mean to the same counts: for few samples, such
        as three against three (Cox and Reid 1987). The mean is the best for these dispersions;
        ``llf`` and what is made of it are the log-likelihood there, which is not its maximum, so
        that likelihood ratios, profiles and score tests are refused.
    rank_deficient : str
        What to do with columns that are linear combinations of earlier ones: ``"drop"`` (NaN, as
        in R), ``"min_norm"`` (the coefficients of smallest norm), or ``"raise"``. Predictions and
        log-likelihoods of the first two are the same.
    n_jobs : int, optional
        Number of parallel workers, as joblib understands it; ``joblib.parallel_config`` is
        heeded. The numbers are the same bits for any value.
    progress : bool, optional
        Whether to show a progress bar and a closing line, by default where it takes over a second;
        and first of all, of a costly design, a line with what it is expected to take.
        For data outside memory also a line beforehand that says what they will take.
    max_memory : int or str, optional
        Memory that the designs and the counts of data outside memory may take while they are read
        and kept: bytes, or a string such as ``"4GB"`` or ``"512 MiB"``. Counts for which that is
        too little are kept in a temporary file, in the folder that ``TMPDIR`` names. The default
        is half of the available memory, 4 GiB at most. The blocks of genes that workers fit, the
        results, and Python itself come on top. The numbers are the same bits for any value.
    scope : str
        What a formula may use beside the columns of obs. ``"caller"``: whatever is known where
        the fit is called; such a formula can do all that a Python program can. ``"columns"``:
        numbers, patsy's functions (``C``, ``bs``, ``cr``, ...) and numpy's elementwise ones
        (``np.log``, ``np.where``, ...); a formula with anything else is refused before any of it
        is evaluated.

    Returns
    -------
    NegBinResults

    Raises
    ------
    CountsError
        If the data are not counts, or `max_memory` does not suffice to read them.
    FileError
        If there is no file at a path, or it holds no AnnData.
    FormulaError
        If a formula, or a column it uses, makes no design.
    AlignmentError
        If obs, offset, size factors or weights do not match the data.
    RankError
        If a design has aliased columns and ``rank_deficient="raise"``.
    ValueError
        If an option is unknown, `n_jobs` or `max_memory` is no amount, or clusters are needed and
        not given.
    TypeError
        If `n_jobs` or `progress` is of another kind.

    Warns
    -----
    NbglmWarning
        Once, if genes did not converge; if fewer than ten clusters carry a term; if an array
        stands beside an `obs` whose labels are the numbers of its rows in another order; or if
        the range of the offset says that it is not on the log scale.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> obs = pd.DataFrame({"dose": np.repeat([0.0, 1.0], 500)})
    >>> mean = np.exp(1.0 + 0.5 * obs["dose"].to_numpy())
    >>> counts = rng.negative_binomial(2.0, 2.0 / (2.0 + mean))
    >>> results = fit_negbin(counts, {"mean": "~ dose", "dispersion": "~ 1"}, obs=obs)
    >>> results.params["beta"].round(2)["gene_0"].tolist()
    [0.95, 0.58]
    >>> results.status["gene_0"]
    'ok'
    """
    started = time.perf_counter()
    check_choice("rank_deficient", rank_deficient, RANK_RULES)
    check_choice("dispersion_method", dispersion_method, DISPERSION_METHODS, _OTHER_METHODS)
    check_progress(progress)
    wanted_jobs(n_jobs)  # refused now, not when the data are read
    memory = default_budget() if max_memory is None else parse_memory(max_memory)
    table = open_counts(data, obs=obs, layer=layer)
    # Designs first: a misspelt column should not wait for a file to be read.
    cov = covariance_rule(cov_type, cov_kwds, table.obs)
    names = scope_of_caller(_frames_up, scope)
    method = method_named(size_factors, table.obs)
    given = None if method else size_factors
    design = build_design(formula, table.obs, offset=offset, size_factors=given, scope=names)
    frequency = frequency_weights(weights, table.obs)
    designs = (design.mean.matrix, design.dispersion.matrix, design.offset)
    budget = Budget(memory, sum(values.nbytes for values in designs))
    counts = read_table(table, budget, progress)
    if method:
        design = design.with_size_factors(factors_of(counts, method), method, table.obs)
    return fit_design(
        NegBinResults,
        counts,
        design,
        frequency,
        cov,
        dispersion_method=dispersion_method,
        rank_deficient=rank_deficient,
        n_jobs=n_jobs,
        progress=progress,
        started=started,
    )
