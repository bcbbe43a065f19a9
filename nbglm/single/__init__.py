"""One response on statsmodels' base classes.

rows                   arrays of one response: the same rows, values for each
newrows                rows to predict for: designs, offsets, weights of averages
refused                what statsmodels has and these classes do not offer
derivatives            likelihood and derivatives, observation by observation
likelihood             data of both designs; predictions from coefficients
intervals predictions  what the fit of a response predicts
margins diagnostics    marginal effects, influence, criteria
scores testing         its tests
summaries display      what it reports, at length and where it is merely named
keeping trials         kept in a file; fitted again to what is drawn from it
results                all of it
reading                what from_formula is given: rows, response, named columns
model                  NegBinModel: from arrays, from formulas, or of one gene of a fit
restoring              results from a file
"""
