"""SVG plots: the same results give the same bytes."""

from benchmarks.curves import CURVES
from benchmarks.growth import medians

CHURN = ("churn", "Memory after rounds of 5,000 sockets that came and went", "rounds", "MB")


def draw_all(growth, folder):
    """Draw every curve that was measured; return the names, titles and axes of those."""
    known = [(curve.name, curve.title, curve.x, curve.y) for curve in CURVES]
    drawn = [each for each in [*known, CHURN] if each[0] in growth]
    folder.mkdir(exist_ok=True)
    for each in drawn:
        draw(growth[each[0]], each, folder / f"{each[0]}.svg")
    return drawn


def draw(series, description, path):
    """Draw one plot."""
    import matplotlib as mpl

    mpl.use("svg")
    # Text stays text, and ids do not change from run to run.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 9})
    from matplotlib import pyplot

    name, title, x, y = description
    figure, axes = pyplot.subplots(figsize=(6.4, 3.2), layout="constrained")
    for label, points in series.items():
        axes.plot(*medians(points), marker="o", markersize=3, label=label)
    axes.set(title=title, xlabel=x, ylabel=y)
    scale(axes, name, series)
    axes.grid(alpha=0.3)
    if len(series) > 1:
        axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def scale(axes, name, series):
    """Choose the scales: what spans powers of ten is drawn by them."""
    if name not in ("big", "churn"):
        axes.set_xscale("log")
    values = [value for points in series.values() for value in medians(points)[1] if value > 0]
    if max(values) > 30 * min(values):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
