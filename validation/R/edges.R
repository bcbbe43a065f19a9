# What glmmTMB says of genes at an edge, as a plain call gives it.
#
#   python validation/compare_edges.py --write CASES
#   Rscript validation/R/edges.R CASES validation/references
suppressMessages(library(glmmTMB))
args <- commandArgs(trailingOnly = TRUE)
folder <- args[1]
counts <- read.csv(file.path(folder, "edges.counts.csv"), check.names = FALSE)
obs <- read.csv(file.path(folder, "edges.obs.csv"), stringsAsFactors = TRUE)
obs$o <- log(obs$size_factor)

rows <- list()
for (size in c("~ 1", "~ type", "~ time")) {
  for (gene in names(counts)) {
    d <- cbind(obs, y = counts[[gene]])
    warned <- ""
    t0 <- proc.time()[[3]]
    fit <- withCallingHandlers(
      tryCatch(
        glmmTMB(y ~ type + time + offset(o), dispformula = as.formula(size), family = nbinom2,
                data = d),
        error = function(e) conditionMessage(e)),
      warning = function(w) { warned <<- conditionMessage(w); invokeRestart("muffleWarning") })
    seconds <- proc.time()[[3]] - t0
    row <- data.frame(gene = gene, dispersion = size, seconds = seconds, error = "", warning = warned,
                      llf = NA, converged = NA, par = "", largest_finite_se = NA,
                      missing_se = NA)
    if (is.character(fit)) {
      row$error <- fit
    } else {
      se <- suppressWarnings(sqrt(diag(fit$sdr$cov.fixed)))
      row$llf <- -fit$fit$objective
      row$converged <- fit$fit$convergence == 0 && isTRUE(fit$sdr$pdHess)
      row$par <- paste(sprintf("%.17g", fit$fit$par), collapse = " ")
      row$largest_finite_se <- suppressWarnings(max(se[is.finite(se)], -Inf))
      row$missing_se <- sum(!is.finite(se))
    }
    rows[[length(rows) + 1]] <- row
  }
}
write.csv(do.call(rbind, rows), file.path(args[2], "edges.glmmtmb.csv"), row.names = FALSE)
