"""Eight small simulated data sets for the reference fits in ``references/small``.

``python validation/make_small_cases.py validation/references/small``

writes ``<case>.data.csv`` (counts ``y``, covariates, and ``log_depth`` where there is an offset)
and ``cases.csv`` (the formulas, the same text in R and in patsy, and the coefficients simulated
from). R builds its own design matrices, so that the coding of factors is compared as well.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import patsy

SEED = 20261123


@dataclass(frozen=True)
class SmallCase:
    """One data set: size, formulas, and coefficients in the order of patsy's columns."""

    name: str
    n: int
    mean: str
    dispersion: str
    beta: tuple[float, ...]
    gamma: tuple[float, ...]
    offset: bool = False


CASES = (
    SmallCase("slope", 60, "~ x", "~ 1", (1.2, 0.5), (0.4,)),
    SmallCase("mixed", 200, "~ x + g", "~ x", (1.5, 0.4, -0.6, 0.4), (0.3, 0.5)),
    SmallCase("factor", 150, "~ g", "~ g", (1.4, 0.6, -0.3), (0.2, 0.7, -0.4)),
    SmallCase("interaction", 300, "~ g*x", "~ g", (1.3, 0.3, 0.6, 0.4, -0.5, 0.2), (0.1, 0.5, 0.9)),
    SmallCase("no_intercept", 400, "~ x1 + x2 - 1", "~ z1 + z2 - 1", (0.8, -0.5), (0.6, -0.4)),
    SmallCase("offset", 120, "~ x", "~ x", (1.1, -0.5), (0.5, 0.4), offset=True),
    SmallCase("large_counts", 80, "~ x", "~ 1", (9.2, 0.3), (1.0,)),
    SmallCase("small_size", 400, "~ x", "~ 1", (1.5, 0.6), (-2.3,)),
)


def draw(case: SmallCase, position: int) -> pd.DataFrame:
    """Covariates and gamma-Poisson counts of one case, from a stream of its own."""
    rng = np.random.default_rng([SEED, position])
    data = pd.DataFrame({name: rng.normal(size=case.n).round(6) for name in ("x", "x1", "x2")})
    data["z1"], data["z2"] = rng.normal(size=(2, case.n)).round(6)
    data["g"] = rng.permutation(np.resize(["a", "b", "c"], case.n))
    data["log_depth"] = rng.normal(0.0, 0.6, size=case.n).round(6)
    eta = np.asarray(patsy.dmatrix(case.mean, data)) @ np.array(case.beta)
    size = np.exp(np.asarray(patsy.dmatrix(case.dispersion, data)) @ np.array(case.gamma))
    mu = np.exp(eta + data["log_depth"] if case.offset else eta)
    data.insert(0, "y", rng.poisson(rng.gamma(size, mu / size)))
    used = [c for c in ("x", "x1", "x2", "z1", "z2", "g") if c in case.mean + case.dispersion]
    # "x" is also a part of the names "x1" and "x2"
    used = [c for c in used if c != "x" or "x1" not in used]
    return data[["y", *used, *(["log_depth"] if case.offset else [])]]


def main() -> None:
    """Write all data sets and the table of cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for position, case in enumerate(CASES):
        draw(case, position).to_csv(folder / f"{case.name}.data.csv", index=False)
        rows.append(
            {
                "case": case.name,
                "mean": case.mean,
                "dispersion": case.dispersion,
                "offset": "log_depth" if case.offset else "",
                "true_beta": " ".join(map(str, case.beta)),
                "true_gamma": " ".join(map(str, case.gamma)),
            }
        )
    pd.DataFrame(rows).to_csv(folder / "cases.csv", index=False)


if __name__ == "__main__":
    main()
