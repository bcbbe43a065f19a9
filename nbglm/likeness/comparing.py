"""All properties of some tables of counts, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.likeness.components import Components, spectrum
from nbglm.likeness.distances import beside_trend, distances
from nbglm.likeness.opened import ALL, Opened, open_all
from nbglm.likeness.properties import (
    Table,
    correlations,
    some_of_each,
    summarise,
    values_of,
)
from nbglm.parallel.blas import one_blas_thread
from nbglm.simulate.cells import check_count
from nbglm.simulate.draws import Seed, seed_entropy

__all__ = ["PROPERTIES", "CountsComparison", "compare_counts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PROPERTIES = (
    *("mean", "variance", "zeros_by_gene", "mean_variance", "mean_zeros"),
    *("library_size", "zeros_by_cell", "gene_correlation", "cell_correlation", "pc1", "pc2"),
)
"""What is compared."""

_SHOWN = ["median_reference", "median", "ks", "scaled", "rmse"]
_PAIRED = ("mean", "variance", "zeros_by_gene", "gene_correlation")  # of the same genes
_COMPONENTS = 20
_CELL_PAIRS = 300  # cells of which all pairs are compared
_DRAWN = 0x706169727321  # the letters of "pairs!": which cells are looked at in pairs


@dataclass(frozen=True, repr=False)
class CountsComparison:
    """What tables of counts are like, and how far apart they are. Made by :func:`compare_counts`.

    All tables have a column ``dataset``, and ``group``, which is ``"all"`` for all cells together;
    each is a copy.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    tables: Mapping[str, pd.DataFrame]

    @property
    def table(self) -> pd.DataFrame:
        """Distances from the first table: a row for each other one, group of cells and property.

        ``ks`` is the largest difference of the distribution functions, from 0 to 1;
        ``wasserstein`` the mean difference of quantiles, in the units of the property, and
        ``scaled`` the same in standard deviations of the first table. ``rmse`` is the root mean
        square difference of properties of the same genes, or pairs of genes. Beside them are the
        medians and how many genes, cells or pairs are compared. The properties are:

        ``mean``, ``variance``, ``zeros_by_gene``: of the genes, the first two of ``log2(1 + .)`` of
        normalised counts, the last the share of cells without a count. ``mean_variance``,
        ``mean_zeros``: variance and zeros beside the running median that they have in the first
        table for genes of that mean. ``library_size`` (``log10`` of counts) and ``zeros_by_cell``
        of the cells. ``gene_correlation`` and ``cell_correlation`` of pairs. ``pc1``, ``pc2``:
        where cells are along the principal components of the first table.
        """
        return self.tables["table"].copy()

    @property
    def genes(self) -> pd.DataFrame:
        """A row for each dataset, group and gene: ``mean``, ``variance`` and ``zeros``."""
        return self.tables["genes"].copy()

    @property
    def cells(self) -> pd.DataFrame:
        """A row for each dataset and cell: ``library_size`` in counts, and share of ``zeros``."""
        return self.tables["cells"].copy()

    @property
    def pairs(self) -> pd.DataFrame:
        """A row for each dataset, group and pair: ``of`` genes or cells, and ``correlation``."""
        return self.tables["pairs"].copy()

    @property
    def components(self) -> pd.DataFrame:
        """A row for each dataset and cell looked at: ``pc1`` and ``pc2`` of the first table."""
        return self.tables["components"].copy()

    @property
    def spectrum(self) -> pd.DataFrame:
        """Variances along the principal components of each dataset: ``component``, ``variance``."""
        return self.tables["spectrum"].copy()

    def __repr__(self) -> str:
        found = self.tables["table"]
        found = found[found["group"] == ALL].set_index("property")
        lines = [f"CountsComparison with {self.names[0]!r}"]
        if self.groups:
            lines[0] += f", of all cells; {len(self.groups)} groups are in .table"
        for name in self.names[1:]:
            part = found.loc[found["dataset"] == name, _SHOWN]
            part.columns = [self.names[0], name, "KS", "distance / sd", "rmse"]
            text = part.rename_axis(None).map(lambda value: f"{value:.3g}").replace("nan", "")
            lines.append(f"{name}, medians and distances:")
            lines += [line.rstrip() for line in text.to_string().splitlines()]
        return "\n".join(lines)


