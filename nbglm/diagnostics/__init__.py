"""How well a model describes its counts.

cells               the counts of a gene beside the means and sizes that were fitted to them
residuals           quantile, Pearson and deviance residuals
calibration         probability integral transforms, and frequencies of counts
methods             residuals as a method of results
"""
