"""Pictures of fits: each takes a fit and ``ax=``, returns the Axes, and has its data beside it.

figure          axes, colours, legends and notes; matplotlib, or how to install it
placing edges   labels that do not overlap; points that lie beyond the axes
subject         of which fit, gene or contrast a picture is
points          genes as points, with categories, labels and a legend
genes effects   volcano, MA; effects on mean and dispersion
dispersions     dispersion against mean
coefficients    forest plots
grids curves    the fitted mean over the counts of a gene
frequencies     rootograms and histograms of integral transforms
normality       QQ and worm plots of quantile residuals
likeness        tables of counts beside each other
chances         power against numbers of cells and donors
"""

from nbglm.plots.chances import power, power_data
from nbglm.plots.coefficients import forest, forest_data
from nbglm.plots.curves import fitted, fitted_counts_data, fitted_data
from nbglm.plots.dispersions import mean_dispersion, mean_dispersion_data
from nbglm.plots.effects import mean_vs_dispersion_effect, mean_vs_dispersion_effect_data
from nbglm.plots.frequencies import pit, pit_data, rootogram, rootogram_data
from nbglm.plots.genes import ma, ma_data, volcano, volcano_data
from nbglm.plots.likeness import compare, compare_data
from nbglm.plots.normality import qq, qq_data, worm, worm_data

__all__ = [
    "compare",
    "compare_data",
    "fitted",
    "fitted_counts_data",
    "fitted_data",
    "forest",
    "forest_data",
    "ma",
    "ma_data",
    "mean_dispersion",
    "mean_dispersion_data",
    "mean_vs_dispersion_effect",
    "mean_vs_dispersion_effect_data",
    "pit",
    "pit_data",
    "power",
    "power_data",
    "qq",
    "qq_data",
    "rootogram",
    "rootogram_data",
    "volcano",
    "volcano_data",
    "worm",
    "worm_data",
]
