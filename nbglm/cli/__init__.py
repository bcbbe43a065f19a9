"""The command line: one file a command, and what they share.

failing                     what went wrong as one line on stderr, and the code of the process
commands                    commands of click whose help teaches by example
tables reading writing      text tables; files become data; results become files
options                     the options that several commands have
demo fit info warmup        data to fits, and what is in a file
app                         all commands under one name
"""

from __future__ import annotations

from nbglm.cli.app import main

__all__ = ["main"]
