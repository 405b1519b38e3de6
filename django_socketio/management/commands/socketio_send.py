"""``manage.py socketio_send CHANNEL JSON``: sends a message from a shell."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import pluralize

from django_socketio import conf
from django_socketio.channels import publish as broadcasts
from django_socketio.exceptions import SocketIOError
from django_socketio.protocol import json
from django_socketio.relay.receipt import Receipt

RECEIVERS = {"channel": "a channel", "all": "--all", "session": "--session"}
"""The arguments that name receivers, as errors call them. They are no group of argparse: it takes
no options between the positional arguments of a group."""


class Command(BaseCommand):
    """Sends a message to the sockets of a channel, to all, or to one."""

    help = "Sends a message to the sockets of a channel, to all sockets, or to one."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return the parser of the arguments, which may stand in any order."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parse_in_order = parser.parse_args

        def parse_args(args: Sequence[str], namespace: Namespace | None = None) -> Namespace:
            # After "--" all arguments are positional; some versions of Python then lose it.
            is_in_order = "--" in args
            parse = parse_in_order if is_in_order else parser.parse_intermixed_args
            return parse(args, namespace)

        parser.parse_args = parse_args  # type: ignore[method-assign, assignment]
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the arguments for the receivers, the message, the event and the namespace."""
        parser.add_argument("channel", nargs="?", help="The channel to send to.")
        parser.add_argument("--all", action="store_true", help="Send to all sockets.")
        parser.add_argument(
            "--session",
            metavar="ID",
            help="Send to the socket with this id. Ids may begin with a dash: write --session=ID.",
        )
        parser.add_argument("message", help="The message, as JSON: '\"text\"', '{\"a\": 1}'.")
        parser.add_argument("--event", default="message", help='The event; "message" by default.')
        parser.add_argument("--namespace", default="/", help='The namespace; "/" by default.')

    def handle(self, *args: Any, **options: Any) -> None:
        """Send the message, and print how many sockets or processes received it.

        Raises:
            CommandError: there is no receiver, or more than one; or the message is not JSON, or
                could not be sent.

        """
        _check_receiver(options)
        message = _parse(options["message"])
        try:
            received = self._send(message, options)
        except (ImproperlyConfigured, SocketIOError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(self.style.SUCCESS(_told(Receipt.of(received))))

    def _send(self, message: Any, options: dict[str, Any]) -> int:
        where = {"event": options["event"], "namespace": options["namespace"]}
        if options["all"]:
            return broadcasts.broadcast(message, **where)
        if options["session"] is not None:
            return broadcasts.send(options["session"], message, **where)
        return broadcasts.broadcast_channel(message, options["channel"], **where)


def _check_receiver(options: dict[str, Any]) -> None:
    given = [name for key, name in RECEIVERS.items() if options[key] not in (None, False)]
    if not given:
        raise CommandError(
            "The message needs a receiver: a channel before it, --all or --session=ID."
        )
    if len(given) > 1:
        raise CommandError(f"A message goes to one receiver, not {' and '.join(given)}.")


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        expected = """JSON such as '"text"' or '{"a": 1}'"""
        raise CommandError(f"The message must be {expected}, not {text!r:.100}: {error}") from None


def _told(receipt: Receipt) -> str:
    """Return what is said of a message that was accepted."""
    if not receipt and receipt.is_kept:
        return "Kept; nobody is connected to receive it now."
    return f"Sent; received by {_counted(receipt)}."


def _counted(received: int) -> str:
    """Return a number of receivers with its unit: a relay counts processes, no relay sockets."""
    if conf.get("RELAY_URL") is None:
        return f"{received} socket{pluralize(received)}"
    return f"{received} server process{pluralize(received, 'es')}"
