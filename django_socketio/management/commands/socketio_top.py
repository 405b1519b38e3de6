"""``manage.py socketio_top``: a live table of the server processes of the site."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from django_socketio import conf
from django_socketio.channels.listening import listening
from django_socketio.exceptions import SocketIOError
from django_socketio.management import terminal
from django_socketio.monitoring.answering import SocketInfo
from django_socketio.monitoring.rows import Sample
from django_socketio.monitoring.screen import Screen
from django_socketio.monitoring.site import site_sockets, site_stats
from django_socketio.relay.topics import channel_topic
from django_socketio.server import relays

NO_RELAY = (
    "socketio_top asks the server processes over the relay, and SOCKETIO_RELAY_URL is not set: set "
    "it, for example to 'redis://localhost:6379/0', here and for the servers"
)

DAY = 86_400


class Command(BaseCommand):
    """Shows processes, channels and handlers of the site, and what they do a second."""

    help = "Shows the server processes of the site, their channels and their handlers, live."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the arguments for the times."""
        parser.add_argument(
            "--interval", type=float, default=2.0, help="Seconds between two looks; 2 by default."
        )
        parser.add_argument("--once", action="store_true", help="Print the processes, and end.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show the numbers until "q" is pressed.

        Raises:
            CommandError: the processes cannot be asked, or nobody can press a key.

        """
        interval = options["interval"]
        if conf.raw("RELAY_URL") is None:
            raise CommandError(NO_RELAY)
        if not 0 < interval <= DAY:
            expected = f"a number of seconds, more than 0 and at most {DAY}"
            raise CommandError(f"--interval takes {expected}, not {interval}")
        if not options["once"] and not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise CommandError("socketio_top needs a terminal; with --once, it needs none")
        try:
            # One connection listens for all answers.
            with listening(relays.for_caller):
                self._show(interval, options["once"])
        except (ImproperlyConfigured, SocketIOError) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            pass

    def _show(self, interval: float, once: bool) -> None:
        screen = Screen(_sockets)
        if once:
            screen.update(_sample())
            time.sleep(min(interval, 1.0))
            screen.update(_sample())
            self.stdout.write("\n".join(screen.lines(1000, 1000)[:-1]))
            return
        out = sys.stdout  # Django's own would end each piece with a line
        with terminal.opened(out):
            while not screen.is_over:
                try:
                    screen.update(_sample())
                except SocketIOError as error:
                    screen.problem = str(error)
                terminal.draw(out, screen.lines(*terminal.size()))
                for key in terminal.keys_until(time.monotonic() + interval):
                    screen.press(key)
                    if screen.is_over:
                        break
                    terminal.draw(out, screen.lines(*terminal.size()))


def _sample() -> Sample:
    found = site_stats()
    return Sample(
        time.monotonic(), {one["process"]: one for one in found["processes"]}, found["silent"]
    )


def _sockets(namespace: str, channel: str) -> list[SocketInfo]:
    return site_sockets(channel_topic(namespace, channel))
