"""How well a model describes its counts.

cells               the counts of a gene beside the means and sizes that were fitted to them
residuals           quantile, Pearson and deviance residuals
deviance            deviances of all genes
calibration         probability integral transforms, and frequencies of counts
influence           leverage and Cook's distances
moments checks      tests of zeros, dispersion and shape; their table
methods             all of these as methods of results
"""
