"""``manage.py runserver``, which serves sockets too if ``SOCKETIO_RUNSERVER`` is set.

Django takes this module if ``django_socketio`` comes before the other apps with a command of this
name, such as ``django.contrib.staticfiles``. Without the setting, the command is theirs.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from django.apps import apps
from django.core.management import find_commands
from django.core.management.base import BaseCommand
from django.core.management.commands.runserver import Command as DjangosRunServer

from django_socketio import conf
from django_socketio.management.commands import runserver_socketio

NAME = "runserver"


class RunServer(runserver_socketio.Command):
    """Serves Django and its sockets, at the address and with the options of ``runserver``."""

    help = "Starts a server for Django and its sockets, if SOCKETIO_RUNSERVER is set."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the arguments of Django's command."""
        super().add_arguments(parser)
        parser.add_argument(
            "--nothreading",
            action="store_true",
            help="Has no effect: requests are served by greenlets.",
        )

    def completed(self, address: str | None, ipv6: bool) -> str | None:
        """Return the address as it is: what is missing comes from Django's own defaults."""
        return address


def apps_with_command() -> Iterator[str]:
    """Yield the names of the apps that have a command ``runserver``; Django takes the first one."""
    for config in apps.get_app_configs():
        if NAME in find_commands(str(Path(config.path) / "management")):
            yield config.name


def next_command() -> type[BaseCommand]:
    """Return the command that the site would have without this one."""
    others = [name for name in apps_with_command() if name != "django_socketio"]
    if not others:
        return DjangosRunServer
    command: type[BaseCommand] = import_module(f"{others[0]}.management.commands.{NAME}").Command
    return command


Command: type[BaseCommand] = RunServer if conf.get("RUNSERVER") else next_command()
