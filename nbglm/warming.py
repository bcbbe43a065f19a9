"""Compile all kernels before anybody waits for them: when an image is built, or on a cluster."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import parallel_config

from nbglm.copula.fitting import fit_copula
from nbglm.exceptions import CacheError
from nbglm.fitting import COMPILING
from nbglm.kernels.kernelcache import ENTRIES, kept_in, must_compile
from nbglm.kernels.likelihood import loglik
from nbglm.negbin import fit_negbin
from nbglm.parallel.blocks import check_progress, say

__all__ = ["Warmup", "warmup"]


class Warmup(NamedTuple):
    """What :func:`warmup` did.

    Attributes
    ----------
    seconds : float
        How long it took.
    folder : Path
        Where the compiled kernels are, in folders of it for those of each folder of the package.
    compiled : int
        How many of the functions that Python calls had to be compiled; 0 if all were there.
    """

    seconds: float
    folder: Path
    compiled: int

    def __str__(self) -> str:
        """One line."""
        done = "compiled" if self.compiled else "found compiled"
        return f"kernels {done} in {self.seconds:.1f} s; they are in {self.folder}"


def _entries() -> list[Any]:
    """What Python calls of the package's own kernels."""
    package = __name__.partition(".")[0] + "."
    return [entry for entry in ENTRIES if entry.py_func.__module__.startswith(package)]


def _call_all() -> None:
    """Fit a small gene, and ask for what calls all the other kernels as well."""
    x = np.repeat([-1.0, 0.0, 1.0], 20)
    counts = np.random.default_rng(0).negative_binomial(1, 0.2, (60, 1))
    formula = {"mean": "~ x", "dispersion": "~ x"}
    obs = pd.DataFrame({"x": x})
    results = fit_negbin(counts, formula, obs=obs, cov_type="eim", n_jobs=1, progress=False)
    results.cov_params(gene=results.gene_names[0])
    results.conf_int(method="profile", n_jobs=1, progress=False)
    results.sample(seed=0, copula=fit_copula(results, heldout=False))
    loglik(0.0, 0.0, 0.0)


def warmup(*, progress: bool | None = None) -> Warmup:
    """Compile all kernels and keep them, so that no fit has to wait for them.

    Kernels are compiled at the first fit after an installation or an upgrade. This does it ahead,
    for instance while an image is built. They are kept in a folder beside the package, in that of
    ``NUMBA_CACHE_DIR`` if it is set, or in the user's cache folder if neither can be written, and
    are used by all processes that find them there, with the same versions of Python, numba and
    nbglm on the same kind of processor, even if these may not write there.

    Parameters
    ----------
    progress : bool or None
        Whether to say what is done, on stderr. By default the end is told, and the beginning on a
        terminal.

    Returns
    -------
    Warmup
        Seconds that it took, the folder of the kernels, and how many had to be compiled.

    Raises
    ------
    CacheError
        If there is no folder that can be written, or no room in it.
    TypeError
        If `progress` is not True, False or None.

    Examples
    --------
    >>> import nbglm
    >>> nbglm.warmup(progress=False).folder.is_dir()
    True
    """
    check_progress(progress)
    started = time.perf_counter()
    compiled = sum(map(must_compile, _entries()))
    if compiled and (progress or (progress is None and sys.stderr.isatty())):
        say(COMPILING)
    with parallel_config("threading", n_jobs=1):  # here, whatever backend is set for fits
        _call_all()
    seconds = time.perf_counter() - started
    folders = [kept_in(entry) for entry in _entries()]
    known = [str(folder) for folder in folders if folder is not None]
    if len(known) < len(folders):
        msg = (
            "compiled kernels could not be kept: neither the folder beside the package nor the "
            "user's cache folder can be written, or there is no room. Set NUMBA_CACHE_DIR to a "
            "folder that can be, and warm up again; until then every new process compiles first."
        )
        raise CacheError(msg)
    done = Warmup(seconds, Path(os.path.commonpath(known)), compiled)
    if progress or progress is None:
        say(str(done))
    return done
