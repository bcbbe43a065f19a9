"""Counts are drawn from a fit, or from its data, and fitted again.

donors       how much of the variance of a gene its donors share
repeats      counts of some genes drawn many times, and their fits
calibration  coverage, size, bias and power of a fit's own intervals and tests
bootstrap    draws of the coefficients of one gene
power        chances to find an effect with other numbers of cells and donors
methods      calibration and bootstrap as methods of results
"""
