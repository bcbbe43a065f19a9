"""Simulated cells, with the coefficients that they were drawn from beside the counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import InputTypeError, OptionError, check_choice
from nbglm.simulate.draws import Seed, draw_counts, gene_stream, seed_entropy

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["simulate_cells"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_CONDITIONS = ("control", "treated")


@dataclass(frozen=True)
class _Cells:
    """What is known of the cells before a count is drawn.

    Attributes
    ----------
    obs : DataFrame
        Their covariates.
    design : ndarray, shape (cells, terms)
        Of the log mean.
    terms : list of str
        Names of its columns.
    treated, donor : ndarray, shape (cells,)
        Whether a cell was treated; number of its donor.
    """

    obs: pd.DataFrame
    design: FloatArray
    terms: list[str]
    treated: FloatArray
    donor: IntArray


def _names(word: str, count: int) -> list[str]:
    """Names of things, counted from 1, in the order of the alphabet."""
    width = len(str(count))
    return [f"{word}{k + 1:0{width}d}" for k in range(count)]


def _make_cells(
    rng: np.random.Generator, n_cells: int, types: list[str], donors: list[str], nested: bool
) -> _Cells:
    # Common types and rare ones: each is two thirds as common as the one before.
    share = (2.0 / 3.0) ** np.arange(len(types))
    kind = rng.choice(len(types), n_cells, p=share / share.sum())
    donor = rng.integers(0, len(donors), n_cells)
    treated = donor % 2 if nested else rng.integers(0, 2, n_cells)
    time = rng.random(n_cells)
    depth = np.exp(rng.normal(0.0, 0.4, n_cells))
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(kind, types),
            "pseudotime": time,
            "condition": pd.Categorical.from_codes(treated, list(_CONDITIONS)),
            "donor": pd.Categorical.from_codes(donor, donors),
            "size_factor": depth,
        },
        index=pd.Index(_names("cell", n_cells), dtype=object),
    )
    columns = {
        "Intercept": np.ones(n_cells),
        **{f"cell_type[T.{name}]": kind == k for k, name in enumerate(types) if k},
        "condition[T.treated]": treated,
        "pseudotime": time,
    }
    design = np.column_stack([np.asarray(part, dtype=np.float64) for part in columns.values()])
    return _Cells(obs, design, list(columns), treated.astype(np.float64), donor)


@dataclass(frozen=True)
class _Effects:
    """How often and how much genes differ.

    Attributes
    ----------
    differential, variable : float
        Shares of genes whose mean, and whose size, differs between conditions.
    donor_sd : float
        Standard deviation of the donors' log means.
    """

    differential: float
    variable: float
    donor_sd: float

    def draw(
        self, rng: np.random.Generator, n_types: int, n_donors: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Coefficients of the log mean and of the log size, and effects of the donors.

        All numbers are drawn, whether or not they are used, so that a gene stays the same gene if
        the shares change.
        """
        level, trend = rng.normal(0.5, 1.3), rng.normal(0.0, 1.2)
        is_trend, is_different, is_variable = rng.random(3)
        marker = rng.random(n_types - 1) < 0.25
        kinds = np.where(marker, rng.normal(0.0, 1.2, n_types - 1), 0.0)
        sign = rng.choice([-1.0, 1.0], 2)
        change, spread = sign * rng.uniform([0.5, 0.8], [1.2, 1.6])
        beta = [
            level,
            *kinds,
            change if is_different < self.differential else 0.0,
            trend if is_trend < 0.4 else 0.0,
        ]
        gamma = [rng.normal(0.7, 0.6), spread if is_variable < self.variable else 0.0]
        donors = self.donor_sd * rng.normal(size=n_donors)
        return np.array(beta), np.array(gamma), donors


