"""Coefficients are given other values, and the truth is recorded.

wanted   what a user wants to be changed, as a matrix of coefficients
plant    a fit with these coefficients
truth    what was planted, as tables
methods  edits as methods of results
"""
