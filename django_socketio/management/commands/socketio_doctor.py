"""``manage.py socketio_doctor [URL]``: says what works on the way of clients, and what does not."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize

from django_socketio.diagnostics.address import Address
from django_socketio.diagnostics.doctor import examine
from django_socketio.diagnostics.findings import Finding, Level
from django_socketio.logs import printable

MARKS = {Level.OK: "✓", Level.NOTE: "·", Level.WARNING: "!", Level.ERROR: "✗"}
STYLES = {
    Level.OK: "SUCCESS",
    Level.NOTE: "HTTP_INFO",
    Level.WARNING: "WARNING",
    Level.ERROR: "ERROR",
}
"""The names of Django's styles of terminals."""


class Command(BaseCommand):
    """Examines a site: its settings, its relay, and the way of clients through its proxy."""

    help = (
        "Examines the settings, the relay and, as a client, the way through the public address; "
        "says what to change. Exits with 1 if something does not work."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012  they are among the findings

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the arguments for the address and the output."""
        parser.add_argument("url", nargs="?", help="The public address: https://chat.example.com")
        parser.add_argument(
            "--origin",
            default="",
            help="The origin of a page that connects, if not of the site.",
        )
        parser.add_argument(
            "--cookie",
            default="",
            metavar="NAME=VALUE",
            help="The cookie of a browser, to connect as its user.",
        )
        parser.add_argument("--stream", metavar="PATH", help="The path of an event stream.")
        parser.add_argument(
            "--quick",
            action="store_true",
            help="Do not wait for the server's ping (SOCKETIO_PING_INTERVAL).",
        )
        parser.add_argument("--json", action="store_true", help="Print the findings as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine the site, and print what is found.

        Raises:
            CommandError: the address is none.
            SystemExit: something does not work.

        """
        try:
            url = options["url"]
            address = url and Address.parse(url, options["origin"], options["cookie"])
        except ValueError as problem:
            raise CommandError(str(problem)) from None
        found = []
        for finding in examine(address or None, options["stream"], not options["quick"]):
            found.append(finding)
            if not options["json"]:
                self._print(finding)
        if options["json"]:
            self.stdout.write(json.dumps([one._asdict() for one in found], indent=2))
        else:
            self._sum_up(found)
        if any(one.level is Level.ERROR for one in found):
            sys.exit(1)

    def _print(self, finding: Finding) -> None:
        style = getattr(self.style, STYLES[finding.level])
        self.stdout.write(
            f"{style(MARKS[finding.level])} {finding.step}: {printable(finding.text)}"
        )
        if finding.remedy:
            self.stdout.write(f"    → {printable(finding.remedy)}")

    def _sum_up(self, found: list[Finding]) -> None:
        errors = sum(one.level is Level.ERROR for one in found)
        warnings = sum(one.level is Level.WARNING for one in found)
        style = self.style.ERROR if errors else self.style.SUCCESS
        counted = f"{errors} error{pluralize(errors)}, {warnings} warning{pluralize(warnings)}"
        self.stdout.write(style(counted))
