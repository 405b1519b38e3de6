"""Fuzz everything: ``make fuzz``, or ``python -m tests.fuzz --inputs 1000000 --seed 1``."""

import argparse
import logging
import os
import sys
import time
from datetime import date

from tests.fuzz import guided
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

ENDPOINT_SHARE = 0.03
"""Of all inputs: those of a server that runs take far longer."""

Findings = list[tuple[bytes, str]]


def mutated(target: Target, seed: int, count: int) -> tuple[int, Findings]:
    """Check mutations of the seeds; return how many, and what was found."""
    found = []
    for data in target.inputs(seed, count):
        try:
            target.check(data)
        except Exception as error:
            found.append((data, f"{error!r:.300}"))
    return count, found


def of_endpoint(seed: int, count: int) -> tuple[int, Findings]:
    """Send inputs to a server; return how many, and what was found."""
    import django

    django.setup()
    quiet()
    from tests.fuzz.endpoint import TARGET, Endpoint, batches

    endpoint = Endpoint()
    found = [
        finding for batch in batches(TARGET.inputs(seed, count)) for finding in endpoint.run(batch)
    ]
    endpoint.close()
    return count, found


def quiet() -> None:
    """Let refusals, which are what is wanted, fill no screen."""
    for name in ("django", "django.server", "django_socketio", "django_socketio.server"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [logging.NullHandler()], False


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def row(name: str, kind: str, run: object, *args: object) -> Findings:
    """Run one target, and write its line of the table."""
    began = time.monotonic()
    count, found = run(*args)  # type: ignore[operator]
    seconds = time.monotonic() - began
    write(f"{name:20} {kind:15} {count:9,} {seconds:8.1f} {count / seconds:9,.0f} {len(found):9}")
    return [(data, f"({name!r}, {data!r})\n    {what}") for data, what in found]


def main() -> int:
    """Run all targets; return 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(date.today().strftime("%Y%m%d")))
    parser.add_argument("--only", default="", help="part of a target's name: no other, no server")
    options = parser.parse_args()
    quiet()
    write(f"seed {options.seed}")
    write(f"{'target':20} {'kind':15} {'inputs':>9} {'seconds':>8} {'inputs/s':>9} {'findings':>9}")
    targets = [target for target in TARGETS if options.only in target.name]
    for_endpoint = 0 if options.only else int(options.inputs * ENDPOINT_SHARE)
    share = -(-(options.inputs - for_endpoint) // (2 * max(1, len(targets))))
    found = []
    for target in targets:
        found += row(target.name, "mutated", mutated, target, options.seed, share)
        found += row(target.name, "coverage-guided", guided.run, target, options.seed, share)
    if for_endpoint:
        found += row("http endpoint", "mutated", of_endpoint, options.seed, for_endpoint)
    for _, finding in found[:20]:
        write(f"\nFound, to be put into FOUND of tests/fuzz/test_fuzz.py:\n{finding}")
    return bool(found)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    sys.exit(main())