def compare_counts(
    data: Mapping[str, Any],
    by: str | Mapping[str, Any] | None = None,
    *,
    layer: str | None = None,
    n_genes: int = 500,
    n_cells: int = 2000,
    seed: Seed = 0,
) -> CountsComparison:
    """Compare tables of counts of the same genes, such as real ones and simulated ones.

    Parameters
    ----------
    data : mapping of str to AnnData, DataFrame, array, sparse matrix or path
        Two tables or more, cells x genes; the others are compared with the first one. Genes are
        matched by name, and must be the same. Nothing is densified as a whole.
    by : str or mapping, optional
        Column of obs with groups of cells, which are compared by themselves, too; or groups of the
        cells of each table, by the names of the tables.
    layer : str, optional
        Layer of AnnData objects to use in place of ``X``.
    n_genes : int
        Of so many genes, those with the largest mean in the first table, correlations and
        principal components are compared.
    n_cells : int
        So many cells of each group are looked at for the same, chosen at random.
    seed : int, SeedSequence, Generator or None
        Chooses cells.

    Returns
    -------
    CountsComparison
        With distances in its ``table``; :func:`nbglm.plots.compare` draws it.

    Raises
    ------
    CountsError
        If a table is not one of counts; it is named.
    AlignmentError
        If genes are not the same, or a table has no such column.
    OptionError
        If there is only one table.

    References
    ----------
    Zappia, L., Phipson, B. and Oshlack, A. (2017). Splatter. *Genome Biology* 18, 174.

    Soneson, C. and Robinson, M. D. (2018). Towards unified quality verification of synthetic count
    data with countsimQC. *Bioinformatics* 34, 691-692.

    Examples
    --------
    >>> import nbglm, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, less = rng.negative_binomial(1, 0.2, (200, 30)), rng.poisson(4.0, (200, 30))
    >>> found = nbglm.compare_counts({"real": real, "poisson": less})
    >>> found.table.set_index("property").loc["variance", "ks"]
    np.float64(1.0)
    """
    most = check_count(n_genes, "n_genes", 2), check_count(n_cells, "n_cells", 2)
    entropy = seed_entropy(seed)
    opened, groups = open_all(data, by, layer)
    target: float | None = None
    found = []
    for table in opened:
        properties, target = summarise(table, len(groups), target)
        found.append(properties)
    assert target is not None
    names = tuple(table.name for table in opened)
    shown = [*groups, ALL]
    chosen = _expressed(found[0], most[0])
    with one_blas_thread:
        looked = [
            _values(*pair, target, chosen, most[1], groups, entropy)
            for pair in zip(opened, found, strict=True)
        ]
        pairs = [[_pairs(values) for values in part] for part in looked]
        components, spectra = _components(names, looked)
    genes = opened[0].counts.genes
    tables = {
        "table": _distances(names, shown, opened, found, pairs, components),
        "genes": _gene_table(names, shown, genes, found),
        "cells": _cell_table(names, groups, opened, found),
        "pairs": _pair_table(names, shown, pairs),
        "components": components,
        "spectrum": spectra,
    }
    return CountsComparison(names, tuple(groups), tables)


def _expressed(reference: Table, most: int) -> IntArray:
    """Genes with the largest mean, in order; none without a count."""
    mean = reference.mean[-1]
    order = np.argsort(-mean, kind="stable")[:most]
    return np.sort(order[mean[order] > 0.0])


def _values(
    table: Opened,
    properties: Table,
    target: float,
    genes: IntArray,
    most: int,
    groups: list[str],
    entropy: tuple[int, ...],
) -> list[FloatArray]:
    """Normalised counts of some cells of each group, and of all."""
    cells = [np.flatnonzero(table.groups == k) for k in range(len(groups))]
    cells.append(np.arange(table.counts.n_cells))
    rng = np.random.default_rng([*entropy, _DRAWN])
    return [
        values_of(table, properties.library, target, some_of_each(part, most, rng), genes)
        for part in cells
    ]


