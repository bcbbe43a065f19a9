"""Random counts.

draws                 streams keyed by gene; gamma-Poisson draws
probabilities         of counts, and of their tails, in logarithms where these underflow
samples distribution  samples of many genes; scipy's distribution of one count
"""
