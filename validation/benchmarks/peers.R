# One package, one fit, several runs, for peers.py:
#
#   Rscript peers.R FOLDER CASE PEER RUNS TIMES
#
# reads CASE.counts.csv, CASE.x.csv, CASE.z.csv and alpha.csv in FOLDER; writes coef.csv (a row a gene: log mean, then
# log size) and about.csv (status, version, seconds of each run for all genes). Size factors are 1 everywhere. TIMES
# copies of the genes are fitted in one table, and the seconds are divided by it.
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
read <- function(part)
  as.matrix(read.csv(file.path(folder, paste0(part, ".csv")), check.names = FALSE))
counts <- read(paste0(arguments[2], ".counts"))
x <- read(paste0(arguments[2], ".x"))
z <- read(paste0(arguments[2], ".z"))
alpha <- read("alpha")[, 1]
times <- as.integer(arguments[5])
alpha <- rep(alpha, times)
genes_first <- t(counts)[rep(seq_len(ncol(counts)), times), ]
storage.mode(genes_first) <- "integer"
failed <- rep(NA_real_, ncol(x) + ncol(z))

one_by_one <- function(fit)
  t(apply(counts, 2, function(y) suppressWarnings(suppressMessages(
    tryCatch(fit(y), error = function(e) failed)))))

peers <- list(
  glmmTMB = function() one_by_one(function(y) {
    # standard errors are part of the fit
    fit <- glmmTMB::glmmTMB(y ~ x - 1, dispformula = ~ z - 1, family = glmmTMB::nbinom2,
                            data = list(y = y, x = x, z = z))
    fit$fit$par
  }),
  MASS = function() one_by_one(function(y) {
    fit <- MASS::glm.nb(y ~ x - 1)
    stopifnot(nrow(summary(fit)$coefficients) > 0)
    c(coef(fit), log(fit$theta))
  }),
  # maximum likelihood, as far as its options go
  glmGamPoi = function() {
    fit <- glmGamPoi::glm_gp(genes_first, design = x, size_factors = FALSE,
                             overdispersion_shrinkage = FALSE, do_cox_reid_adjustment = FALSE)
    cbind(fit$Beta, -log(fit$overdispersions))
  },
  glmGamPoi_default = function() {
    fit <- glmGamPoi::glm_gp(genes_first, design = x, size_factors = FALSE)
    cbind(fit$Beta, -log(fit$overdispersions))
  },
  edgeR_given = function() {
    fit <- edgeR::glmFit(genes_first, x, dispersion = alpha, offset = 0, prior.count = 0)
    cbind(fit$coefficients, -log(alpha))
  },
  edgeR = function() {
    data <- edgeR::DGEList(genes_first)
    data$offset <- matrix(0, nrow(genes_first), ncol(genes_first))
    data <- edgeR::estimateDisp(data, x)
    fit <- edgeR::glmFit(data, x, prior.count = 0)
    cbind(fit$coefficients, -log(data$tagwise.dispersion))
  },
  DESeq2 = function() suppressMessages({
    data <- DESeq2::DESeqDataSetFromMatrix(genes_first, data.frame(row.names = seq_len(nrow(x))),
                                           ~ 1)
    DESeq2::sizeFactors(data) <- rep(1, nrow(x))
    colnames(x)[1] <- "Intercept"
    fit <- DESeq2::DESeq(data, full = x, betaPrior = FALSE, quiet = TRUE,
                         minReplicatesForReplace = Inf)
    cbind(log(2) * coef(fit), -log(DESeq2::dispersions(fit)))
  })
)

package <- sub("_.*", "", arguments[3])
about <- data.frame(status = "not installed", version = NA, r = NA, seconds = NA)
if (suppressMessages(requireNamespace(package, quietly = TRUE))) {
  seconds <- numeric()
  for (run in seq_len(as.integer(arguments[4]))) {
    started <- proc.time()[["elapsed"]]
    coef <- peers[[arguments[3]]]()
    seconds <- c(seconds, (proc.time()[["elapsed"]] - started) / times)
  }
  about <- data.frame(status = "measured", version = as.character(packageVersion(package)),
                      r = paste(R.version$major, R.version$minor, sep = "."), seconds = seconds)
  coef <- as.matrix(coef)[seq_len(ncol(counts)), , drop = FALSE]
  write.csv(as.data.frame(unname(coef)), file.path(folder, "coef.csv"), row.names = FALSE)
}
write.csv(about, file.path(folder, "about.csv"), row.names = FALSE)
