"""What is compiled and knows no design: numbers in, numbers out.

kernelcache compiled  where compiled kernels are kept, and until when; how they are compiled
elementary            exp and log for vector registers
sizeterms deviance    what counts and sizes make of the likelihood, small and large ones
likelihood expected   row-wise terms, stable for every size; expected information
quantiles             counts with given normal scores
definite              small symmetric matrices
"""
