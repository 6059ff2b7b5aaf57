import sys
import pandas as pd
from matplotlib import pyplot as plt
table, shown = pd.read_csv(sys.argv[1]), {"feed.delivery.latency": "p99", "net.bytes": "value"}
figure, panels = plt.subplots(1, len(shown), figsize=(9, 4), layout="constrained")
for panel, (metric, stat) in zip(panels, shown.items()):
    rows = table[(table.metric == metric) & (table.stat == stat)]
    bars = rows.pivot_table("value", "grid_link", "variant", aggfunc=["mean", "sem"])
    bars["mean"].plot.bar(ax=panel, yerr=bars["sem"], rot=0, title=metric, ylabel=f"{stat}, {rows.unit.iloc[0]}")
figure.savefig(sys.argv[2])
