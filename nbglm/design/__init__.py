"""From formulas and the columns of cells to frozen linear predictors.

labels reals rowvalues       rows matched by labels, or refused; numbers; values by row
notation sides formula       what formulas say: signs, sides, columns of any name
expressions terms whitelist  their Python, their terms, and what a stranger's may do
scope                        where their names are looked up
columns evaluation factors   columns, patsy's numbers of them, and the levels among them
frozen                       what new rows need of a design, as numbers and words
predictor                    one formula and the cells to a matrix that can be made for new cells
offset weights               the offset; how many cells a row stands for
design                       both formulas and the offset
"""
