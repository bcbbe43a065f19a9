"""What PyDESeq2 says of genes at an edge.

In an environment of its own::

    python validation/compare_edges.py --write CASES
    pip install pydeseq2==0.5.4
    python validation/pydeseq2_fits.py CASES validation/references/edges.pydeseq2.csv

Its own size factors are replaced by the true ones, so that the mean model is the same.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from pydeseq2.dds import DeseqDataSet
from pydeseq2.ds import DeseqStats


def main() -> None:
    """Fit, test each term, write one row for each gene and term."""
    folder, out = Path(sys.argv[1]), sys.argv[2]
    counts = pd.read_csv(folder / "edges.counts.csv")
    obs = pd.read_csv(folder / "edges.obs.csv")
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    dds = DeseqDataSet(
        counts=counts, metadata=obs, design="~ type + time", refit_cooks=False, quiet=True
    )
    # By default it would iterate, since every gene has a zero: not done after ten minutes.
    dds.fit_size_factors(fit_type="poscounts")
    dds.obs["size_factors"] = obs["size_factor"].to_numpy()
    dds.layers["normed_counts"] = counts.to_numpy() / obs["size_factor"].to_numpy()[:, None]
    dds.fit_genewise_dispersions()
    dds.fit_dispersion_trend()
    dds.fit_dispersion_prior()
    dds.fit_MAP_dispersions()
    dds.fit_LFC()
    seconds = time.perf_counter() - started
    terms = dds.obsm["design_matrix"].columns
    rows = []
    for k, term in enumerate(terms):
        contrast = np.zeros(len(terms))
        contrast[k] = 1.0
        stats = DeseqStats(dds, contrast=contrast, quiet=True, cooks_filter=False)
        stats.run_wald_test()
        rows.append(
            pd.DataFrame(
                {
                    "gene": counts.columns,
                    "term": term,
                    "coef": dds.varm["LFC"][term].to_numpy(),
                    "std_err": np.asarray(stats.SE),
                    "p_value": np.asarray(stats.p_values),
                    "converged": np.asarray(dds.var["_LFC_converged"]),
                    "dispersion": np.asarray(dds.var["dispersions"]),
                }
            )
        )
    table = pd.concat(rows)
    table["seconds_for_all"] = seconds
    table.to_csv(out, index=False)


if __name__ == "__main__":
    main()
