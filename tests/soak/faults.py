"""What goes wrong in a soak test, in turn."""

import itertools
import signal
import threading
import time
from collections import Counter

from tests.kit.redis_server import RedisServer


class KeptRedis(RedisServer):
    """A Redis that keeps all that it has confirmed, also when it is killed."""

    def start(self):
        return super().start("--appendonly", "yes", "--appendfsync", "always")


class Faults(threading.Thread):
    """Kills Redis's connections, kills and starts Redis, and reloads a server."""

    def __init__(self, redis, server, interval):
        super().__init__(daemon=True)
        self._redis, self._server, self._interval = redis, server, interval
        self._stopped = threading.Event()
        self.counts = Counter()
        self.failure = None
        self.start()

    def run(self):
        faults = {
            "Redis connections killed": self._redis.kill_connections,
            "Redis killed and started": self._restart,
            "servers reloaded": lambda: self._server.signal(signal.SIGHUP),
        }
        try:
            for number, (name, fault) in enumerate(itertools.cycle(faults.items())):
                if number < len(faults):  # the first round always comes to its end
                    time.sleep(self._interval)
                elif self._stopped.wait(self._interval):
                    return
                fault()
                self.counts[name] += 1
        except Exception as failure:
            self.failure = failure

    def _restart(self):
        self._redis.stop()
        self._redis.start()

    def stop(self):
        self._stopped.set()
        self.join()
