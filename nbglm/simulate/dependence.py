"""How genes depend on each other: a Gaussian copula of common factors and blocks of residuals.

The normal scores of the genes of one cell are ``z = W f + e``, with ``f`` the independent standard
normal scores of a few factors and ``e`` residuals that are correlated within blocks of genes, and
of which each block has a root ``C``: ``e = C g``. Nothing of the size genes x genes exists. Each
row of ``[W, C]`` has length 1, so that each gene's scores are standard normal, and its counts
distributed as they are without a copula.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nbglm.design.rowvalues import row_values
from nbglm.exceptions import AlignmentError, OptionError, some_of
from nbglm.inference.selection import gene_positions

__all__ = ["Dependence"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class Dependence:
    """What counts need of a copula to be drawn.

    Attributes
    ----------
    known : Index of str
        All genes of the blocks.
    shown : ndarray of int
        Those of them that the copula is of: all, or fewer of a subset, whose blocks stay whole.
    blocks : tuple of ndarray of int
        Positions in `known`, each in one block.
    loadings : ndarray, shape (groups, genes, factors)
        ``W`` of each group of cells; one group if there are none.
    roots : tuple of tuple of ndarray, shape (genes of the block, genes of the block)
        ``C`` of each group and block, lower triangular.
    names : Index or None
        Of the groups.
    column : str or None
        Column of obs with the groups.
    codes : ndarray of int, shape (cells,), or None
        Groups of the cells of the fit, if they were given as an array.
    """

    known: pd.Index
    shown: IntArray = field(repr=False)
    blocks: tuple[IntArray, ...]
    loadings: FloatArray
    roots: tuple[tuple[FloatArray, ...], ...]
    names: pd.Index | None = None
    column: str | None = None
    codes: IntArray | None = None

    @cached_property
    def genes(self) -> pd.Index:
        """Names of the genes."""
        return self.known[self.shown]

    @property
    def in_words(self) -> str:
        """One line."""
        genes, factors = len(self), self.loadings.shape[2]
        groups = ""
        if self.names is not None:
            column = "" if self.column is None else f" of {self.column!r}"
            groups = f", {len(self.names)} group{'s' * (len(self.names) != 1)}{column}"
        common = f"{factors} factor{'s' * (factors != 1)} and " if factors else ""
        blocks = f"{len(self.blocks)} block{'s' * (len(self.blocks) != 1)}"
        return f"Gaussian copula of {genes} gene{'s' * (genes != 1)}, {common}{blocks}{groups}"

    def subset(self, genes: str | Iterable[str] | ArrayLike) -> Self:
        """The copula of some of its genes.

        Parameters
        ----------
        genes : str, sequence of str, or array or Series of bool
            Names of genes, or a mask.

        Returns
        -------
        GaussianCopula
            What is drawn of these genes with a seed is what is drawn of them with all others.

        Raises
        ------
        UnknownNameError, AlignmentError
            If a gene is unknown, or a mask does not match the genes.
        """
        shown = self.shown[gene_positions(self.genes, genes)]
        needed = np.isin(np.arange(len(self.known)), shown)
        used = [k for k, block in enumerate(self.blocks) if needed[block].any()]
        kept = np.sort(np.concatenate([self.blocks[k] for k in used] or [shown[:0]]))
        return replace(
            self,
            known=self.known[kept],
            shown=np.searchsorted(kept, shown),
            blocks=tuple(np.searchsorted(kept, self.blocks[k]) for k in used),
            loadings=self.loadings[:, kept],
            roots=tuple(tuple(roots[k] for k in used) for roots in self.roots),
        )

    def __getitem__(self, genes: str | Iterable[str] | ArrayLike) -> Self:
        """As :meth:`subset`."""
        return self.subset(genes)

    def __len__(self) -> int:
        """Number of genes."""
        return self.shown.size

    def group_of(self, group: object) -> int:
        """Number of a group, by its name; None if there is one.

        Parameters
        ----------
        group : object
            The name.

        Returns
        -------
        int

        Raises
        ------
        OptionError
            If it is unknown, or has to be named and is not.
        """
        if self.names is None:
            if group is None:
                return 0
            msg = (
                f"group={group!r}: this copula has no groups; fit_copula(..., groups=) makes some."
            )
            raise OptionError(msg)
        found = [k for k, name in enumerate(self.names) if name == group]
        if not found:
            msg = f"group={group!r} is none of the groups of this copula: {some_of(self.names)}."
            raise OptionError(msg)
        return found[0]

    def correlation(
        self, genes: str | Iterable[str] | ArrayLike | None = None, *, group: object = None
    ) -> pd.DataFrame:
        """Correlations of the normal scores of genes.

        Parameters
        ----------
        genes : str, sequence of str, or array or Series of bool, optional
            Some of the genes, by their names or a mask; all by default. The table is dense: with
            many genes ask for some.
        group : object, optional
            Name of a group of cells; needed if the copula has groups.

        Returns
        -------
        DataFrame
            Genes x genes, with ones on its diagonal; positive definite.

        Raises
        ------
        UnknownNameError, AlignmentError
            If a gene is unknown, or a mask does not match the genes.
        OptionError
            If the group is unknown.
        """
        g = self.group_of(group)
        positions = self.shown[gene_positions(self.genes, genes)]
        loadings = self.loadings[g][positions]
        values = loadings @ loadings.T
        for block, root in zip(self.blocks, self.roots[g], strict=True):
            where, inside = np.nonzero(positions[:, None] == block)
            values[np.ix_(where, where)] += root[inside] @ root[inside].T
        np.fill_diagonal(values, 1.0)
        return pd.DataFrame(values, self.known[positions], self.known[positions])

    def check_genes(self, genes: pd.Index) -> None:
        """Refuse a fit of other genes.

        Parameters
        ----------
        genes : Index of str
            Genes of the fit.

        Raises
        ------
        AlignmentError
            If either has genes that the other lacks.
        """
        lacking = genes[~genes.isin(self.genes)]
        besides = self.genes[~self.genes.isin(genes)]
        if len(lacking):
            msg = (
                f"the copula lacks {len(lacking)} of the genes that are to be drawn: "
                f"{some_of(lacking)}. Fit it to all of them, or draw those that it has: "
                f"results.subset(copula.genes).sample(copula=copula)."
            )
            raise AlignmentError(msg)
        if len(besides):
            msg = (
                f"the copula has {len(besides)} genes that are not to be drawn: "
                f"{some_of(besides)}. Draw with its part of the others: "
                f"copula=copula.subset(results.gene_names)."
            )
            raise AlignmentError(msg)

    def groups_of(self, obs: pd.DataFrame, *, of_fit: bool) -> IntArray:
        """Group of each row.

        Parameters
        ----------
        obs : DataFrame
            The rows.
        of_fit : bool
            Whether they are those of the fit.

        Returns
        -------
        ndarray of int, shape (rows,)

        Raises
        ------
        AlignmentError
            If the rows have no groups, or others.
        """
        if self.names is None:
            return np.zeros(len(obs), dtype=np.int64)
        if self.column is None:
            if of_fit and self.codes is not None and self.codes.size == len(obs):
                return self.codes
            msg = (
                "the groups of this copula were given as an array, which says nothing of new "
                "rows. Give the name of a column of obs in place of it: "
                "nbglm.fit_copula(results, groups='cell_type')."
            )
            raise AlignmentError(msg)
        source, given = row_values("groups", self.column, obs)
        codes = self.names.get_indexer(pd.Index(given))
        if (codes < 0).any():
            unknown = pd.Series(given)[codes < 0].unique()
            msg = (
                f"{source} has groups that the copula does not know: {some_of(unknown)}. It knows "
                f"{some_of(self.names)}."
            )
            raise AlignmentError(msg)
        return codes.astype(np.int64)
