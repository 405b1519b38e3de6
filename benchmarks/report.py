"""Tables from results: medians, ratios and spread."""

from statistics import median

from benchmarks.lines import LINES
from benchmarks.servers import SERVERS


def values_of(results, server, line):
    """Return a line's values in all rounds."""
    found = results.get(server, {}).get(line.run, [])
    return [result[line.value] * line.scale for result in found if line.value in result]


def number(value):
    """Return a number with three digits that mean something."""
    if value >= 1000:
        return f"{round(value, 2 - len(str(int(value))) + 1):,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values):
    """Return the smallest and the largest."""
    return f"{number(min(values))}–{number(max(values))}"  # noqa: RUF001


def rows_against_node(results, lines=LINES):
    """Yield the table of ratios: ours against Socket.IO on Node."""
    yield ("", "django-socketio", "Socket.IO on Node", "ratio", "aim", "dream")
    for line in lines:
        ours, node = (values_of(results, name, line) for name in ("ours", "node"))
        if not ours or not node:
            continue
        sign = "≤ " if line.less else "≥ "
        yield (
            f"{line.title} ({line.unit})",
            f"{number(median(ours))} ({spread(ours)})",
            f"{number(median(node))} ({spread(node)})",
            f"{median(ours) / median(node):.2f} ×",  # noqa: RUF001
            f"{sign}{line.least:g}",
            f"{sign}{line.dream:g}",
        )


def rows_of_all(results, lines=LINES):
    """Yield the table of all servers, a column a line: the median, and the ratio to Node."""
    lines = [line for line in lines if any(values_of(results, name, line) for name in results)]
    yield ("", *(f"{line.name} ({line.unit})" for line in lines))
    for name in results:
        yield (SERVERS[name].title, *(cell(results, name, line) for line in lines))


def cell(results, name, line):
    """Return a median and its ratio to Node's; a dash where there is none."""
    values, node = values_of(results, name, line), values_of(results, "node", line)
    if not values:
        return "–"  # noqa: RUF001
    if not node or name == "node":
        return number(median(values))
    return f"{number(median(values))} ({median(values) / median(node):.2f})"


def rows_of_cpu(results, lines=LINES):
    """Yield the server's CPU time for each answer or delivery, in microseconds."""
    lines = [line for line in lines if line.value == "rate"]
    lines = [line for line in lines if any(values_of(results, name, line) for name in results)]
    yield ("", *(line.name for line in lines))
    for name in results:
        cells = []
        for line in lines:
            found = [result["cpu_us"] for result in results[name].get(line.run, [])]
            cells.append(number(median(found)) if found else "–")  # noqa: RUF001
        yield (SERVERS[name].title, *cells)


def grid(rows):
    """Return rows, the first of which is the heading, as an RST simple table."""
    rows = [[str(cell) or "\\" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in rows]  # fmt: skip
    return "\n".join([rule, texts[0], rule, *texts[1:], rule])
