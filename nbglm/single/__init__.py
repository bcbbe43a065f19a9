"""One response on statsmodels' base classes.

rows                   arrays of one response: the same rows, values for each
likelihood             data, likelihood and its derivatives, observation by observation
predictions results    what the fit of a response predicts and reports
reading                what from_formula is given: rows, response, named columns
model                  NegBinModel: from arrays, from formulas, or of one gene of a fit
"""
