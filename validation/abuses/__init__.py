"""Misuses of the package, by kind, each with the answer that it must get.

registry                          how a misuse is written down and judged
small                             small data, and fits of them
formulas                          other languages; terms that are not there
names                             columns of any name and kind; new rows
responses                         the formula of one response
strangers                         formulas that may use columns alone
commands                          the command line; workers, memory and progress
tested                            fits with genes at every edge
hypotheses                        words, matrices and mappings that are none, or could be two
selections                        genes, terms, levels, scales, grids, rows; tables overwritten
comparisons                       models, their terms, and terms that are not in them
limits                            profile intervals; tests of sizes that may be infinite
tables                            values, dtypes, structures, files, and things that are no tables
labels                            labels of rows; obs, offsets, weights, clusters; arrays of a model
models                            the model of one response, and what its results are asked
results                           a fit kept, copied, dropped, subset, predicted and drawn from
machines                          signals, killed workers, full disks, other threads, arrays
"""
