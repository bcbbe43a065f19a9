"""The command line: one file a command, and what they share.

failing                     what went wrong as one line on stderr, and the code of the process
commands                    commands of click whose help teaches by example
tables reading writing      text tables; files become data; results become files
options                     the options that several commands have
fits                        fits in files
demo fit info warmup        cells to try things with; a fit; what is in a file; compiled kernels
pseudobulk                  sums over donors
table test predict          numbers of a fit
copula sample plot          counts and pictures of a fit
compare                     tables of counts beside each other
app                         all commands under one name
"""

from __future__ import annotations

from nbglm.cli.app import main, start

__all__ = ["main", "start"]
