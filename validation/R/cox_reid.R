# Reference maxima of the adjusted profile likelihood of one dispersion, as edgeR defines it.
#
#   python validation/cases.py CASES
#   Rscript validation/R/cox_reid.R CASES validation/references
# Values of edgeR are exact to about 1e-6: sizes beyond which less than 1e-5 changes are infinite.
suppressMessages(library(edgeR))
args <- commandArgs(trailingOnly = TRUE)
read <- function(part)
  as.matrix(read.csv(file.path(args[1], paste0("few_samples.", part, ".csv")), check.names = FALSE))
counts <- t(read("counts"))
design <- read("x")
offset <- read("offset")[, 1]
rows <- lapply(rownames(counts), function(gene) {
  y <- counts[gene, , drop = FALSE]
  apl <- function(zeta)
    adjustedProfileLik(exp(-zeta), y, design, offset = matrix(offset, 1), adjust = TRUE)
  best <- optimize(apl, c(-6, 16), maximum = TRUE, tol = 1e-9)
  data.frame(gene = gene, log_size = format(best$maximum, digits = 17),
             at_the_end = apl(16) >= best$objective - 1e-5,
             version = as.character(packageVersion("edgeR")))
})
write.csv(do.call(rbind, rows), file.path(args[2], "cox_reid.csv"), row.names = FALSE, quote = FALSE)
