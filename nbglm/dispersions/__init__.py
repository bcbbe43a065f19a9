"""Dispersions where there are few samples for each gene.

cohorts             genes whose rows take part in a fit in the same way
means               mean coefficients for given sizes, all genes at once
profile             the adjusted profile likelihood of dispersion coefficients
ascent              its maximum, or that it has none
refit               fits of all genes with such dispersions
"""
