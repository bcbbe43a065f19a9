"""Other packages that work on fits of this one; each is an extra, imported when it is asked for.

extras             what is said if a package is not installed
marginaleffects    predictions, comparisons and slopes of one response
pertpy             a method of differential expression, for means and for dispersions
"""
