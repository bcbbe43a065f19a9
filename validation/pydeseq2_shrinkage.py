"""What PyDESeq2, which does what apeglm does, makes of the same counts, sizes and priors.

In an environment of its own::

    python validation/shrinkage.py --write CASES
    pip install pydeseq2==0.5.4
    python validation/pydeseq2_shrinkage.py CASES validation/references/shrinkage.pydeseq2.csv

Its inverse Hessian adds the prior's curvature to every row rather than to the diagonal, so that no
standard deviation is stored. The search is asked for more digits than by default.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.optimize
from pydeseq2 import utils

SCALES = (0.1, 1.0)


def exact(*arguments: object, **keywords: object) -> object:
    """Scipy's minimize from where PyDESeq2 begins, until nothing gets better."""
    keywords |= {"method": "L-BFGS-B", "options": {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 5000}}
    return scipy.optimize.minimize(*arguments, **keywords)


def main() -> None:
    """Shrink every gene with every scale, write a row for each."""
    folder, out = Path(sys.argv[1]), sys.argv[2]
    counts = pd.read_csv(folder / "shrinkage.counts.csv")
    obs = pd.read_csv(folder / "shrinkage.obs.csv")
    size = pd.read_csv(folder / "shrinkage.size.csv", index_col="gene")["size"]
    design = np.column_stack([np.ones(len(obs)), obs["treated"], obs["batch"]]).astype(float)
    utils.minimize = exact
    shrink = partial(utils.nbinomGLM, design, offset=np.zeros(len(obs)), prior_no_shrink_scale=15.0)
    rows = []
    for gene, y in counts.items():
        # The Poisson, to which PyDESeq2 gives no name, and genes without a count are left out.
        if not np.isfinite(size[gene]) or not y.any():
            continue
        for scale in SCALES:
            beta, _, _ = shrink(
                counts=y.to_numpy(float), size=size[gene], prior_scale=scale, shrink_index=1
            )
            rows.append({"gene": gene, "size": size[gene], "scale": scale, "shrunken": beta[1]})
    pd.DataFrame(rows).to_csv(out, index=False)


if __name__ == "__main__":
    main()
