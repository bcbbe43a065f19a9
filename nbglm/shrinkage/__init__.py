"""Effects of all genes drawn towards 0, as far as their counts leave that open.

priors      what is believed of an effect beforehand, and how far effects go in these data
posterior   what a gene's counts then say of it
effects     the table of all genes
methods     effects as a method of results
"""