def _pairs(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Correlations of all pairs of genes, and of cells."""
    few = values[:_CELL_PAIRS].T
    both = correlations(values), correlations(few)
    upper = [found[np.triu_indices(len(found), 1)] for found in both]
    return upper[0], upper[1]


def _components(
    names: tuple[str, ...], looked: list[list[FloatArray]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cells along the components of the first table, and the variances of all tables."""
    places, spectra = [], []
    directions = Components(looked[0][-1], 2)
    for name, part in zip(names, looked, strict=True):
        scores = directions.scores(part[-1])
        columns = {f"pc{k + 1}": scores[:, k] for k in range(scores.shape[1])}
        places.append(pd.DataFrame({"dataset": name, **columns}))
        found = spectrum(part[-1], _COMPONENTS)
        number = np.arange(1, found.size + 1)
        spectra.append(pd.DataFrame({"dataset": name, "component": number, "variance": found}))
    return pd.concat(places, ignore_index=True), pd.concat(spectra, ignore_index=True)


def _distances(
    names: tuple[str, ...],
    shown: list[str],
    opened: list[Opened],
    found: list[Table],
    pairs: list[list[tuple[FloatArray, FloatArray]]],
    components: pd.DataFrame,
) -> pd.DataFrame:
    rows = []
    for other in range(1, len(names)):
        for k, group in enumerate(shown):
            both = [
                dict(_samples(opened[t], found[t], pairs[t][k], k, last=k == len(shown) - 1))
                for t in (0, other)
            ]
            if group == ALL:
                for name in set(components) - {"dataset"}:
                    for part, which in zip(both, (0, other), strict=True):
                        part[name] = components.loc[components["dataset"] == names[which], name]
            for name, y in (("mean_variance", "variance"), ("mean_zeros", "zeros_by_gene")):
                there = [np.isfinite(part["mean"]) & np.isfinite(part[y]) for part in both]
                if all(flags.any() for flags in there):
                    xy = [
                        (part["mean"][flags], part[y][flags])
                        for part, flags in zip(both, there, strict=True)
                    ]
                    both[0][name], both[1][name] = beside_trend(xy[0], xy[1])
            for name in PROPERTIES:
                if name in both[0]:
                    one, two = (np.asarray(part[name], dtype=np.float64) for part in both)
                    row = distances(one, two, paired=name in _PAIRED)
                    rows.append({"dataset": names[other], "group": group, "property": name, **row})
    return pd.DataFrame(rows)


def _samples(
    table: Opened, found: Table, pairs: tuple[FloatArray, FloatArray], group: int, *, last: bool
) -> Iterator[tuple[str, Any]]:
    """The distributions of one group of one table."""
    cells = slice(None) if last else table.groups == group
    yield "mean", found.mean[group]
    yield "variance", found.variance[group]
    yield "zeros_by_gene", found.zeros[group]
    with np.errstate(divide="ignore"):
        yield "library_size", np.log10(found.library[cells])
    yield "zeros_by_cell", found.cell_zeros[cells]
    yield "gene_correlation", pairs[0]
    yield "cell_correlation", pairs[1]


def _gene_table(
    names: tuple[str, ...], shown: list[str], genes: pd.Index, found: list[Table]
) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "dataset": name,
                "group": group,
                "gene": genes,
                "mean": table.mean[k],
                "variance": table.variance[k],
                "zeros": table.zeros[k],
            }
        )
        for name, table in zip(names, found, strict=True)
        for k, group in enumerate(shown)
    ]
    return pd.concat(parts, ignore_index=True)


def _cell_table(
    names: tuple[str, ...], groups: list[str], opened: list[Opened], found: list[Table]
) -> pd.DataFrame:
    labels = np.array(groups or [ALL], dtype=object)
    parts = [
        pd.DataFrame(
            {
                "dataset": name,
                "group": labels[table.groups],
                "cell": table.counts.cells,
                "library_size": properties.library,
                "zeros": properties.cell_zeros,
            }
        )
        for name, table, properties in zip(names, opened, found, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _pair_table(
    names: tuple[str, ...],
    shown: list[str],
    pairs: list[list[tuple[FloatArray, FloatArray]]],
) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"dataset": name, "group": group, "of": what, "correlation": values})
        for name, of_groups in zip(names, pairs, strict=True)
        for group, both in zip(shown, of_groups, strict=True)
        for what, values in zip(("genes", "cells"), both, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
