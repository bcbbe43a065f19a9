# Shared by small_cases.R and pancreas_glmmtmb.R: polished glmmTMB fits, MASS fits, output.

# The model's log-likelihood by sums of log1p, and its gradient: exact to rounding for every size,
# also where the size runs off to infinity. It uses nothing of glmmTMB.
#   lgamma(y + r) - lgamma(r) = y log(r) + sum over k < y of log1p(k / r)
exact_model <- function(y, x, offset, z) {
  row <- rep.int(seq_along(y), pmax(y - 1, 0))
  k <- sequence(pmax(y - 1, 0))
  beta <- seq_len(ncol(x))
  constant <- sum(lgamma(y + 1))
  at <- function(par) list(eta = as.vector(x %*% par[beta]) + offset,
                           zeta = as.vector(z %*% par[-beta]))
  total <- function(par) {
    p <- at(par)
    sum(log1p(k * exp(-p$zeta)[row])) - constant +
      sum(y * p$eta - (y + exp(p$zeta)) * log1p(exp(p$eta - p$zeta)))
  }
  gradient <- function(par) {
    p <- at(par)
    ratio <- exp(p$eta - p$zeta)
    r <- exp(p$zeta)
    short <- numeric(length(y))
    part <- rowsum(k / (k + r[row]), row)
    short[as.integer(rownames(part))] <- part
    by_eta <- (y - exp(p$eta)) / (1 + ratio)
    by_zeta <- y - short - r * log1p(ratio) - by_eta
    c(crossprod(x, by_eta), crossprod(z, by_zeta))
  }
  list(total = total, gradient = gradient)
}

# The highest log-likelihood that can be reached from the given points without glmmTMB's objective.
climb_exact <- function(model, starts) {
  control <- list(eval.max = 2000, iter.max = 2000, rel.tol = 1e-13, x.tol = 1e-12)
  ends <- lapply(starts, function(start) suppressWarnings(try(
    nlminb(pmax(pmin(start, 200), -200), function(par) -model$total(par),
           function(par) -model$gradient(par), lower = -200, upper = 200,
           control = control)$objective, silent = TRUE)))
  -min(unlist(Filter(is.numeric, ends)))
}

# Quietly evaluate; returns the value (or NULL) and every distinct warning or error text.
listen <- function(expr) {
  heard <- character()
  value <- withCallingHandlers(
    tryCatch(expr, error = function(e) {
      heard <<- c(heard, paste("error:", conditionMessage(e)))
      NULL
    }),
    warning = function(w) {
      heard <<- c(heard, paste("warning:", conditionMessage(w)))
      invokeRestart("muffleWarning")
    },
    message = function(m) invokeRestart("muffleMessage"))
  heard <- gsub("[[:space:]]+", " ", unique(heard))
  list(value = value, text = paste(heard, collapse = " | "))
}

# Newton steps, kept downhill by shifting the eigenvalues of the Hessian and halving the step.
newton <- function(obj, par, limit = 60) {
  value <- obj$fn(par)
  for (iteration in seq_len(limit)) {
    gradient <- as.vector(obj$gr(par))
    hessian <- obj$he(par)
    if (any(!is.finite(gradient)) || any(!is.finite(hessian))) break
    e <- eigen(hessian, symmetric = TRUE)
    curvature <- pmax(abs(e$values), 1e-9 * max(abs(e$values)))
    step <- as.vector(e$vectors %*% (crossprod(e$vectors, gradient) / curvature))
    step <- step / max(1, max(abs(step)) / 2)
    accepted <- FALSE
    for (halving in 0:30) {
      trial <- par - step / 2^halving
      new <- suppressWarnings(obj$fn(trial))
      # at the optimum the objective only moves by rounding: there a smaller gradient decides
      if (is.finite(new) && (new < value || (new <= value + 1e-12 * abs(value) &&
            max(abs(obj$gr(trial))) < max(abs(gradient))))) {
        accepted <- TRUE
        break
      }
    }
    if (!accepted) break
    par <- trial
    value <- new
  }
  list(par = par, value = value)
}

# nlminb with exact derivatives and the tightest tolerances, then Newton.
polish <- function(obj, start) {
  control <- list(eval.max = 5000, iter.max = 5000, rel.tol = 1e-15, x.tol = 1e-15,
                  step.min = 1e-3, step.max = 1)
  rough <- suppressWarnings(try(nlminb(start, obj$fn, obj$gr, obj$he, control = control),
                                silent = TRUE))
  if (inherits(rough, "try-error") || any(!is.finite(rough$par))) return(NULL)
  newton(obj, rough$par)
}

# Starting points: glmmTMB's own end, flat models, and four random points around the former.
starting_points <- function(end, n_beta, y) {
  is_beta <- seq_along(end) <= n_beta
  flat <- ifelse(seq_along(end) == 1, log(mean(y) + 0.1), 0)
  set.seed(1)
  around <- lapply(1:4, function(i) ifelse(is.finite(end), pmax(pmin(end, 5), -5), 0) +
                     rnorm(length(end), sd = ifelse(is_beta, 0.5, 1.5)))
  small <- ifelse(is_beta, flat, -1)
  large <- ifelse(is_beta, flat, ifelse(seq_along(end) == n_beta + 1, 4, 0))
  starts <- c(list(end, ifelse(is_beta, end, 0), flat, small, large), around)
  Filter(function(s) all(is.finite(s)), starts)
}

