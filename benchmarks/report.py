"""Tables from results: medians, ratios and spread."""

from statistics import median

from benchmarks.attackers.attacks import ATTACKS
from benchmarks.lines import LINES
from benchmarks.publishing import WAYS
from benchmarks.relays import RELAYS
from benchmarks.servers import SERVERS

OURS = ("ours", "compiled")
OF_ALL = [line for line in LINES if line.peer == "node"]
"""Lines that have values of their own for each server."""
OTHERS = {
    "psio": "python-socketio",
    "channels": "Channels",
    "uws": "uWebSockets",
    "ceiling": "the generator's ceiling",
}
"""What the names of others begin with, and what they are called."""

COUNTED = ("rate", "cpu_us", "p99_us")
"""Values that mean nothing where nothing was counted."""

PUBLISHED = ("rate", "cpu_us", "redis_us")
ATTACKED = ("p50_ms", "p99_ms", "max_ms")

DASH, TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"


def values_of(results, server, line):
    """Return a line's values in all rounds."""
    found = results.get(server, {}).get(line.run, [])
    return [
        result[line.value] * line.scale
        for result in found
        if line.value in result and (result.get("count") or line.value not in COUNTED)
    ]


def number(value):
    """Return a number with three digits that mean something."""
    if value >= 1000:
        return f"{round(value, 2 - len(str(int(value))) + 1):,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values):
    """Return the smallest and the largest."""
    return f"{number(min(values))}{DASH}{number(max(values))}"


def rows_against_node(results, name="ours", lines=LINES):
    """Yield the table of ratios: ours against Socket.IO on Node."""
    yield ("line", SERVERS[name].title, "Socket.IO on Node", "ratio", "aim", "dream")
    for line in lines:
        ours, node = (values_of(results, server, line) for server in (name, line.peer))
        if not ours or not node:
            continue
        sign = "≤ " if line.less else "≥ "
        yield (
            f"{line.title} ({line.unit})",
            f"{number(median(ours))} ({spread(ours)})",
            f"{number(median(node))} ({spread(node)})",
            f"{median(ours) / median(node):.2f} {TIMES}",
            f"{sign}{line.least:g}",
            f"{sign}{line.dream:g}",
        )


def rows_of_all(results, lines=OF_ALL):
    """Yield the table of all servers, a column a line: the median, and the ratio to Node."""
    lines = [line for line in lines if any(values_of(results, name, line) for name in results)]
    yield ("server", *(f"{line.name} ({line.unit})" for line in lines))
    for name in results:
        cells = [cell(results, name, line) for line in lines]
        if any(text != DASH for text in cells):
            yield (SERVERS[name].title, *cells)


def cell(results, name, line):
    """Return a median and its ratio to Node's; a dash where there is none."""
    values, node = values_of(results, name, line), values_of(results, "node", line)
    if not values:
        return DASH
    if not node or name == "node":
        return number(median(values))
    return f"{number(median(values))} ({median(values) / median(node):.2f})"


def rows_against_others(results, lines=OF_ALL):
    """Yield the table of ratios: ours against the better server of each of the others."""
    groups = {group: [name for name in results if name.startswith(group)] for group in OTHERS}
    groups = {group: names for group, names in groups.items() if names}
    yield ("line", *(OTHERS[group] for group in groups))
    for line in lines:
        ours = values_of(results, "ours", line)
        if ours:
            yield (
                line.name,
                *(ratio_to_best(results, names, line, ours) for names in groups.values()),
            )


def ratio_to_best(results, names, line, ours):
    """Return the ratio of our median to the best of some servers; a dash if none could do it."""
    found = [values_of(results, name, line) for name in names]
    medians = [median(values) for values in found if values]
    if not medians:
        return DASH
    best = min(medians) if line.less else max(medians)
    return f"{median(ours) / best:.2f} {TIMES}"


def rows_of_cpu(results, lines=OF_ALL):
    """Yield the server's CPU time for each answer or delivery, in microseconds."""
    lines = [line for line in lines if line.value == "rate"]
    lines = [line for line in lines if any(values_of(results, name, line) for name in results)]
    yield ("server", *(line.name for line in lines))
    for name in results:
        cells = []
        for line in lines:
            found = results[name].get(line.run, [])
            found = [result["cpu_us"] for result in found if result["count"]]
            cells.append(number(median(found)) if found else DASH)
        yield (SERVERS[name].title, *cells)


def grid(rows):
    """Return rows, the first of which is the heading, as an RST simple table."""
    rows = [list(map(str, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    texts = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([rule, texts[0], rule, *texts[1:], rule])


def rows_of_relay(results):
    """Yield the table of what goes through Redis."""
    yield (
        "through",
        "without Redis",
        "one process",
        "two processes",
        "published/s",
        "p50 (ms)",
        "p99 (ms)",
    )
    for name, runs in results.items():
        yield (
            RELAYS[name].title,
            *(middle(runs.get(run, []), "rate") for run in ("without", "one", "two")),
            middle(runs.get("publish", []), "published"),
            *(middle(runs.get("latency", []), value, 0.001) for value in ("p50_us", "p99_us")),
        )


def rows_of_publishing(results):
    """Yield the table of what scripts publish: medians, with microseconds of processor time."""
    yield ("published by", "messages/s", "publisher (µs)", "Redis (µs)", "of one by one")
    own = median(result["rate"] for result in results["ours"])
    for way, found in results.items():
        cells = [median(result[value] for result in found) for value in PUBLISHED]
        yield (WAYS[way], *map(number, cells), number(cells[0] / own))


def middle(found, value, scale=1.0):
    """Return the median of a value; a dash where there is none."""
    found = [result for result in found if result["count"] or value == "published"]
    values = [result[value] * scale for result in found]
    return number(median(values)) if values else DASH


def rows_of_attackers(results):
    """Yield the table of what a victim sees beside attackers: medians of milliseconds."""
    yield ("beside", "p50 (ms)", "p99 (ms)", "longest (ms)")
    for name, found in results.items():
        cells = (median(result[value] for result in found) for value in ATTACKED)
        yield (ATTACKS[name].title, *map(number, cells))


def best_of_peers(results):
    """Return the ratio of ours through Redis to the best of the others; None if not measured."""
    rates = {
        name: median(result["rate"] for result in runs["one"])
        for name, runs in results.items()
        if runs.get("one")
    }
    others = [rate for name, rate in rates.items() if not name.startswith("ours")]
    return rates["ours"] / max(others) if "ours" in rates and others else None


def rows_of_curve(series, x_title="x"):
    """Yield the medians of a curve: a row for each x."""
    yield (x_title, *series)
    for x in next(iter(series.values())):
        cells = (points.get(x) for points in series.values())
        yield (f"{int(x):,}", *(number(median(values)) if values else DASH for values in cells))


def tables(results):
    """Return all tables as text, for a terminal."""
    texts = []
    if "table" in results:
        table = results["table"]
        texts += [grid(list(rows_against_node(table, name))) for name in OURS if name in table]
        rows = (rows_against_others, rows_of_all, rows_of_cpu)
        texts += [grid(list(each(table))) for each in rows]
    for name, series in results.get("curves", {}).items():
        texts.append(f"{name}\n{grid(list(rows_of_curve(series)))}")
    if "relay" in results:
        texts.append(grid(list(rows_of_relay(results["relay"]))))
    if "publishing" in results:
        texts.append(grid(list(rows_of_publishing(results["publishing"]))))
    if "attackers" in results:
        texts.append(grid(list(rows_of_attackers(results["attackers"]))))
    return texts
