"""What fits cost, beside other packages and as the data grow: see ``run.py``."""
