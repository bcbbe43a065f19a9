# Reference inference: expected information (VGAM, MASS), sandwiches (sandwich on scores of glmmTMB),
# marginal means (emmeans on glm.nb).
#
#   python validation/cases.py CASES
#   Rscript validation/R/inference.R CASES validation/references
suppressMessages({
  library(glmmTMB)
  library(MASS)
  library(VGAM)
  library(sandwich)
  library(emmeans)
})
args <- commandArgs(trailingOnly = TRUE)
folder <- args[1]
out <- args[2]
read <- function(name, part)
  read.csv(file.path(folder, paste0(name, ".", part, ".csv")), check.names = FALSE)
write <- function(rows, name) {
  table <- do.call(rbind, rows)
  numeric <- sapply(table, is.numeric)
  table[numeric] <- lapply(table[numeric], function(v) format(v, digits = 17, trim = TRUE))
  write.csv(table, file.path(out, paste0(name, ".csv")), row.names = FALSE, quote = FALSE)
}

# VGAM: both linear predictors on the same columns; its information is the expected one, summed up
# to a far quantile.
rows <- list()
for (name in c("factor", "no_intercept")) {
  counts <- read(name, "counts")
  X <- as.matrix(read(name, "x"))
  for (gene in names(counts)) {
    d <- list(y = counts[[gene]], X = X)
    fit <- vglm(y ~ X - 1, negbinomial(zero = NULL, cutoff.prob = 1 - 1e-13, eps.trig = 1e-14,
                                       max.support = 1e5, max.chunk.MB = 500),
                data = d, epsilon = 1e-13, maxit = 200, stepsize = 1)
    k <- ncol(X)
    component <- rep(c("mean", "dispersion"), k)
    rows[[length(rows) + 1]] <- data.frame(
      case = name, gene = gene, component = component, term = rep(colnames(X), each = 2),
      coef = coef(fit), std_err = sqrt(diag(vcov(fit))), llf = logLik(fit))
  }
}
write(rows, "inference.vgam")

# Scores of single observations: glmmTMB's gradient with all weights but one at 0.
estfun.scores <- function(x, ...) x$scores
bread.scores <- function(x, ...) x$bread * nrow(x$scores)
vcov.scores <- function(object, ...) object$bread
nobs.scores <- function(object, ...) nrow(object$scores)
coef.scores <- function(object, ...) object$coef
registerS3method("estfun", "scores", estfun.scores, envir = asNamespace("sandwich"))
registerS3method("bread", "scores", bread.scores, envir = asNamespace("sandwich"))
registerS3method("vcov", "scores", vcov.scores)
registerS3method("nobs", "scores", nobs.scores)
registerS3method("coef", "scores", coef.scores)

