"""Random counts.

draws                 streams keyed by gene; gamma-Poisson draws
probabilities         of counts, and of their tails, in logarithms where these underflow
cells sampling        which cells a sample has; counts of all genes, some thousand cells at a time
samples distribution  samples in memory or in a file; scipy's distribution of one count
methods               samples as a method of results
"""
