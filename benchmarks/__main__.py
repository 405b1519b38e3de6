"""Runs the benchmarks: ``python -m benchmarks --help``."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import documentation, report
from benchmarks.attackers.attacks import ATTACKS
from benchmarks.attackers.table import AttackTable
from benchmarks.curves import CURVES
from benchmarks.growth import Growth
from benchmarks.lines import LINES
from benchmarks.load import Load, compiled
from benchmarks.measure import Table
from benchmarks.processes import Failed, end_on_signals
from benchmarks.publishing import Publishing
from benchmarks.relay import RelayTable
from benchmarks.relays import RELAYS
from benchmarks.servers import SERVERS

RESULTS = Path(__file__).parent / "results"
QUICK = ["node", "node-session", "ours", "compiled"]
USUAL = [name for name, server in SERVERS.items() if not server.named_only]
LINE_NAMES = [line.name for line in LINES]
CURVE_NAMES = [*(curve.name for curve in CURVES), "churn"]
PARTS = ["table", "curves", "relay", "publishing", "attackers"]


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the main table, Node and ours only")
    choose(parser, "parts", PARTS)
    choose(parser, "servers", list(SERVERS))
    choose(parser, "lines", LINE_NAMES)
    choose(parser, "curves", CURVE_NAMES)
    choose(parser, "relays", list(RELAYS))
    choose(parser, "attacks", list(ATTACKS))
    add = parser.add_argument
    add("--rounds", type=int, help="of the main table (5; quick: 2)")
    add("--curve-rounds", type=int, default=1, help="of the curves (1)")
    add("--relay-rounds", type=int, default=3, help="of the relay (3)")
    add("--attack-rounds", type=int, default=1, help="of the attackers (1)")
    add("--seconds", type=float, help="of each measurement (0.8)")
    add("--results", type=Path, help="JSON file to write (results/latest.json, or quick.json)")
    add("--docs", type=Path, help="folder of the documentation to write")
    add("--from-results", action="store_true", help="measure nothing: show --results again")
    return with_defaults(parser.parse_args())


def choose(parser, name, those):
    """Add an option that takes some of many names."""
    help = f"of {', '.join(those)} (all)"
    parser.add_argument(f"--{name}", nargs="+", choices=those, metavar="NAME", help=help)


def with_defaults(options):
    """Return the options, with what was not given."""
    quick = options.quick
    options.parts = options.parts or (["table"] if quick else PARTS)
    chosen = options.servers or (QUICK if quick else USUAL)
    options.servers = [name for name in SERVERS if name in chosen]  # Node's pace is that of all
    options.rounds = options.rounds or (2 if quick else 5)
    options.results = options.results or RESULTS / ("quick.json" if quick else "latest.json")
    options.seconds = options.seconds or 0.8
    return options


BEGUN = time.monotonic()


def say(text):
    """Tell how it goes, and how long it has been going."""
    minutes, seconds = divmod(int(time.monotonic() - BEGUN), 60)
    print(f"[{minutes:2}:{seconds:02}] {text}", file=sys.stderr, flush=True)


def measure(options, folder):
    """Measure the parts that were asked for; return the results."""
    load = Load(compiled(folder), options.seconds)
    results = {"machine": documentation.machine()}
    if "table" in options.parts:
        table = Table(load, folder, say)
        lines = [line for line in LINES if line.name in (options.lines or LINE_NAMES)]
        table.measure(options.servers, lines, options.rounds)
        results["table"] = table.results
    if "curves" in options.parts:
        growth = Growth(load, folder, say)
        growth.measure(options.curves or CURVE_NAMES, options.curve_rounds)
        results["curves"] = growth.results
    if "relay" in options.parts:
        relay = RelayTable(load, folder, say)
        relay.measure(options.relays or list(RELAYS), options.relay_rounds)
        results["relay"] = relay.results
    if "publishing" in options.parts:
        publishing = Publishing(Path(folder), options.seconds, say)
        publishing.measure(options.relay_rounds)
        results["publishing"] = publishing.results
    if "attackers" in options.parts:
        attackers = AttackTable(load, folder, say)
        attackers.measure(options.attacks or list(ATTACKS), options.attack_rounds)
        results["attackers"] = attackers.results
    return results


def run(options):
    """Measure, keep the results, and show them."""
    if options.from_results:
        results = json.loads(options.results.read_text())
    else:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            results = measure(options, folder)
        options.results.parent.mkdir(exist_ok=True)
        options.results.write_text(json.dumps(results, indent=1))
    print("\n\n".join(report.tables(results)))
    if options.docs:
        documentation.write(results, options.docs)


def main():
    """Run the benchmarks; return the exit status."""
    end_on_signals()
    try:
        run(arguments())
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
