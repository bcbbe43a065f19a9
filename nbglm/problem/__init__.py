"""What all genes of a fit share: distinct rows of both designs, in good coordinates.

compensated basis  twice the digits where rounding decides; orthonormal coordinates, aliased columns
recession          directions to infinity, found exactly
layout tally       the distinct rows of both designs; one gene's counts, merged and tabulated
strata indicators  levels of large factors as strata of rows, found among the columns
standard           design rows in columns of comparable size, and the way back
coarse sums        neighbouring rows merged; sums of products with the columns of designs
start problem      where ascents begin; all of it together
cost               what a design will cost
"""
