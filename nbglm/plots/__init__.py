"""Pictures of fits: each takes a fit and ``ax=``, returns the Axes, and has its data beside it.

figure          axes, colours, legends and notes; matplotlib, or how to install it
placing edges   labels that do not overlap; points that lie beyond the axes
subject         of which fit, gene or contrast a picture is
genes           volcano, MA, effects on mean and dispersion
dispersions     dispersion against mean
"""

from nbglm.plots.dispersions import mean_dispersion, mean_dispersion_data
from nbglm.plots.genes import (
    ma,
    ma_data,
    mean_vs_dispersion_effect,
    mean_vs_dispersion_effect_data,
    volcano,
    volcano_data,
)

__all__ = [
    "ma",
    "ma_data",
    "mean_dispersion",
    "mean_dispersion_data",
    "mean_vs_dispersion_effect",
    "mean_vs_dispersion_effect_data",
    "volcano",
    "volcano_data",
]
