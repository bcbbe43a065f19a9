"""The Gaussian copula of a fit: what it was found to be, how good it is, and what it is kept in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from nbglm.copula.files import read_copula, write_copula
from nbglm.places import as_path
from nbglm.simulate.dependence import Dependence

__all__ = ["GaussianCopula"]

_SHOWN = 8  # groups in the repr


@dataclass(frozen=True, repr=False)
class GaussianCopula(Dependence):
    """How the genes of a cell depend on each other, given its covariates.

    Made by :func:`nbglm.fit_copula`, and drawn from by ``results.sample(copula=)``. Each count is
    the quantile of its fitted distribution at ``Phi(z)``. The normal scores ``z`` of the genes of a
    cell are correlated through common factors, and within blocks of genes; each is standard normal,
    so that counts of single genes are distributed exactly as the fit says. With many genes nothing
    of the size genes x genes is ever made.

    ``copula[genes]`` is the copula of some genes, for names and masks; ``len(copula)`` is their
    number. A copula can be pickled, and kept in a file by :meth:`save`.
    """

    summaries: pd.DataFrame | None = None
    descriptions: pd.DataFrame | None = None

    @property
    def table(self) -> pd.DataFrame:
        """A row for each group of cells: how dependent genes are, and how well that is known.

        ``cells`` it was fitted to; ``factors``; ``effective_rank``, ``p**2 / sum R**2``, which is
        the number of genes if they are independent, and 1 if all were the same;
        ``shrinkage`` of correlations within blocks, from 0 to 1; ``loglik`` of randomised quantile
        residuals above that of independence, in nats, over all cells. Of cells that were held out,
        in halves: ``heldout_loglik`` for each cell; ``heldout_error``, the root mean square error
        of the correlations of at most 1,000 genes, beside ``heldout_independent``, the error
        without a copula, and ``heldout_noise``, the part of both that no copula could be without,
        since correlations of so many cells vary. For all genes of the fit, also of a subset.
        """
        assert self.summaries is not None
        return self.summaries.copy()

    @property
    def gene_table(self) -> pd.DataFrame:
        """A row for each gene: ``status`` of its fit, ``information``, ``common`` and ``block``.

        ``information`` is the share of the variance of a normal score that a count shows, on
        average over the cells: 1 for large counts, 0.07 for Poisson counts of mean 0.01, and 0 for
        genes without a count or without a fit, which are independent of all others. ``common`` is
        the share of variance that common factors have, on average over groups of cells. ``block``
        is the number of the gene's block.
        """
        assert self.descriptions is not None
        return self.descriptions.loc[self.genes].copy()

    def __repr__(self) -> str:
        table = self.table
        lines = [self.in_words]
        assert self.descriptions is not None
        if len(self) < len(self.descriptions):
            lines[0] += f"; part of that of {len(self.descriptions)} genes:"
        for name, row in table.head(_SHOWN).iterrows():
            lines.append(
                f"  {'' if self.names is None else f'{name}: '}{row['cells']:.0f} cells, effective "
                f"rank {row['effective_rank']:.1f}, log-likelihood {row['loglik'] + 0.0:+.4g}"
            )
            if np.isfinite(row["heldout_error"]):
                lines.append(
                    f"    held-out error of correlations {row['heldout_error']:.3f} "
                    f"(independent {row['heldout_independent']:.3f}, "
                    f"noise {row['heldout_noise']:.3f})"
                )
        if len(table) > _SHOWN:
            lines.append(f"  and {len(table) - _SHOWN} more groups: see .table")
        silent = int((self.gene_table["information"] == 0.0).sum())
        if silent:
            say = "genes say nothing and are" if silent > 1 else "gene says nothing and is"
            lines.append(f"  {silent} {say} independent of the others")
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Keep the copula in a file, which :meth:`load` reads.

        Parameters
        ----------
        path : str or PathLike
            A name that ends in ``.npz``.
        overwrite : bool
            Whether another file may be replaced. It is, when the new one is whole.

        Raises
        ------
        FileError
            If the file cannot be written, or is there already.

        Examples
        --------
        >>> import nbglm, numpy as np, pathlib, tempfile
        >>> counts = np.random.default_rng(1).poisson(3.0, (100, 2))
        >>> copula = nbglm.fit_copula(nbglm.fit_negbin(counts, "~ 1", progress=False))
        >>> place = pathlib.Path(tempfile.mkdtemp()) / "copula.npz"
        >>> copula.save(place)
        >>> nbglm.GaussianCopula.load(place).genes.tolist()
        ['gene_0', 'gene_1']
        """
        write_copula(self, as_path(path), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a copula that was saved.

        Parameters
        ----------
        path : str or PathLike
            The file.

        Returns
        -------
        GaussianCopula
            A seed draws the same counts with it as with the one that was saved.

        Raises
        ------
        FileError
            If it is not there, damaged, or something else. Nothing that a file says is run.
        """
        return read_copula(cls, as_path(path))
