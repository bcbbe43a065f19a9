"""Tables of counts of any kind, in memory or not, become counts by gene.

memory scratch validity        sizes of memory; temporary files; what is a count
tiles budget                   tables outside memory as rectangles; what each may take
stored dasked sources          in files, sparse or dense; dask arrays; which of them it is
opening                        any table is looked at: its kind, gene names and cells
genestore filling streaming    counts by gene in few bytes; one pass that puts them there
"""
