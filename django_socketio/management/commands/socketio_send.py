"""``manage.py socketio_send CHANNEL JSON``: sends a message from a shell."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize

from django_socketio import conf
from django_socketio.channels import publish as broadcasts
from django_socketio.exceptions import SocketIOError
from django_socketio.protocol import json
from django_socketio.relay.receipt import Receipt


class Command(BaseCommand):
    """Sends a message to the sockets of a channel, to all, or to one."""

    help = "Sends a message to the sockets of a channel, to all sockets, or to one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the arguments for the receivers, the message, the event and the namespace."""
        receivers = parser.add_mutually_exclusive_group(required=True)
        receivers.add_argument("channel", nargs="?", help="The channel to send to.")
        receivers.add_argument("--all", action="store_true", help="Send to all sockets.")
        receivers.add_argument(
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
            CommandError: the message is not JSON, or could not be sent.

        """
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
        if options["session"]:
            return broadcasts.send(options["session"], message, **where)
        return broadcasts.broadcast_channel(message, options["channel"], **where)


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