def _check_number(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        msg = f"{name}= takes a whole number, not {value!r} ({type(value).__name__})."
        raise InputTypeError(msg)
    if value < least:
        msg = f"{name}={value} is too few; at least {least} {'is' if least == 1 else 'are'} needed."
        raise OptionError(msg)
    return int(value)


def _check_real(name: str, value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, float | int | np.number):
        msg = f"{name}= takes a number, not {value!r} ({type(value).__name__})."
        raise InputTypeError(msg)
    number = float(value)
    if not 0.0 <= number <= most or not np.isfinite(number):
        limit = f"from 0 to {most:g}" if np.isfinite(most) else "from 0 on, finite"
        msg = f"{name}={value} is out of range; it is {limit}."
        raise OptionError(msg)
    return number


def simulate_cells(
    n_cells: int = 2_000,
    n_genes: int = 100,
    *,
    seed: Seed,
    n_types: int = 3,
    n_donors: int = 8,
    donors: str = "nested",
    differential: float = 0.2,
    variable: float = 0.2,
    donor_sd: float = 0.2,
) -> AnnData:
    """Simulate cells of several types, along a trajectory, of donors in two conditions.

    Parameters
    ----------
    n_cells, n_genes : int
        Numbers of cells and genes.
    seed : int, SeedSequence, Generator or None
        The same seed gives the same bytes (with the same version of numpy); None gives others
        every time. A gene is the same for any number of genes, and has the same coefficients for
        any number of cells.
    n_types : int
        Number of cell types; each is two thirds as common as the one before.
    n_donors : int
        Number of donors.
    donors : str
        ``"nested"``: every cell of a donor is of one condition, as patients are sick or well.
        ``"crossed"``: each donor has cells of both, as treated and untreated halves of a sample.
    differential : float
        Share of genes whose mean differs between conditions.
    variable : float
        Share of genes whose dispersion does.
    donor_sd : float
        Standard deviation of the donors' effects on the log mean; 0 for independent cells.

    Returns
    -------
    AnnData
        ``X``: CSR matrix of 32-bit integer counts. ``obs``: ``cell_type``, ``pseudotime`` (from 0
        to 1), ``condition`` (``control`` or ``treated``), ``donor``, and ``size_factor``, by which
        means are multiplied.

        The truth is in ``uns["formula"]``, the formulas for ``mean`` and ``dispersion``;
        ``varm["beta"]`` and ``varm["gamma"]``, the coefficients of the log mean and of the log
        size, with the names that a fit of these formulas gives them; ``varm["donors"]``, the
        effects of the donors on the log mean; and ``var["differential"]`` and ``var["variable"]``,
        whether the mean and the dispersion of a gene differ between conditions.

    Raises
    ------
    InputTypeError, OptionError
        If a number is no number, or out of range.

    Notes
    -----
    Counts are ``Y ~ NB(mean mu, size r)``, ``Var Y = mu + mu**2 / r``, independent given ``mu``
    and ``r``::

        log mu = log size_factor + Intercept + cell_type + condition + pseudotime + donor
        log r  = Intercept + condition

    with a coefficient of its own for every gene: log means of the first type ``N(0.5, 1.3**2)``;
    for a quarter of the genes, by type, a difference ``N(0, 1.2**2)`` from the first type; for 40 %
    of them a slope ``N(0, 1.2**2)`` along pseudotime; for the share `differential` a difference
    between conditions of 0.5 to 1.2 (natural log) up or down; log sizes ``N(0.7, 0.6**2)``, and
    for the share `variable` a difference of 0.8 to 1.6. Donors' effects are
    ``N(0, donor_sd**2)``, and log size factors ``N(0, 0.4**2)``.

    Where donors differ, cells of one donor are not independent, and standard errors that take
    them to be so are too small: that is what ``cov_type="cluster"`` is for.

    Examples
    --------
    >>> import nbglm
    >>> adata = nbglm.datasets.simulate_cells(1_000, 5, seed=1, donor_sd=0)
    >>> res = nbglm.fit_negbin(
    ...     adata, dict(adata.uns["formula"]), size_factors="size_factor", progress=False
    ... )
    >>> error = res.params["beta"].T - adata.varm["beta"]
    >>> bool((error / res.bse["beta"].T).abs().max().max() < 4)
    True
    """
    from anndata import AnnData
    from scipy import sparse

    n_cells = _check_number("n_cells", n_cells, 1)
    n_genes = _check_number("n_genes", n_genes, 1)
    check_choice("donors", donors, ("nested", "crossed"))
    nested = donors == "nested"
    types = _names("type", _check_number("n_types", n_types, 1))
    people = _names("donor", _check_number("n_donors", n_donors, 1 + nested))
    effects = _Effects(
        _check_real("differential", differential, 1.0),
        _check_real("variable", variable, 1.0),
        _check_real("donor_sd", donor_sd, np.inf),
    )
    entropy = seed_entropy(seed)
    cells = _make_cells(gene_stream(entropy, "cells"), n_cells, types, people, nested)
    names = _names("gene", n_genes)
    columns, betas, gammas, shifts = [], [], [], []
    for number in range(n_genes):
        rng = gene_stream(entropy, f"gene {number}")
        beta, gamma, shift = effects.draw(rng, len(types), len(people))
        log_mean = cells.design @ beta + shift[cells.donor]
        mean = cells.obs["size_factor"].to_numpy() * np.exp(log_mean)
        counts = draw_counts(rng, mean, np.exp(gamma[0] + gamma[1] * cells.treated))
        columns.append(sparse.csc_matrix(counts[:, None].astype(np.int32)))
        betas.append(beta)
        gammas.append(gamma)
        shifts.append(shift)
    index = pd.Index(names, dtype=object)
    truth = {
        "beta": pd.DataFrame(betas, index, cells.terms),
        "gamma": pd.DataFrame(gammas, index, ["Intercept", "condition[T.treated]"]),
        "donors": pd.DataFrame(shifts, index, people),
    }
    var = pd.DataFrame(
        {
            "differential": truth["beta"]["condition[T.treated]"] != 0.0,
            "variable": truth["gamma"]["condition[T.treated]"] != 0.0,
        },
        index,
    )
    of_types = "cell_type + " if len(types) > 1 else ""
    formula = {"mean": f"~ {of_types}condition + pseudotime", "dispersion": "~ condition"}
    matrix = sparse.hstack(columns, format="csr")
    return AnnData(matrix, cells.obs, var, varm=truth, uns={"formula": formula})
