"""What people read of a fit.

html safesummary    names as text in notebooks, also in statsmodels' summaries
overview summary    a fit of many genes on one page
ranking             one row a gene, the most telling first
rest ranked         each group against the others, in scanpy's shape
methods             these as methods of results
"""
