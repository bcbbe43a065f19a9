"""What is done to counts before a fit.

pseudobulk      sums of the counts of the cells of a donor
"""
