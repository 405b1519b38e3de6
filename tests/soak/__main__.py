"""The soak test: ``python -m tests.soak --seconds 600``; ``make soak`` runs it.

Two servers with a relay hold sockets that come and go by both transports, while publishers send,
connections break, Redis is killed and one server is reloaded. Attackers send what costs most to
both servers all the time. The status is 1 if a message that was accepted did not come and nobody
was told, if one came twice or in another order, if a socket that should have stayed did not, if
somebody is present who has left, or if a server has grown.
"""

import argparse
import contextlib
import sys
import time

from tests.soak import people
from tests.soak.ledger import audit
from tests.soak.site import Site
from tests.soak.storm import CHANNELS, Storm

WARM_UP = 30
"""Seconds of a long test after which servers are measured first."""

MEGABYTES, DESCRIPTORS = 30, 12
"""How much a server may grow: what it loads late, room for the longest messages of attackers, and
its connections for publishing."""


def main():
    """Run the soak test; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="The soak test.")
    parser.add_argument("--seconds", type=float, default=600, help="how long; 600 unless given")
    seconds = parser.parse_args().seconds
    with contextlib.ExitStack() as stack:
        site = Site(stack)
        if seconds >= 2 * WARM_UP:
            run(site, WARM_UP)
            seconds -= WARM_UP
        before = site.measure()
        storm = run(site, seconds)
        after = site.measure()
        left = people.all_have_left(CHANNELS)
        return report(storm, people.audit(site.outputs, left), before, after)


def run(site, seconds):
    storm = Storm(site, seconds)
    time.sleep(seconds)
    storm.end()
    return storm


def report(storm, presence, before, after):
    """Print the table; return the exit status."""
    books = audit(storm.messages, storm.stays)
    rows = {**books.rows, **presence, **dict(sorted(storm.counts.items()))}
    for name, value in rows.items():
        print(f"{name:32}{value:12,}")
    grown = [print_process(name, before[name], after[name]) for name in before]
    for failure in storm.failures:
        print(f"failed: {failure!r}")
    is_wrong = any(presence[name] for name in people.WRONG)
    return int(bool(storm.failures) or any(grown) or is_wrong or not books.is_clean)


def print_process(name, before, after):
    """Print what a process held at the start and at the end; return whether it has grown."""
    (megabytes, descriptors), (megabytes_after, descriptors_after) = before, after
    grown = megabytes_after - megabytes > MEGABYTES or descriptors_after - descriptors > DESCRIPTORS
    print(
        f"{name:32}{megabytes:8.1f} -> {megabytes_after:.1f} MB, "
        f"{descriptors} -> {descriptors_after} descriptors{', GROWN' if grown else ''}"
    )
    return grown


if __name__ == "__main__":
    sys.exit(main())
