"""Fits, tests and samples of all kinds; prints how many kernels were loaded, and how many compiled.

A process of its own runs this, after another one has compiled the kernels.
"""

import sys
import warnings

import joblib
import numpy as np
import pandas as pd
from scipy.stats import nbinom

import nbglm
from nbglm.kernels.kernelcache import ENTRIES


def data(cells):
    """Ordinary genes, one without overdispersion, one with a silent group, one without counts."""
    rng = np.random.default_rng(1)
    obs = pd.DataFrame({"x": rng.normal(size=cells), "g": np.arange(cells) % 3, "w": 1.0})
    obs["g"] = obs["g"].map({0: "a", 1: "b", 2: "c"})
    obs["donor"] = np.arange(cells) % 12
    obs["many"] = [f"level {cell // 3}" for cell in range(cells)]
    mean = np.exp(1.0 + 0.3 * obs["x"].to_numpy())
    usual = rng.negative_binomial(2, 2 / (2 + mean[:, None]), (cells, 2))
    silent = np.where(obs["g"] == "c", 0, rng.poisson(mean))
    large = nbinom.rvs(50, 1e-5, size=cells, random_state=rng)
    zero = np.zeros(cells, dtype=int)
    y = np.column_stack([usual, rng.binomial(9, 0.5, cells), silent, large, zero])
    return pd.DataFrame(y, columns=list("uvbslz")), obs


def fits(y, obs):
    """Designs with few distinct rows and with many, sparse and dense, weighted and not."""
    quiet = {"obs": obs, "progress": False}
    for formula in (
        "~ 1",
        "~ x",
        {"mean": "~ g", "dispersion": "~ g"},
        {"mean": "~ x + g", "dispersion": "~ x"},
    ):
        yield nbglm.fit_negbin(y, formula, **quiet)
    both = {"mean": "~ x", "dispersion": "~ x"}
    yield nbglm.fit_negbin(y, both, weights=np.full(len(y), 2.0), **quiet)
    yield nbglm.fit_negbin(y, both, size_factors="w", **quiet)
    yield nbglm.fit_negbin(y.astype(pd.SparseDtype(int)), both, cov_type="HC1", **quiet)
    yield nbglm.fit_negbin(y, both, cov_type="eim", n_jobs=2, **quiet)
    cluster = {"cov_type": "cluster", "cov_kwds": {"groups": "donor"}}
    yield nbglm.fit_negbin(y, both, **cluster, **quiet)


def use(fit, obs):
    """Everything that a fit offers."""
    fit.to_frame()
    fit.overdispersion_test()
    fit.resid_pearson  # noqa: B018 - computed when asked for
    fit.predict(obs.iloc[:3])
    fit.sample(seed=0)
    fit.sample(seed=0, copula=nbglm.fit_copula(fit, heldout=False))
    for gene in fit.gene_names:
        fit.explain(gene)
    if len(fit.design.mean.terms) > 1:
        fit.conf_int(method="profile", genes=["u", "b", "s"], progress=False)
        fit.anova()
        fit.wald_test(fit.design.mean.terms[1])
    if "g[T.b]" in fit.design.mean.terms:
        fit.marginal_means("g", pairwise=True)
    fit.gene("u").summary()
    fit.gene("u").get_distribution().logpmf(1)


def main(cells):
    warnings.simplefilter("ignore")
    y, obs = data(cells)
    quiet = {"obs": obs, "progress": False}
    for fit in fits(y, obs):
        use(fit, obs)
    nbglm.fit_negbin(y, "~ x + I(2 * x)", rank_deficient="min_norm", **quiet).to_frame()
    nbglm.fit_negbin(y, {"mean": "~ many + x", "dispersion": "~ x"}, **quiet).to_frame()
    small, large = (nbglm.fit_negbin(y, formula, **quiet) for formula in ("~ x", "~ x + g"))
    nbglm.compare({"small": small, "large": large})
    nbglm.lr_test(large, small)
    small.score_test("g")
    nbglm.NegBinModel.from_formula("u ~ x", pd.concat([y, obs], axis=1)).fit().summary()
    with joblib.parallel_config("loky", n_jobs=2):
        nbglm.fit_negbin(y, "~ x", **quiet)
    stats = [entry.stats for entry in ENTRIES]
    loaded = sum(sum(stat.cache_hits.values()) for stat in stats)
    compiled = sum(sum(stat.cache_misses.values()) for stat in stats)
    sys.stdout.write(f"{loaded} {compiled}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
