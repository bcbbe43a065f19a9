# Reference fits of the small simulated data sets, by glmmTMB and MASS::glm.nb.
#
#   Rscript validation/R/small_cases.R validation/references/small
#
# reads cases.csv and <case>.data.csv there and writes glmmtmb.csv and mass.csv beside them.
suppressMessages(library(glmmTMB))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "tools.R"))
folder <- commandArgs(trailingOnly = TRUE)[1]

# R's names of design columns as patsy writes them
patsy_names <- function(terms) {
  terms <- sub("(Intercept)", "Intercept", terms, fixed = TRUE)
  gsub("\\bg([a-z])\\b", "g[T.\\1]", terms, perl = TRUE)
}

with_offset <- function(right_hand_side, offset) {
  text <- paste("y", right_hand_side)
  as.formula(if (nzchar(offset)) paste0(text, " + offset(", offset, ")") else text)
}

cases <- read.csv(file.path(folder, "cases.csv"), na.strings = NULL, colClasses = "character")
tmb <- mass <- NULL
for (i in seq_len(nrow(cases))) {
  case <- cases[i, ]
  data <- read.csv(file.path(folder, paste0(case$case, ".data.csv")))
  formula <- with_offset(case$mean, case$offset)
  label <- data.frame(case = case$case)
  f <- fit_glmmtmb(function()
    glmmTMB(formula, dispformula = as.formula(case$dispersion), family = nbinom2, data = data))
  component <- ifelse(seq_along(f$coef) <= f$n_beta, "mean", "dispersion")
  tmb <- rbind(tmb, glmmtmb_rows(label, f, component, patsy_names(f$terms)))
  if (case$dispersion == "~ 1") {
    m <- fit_mass(function(glm.nb, control)
      eval(substitute(glm.nb(form, data = data, control = control), list(form = formula))))
    mass <- rbind(mass, mass_rows(label, m, patsy_names(m$terms)))
  }
}
write_table(tmb, file.path(folder, "glmmtmb.csv"))
write_table(mass, file.path(folder, "mass.csv"))
cat("largest gradient", max(tmb$max_gradient), "; every Hessian positive definite:",
    all(tmb$pd_hess), "\n")
print_versions(c("glmmTMB", "TMB", "MASS", "Matrix"))
