"""The pages of the reference that are made from the source: ``python -m tests.reference``.

docs/settings.rst is made from the table of settings, docs/commands.rst from the parsers of the
commands. A test compares both with the source.
"""

import argparse
import os
import textwrap

import django

from django_socketio.conf.table import SETTINGS
from tests.kit.programs import ROOT

DOCS = ROOT / "docs"

GROUPS = {
    "HOST": "Servers",
    "ALLOWED_ORIGINS": "Access",
    "HANDLER_CONTEXT": "Handlers",
    "RELAY_URL": "Relay",
    "HISTORY": "Delivery and presence",
    "PING_INTERVAL": "Connections",
    "MAX_MESSAGE_SIZE": "Limits",
    "CLIENT_MESSAGE_RATE": "Rates",
}
"""The titles of the groups of settings, by their first settings."""

SETTINGS_HEAD = """\
========
Settings
========

All names begin with ``SOCKETIO_``. ``manage.py check`` reports values that cannot be used, and
unsafe ones: ``docs/operations.rst`` lists the identifiers. This page is made from the table in
``django_socketio/conf/table.py``.

Patterns of channels are regular expressions, in settings as in handlers: they match the start of a
name. ``"room-"`` and ``"^room-"`` both match ``room-1``, and neither matches ``classroom-1``; write
``"^room-\\d+$"`` where the whole name counts. Those of settings hold in every namespace.
"""

COMMANDS_HEAD = """\
========
Commands
========

``manage.py`` has these commands of the package. Each also takes Django's own options, such as
``--settings``. This page is made from the commands; ``docs/running.rst`` says when to use which
server.
"""


def settings_page():
    """Return docs/settings.rst."""
    page = [SETTINGS_HEAD]
    for name, setting in SETTINGS.items():
        if name in GROUPS:
            page.append(f"\n{GROUPS[name]}\n{'=' * len(GROUPS[name])}\n")
        takes = f"Takes {setting.expected}."
        page.append(f"\n``SOCKETIO_{name}`` = ``{_literal(setting.default)}``\n")
        page.append(f"{_filled(setting.about)}\n{_filled(takes)}\n")
    return "".join(page)


def _literal(value):
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and '"' not in value:
        return f'"{value}"'
    return f"{value:_}" if type(value) is int and value >= 10_000 else repr(value)


def _filled(text):
    """Return a paragraph of a definition; no name of a setting or a page is broken."""
    width = {"width": 120, "break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(text, initial_indent="    ", subsequent_indent="    ", **width)


def commands_page():
    """Return docs/commands.rst."""
    from django_socketio.management.commands import (
        runserver,
        runserver_socketio,
        socketio_doctor,
        socketio_send,
        socketio_top,
    )

    page = [COMMANDS_HEAD]
    commands = {
        "runserver_socketio": runserver_socketio.Command(),
        "runserver": runserver.RunServer(),
        "socketio_send": socketio_send.Command(),
        "socketio_doctor": socketio_doctor.Command(),
        "socketio_top": socketio_top.Command(),
    }
    for name, command in commands.items():
        parser = argparse.ArgumentParser(add_help=False)
        command.add_arguments(parser)
        page.append(f"\n{name}\n{'=' * len(name)}\n\n{command.help}\n")
        page.append(f"\n.. code-block:: text\n\n{_usage(name, parser)}\n")
        page.extend(
            f"\n``{_names(action)}``\n{_filled(_help(action))}\n" for action in parser._actions
        )
    return "".join(page)


def _usage(name, parser):
    places = [action for action in parser._actions if not action.option_strings]
    named = [f"[{one.dest}]" if one.nargs == "?" else one.dest for one in places]
    return " ".join(["    manage.py", name, "[options]", *named])


def _names(action):
    value = f" {action.metavar or action.dest.upper()}" if action.nargs != 0 else ""
    return ", ".join(f"{name}{value}" for name in action.option_strings) or action.dest


def _help(action):
    return (action.help or "").strip().rstrip(".") + "."


PAGES = {"settings.rst": settings_page, "commands.rst": commands_page}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    django.setup()
    for page, make in PAGES.items():
        (DOCS / page).write_text(make())
