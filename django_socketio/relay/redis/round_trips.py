"""Round trips to one Redis, shared by callers of the same moment.

A command takes a free connection, and makes a round trip of its own at once. While all connections
are busy, commands are queued, first come, first served: the next connection that is free takes many
of them along. Where the last round trip had several commands, more are to be expected: the next one
lets the greenlets that are ready queue theirs before it is sent. A command waits for no clock, so
only Redis can make it fail.

The callers themselves do the work, one of them on each connection at a time; no thread stands
behind them. A caller that is interrupted leaves its connection, with the answers that are still to
come, to another caller.
"""

import os
import threading
import time
from collections import deque
from typing import Any

from redis.connection import BlockingConnectionPool
from redis.exceptions import RedisError, TimeoutError

from django_socketio.concurrency.patched import is_patched
from django_socketio.relay.redis.clock import RedisClock
from django_socketio.relay.redis.line import Command, Line, NotSent

LINES = 4
"""Connections on which round trips are made at the same time, unless the pool allows fewer."""

MOST_COMMANDS, MOST_BYTES = 100, 100_000
"""How much may share a round trip; a single command may be longer.

The kernel takes so much at once: what waits to be sent may come too late.
"""


class RoundTrips:
    """Takes commands to Redis; safe in threads, greenlets and after a fork.

    Args:
        pool: makes the connections.
        timeout: seconds for connecting, and for an answer.

    """

    def __init__(self, pool: BlockingConnectionPool, timeout: float) -> None:
        self._pool = pool
        self._timeout = timeout
        self.clock = RedisClock(timeout)
        self._reset()

    def _reset(self) -> None:
        """Begin anew: a forked process has connections of its own."""
        count = min(LINES, self._pool.max_connections)
        self._lines = [
            Line(self._pool.make_connection, self.clock, self._timeout) for _ in range(count)
        ]
        self._free = [*self._lines]
        self._queue: deque[Command] = deque()
        self._lock = threading.Lock()
        self._gatherer: Line | None = None
        """The line that is about to take along what is queued meanwhile."""
        self._gathers = is_patched("threading")
        """Whether callers are greenlets; a thread that lets others run may wait milliseconds."""
        self._are_many = False
        """Whether more than one of them is to be expected at a time."""
        self._pid = os.getpid()

    def close(self) -> None:
        """Close the connections: those on which a round trip is made once it is over."""
        if self._pid != os.getpid():
            self._reset()
        with self._lock:
            for line in self._lines:
                if line in self._free:
                    line.disconnect()
                else:
                    line.is_closing = True

    def ask(self, before: bytes, after: bytes | None = None) -> Any:
        """Return Redis's answer to a command.

        Args:
            before: the packed command, or its part before its deadline.
            after: its part after the deadline; None for a command without one. The deadline is
                made when the command is sent.

        Raises:
            NotSent: Redis is not reached.
            AnswerLost: the connection broke before the answer came.
            RedisError: Redis did not answer in time, or answered by an error.

        """
        return self.carry(Command(before, after))

    def carry(self, command: Command) -> Any:
        """Return Redis's answer to a command, which may share a call with others.

        Raises:
            NotSent, AnswerLost, RedisError: as ``ask``.

        """
        if self._pid != os.getpid():
            self._reset()
        line = self._enter(command) or self._wait(command)
        if line is not None:
            self._work(line, command)
        if command.error is not None:
            raise command.error
        return command.answer

    def _enter(self, command: Command) -> Line | None:
        """Give a command a free line; queue it if there is none, or one that gathers commands."""
        with self._lock:
            if self._free and self._gatherer is None:
                line = self._free.pop()
                line.commands.append(command)
                self._gatherer = line if self._are_many else None
                return line
            command.since = time.monotonic()
            command.woken = threading.Lock()
            command.woken.acquire()
            self._queue.append(command)
            return None

    def _wait(self, command: Command) -> Line | None:
        """Wait for the answer; return a line instead if the caller has to work on it."""
        try:
            command.woken.acquire()
        except BaseException:
            self._leave(command)
            raise
        return command.line

    def _leave(self, command: Command) -> None:
        """Forget a caller that was interrupted while it waited."""
        with self._lock:
            command.is_gone, command.woken = True, None
            if command in self._queue:
                self._queue.remove(command)
        if command.line is not None:
            self._pass_on(command.line, command)

    def _work(self, line: Line, command: Command) -> None:
        """Make a round trip, or what is left of one, and hand the line on."""
        is_warm = command.woken is not None
        try:
            if self._gatherer is line:
                self._gather()
            self._fill(line)
            line.exchange(is_warm)
        except NotSent as error:
            self._fail_queued(error.reason)
        except TimeoutError as error:
            self._fail_queued(error)
        except RedisError:
            pass  # each command has its error
        except BaseException:
            self._interrupted(line, command)
            raise
        self._release(line)

    def _gather(self) -> None:
        """Let the greenlets that are ready queue their commands."""
        try:
            time.sleep(0)
        finally:
            self._gatherer = None

    def _fill(self, line: Line) -> None:
        """Take queued commands along; hand out free lines to those that are too many."""
        if line.is_sent:
            return
        commands = line.commands
        if self._queue:
            self._take_queued(commands)
        self._are_many = self._gathers and len(commands) > 1
        while self._queue and (free := self._free_for_queued()) is not None:
            self._release(free)

    def _take_queued(self, commands: deque[Command]) -> None:
        size = sum(map(len, commands))
        with self._lock:
            while self._queue and len(commands) < MOST_COMMANDS:
                size += len(self._queue[0])
                if size > MOST_BYTES:
                    break
                commands.append(self._queue.popleft())

    def _free_for_queued(self) -> Line | None:
        with self._lock:
            return self._free.pop() if self._queue and self._free else None

    def _release(self, line: Line) -> None:
        """Hand a line to the first command in the queue; without one, it is free."""
        with self._lock:
            if line.is_closing:
                line.disconnect()
            if not self._queue:
                self._free.append(line)
                return
            command = self._queue.popleft()
            line.commands.append(command)
            command.line = line
        command.wake()

    def _interrupted(self, line: Line, command: Command) -> None:
        with self._lock:
            command.is_gone = True
        if line.interrupted(is_patched("threading")):
            self._pass_on(line, command)
        else:
            self._release(line)

    def _pass_on(self, line: Line, gone: Command) -> None:
        """Have another caller work on a line whose caller was interrupted."""
        with self._lock:
            if not line.is_sent and gone in line.commands:
                line.commands.remove(gone)
            heir = next((one for one in line.commands if not one.is_gone), None)
            if heir is not None:
                heir.line = line
        if heir is not None:
            heir.wake()
        else:
            line.abandon()
            self._release(line)

    def _fail_queued(self, error: RedisError) -> None:
        """Fail the commands that have waited for as long as Redis may take, now that it fails."""
        failed = []
        oldest = time.monotonic() - self._timeout
        with self._lock:
            while self._queue and self._queue[0].since < oldest:
                failed.append(self._queue.popleft())
        for command in failed:
            command.settle(None, NotSent(error))
