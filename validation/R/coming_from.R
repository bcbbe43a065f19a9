# The fits of docs/coming-from.md: glmmTMB and MASS on the RAND health insurance experiment, DESeq2
# on twelve samples.
#
#   python validation/coming_from.py FOLDER
#   Rscript validation/R/coming_from.R FOLDER validation/references
suppressMessages({
  library(glmmTMB)
  library(MASS)
  library(DESeq2)
})
args <- commandArgs(trailingOnly = TRUE)
folder <- args[1]
out <- args[2]
rows <- list()
keep <- function(package, gene, component, table, llf)
  rows[[length(rows) + 1]] <<- data.frame(
    package = package, version = as.character(packageVersion(package)), gene = gene,
    component = component, term = rownames(table), coef = table[, 1], std_err = table[, 2],
    llf = llf)

randhie <- read.csv(file.path(folder, "randhie.csv"))
mean <- mdvis ~ lncoins + idp + physlm + disea

# Plain calls, as a reader would make them: what their tolerances leave is part of the comparison.
fit <- glmmTMB(mean, dispformula = ~ idp, family = nbinom2, data = randhie)
print(summary(fit)$coefficients, digits = 4)
print(logLik(fit), digits = 9)
for (part in c("cond", "disp"))
  keep("glmmTMB", "mdvis", c(cond = "mean", disp = "dispersion")[[part]],
       summary(fit)$coefficients[[part]], as.numeric(logLik(fit)))

fit <- glm.nb(mean, data = randhie)
print(summary(fit)$coefficients, digits = 4)
cat("theta", format(c(fit$theta, fit$SE.theta), digits = 5), "\n")
print(logLik(fit), digits = 9)
keep("MASS", "mdvis", "mean", summary(fit)$coefficients, as.numeric(logLik(fit)))
size <- matrix(c(log(fit$theta), fit$SE.theta / fit$theta), 1, dimnames = list("(Intercept)", NULL))
keep("MASS", "mdvis", "dispersion", size, as.numeric(logLik(fit)))

counts <- as.matrix(read.csv(file.path(folder, "samples.counts.csv"), row.names = 1))
obs <- read.csv(file.path(folder, "samples.obs.csv"), row.names = 1)
obs$condition <- factor(obs$condition)
colnames(counts) <- rownames(obs)
dds <- DESeqDataSetFromMatrix(counts, obs, ~ condition)
sizeFactors(dds) <- obs$size_factor
dispersions(dds) <- read.csv(file.path(folder, "samples.alpha.csv"), row.names = 1)$alpha
own <- nbinomWaldTest(dds, betaTol = 1e-14, useOptim = FALSE, useT = FALSE)
table <- as.data.frame(results(own, independentFiltering = FALSE, cooksCutoff = FALSE))
print(head(table, 3), digits = 4)
for (gene in rownames(table)) {
  effect <- matrix(unlist(table[gene, c("log2FoldChange", "lfcSE")]), 1,
                   dimnames = list("condition[T.treated]", NULL))
  keep("DESeq2", gene, "mean", effect, NA)
}

default <- estimateDispersions(dds, quiet = TRUE)
default <- nbinomWaldTest(default)
print(head(as.data.frame(results(default)), 3), digits = 4)

table <- do.call(rbind, rows)
numeric <- sapply(table, is.numeric)
table[numeric] <- lapply(table[numeric], function(v) format(v, digits = 17, trim = TRUE))
write.csv(table, file.path(out, "coming_from.csv"), row.names = FALSE, quote = FALSE)