# A default glmmTMB fit and its polished maximum. `call` is a function that makes the fit.
fit_glmmtmb <- function(call) {
  clock <- proc.time()[["elapsed"]]
  heard <- listen(call())
  seconds <- proc.time()[["elapsed"]] - clock
  fit <- heard$value
  if (is.null(fit)) return(list(text = heard$text, seconds = seconds))
  clock <- proc.time()[["elapsed"]]
  d <- fit$obj$env$data
  n_beta <- ncol(d$X)
  y <- as.vector(d$yobs)
  end <- unname(fit$fit$par)
  ends <- lapply(starting_points(end, n_beta, y), function(s) polish(fit$obj, s))
  ends <- Filter(Negate(is.null), ends)
  # ranked by the exact log-likelihood: far out, glmmTMB's own objective can be off
  model <- exact_model(y, as.matrix(d$X), d$offset, as.matrix(d$Xd))
  check <- model$total
  exact <- sapply(ends, function(e) check(e$par))
  best <- ends[[which.max(exact)]]
  hessian <- fit$obj$he(best$par)
  spectrum <- eigen(hessian, symmetric = TRUE, only.values = TRUE)$values
  positive <- all(is.finite(spectrum)) && min(spectrum) > 1e-8 * max(spectrum)
  gradient <- max(abs(fit$obj$gr(best$par)))
  inside <- positive && gradient < 1e-6
  starts <- c(list(end), lapply(ends[order(-exact)], `[[`, "par"))
  list(coef = best$par, n_beta = n_beta, terms = c(colnames(d$X), colnames(d$Xd)),
       se = if (positive) sqrt(diag(solve(hessian))) else rep(NA_real_, length(best$par)),
       llf = -best$value, llf_exact = max(exact), gradient = gradient,
       llf_supremum = if (inside) max(exact) else climb_exact(model, head(starts, 4)),
       min_eigenvalue = min(spectrum), positive = positive,
       max_log_size = max(d$Xd %*% best$par[-seq_len(n_beta)]),
       llf_default = -fit$fit$objective, llf_default_exact = check(end),
       gradient_default = max(abs(fit$obj$gr(end))),
       convergence_default = fit$fit$convergence, pd_default = isTRUE(fit$sdr$pdHess),
       starts_at_best = sum(exact > max(exact) - 1e-6), starts = length(exact),
       lowest_start = min(exact), text = heard$text, seconds = seconds,
       seconds_polish = proc.time()[["elapsed"]] - clock)
}

# One row a coefficient; `label` holds what names the fit, `term` what names the coefficients.
glmmtmb_rows <- function(label, f, component, term) {
  if (is.null(f$coef)) {
    f[c("coef", "se", "llf", "llf_exact", "llf_supremum", "gradient", "min_eigenvalue", "positive",
        "max_log_size", "llf_default", "llf_default_exact", "gradient_default",
        "convergence_default", "pd_default", "starts_at_best", "starts", "lowest_start",
        "seconds_polish")] <- NA
  }
  data.frame(label, component = component, term = term, coef = f$coef, std_err = f$se,
             llf = f$llf, llf_exact = f$llf_exact, llf_supremum = f$llf_supremum,
             max_gradient = f$gradient,
             pd_hess = f$positive, min_eigenvalue = f$min_eigenvalue,
             max_log_size = f$max_log_size,
             llf_default = f$llf_default, llf_default_exact = f$llf_default_exact,
             max_gradient_default = f$gradient_default,
             convergence_default = f$convergence_default, pd_hess_default = f$pd_default,
             starts = f$starts, starts_at_best = f$starts_at_best, lowest_start = f$lowest_start,
             seconds_default = round(f$seconds, 3), seconds_polish = round(f$seconds_polish, 3),
             message = f$text, row.names = NULL)
}

# glm.nb with tight tolerances. epsilon below 1e-12 only makes glm.fit complain about rounding.
fit_mass <- function(call) {
  clock <- proc.time()[["elapsed"]]
  heard <- listen(call(MASS::glm.nb, glm.control(epsilon = 1e-12, maxit = 500)))
  fit <- heard$value
  out <- list(text = heard$text, seconds = proc.time()[["elapsed"]] - clock, theta = NA_real_,
              se_theta = NA_real_, llf = NA_real_, converged = NA, coef = NULL)
  if (is.null(fit)) return(out)
  out$coef <- unname(coef(fit))
  out$terms <- names(coef(fit))
  out$se <- unname(summary(fit)$coefficients[, "Std. Error"])
  out$theta <- fit$theta
  out$se_theta <- fit$SE.theta
  out$llf <- fit$twologlik / 2
  out$converged <- isTRUE(fit$converged)
  out
}

mass_rows <- function(label, f, term) {
  failed <- is.null(f$coef)
  data.frame(label, term = term, coef = if (failed) NA_real_ else f$coef,
             std_err = if (failed) NA_real_ else f$se, theta = f$theta, se_theta = f$se_theta,
             llf = f$llf, converged = f$converged, seconds = round(f$seconds, 3),
             message = f$text, row.names = NULL)
}

# 17 significant digits for results, fewer for what only describes them.
write_table <- function(table, path) {
  rough <- grepl("^(seconds|max_gradient|min_eigenvalue|max_log_size)", names(table))
  for (j in which(sapply(table, is.double)))
    table[[j]] <- sub("^NA$", "", trimws(formatC(table[[j]], format = "g",
                                                 digits = if (rough[j]) 4 else 17)))
  quoted <- which(names(table) %in% c("message", "term", "formula"))
  write.csv(table, path, row.names = FALSE, quote = quoted, na = "")
}

print_versions <- function(packages) {
  found <- sapply(packages, function(p) paste(p, as.character(packageVersion(p))))
  cat(R.version.string, found, format(Sys.Date()), sep = "; ")
  cat("\n")
}
