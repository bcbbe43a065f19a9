# Reference fits by glmmTMB (nbinom2 with dispformula) and MASS::glm.nb.
#
#   python validation/cases.py CASES
#   Rscript validation/R/references.R CASES validation/references [NAME ...]
#
# glmmTMB is given every chance: its default fit, then its own objective polished by nlminb from
# there and from two other starts, then Newton steps with its gradient and numerical Hessian.
suppressMessages({
  library(glmmTMB)
  library(MASS)
})
args <- commandArgs(trailingOnly = TRUE)
folder <- args[1]
out <- args[2]
names_wanted <- if (length(args) > 2) args[-(1:2)] else
  sub("\\.counts\\.csv$", "", list.files(folder, pattern = "\\.counts\\.csv$"))

read <- function(name, part)
  read.csv(file.path(folder, paste0(name, ".", part, ".csv")), check.names = FALSE)

polish <- function(obj, start) {
  control <- list(eval.max = 5000, iter.max = 5000, rel.tol = 1e-15, x.tol = 1e-14)
  best <- suppressWarnings(try(nlminb(start, obj$fn, obj$gr, control = control), silent = TRUE))
  if (inherits(best, "try-error")) return(NULL)
  par <- best$par
  for (i in 1:6) {
    gradient <- as.vector(obj$gr(par))
    hessian <- try(optimHess(par, obj$fn, obj$gr, control = list(ndeps = rep(1e-4, length(par)))),
                   silent = TRUE)
    if (inherits(hessian, "try-error") || any(!is.finite(hessian))) break
    step <- try(solve(hessian, gradient), silent = TRUE)
    if (inherits(step, "try-error")) break
    if (!is.finite(obj$fn(par - step)) || obj$fn(par - step) > obj$fn(par) + 1e-9) break
    par <- par - step
    if (max(abs(step)) < 1e-12) break
  }
  list(par = par, value = obj$fn(par), gradient = max(abs(obj$gr(par))))
}

fit_tmb <- function(y, x, z, offset) {
  d <- list(y = y, X = as.matrix(x), Z = as.matrix(z), o = offset)
  t0 <- proc.time()[[3]]
  fit <- suppressWarnings(suppressMessages(
    glmmTMB(y ~ X - 1 + offset(o), dispformula = ~ Z - 1, family = nbinom2, data = d)))
  seconds <- proc.time()[[3]] - t0
  obj <- fit$obj
  k <- ncol(d$X)
  p0 <- fit$fit$par
  starts <- list(p0, replace(p0, seq_along(p0) > k, 0),
                 replace(replace(p0, TRUE, 0), 1, log(mean(y) + 0.1)))
  tries <- Filter(Negate(is.null), lapply(starts, function(s) if (all(is.finite(s))) polish(obj, s)))
  best <- tries[[which.min(sapply(tries, function(t) t$value))]]
  # Richardson-extrapolated central differences of the exact gradient
  hess <- function(h) {
    m <- sapply(seq_along(best$par), function(j) {
      e <- replace(0 * best$par, j, h)
      (as.vector(obj$gr(best$par + e)) - as.vector(obj$gr(best$par - e))) / (2 * h)
    })
    (m + t(m)) / 2
  }
  h <- 1e-3
  hessian <- (4 * hess(h / 2) - hess(h)) / 3
  se <- suppressWarnings(try(sqrt(diag(solve(hessian))), silent = TRUE))
  if (inherits(se, "try-error")) se <- rep(NA, length(best$par))
  list(coef = best$par, se = se, llf = -best$value, gradient = best$gradient,
       llf_default = -fit$fit$objective, converged = fit$fit$convergence == 0 && isTRUE(fit$sdr$pdHess),
       seconds = seconds, spread = diff(range(sapply(tries, function(t) t$value))))
}

fit_mass <- function(y, x, offset) {
  d <- data.frame(y = y, x, o = offset, check.names = FALSE)
  X <- as.matrix(x)
  message <- ""
  fit <- withCallingHandlers(
    tryCatch(glm.nb(y ~ X - 1 + offset(o), data = d,
                    control = glm.control(epsilon = 1e-14, maxit = 500)),
             error = function(e) conditionMessage(e)),
    warning = function(w) { message <<- conditionMessage(w); invokeRestart("muffleWarning") })
  if (is.character(fit)) return(list(error = fit))
  list(coef = c(coef(fit), log(fit$theta)),
       se = c(summary(fit)$coefficients[, 2], fit$SE.theta / fit$theta),
       llf = as.numeric(logLik(fit)), error = message)
}

for (name in names_wanted) {
  counts <- read(name, "counts"); x <- read(name, "x"); z <- read(name, "z")
  offset <- read(name, "offset")$offset
  component <- c(rep("mean", ncol(x)), rep("dispersion", ncol(z)))
  term <- c(names(x), names(z))
  tmb <- NULL; mass <- NULL
  for (gene in names(counts)) {
    y <- counts[[gene]]
    f <- fit_tmb(y, x, z, offset)
    tmb <- rbind(tmb, data.frame(gene, component, term, coef = f$coef, std_err = f$se, llf = f$llf,
      max_gradient = f$gradient, llf_default = f$llf_default, converged_default = f$converged,
      spread_of_starts = f$spread, seconds = f$seconds))
    if (ncol(z) == 1 && names(z) == "Intercept") {
      m <- fit_mass(y, x, offset)
      failed <- is.null(m$coef)
      mass <- rbind(mass, data.frame(gene, component, term,
        coef = if (failed) NA else m$coef, std_err = if (failed) NA else m$se,
        llf = if (failed) NA else m$llf, message = m$error))
    }
  }
  write_table <- function(table, package) {
    for (column in names(table)[sapply(table, is.double)])
      table[[column]] <- formatC(table[[column]], digits = 17, format = "g", width = -1)
    write.csv(table, file.path(out, paste0(name, ".", package, ".csv")), row.names = FALSE)
  }
  write_table(tmb, "glmmtmb")
  if (!is.null(mass)) write_table(mass, "mass")
  cat(name, nrow(tmb), "rows; largest gradient", max(tmb$max_gradient), "\n")
}
cat(R.version.string, "; glmmTMB", as.character(packageVersion("glmmTMB")), "; TMB",
    as.character(packageVersion("TMB")), "; MASS", as.character(packageVersion("MASS")), ";",
    format(Sys.Date()), "\n")
