"""Random counts.

draws                 streams keyed by gene; gamma-Poisson draws
probabilities         of counts, and of their tails, in logarithms where these underflow
dependence latent     how genes depend on each other; normal scores of the genes of a cell
quantiles             counts with given normal scores
drawing               one gene after the other, or with a copula
cells sampling        which cells a sample has; counts of all genes, some thousand cells at a time
samples distribution  samples in memory or in a file; scipy's distribution of one count
methods               samples as a method of results
"""
