"""What can be asked of a fit: coefficients, intervals, tests, estimates.

levels selection               of intervals; which genes and terms
pvalues student                tails, and their logarithms; t and F
cones evidence                 references of tests of sizes; what counts say of sizes
constraint carrying            coefficients held at values; points moved to another value
turns branches                 the branches of a profile
profile bounds                 profile intervals and likelihood ratios
aliasing overdispersion        columns that depend on others, in words; is it Poisson?
remains fitted                 what is left when counts and cells are dropped; what a fit is made of
tables intervals               coefficients, errors, intervals with their labels
explain                        why is a coefficient infinite or missing?
vocabulary statements          how hypotheses are written, and what words in them may be
hypotheses                     their tests
quantities marginal estimates  means, sizes, variances, ratios, marginal means
comparison anova scoretest     nested models, terms one by one, terms not in the model
dropping                       results without data, or of some genes
methods predicting             tests as methods of results, and predictions for any rows
"""
