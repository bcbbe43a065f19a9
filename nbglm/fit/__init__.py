"""Every gene fitted, its predictions and covariances.

genes planted               every gene, in parallel; what was planted in place of estimates
movement prediction         rows that move along a limit; mean and size for new rows
contrasts                   linear combinations of the coefficients of every gene
collapse                    what robust covariances cannot tell
designrows moments factors  rows of both designs; degrees of freedom; covariances of all genes
adjusted smallsample        scores corrected for what estimates take up; covariances made of them
covariance clusters         from the information to covariances, robust ones too
nesting                     terms that vary between donors alone
"""
