"""Are two tables of counts alike? Real counts against simulated ones.

opened              tables of the same genes, with the groups of their cells
properties          what each table is like: of genes, of cells, of pairs
components          principal components of one table, and the others seen in them
distances           how far apart two distributions are
comparing           all of it for some tables
"""
