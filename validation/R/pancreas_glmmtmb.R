# Reference fits of the pancreas counts by glmmTMB (three dispersion formulas) and MASS::glm.nb.
#
#   python validation/cases.py CASES
#   Rscript validation/R/pancreas_glmmtmb.R CASES validation/references [FIRST LAST]
#
# CASES is any folder outside the project: it gets the counts and the design columns (patsy's, so
# the spline basis is the same in R). FIRST and LAST pick genes by position, for a trial. Writes
# pancreas_glmmtmb.csv, pancreas_glmmtmb_fits.csv and pancreas_mass.csv into the second folder.
suppressMessages(library(glmmTMB))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "tools.R"))
args <- commandArgs(trailingOnly = TRUE)
folder <- args[1]
out <- args[2]
formulas <- c(pancreas_constant = "~ 1", pancreas_linear = "~ pseudotime",
              pancreas_spline = "~ bs(pseudotime, df=5)")

read <- function(name, part)
  read.csv(file.path(folder, paste0(name, ".", part, ".csv")), check.names = FALSE)

tmb <- mass <- NULL
for (name in names(formulas)) {
  counts <- read(name, "counts")
  if (length(args) > 2) counts <- counts[as.integer(args[3]):as.integer(args[4])]
  x <- read(name, "x")
  z <- read(name, "z")
  component <- rep(c("mean", "dispersion"), c(ncol(x), ncol(z)))
  for (gene in names(counts)) {
    data <- list(y = counts[[gene]], pseudotime = x$pseudotime, Z = as.matrix(z))
    f <- fit_glmmtmb(function()
      glmmTMB(y ~ pseudotime, dispformula = ~ Z - 1, family = nbinom2, data = data))
    label <- data.frame(gene = gene, formula = formulas[[name]])
    tmb <- rbind(tmb, glmmtmb_rows(label, f, component, c(names(x), names(z))))
    if (name != "pancreas_constant") next
    for (control in c("default", "tight")) {
      m <- fit_mass(function(glm.nb, tight)
        glm.nb(y ~ pseudotime, data = data, control = if (control == "tight") tight else
          glm.control()))
      mass <- rbind(mass, mass_rows(data.frame(gene = gene, control = control), m, names(x)))
    }
  }
  cat(name, "done\n")
}

of_coefficients <- c("component", "term", "coef", "std_err")
keep <- c("gene", "formula", of_coefficients, "llf", "llf_exact", "max_gradient", "pd_hess")
write_table(tmb[keep], file.path(out, "pancreas_glmmtmb.csv"))
fits <- unique(tmb[setdiff(names(tmb), of_coefficients)])
write_table(fits, file.path(out, "pancreas_glmmtmb_fits.csv"))
write_table(mass, file.path(out, "pancreas_mass.csv"))
cat(nrow(fits), "fits; largest gradient where the Hessian is positive definite:",
    max(fits$max_gradient[fits$pd_hess %in% TRUE]), "; elsewhere:", sum(!fits$pd_hess %in% TRUE),
    "\n")
print_versions(c("glmmTMB", "TMB", "MASS", "Matrix"))
