"""``python -m nbglm``: the command line of this interpreter's installation."""

from __future__ import annotations

from nbglm.cli import start

if __name__ == "__main__":
    start()
