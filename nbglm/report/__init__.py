"""What people read of a fit.

ranking    one row a gene, the most telling first
methods    these as methods of results
"""
