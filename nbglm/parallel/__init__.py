"""Blocks of genes on joblib's backends, and genes in threads.

blas     one BLAS thread while genes are fitted, so that bits depend on no number of cores
blocks   blocks of genes as tasks for any backend of joblib
threads  genes in threads of the calling process
"""
