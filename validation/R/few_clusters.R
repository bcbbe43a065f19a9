# Covariances for few clusters: clubSandwich and sandwich on glm with MASS::negative.binomial(theta).
#
#   python validation/cases.py CASES
#   Rscript validation/R/few_clusters.R CASES validation/references
suppressMessages({
  library(clubSandwich)
  library(sandwich)
  library(MASS)
})
args <- commandArgs(trailingOnly = TRUE)
folder <- args[1]
read <- function(name, part)
  read.csv(file.path(folder, paste0(name, ".", part, ".csv")), check.names = FALSE)

rows <- list()
add <- function(...) rows[[length(rows) + 1]] <<- data.frame(...)
for (name in c("slope", "mixed", "offset")) {
  counts <- read(name, "counts")
  d <- list(y = counts[[1]], o = read(name, "offset")$offset)
  cluster <- (seq_along(d$y) - 1) %% 9
  # A column that varies between clusters alone, beside those of the case.
  d$X <- cbind(as.matrix(read(name, "x")), treated = as.numeric(cluster < 4))
  exact <- glm.control(epsilon = 1e-15, maxit = 200)
  theta <- 1
  for (i in 1:300) {
    step <- glm(y ~ X - 1 + offset(o), family = negative.binomial(theta), data = d,
                control = exact)
    theta <- as.numeric(theta.ml(d$y, fitted(step), limit = 200, eps = 1e-13))
  }
  fit <- glm(y ~ X - 1 + offset(o), family = negative.binomial(theta), data = d, control = exact)
  term <- colnames(d$X)
  last <- length(term) - 0:1  # treated and the column before it
  for (kind in c("CR1", "CR2", "CR3", "HC2", "HC3")) {
    by <- if (substr(kind, 1, 2) == "HC") seq_along(d$y) else cluster
    V <- vcovCR(fit, cluster = by, type = sub("HC", "CR", kind))
    if (substr(kind, 1, 2) == "HC")
      stopifnot(all.equal(sqrt(diag(V)), sqrt(diag(vcovHC(fit, type = kind))), tolerance = 1e-8))
    test <- as.data.frame(coef_test(fit, vcov = V, test = "Satterthwaite"))
    joint <- Wald_test(fit, constraints = constrain_zero(last), vcov = V, test = "HTZ")
    add(case = name, kind = kind, term = c(term, "joint"), theta = theta,
        std_err = c(sqrt(diag(V)), NA), df = c(test$df, joint$df_denom),
        statistic = c(coef(fit) / sqrt(diag(V)), joint$Fstat),
        p_value = c(test$p_Satt, joint$p_val))
  }
}
table <- do.call(rbind, rows)
numeric <- sapply(table, is.numeric)
table[numeric] <- lapply(table[numeric], function(v) format(v, digits = 17, trim = TRUE))
write.csv(table, file.path(args[2], "few_clusters.clubsandwich.csv"), row.names = FALSE,
          quote = FALSE)
cat("done\n")
