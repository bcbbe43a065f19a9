"""How the genes of a cell depend on each other beyond the covariates: a Gaussian copula, fitted.

scores              what each count says of its normal score, and how much
attenuation         correlations of scores, from those of what counts show, and back
factors             common factors of many genes, told from noise
blocks              genes in blocks; correlations within one, shrunk
estimate            factors and blocks of one group of cells
quality             log-likelihood, effective rank, errors on cells that were held out
files gaussian      the copula in a file, and with its tables
fitting             from a fit to its copula
"""
