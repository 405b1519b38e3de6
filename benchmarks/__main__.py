"""Runs the benchmarks: ``python -m benchmarks --help``."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.lines import LINES
from benchmarks.load import Load, compiled
from benchmarks.measure import Table
from benchmarks.processes import Failed, end_on_signals
from benchmarks.servers import SERVERS

RESULTS = Path(__file__).parent / "results"
QUICK = ["node", "ours"]


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the main table, ours and Node only")
    add = parser.add_argument
    add("--servers", nargs="+", choices=SERVERS, metavar="NAME", help=names(SERVERS))
    add("--lines", nargs="+", metavar="NAME", help=names(line.name for line in LINES))
    add("--rounds", type=int, help="of the main table (5; quick: 3)")
    add("--seconds", type=float, help="of each measurement (1.2; quick: 0.8)")
    add("--results", type=Path, default=RESULTS / "latest.json", help="JSON file")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (0.8 if options.quick else 1.2)
    return options


def names(those):
    """Return what may be chosen."""
    return "of " + ", ".join(those)


def say(text):
    """Tell how it goes."""
    print(text, file=sys.stderr, flush=True)


def chosen_lines(wanted):
    """Return the lines of the main table that were asked for."""
    unknown = set(wanted or ()) - {line.name for line in LINES}
    if unknown:
        raise Failed(f"There is no line {', '.join(sorted(unknown))}.")
    return [line for line in LINES if not wanted or line.name in wanted]


def run(options, folder):
    """Measure, print, and keep the results."""
    load = Load(compiled(folder), options.seconds)
    lines = chosen_lines(options.lines)
    table = Table(load, folder, say)
    servers = options.servers or (QUICK if options.quick else list(SERVERS))
    table.measure(servers, lines, options.rounds)
    for rows in (report.rows_against_node, report.rows_of_all, report.rows_of_cpu):
        print(report.grid(list(rows(table.results, lines))), end="\n\n")
    options.results.parent.mkdir(exist_ok=True)
    options.results.write_text(json.dumps({"table": table.results}, indent=1))


def main():
    """Run the benchmarks; return the exit status."""
    end_on_signals()
    options = arguments()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            run(options, folder)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
