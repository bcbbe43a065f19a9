"""Data to try things on: counts of people, simulated cells with the truth beside, real cells.

bundled      randhie: visits to doctors, from statsmodels
simulated    simulate_cells: types, time, conditions and donors
stored       pancreas: real cells, from a file of yours
"""

from __future__ import annotations

from nbglm.datasets.bundled import randhie
from nbglm.datasets.simulated import simulate_cells
from nbglm.datasets.stored import pancreas

__all__ = ["pancreas", "randhie", "simulate_cells"]
