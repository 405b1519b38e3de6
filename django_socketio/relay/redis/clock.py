"""The clock of Redis, by which a message that comes too late is told from one in time."""

import time

from redis.connection import ConnectionInterface

from django_socketio.relay.redis.reading import read_answer

TRIES = 3
"""How often Redis is asked for its time, if the answers are slow."""

VALID = 60.0
"""Seconds until the clock is looked at again: two clocks drift apart."""


class RedisClock:
    """Knows how far the clock of a Redis is ahead of this process's monotonic one.

    It never takes Redis's clock for later than it is: a message that its publisher has given up
    must not be in time.

    Args:
        timeout: seconds that the client waits for an answer of Redis.

    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._ahead = 0.0
        self._measured = float("-inf")

    @property
    def is_known(self) -> bool:
        """Whether the clock has been measured lately."""
        return time.monotonic() - self._measured < VALID

    def forget(self) -> None:
        """Have the clock measured before it is used again."""
        self._measured = float("-inf")

    def measure(self, connection: ConnectionInterface) -> None:
        """Ask Redis for its time, again if the answer took long: this process may have been busy.

        Raises:
            RedisError: Redis does not answer.

        """
        found = []
        for _ in range(TRIES):
            asked = time.monotonic()
            connection.send_command("TIME", check_health=False)
            seconds, microseconds = map(int, read_answer(connection))
            self._measured = time.monotonic()
            found.append(seconds + microseconds / 1_000_000 - self._measured)
            if self._measured - asked < 0.1 * self._timeout:
                break
        self._ahead = max(found)

    def deadline(self) -> bytes:
        """Return until when Redis may begin what is sent now, in its own time and in RESP.

        That is earlier than this side gives up, so that a message that has failed never arrives.
        """
        until = b"%.6f" % (time.monotonic() + 0.9 * self._timeout + self._ahead)
        return b"$%d\r\n%b\r\n" % (len(until), until)
