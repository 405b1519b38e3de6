"""Connections that break behind nginx: ``python -m tests.soak.cuts``; ``make soak`` runs it, too.

Clients with positions and official clients roam over gunicorn's workers by each transport, on
channels with many subscribers and with a single one. Publishers send texts to the channels and to
single sockets, while workers are reloaded and killed, and connections to Redis break. Each row of
the table is a kind of client. The status is 1 if a client with positions lacks a message that was
accepted, and was not told, or if it was told of a loss and lacks nothing; if an official client
lacks one that was told that it is recovered; or if a message came twice, or in another order.
"""

import argparse
import itertools
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import django

from tests.kit.documented import surrounded
from tests.kit.node import Node
from tests.kit.programs import free_port
from tests.kit.redis_server import RedisServer
from tests.kit.servers import Gunicorn, Nginx
from tests.soak.ledger import audit
from tests.soak.publishers import Publisher, say_end
from tests.soak.roamers import DIRECT, KINDS, Official, Page, came_twice

SHARED, SINGLE = 14, 6
"""Channels with many subscribers, and with one."""

PUBLISHERS = 4
SILENCE = 4
"""Seconds after which silent connections have been noticed, and clients are back."""

SETTLING = 60
"""Seconds in which all must have come."""

NGINX = """
map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
upstream site {{ server 127.0.0.1:{behind}; keepalive 64; }}
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://site;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_buffering off;
    }}
}}
"""

WRONG = ("lost", "unfounded", "twice", "disordered")
HEAD = ("connections", "recovered", "delivered", "told", *WRONG, "direct")
"""Columns of the table: of connections, those that were recovered are not counted twice; messages
for each client; losses that were told, and those of them that were none; messages for single
sockets that came."""


class Site:
    """Redis, gunicorn and nginx; this process becomes one that may publish."""

    def __init__(self, stack, workers):
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.redis = stack.enter_context(RedisServer(folder))
        environ = {
            "DJANGO_SETTINGS_MODULE": "tests.relay.site.settings",
            "TEST_RELAY_URL": self.redis.url,
            "PING_INTERVAL": "1",
            "PING_TIMEOUT": "2",
            "RECOVERY_SECONDS": "300",  # on a slow computer, clients are away for long
        }
        self.gunicorn = Gunicorn(workers=workers, **environ)
        stack.callback(self.gunicorn.end)
        port = free_port()
        text = NGINX.format(behind=self.gunicorn.port, port=port)
        self.nginx = Nginx(folder, surrounded(folder, text), port)
        stack.callback(self.nginx.end)
        self.node = Node()
        stack.callback(self.node.stop)
        self.port = port
        os.environ.update(environ)
        django.setup()

    def workers(self):
        """Return the workers that live."""
        pid = self.gunicorn.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill_a_worker(self):
        os.kill(random.choice(self.workers()), signal.SIGKILL)

    def reload(self):
        self.gunicorn.signal(signal.SIGHUP)

    def break_relays(self):
        self.redis.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


class Faults(threading.Thread):
    """Has one fault after the other befall the site."""

    def __init__(self, site, interval):
        super().__init__(daemon=True)
        self._faults = {
            "workers killed": site.kill_a_worker,
            "relays cut": site.break_relays,
            "reloads": site.reload,
        }
        self._interval, self._stopped = interval, threading.Event()
        self.counts = Counter()
        self.failure = None
        self.start()

    def run(self):
        try:
            for number, (name, fault) in enumerate(itertools.cycle(self._faults.items())):
                if number < len(self._faults):  # the first round always comes to its end
                    time.sleep(self._interval)
                elif self._stopped.wait(self._interval):
                    return
                fault()
                self.counts[name] += 1
        except Exception as failure:
            self.failure = failure

    def stop(self):
        self._stopped.set()
        self.join()


def publish(channel, name):
    """Publish a message to a channel, of texts; return what was told."""
    from django_socketio import RelayError, emit

    try:
        done = emit("message", channel, *name, f"text {name[1]}", channel=channel)
    except RelayError as error:
        return {"told": str(error)}
    return {"told": done.received if done.received or done.is_kept else "nobody"}


def publish_and_send(clients):
    """Return a function that publishes, and now and then sends to a single socket as well."""

    def push(channel, name):
        if name[1] % 10 == 0 and (id := random.choice(clients).id):
            send_to(id, name)
        return publish(channel, name)

    return push


def send_to(id, name):
    """Send a message to a socket, which may be between two connections."""
    from django_socketio import NoSocket, RelayError, emit

    with suppress(NoSocket, RelayError):
        emit("message", DIRECT, *name, "for you", session_id=id)


