"""The highest finite maximum of every gene.

objective       one gene's log-likelihood, gradient and Hessian
newton ascents  damped Newton; the best of several ascents
merged climb    rows without counts merged for one gene; blocks of genes
"""
