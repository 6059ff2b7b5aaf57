library(ggplot2)
files <- commandArgs(trailingOnly = TRUE)
table <- read.csv(files[1])
shown <- paste(table$metric, table$stat) %in% c("feed.delivery.latency p99", "net.bytes value")
plot <- ggplot(table[shown, ], aes(grid_link, value, colour = variant)) +
  geom_point(position = position_dodge(0.4), alpha = 0.4) +
  stat_summary(fun.data = mean_se, position = position_dodge(0.4)) +
  facet_wrap(~ paste(metric, stat, unit, sep = ", "), scales = "free_y") +
  expand_limits(y = 0)
ggsave(files[2], plot, width = 9, height = 4)
