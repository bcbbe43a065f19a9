"""What a fit does once, for all genes."""

from __future__ import annotations

import pandas as pd

from nbglm.design.design import build_design
from nbglm.problem.problem import Problem, make_problem

__all__ = ["prepare"]


def prepare(formula: dict[str, str], obs: pd.DataFrame) -> Problem:
    """Designs from formulas, equal rows merged, orthonormal coordinates."""
    design = build_design(formula, obs)
    return make_problem(design.mean.matrix, design.dispersion.matrix, design.offset)
