"""Many greenlets that publish at once, in a process that gevent has patched.

``python -m gevent.monkey --module tests.relay.crowds URL SCENE TIMEOUT`` writes what each of them
was told, and what has arrived.
"""

import json
import sys
from itertools import count

import gevent
import redis
from gevent import monkey

from django_socketio import RelayError
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.redis.parts import Options
from django_socketio.relay.redis.relay import RedisRelay
from django_socketio.relay.topics import channel_topic

A = channel_topic("/", "a")
block = monkey.get_original("time", "sleep")


class Crowd:
    """Greenlets that publish numbers by one relay, and an inbox."""

    def __init__(self, url, timeout):
        self.url = url
        self.relay = RedisRelay(Options(url, timeout=timeout))
        self.numbers = count()
        self.told = {}
        self.arrived = []
        self.is_over = False
        self.relay.listen()
        with gevent.Timeout(10):
            while not self.relay.status()["alive"]:
                gevent.sleep(0.01)
        self.relay.subscribe(A, lambda delivery: self.arrived.append(delivery.envelope.args[0]))

    def publish(self):
        number = next(self.numbers)
        self.told[number] = "interrupted"
        try:
            self.told[number] = self.relay.publish(Envelope((A,), "/", "message", (number,)))
        except RelayError as error:
            self.told[number] = str(error)

    def keep_publishing(self):
        while not self.is_over:
            self.publish()
            gevent.sleep(0)

    def start(self, size=40):
        return [gevent.spawn(self.keep_publishing) for _ in range(size)]

    def end(self, greenlets):
        while len(self.told) <= 200:
            gevent.sleep(0.01)
        self.is_over = True
        gevent.joinall(greenlets, timeout=10, raise_error=True)
        self.publish()
        with gevent.Timeout(10):
            while max(self.told) not in self.arrived:
                gevent.sleep(0.01)

    def scene(self, name):
        getattr(self, name)()
        sys.stdout.write(json.dumps([[*self.told.items()], self.arrived]))

    def disturb(self, times, fault):
        """Publish while Redis is disturbed, again and again."""
        greenlets = self.start()
        client = redis.Redis.from_url(self.url)
        for _ in range(times):
            gevent.sleep(0.02)
            fault(client)
        self.end(greenlets)

    def blocked(self):
        """The loop is blocked for longer than Redis may take."""
        greenlets = self.start()
        for _ in range(2):
            gevent.sleep(0.02)
            block(1.7)
        self.end(greenlets)

    def interrupted(self):
        """Callers that wait for Redis, and those that work for others, give up."""
        greenlets = self.start()
        client = redis.Redis.from_url(self.url)
        for _ in range(3):
            gevent.sleep(0.02)
            client.execute_command("CLIENT", "PAUSE", 200)
            gevent.sleep(0.05)  # until all wait for answers, or for one that does
            for one in greenlets[:10]:
                one.kill(block=False)
            greenlets = [*greenlets[10:], *self.start(10)]
        self.end(greenlets)

    def together(self):
        """Many publish ten messages each, one by one."""
        ten = lambda: [self.publish() for _ in range(10)]  # noqa: E731
        greenlets = [gevent.spawn(ten) for _ in range(150)]
        gevent.joinall(greenlets, raise_error=True)
        self.end([])

    def killed(self):
        """Redis closes the connections."""
        kill = "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"
        self.disturb(20, lambda client: client.execute_command(*kill))

    def forgotten(self):
        """Redis forgets its scripts."""
        self.disturb(10, lambda client: client.script_flush())


if __name__ == "__main__":
    Crowd(sys.argv[1], float(sys.argv[3])).scene(sys.argv[2])