class Cuts:
    """The clients, the publishers and the faults; begins at once.

    Args:
        count: clients, half of them official.
        messages: about how many are published in ``seconds``.

    """

    def __init__(self, site, seconds, count, messages):
        self._site, self._over = site, threading.Event()
        self.kinds = self._begin(count)
        self._clients = [one for clients in self.kinds.values() for one in clients]
        self.channels = [*dict.fromkeys(name for one in self._clients for name in one.channels)]
        self._faults = Faults(site, max(min(seconds / 12, 5), 1.2))
        pause = seconds * PUBLISHERS / messages
        push = publish_and_send(self._clients)
        self._publishers = [
            Publisher(f"p{number}", self.channels, self._over, push, pause)
            for number in range(PUBLISHERS)
        ]

    def _begin(self, count):
        names = (f"shared-{number}" for number in itertools.cycle(range(SHARED)))
        single = iter([f"single-{number}" for number in range(SINGLE)])
        kinds = {f"{who}, {kind}": [] for who in ("positions", "official") for kind in KINDS}
        for _, name in zip(range(count), itertools.cycle(kinds), strict=False):
            channels = [next(names), next(names), *itertools.islice(single, 1)]
            kinds[name].append(self._client(*name.split(", "), channels))
        for clients in kinds.values():
            for one in clients:
                one.wait_connected()
        return kinds

    def _client(self, who, kind, channels):
        if who == "official":
            return Official(self._site.node, self._site.port, kind, channels)
        return Page(self._site.port, kind, channels, self._over)

    def end(self):
        """Have nothing break any more, and everybody come to an end."""
        self._faults.stop()
        self._over.set()
        self._site.node.write({"do": "settle"})
        time.sleep(SILENCE)
        until = time.monotonic() + SETTLING
        for one in self._publishers:
            one.join(max(0, until - time.monotonic()))
        self.messages = [message for one in self._publishers for message in one.messages]
        self.messages += say_end(self.channels, publish)
        for one in self._clients:
            one.join(max(0.1, until - time.monotonic()))
            if one.is_alive():
                one.failure = AssertionError(f"it did not come to its end: {one.stays}")

    @property
    def failures(self):
        """Errors of clients, publishers and faults."""
        return [one.failure for one in (*self._clients, self._faults) if one.failure is not None]

    @property
    def counts(self):
        """How often each fault was made."""
        return self._faults.counts

    def rows(self):
        """Return the numbers of each kind of client, by its name."""
        return {name: self._row(clients) for name, clients in self.kinds.items()}

    def _row(self, clients):
        counts = sum((one.counts for one in clients), Counter())
        books = audit(self.messages, [stay for one in clients for stay in one.stays])
        direct = [name for one in clients for name in one.direct]
        twice = sum(came_twice(one.stays) for one in clients) + books.duplicates
        twice += len(direct) - len({*direct})
        return {
            **dict(zip(HEAD, (counts["connections"], counts["recovered"]), strict=False)),
            "delivered": books.delivered,
            "told": books.gaps,
            "lost": books.lost,
            "unfounded": books.unfounded,
            "twice": twice,
            "disordered": books.disordered,
            "direct": len(direct),
        }

    def disordered(self):
        """Return how many messages came to any two clients in different orders."""
        return audit(
            self.messages, [one for all_ in self._clients for one in all_.stays]
        ).disordered


def main():
    """Run the test; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.cuts", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    for name, number in (("clients", 200), ("messages", 10_000), ("workers", 4)):
        parser.add_argument(f"--{name}", type=int, default=number)
    given = parser.parse_args()
    with ExitStack() as stack:
        site = Site(stack, given.workers)
        cuts = Cuts(site, given.seconds, given.clients, given.messages)
        time.sleep(given.seconds)
        cuts.end()
    return report(cuts)


def report(cuts):
    """Print the table; return the exit status."""
    accepted = sum(message.accepted for message in cuts.messages)
    print(
        f"\n{len(cuts.messages):,} messages on {len(cuts.channels)} channels, {accepted:,} accepted"
    )
    print(", ".join(f"{name}: {count}" for name, count in sorted(cuts.counts.items())))
    print(f"{'clients':24}" + "".join(f"{name:>12}" for name in HEAD))
    rows = cuts.rows()
    for name, row in rows.items():
        print(f"{name:24}" + "".join(f"{row[column]:12,}" for column in HEAD))
    for failure in cuts.failures:
        print(f"failed: {failure!r}")
    wrong = sum(row[one] for row in rows.values() for one in WRONG)
    return int(bool(wrong or cuts.disordered() or cuts.failures))


if __name__ == "__main__":
    sys.exit(main())
