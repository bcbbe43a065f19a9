"""The words that say what happened to a gene and to each of its coefficients."""

from __future__ import annotations

__all__ = ["COEF_STATUS", "GENE_STATUS", "NOTHING_TOLD", "SENTENCES"]

GENE_STATUS = (
    "not_converged",
    "all_zero",
    "separated",
    "poisson_limit",
    "not_identified",
    "planted",
    "ok",
)
"""Status words of a gene, the most consequential first."""

NOTHING_TOLD = ("all_zero", "not_converged", "planted")
"""Status words of genes whose counts are not described by a distribution that was fitted."""

COEF_STATUS = (
    "ok",
    "poisson_limit",
    "separated",
    "aliased",
    "not_identified",
    "not_converged",
    "planted",
)
"""Status words of a coefficient."""

SENTENCES = {
    "ok": "A finite maximum of the likelihood, with its standard errors.",
    "poisson_limit": (
        "No finite size along this direction does better than the Poisson: the likelihood rises as "
        "the size grows to infinity, and its limit there is the Poisson's."
    ),
    "separated": (
        "All counts are zero on the cells that this direction moves: the likelihood rises as their "
        "mean (or, for a dispersion coefficient, their size) falls to zero."
    ),
    "aliased": "The column is a linear combination of earlier columns of the design.",
    "not_identified": "The counts of this gene say nothing about this coefficient.",
    "not_converged": "The ascent ended before a maximum was reached; do not use the numbers.",
    "planted": (
        "The gene was edited: its coefficients are what was planted, beside estimates that were "
        "left as they are. They make predictions and samples, and have no inference."
    ),
    "all_zero": "Every count is zero: the fitted mean is zero and nothing else is identified.",
}
"""One sentence for each word."""
