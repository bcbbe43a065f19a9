# Reference size factors: DESeq2 (ratios and poscounts), scuttle (totals, and pools of cells, which scran uses).
#
#   python validation/cases.py CASES
#   Rscript validation/R/size_factors.R CASES validation/references
suppressMessages({
  library(DESeq2)
  library(scuttle)
})
args <- commandArgs(trailingOnly = TRUE)
read <- function(name)
  t(as.matrix(read.csv(file.path(args[1], paste0(name, ".counts.csv")), row.names = 1)))
rows <- list()
add <- function(case, method, package, counts, factors) {
  rows[[length(rows) + 1]] <<- data.frame(
    case = case, method = method, package = package, version = as.character(packageVersion(package)),
    cell = colnames(counts), factor = format(unname(factors), digits = 17, trim = TRUE))
}

for (case in c("depth_bulk", "depth_missing")) {
  counts <- read(case)
  data <- DESeqDataSetFromMatrix(counts, data.frame(one = factor(rep(1, ncol(counts)))), ~ 1)
  if (case == "depth_bulk")
    add(case, "median_ratio", "DESeq2", counts, sizeFactors(estimateSizeFactors(data)))
  add(case, "poscounts", "DESeq2", counts, sizeFactors(estimateSizeFactors(data, type = "poscounts")))
  add(case, "total", "scuttle", counts, librarySizeFactors(counts))
}
counts <- read("depth_cells")
add("depth_cells", "total", "scuttle", counts, librarySizeFactors(counts))
add("depth_cells", "pooled", "scuttle", counts, pooledSizeFactors(counts, min.mean = 0.1))
add("depth_cells", "pooled_by_kind", "scuttle", counts,
    pooledSizeFactors(counts, clusters = substr(colnames(counts), 1, 1), min.mean = 0.1))
write.csv(do.call(rbind, rows), file.path(args[2], "size_factors.csv"), row.names = FALSE, quote = FALSE)
