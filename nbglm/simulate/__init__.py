"""Random counts.

draws                 streams keyed by gene; gamma-Poisson draws
samples distribution  samples of many genes; scipy's distribution of one count
"""