rows <- list()
for (name in c("slope", "mixed", "offset")) {
  counts <- read(name, "counts")
  x <- as.matrix(read(name, "x"))
  z <- as.matrix(read(name, "z"))
  offset <- read(name, "offset")$offset
  stored <- read.csv(file.path(out, paste0(name, ".glmmtmb.csv")), check.names = FALSE)
  gene <- names(counts)[1]
  mine <- stored[stored$gene == gene, ]
  par <- c(mine$coef[mine$component == "mean"], mine$coef[mine$component == "dispersion"])
  n <- nrow(counts)
  objective <- function(w) {
    d <- list(y = counts[[gene]], X = x, Z = z, o = offset, w = w)
    struc <- glmmTMB(y ~ X - 1 + offset(o), dispformula = ~ Z - 1, family = nbinom2, data = d,
                     weights = w, doFit = FALSE)
    with(struc, TMB::MakeADFun(data.tmb, parameters, map = mapArg, silent = TRUE, DLL = "glmmTMB"))
  }
  scores <- t(sapply(seq_len(n), function(i)
    -as.vector(objective(replace(rep(0, n), i, 1))$gr(par))))
  whole <- objective(rep(1, n))
  stopifnot(max(abs(colSums(scores) + as.vector(whole$gr(par)))) < 1e-8)
  hessian <- function(h) {
    m <- sapply(seq_along(par), function(j) {
      e <- replace(0 * par, j, h)
      (as.vector(whole$gr(par + e)) - as.vector(whole$gr(par - e))) / (2 * h)
    })
    (m + t(m)) / 2
  }
  bread <- solve((4 * hessian(5e-4) - hessian(1e-3)) / 3)
  object <- structure(list(scores = scores, bread = bread, coef = par), class = "scores")
  cluster <- (seq_len(n) - 1) %% 11
  kinds <- list(oim = bread, HC0 = sandwich(object),
                HC1 = sandwich(object) * n / (n - length(par)),
                cluster = vcovCL(object, cluster = cluster, type = "HC1"),
                cluster_uncorrected = vcovCL(object, cluster = cluster, type = "HC0",
                                             cadjust = FALSE))
  for (kind in names(kinds)) {
    rows[[length(rows) + 1]] <- data.frame(
      case = name, gene = gene, kind = kind,
      component = c(rep("mean", ncol(x)), rep("dispersion", ncol(z))),
      term = c(colnames(x), colnames(z)), std_err = sqrt(diag(kinds[[kind]])))
  }
}
write(rows, "inference.sandwich")

# MASS::glm.nb: expected information with theta known, its sandwich, and marginal means from it.
standard <- list()
means <- list()
for (name in c("slope", "mixed", "small_r")) {
  counts <- read(name, "counts")
  obs <- read(name, "obs")
  gene <- names(counts)[1]
  d <- cbind(obs, y = counts[[gene]])
  formula <- switch(name, slope = y ~ x, mixed = y ~ x + g, small_r = y ~ u)
  fit <- glm.nb(formula, data = d, control = glm.control(epsilon = 1e-14, maxit = 500))
  # Alternate to the very end: glm.nb stops when the deviance no longer changes.
  theta <- fit$theta
  for (i in 1:200) {
    step <- glm(formula, family = negative.binomial(theta), data = d,
                control = glm.control(epsilon = 1e-15, maxit = 200))
    theta <- as.numeric(theta.ml(d$y, fitted(step), limit = 200, eps = 1e-13))
  }
  fit$theta <- theta
  refit <- glm(formula, family = negative.binomial(theta), data = d,
               control = glm.control(epsilon = 1e-15, maxit = 200))
  expected <- summary(refit, dispersion = 1)$cov.scaled
  scores <- estfun(refit)
  # estfun of a glm divides by the dispersion that it estimates; undo that.
  w <- residuals(refit, "working") * weights(refit, "working")
  scores <- model.matrix(refit) * as.vector(w)
  robust <- expected %*% crossprod(scores) %*% expected
  standard[[length(standard) + 1]] <- data.frame(
    case = name, gene = gene, term = names(coef(refit)), coef = coef(refit), theta = theta,
    std_err = sqrt(diag(expected)), sandwich = sqrt(diag(robust)))
  if (name == "mixed") {
    grid <- emmeans(refit, "g", type = "response", vcov. = expected)
    table <- as.data.frame(summary(grid, level = 0.95))
    pairs <- as.data.frame(summary(pairs(grid, adjust = "none"), infer = TRUE))
    means[[1]] <- data.frame(kind = "mean", label = as.character(table$g), estimate = table[[2]],
                             std_err = table$SE, lower = table$asymp.LCL, upper = table$asymp.UCL)
    means[[2]] <- data.frame(kind = "ratio", label = as.character(pairs$contrast),
                             estimate = pairs$ratio, std_err = pairs$SE,
                             lower = pairs$asymp.LCL, upper = pairs$asymp.UCL)
  }
}
write(standard, "inference.mass")
write(means, "inference.emmeans")
cat("done\n")
