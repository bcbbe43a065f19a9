"""``python -m nbglm``: the command line of this interpreter's installation."""

from __future__ import annotations

import sys

from nbglm.cli import main

if __name__ == "__main__":
    sys.exit(main())
