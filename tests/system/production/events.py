"""Handlers that tell where they run, and what they see."""

import hashlib
import logging
import os
import threading
import time
from collections import defaultdict

from django.db import connections
from gevent import monkey

from django_socketio import in_thread
from django_socketio.channels import other_processes, presence
from django_socketio.events import (
    on_connect,
    on_disconnect,
    on_event,
    on_finish,
    on_join,
    on_leave,
    on_message,
)

logger = logging.getLogger("tests.system.production")
sleep = monkey.get_original("time", "sleep")


def say(text):
    """Print a line in one piece: other workers print as well."""
    os.write(1, f"{text}\n".encode())


def seen(request):
    """What a request tells of its client."""
    return {
        "pid": os.getpid(),
        "address": request.META["REMOTE_ADDR"],
        "host": request.get_host(),
        "scheme": request.scheme,
    }


@on_connect
def connected(request, socket, context):
    """Namespaces without a handler do not exist."""


@on_message
def echo(request, socket, context, message):
    return message


@on_event("seen")
def tell(request, socket, context):
    return seen(request)


@on_event("remember")
def remember(request, socket, context, value):
    """Return what was remembered before, in any process, and whether the client has come back."""
    before, context["value"] = context.get("value"), value
    return before, socket.recovered, os.getpid()


@on_event("length")
def length(request, socket, context, message):
    return len(message)


@on_event("block")
def block(request, socket, context):
    """Hold the event loop up, as a computation does."""
    say(f"blocking {os.getpid()}")
    sleep(60)


def digest(text, rounds=2_000):
    """Compute for a millisecond, without Python's global lock."""
    return hashlib.pbkdf2_hmac("sha256", text.encode(), b"salt", rounds).hex()


@on_event("digest")
def digest_in_thread(request, socket, context, text):
    found = in_thread(digest, text)
    logger.info("found: %s", found)
    return found


@on_event("log")
def log(request, socket, context, text):
    logger.info("plain: %s", text)
    return text


@on_event("log in thread")
def log_in_thread(request, socket, context, text):
    return in_thread(logger.info, text)


@on_event("nap in thread")
def nap_in_thread(request, socket, context):
    return in_thread(time.sleep, 0.01)


@on_event("block in thread")
def block_in_thread(request, socket, context):
    """Wait for a function that does not end before the process."""

    def hang():
        say("hanging")
        sleep(60)

    in_thread(hang)


@on_event("nap")
def nap(request, socket, context, seconds):
    say("napping")
    time.sleep(seconds)


woken = defaultdict(threading.Event)


@on_event("wait")
def wait(request, socket, context, name):
    """Wait until it is woken by that name; return which object stands for the database here."""
    own = id(connections["default"])
    say(f"waiting: {name}")
    assert woken[name].wait(20)
    return own


@on_event("wake")
def wake(request, socket, context, name):
    woken[name].set()


@on_disconnect
def gone(request, socket, context):
    say(f"gone: {os.getpid()} {socket.disconnect_reason}")


if "TEST_LEASES" in os.environ:
    # A lease is renewed each second, and its process counts as dead after five.
    other_processes.RENEW_INTERVAL = presence.RENEW_INTERVAL = 1.0
    other_processes.PATIENCE = presence.PATIENCE = 5.0
    other_processes.LONGEST_GAP = 1.5

    @on_join(channel="^here$")
    def joined(channel, person):
        say(f"join {person.id}.")

    @on_leave(channel="^here$")
    def left(channel, person):
        say(f"leave {person.id}.")


@on_finish
def finished(request, socket, context):
    say(f"finished: {os.getpid()}")
