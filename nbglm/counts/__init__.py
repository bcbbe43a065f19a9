"""Tables of counts of any kind, in memory or not, become counts by gene.

genewise scratch validity  tables indexed by gene; temporary files; what is a count
structure tiles budget     sound sparse matrices; tables outside memory as rectangles; memory
stored dasked sources      in files, sparse or dense; dask arrays; which of them it is
frames covariates          tables of pandas; the rows of obs
paths                      an AnnData in a file
opening                    any table is looked at: its kind, gene names and cells
store filling streaming    counts by gene in few bytes; one pass that puts them there
unchanged                  tables that stay where the user keeps them
table                      any table to validated blocks of genes
"""
