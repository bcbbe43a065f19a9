"""Write the files that later versions must be able to read, and the numbers that they hold.

    python validation/files_fixture.py

They stand in `tests/files/fixtures/format_N` for ever, N being the number of the format; this
script writes those of a new format, and never touches an old one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import nbglm
from nbglm.files.document import FORMAT

FIXTURES = Path(__file__).parents[1] / "tests" / "files" / "fixtures"
CELLS = 48
GENES = ["plain", "all zero", "a/b", "Größe", "Poisson"]
NEW = pd.DataFrame(
    {
        "time": [0.25, 0.75, 0.5],
        "cell/type": ["b", "a", "c d"],
        "depth": [1.0, 2.0, 0.5],
        "batch": [2, 1, 1],
    },
    index=["one", "two", "three"],
)


def make_data() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts and cells."""
    rng = np.random.default_rng(20261130)
    obs = pd.DataFrame(
        {
            "time": rng.random(CELLS),
            "cell/type": pd.Categorical(rng.choice(["a", "b", "c d"], CELLS)),
            "depth": rng.uniform(0.5, 2.0, CELLS),
            "donor": np.arange(CELLS) % 12,
            "batch": rng.integers(1, 3, CELLS),
            "times": rng.integers(1, 3, CELLS),
        },
        index=[f"cell {k}" for k in range(CELLS)],
    )
    obs.loc[obs.index[:3], "time"] = [0.0, 1.0, 0.5]
    counts = rng.negative_binomial(2, 0.3, (CELLS, len(GENES)))
    counts[:, 1] = 0
    counts[obs["cell/type"] == "b", 2] = 0
    counts[:, 4] = rng.binomial(4, 0.5, CELLS)
    return pd.DataFrame(counts, obs.index, GENES), obs


def save_all(folder: Path) -> None:
    """A fit, a simulator with its data, and a fit of one response."""
    counts, obs = make_data()
    fit = nbglm.fit_negbin(
        counts,
        {
            "mean": "~ bs(time, df=4) + C(Q('cell/type'), Treatment('b')) + C(batch)",
            "dispersion": "~ standardize(time)",
        },
        obs=obs,
        size_factors="depth",
        cov_type="cluster",
        cov_kwds={"groups": "donor"},
        progress=False,
    )
    fit.save(folder / "fit.h5ad")
    simulator = nbglm.NegBinRegressionSimulator(progress=False)
    simulator.fit(counts, "~ cr(time, df=3):Q('cell/type')", obs=obs, weights="times")
    simulator.save(folder / "simulator.h5ad", data=True)
    data = obs.assign(y=counts["Größe"])
    model = nbglm.NegBinModel.from_formula(
        "y ~ center(time) + batch", data, dispersion="~ Q('cell/type')", exposure="depth"
    )
    model.fit().save(folder / "response.h5ad")


def numbers_of(folder: Path) -> dict[str, pd.DataFrame]:
    """What the files say, as tables."""
    fit, simulator, response = (
        nbglm.load(folder / f"{name}.h5ad") for name in ("fit", "simulator", "response")
    )
    mean, other = fit.predict(NEW), simulator.predict(NEW)
    return {
        "fit": fit.to_frame(),
        "predicted": mean["mean"].add_prefix("mean ").join(mean["dispersion"]),
        "simulator": simulator.results.to_frame(),
        "means": other["mean"],
        "response": response.summary_frame(),
        "expected": response.get_prediction(NEW).summary_frame(),
    }


def main() -> None:
    """Write those of this format, if they are not there."""
    folder = FIXTURES / f"format_{FORMAT}"
    folder.mkdir(parents=True)
    save_all(folder)
    for name, table in numbers_of(folder).items():
        table.to_csv(folder / f"{name}.csv", float_format="%.17g", na_rep="nan")


if __name__ == "__main__":
    main()
