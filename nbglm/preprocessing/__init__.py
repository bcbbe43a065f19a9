"""What is done to counts before a fit.

pooling         size factors of cells that are nearly empty, from sums over pools of them
sizefactors     how deeply each cell was sequenced
pseudobulk      sums of the counts of the cells of a donor
"""
