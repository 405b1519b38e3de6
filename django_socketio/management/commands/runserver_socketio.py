"""``manage.py runserver_socketio [host:port]``: Django and its sockets on one address."""

import logging
import os
import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands.runserver import Command as RunServer
from django.core.management.commands.runserver import naiveip_re
from django.db import connections
from django.utils import autoreload

from django_socketio import __version__, conf, events
from django_socketio.server import debuggers, garbage
from django_socketio.server.reloader import failures, supervisor

INITIATED_BY_RELOADER = autoreload.DJANGO_AUTORELOAD_ENV


class Command(RunServer):
    """Serves Django and its sockets by gevent."""

    help = "Starts a server for Django and its sockets."

    addr: str  # these three are read from the arguments by runserver's own handle()
    port: str
    use_ipv6: bool
    server: Any = None
    interrupts: Any = None

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the arguments of runserver, except those for threads."""
        parser.add_argument("addrport", nargs="?", help="Optional port number, or ipaddr:port")
        parser.add_argument(
            "--ipv6", "-6", action="store_true", dest="use_ipv6", help="Use an IPv6 address."
        )
        parser.add_argument(
            "--noreload", action="store_false", dest="use_reloader", help="Do not reload on change."
        )
        parser.add_argument(
            "--nostatic",
            action="store_false",
            dest="use_static_handler",
            help="Do not serve static files at STATIC_URL.",
        )
        parser.add_argument(
            "--insecure",
            action="store_true",
            dest="insecure_serving",
            help="Serve static files even if DEBUG is False.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the address, then serve.

        Raises:
            CommandError: the address or the port cannot be used.

        """
        options["addrport"] = self.completed(options["addrport"], options["use_ipv6"])
        match = naiveip_re.match(options["addrport"] or "")
        if match is not None and int(match["port"]) > 65_535:
            raise CommandError(f"The port must be a number from 0 to 65535, not {match['port']}.")
        options["use_threading"] = True
        super().handle(*args, **options)

    def completed(self, address: str | None, ipv6: bool) -> str | None:
        """Return an address as ``host:port``, with what is missing from the settings."""
        if address and not address.isdigit():
            return address
        host, port = conf.get("HOST"), address or conf.get("PORT")
        if ipv6 and not conf.is_set("HOST"):
            host = "::1"
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def run(self, **options: Any) -> None:
        """Serve in a process that gevent has patched; start it again when the code changes."""
        if options["use_reloader"] and os.environ.get(INITIATED_BY_RELOADER) != "true":
            sys.exit(supervisor.run())
        if not supervisor.is_patched():
            supervisor.start_again_patched()
        from django_socketio.server.interrupts import Interrupts

        self.interrupts = Interrupts()
        self.interrupts.watch()
        debuggers.leave_interrupts_to_server()
        try:
            self._serve(**options)
        except KeyboardInterrupt:  # a handler's own; Ctrl-C is a SystemExit here
            pass
        finally:
            self.interrupts.begin()
            self._stop()

    def _serve(self, **options: Any) -> None:
        if options["use_reloader"]:
            failures.serve_reloading(self.inner_run, **options)
        else:
            self.inner_run(**options)

    def _stop(self) -> None:
        # The reloader's exit after a change of the code comes here as well.
        if self.server is not None:
            self.server.stop()

    def inner_run(self, *args: Any, **options: Any) -> None:
        """Check the project, then serve."""
        autoreload.raise_last_exception()
        self._check(options)
        handler = self._handler(options)  # configures logging again; loggers are made after that
        from django_socketio.server.dev import ERRORS, AddressError, DevelopmentServer

        show_messages()
        try:
            self.server = DevelopmentServer(
                handler,
                self.addr,
                int(self.port),
                self.use_ipv6,
                signal_receiver=self.interrupts,
            )
            self.server.start()
            garbage.collect_less()
        except AddressError as error:
            self.stderr.write(f"Error: {ERRORS.get(error.errno or 0, error)}")
            os._exit(1)  # sys.exit() would end only a thread, if this is one
        self._announce()
        self.server.serve_forever()

    def _check(self, options: dict[str, Any]) -> None:
        if not options["skip_checks"]:
            self.stdout.write("Performing system checks...\n\n")
            self.check(display_num_errors=True)
        self.check_migrations()
        for connection in connections.all(initialized_only=True):
            connection.close()

    def _handler(self, options: dict[str, Any]) -> Any:
        handler = self.get_handler(**options)
        serve_static = options["use_static_handler"] and (
            settings.DEBUG or options["insecure_serving"]
        )
        if serve_static and apps.is_installed("django.contrib.staticfiles"):
            from django.contrib.staticfiles.handlers import StaticFilesHandler

            return StaticFilesHandler(handler)
        return handler

    def _announce(self) -> None:
        host = f"[{self.addr}]" if ":" in self.addr else self.addr
        now = datetime.now().strftime("%B %d, %Y - %X")
        quit_command = "CTRL-BREAK" if sys.platform == "win32" else "CONTROL-C"
        self.stdout.write(
            f"{now}\n"
            f"Django version {self.get_version()}, using settings {settings.SETTINGS_MODULE!r}\n"
            f"django-socketio {__version__} at http://{host}:{self.server.port}/\n"
            f"{events.summary()}\n"
            f"Relay: {self.server.socket_server.relay}\n"
            f"Quit the server with {quit_command}."
        )
        self.stdout.flush()


def show_messages() -> None:
    """Print the package's log, unless the project has configured a handler for it."""
    logger = logging.getLogger("django_socketio")
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
