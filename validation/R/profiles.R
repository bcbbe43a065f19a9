# Reference profile-likelihood limits from the objective of glmmTMB (nbinom2 with dispformula).
#
#   python validation/cases.py CASES
#   Rscript validation/R/profiles.R CASES validation/references
#
# Each coefficient in turn is held at a value while nlminb minimises glmmTMB's objective over the
# others; uniroot finds where twice its rise passes the 95 % quantile of chi-squared (1 df).
suppressMessages(library(glmmTMB))
args <- commandArgs(trailingOnly = TRUE)
folder <- args[1]
out <- args[2]

read <- function(name, part)
  read.csv(file.path(folder, paste0(name, ".", part, ".csv")), check.names = FALSE)

minimise <- function(obj, start, held = NULL, value = NA) {
  free <- setdiff(seq_along(start), held)
  full <- function(p) replace(replace(start, free, p), held, value)
  control <- list(eval.max = 5000, iter.max = 5000, rel.tol = 1e-15, x.tol = 1e-14)
  fit <- nlminb(start[free], function(p) obj$fn(full(p)), function(p) obj$gr(full(p))[free],
                control = control)
  list(value = fit$objective, par = full(fit$par))
}

rows <- list()
for (name in c("slope", "factor", "mixed", "offset")) {
  counts <- read(name, "counts"); x <- read(name, "x"); z <- read(name, "z")
  offset <- read(name, "offset")$offset
  for (gene in names(counts)) {
    d <- list(y = counts[[gene]], X = as.matrix(x), Z = as.matrix(z), o = offset)
    fit <- suppressWarnings(suppressMessages(
      glmmTMB(y ~ X - 1 + offset(o), dispformula = ~ Z - 1, family = nbinom2, data = d)))
    obj <- fit$obj
    best <- minimise(obj, fit$fit$par)
    se <- sqrt(diag(solve(optimHess(best$par, obj$fn, obj$gr))))
    labels <- data.frame(component = rep(c("mean", "dispersion"), c(ncol(x), ncol(z))),
                         term = c(names(x), names(z)))
    for (j in seq_along(best$par)) {
      excess <- function(v) 2 * (minimise(obj, best$par, j, v)$value - best$value) - qchisq(0.95, 1)
      limit <- function(sign) {
        step <- sign * 1.96 * se[j]
        far <- best$par[j] + 3 * step
        uniroot(excess, sort(c(best$par[j], far)), tol = 1e-11)$root
      }
      rows[[length(rows) + 1]] <- data.frame(
        gene = gene, labels[j, ], lower = limit(-1), upper = limit(1))
    }
  }
  write.csv(do.call(rbind, rows), file.path(out, paste0(name, ".profile.csv")), row.names = FALSE)
  rows <- list()
}
