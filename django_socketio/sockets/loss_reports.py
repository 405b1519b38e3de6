"""Telling sockets of messages that were lost, without holding up other sockets."""

from collections import deque
from collections.abc import Callable

import gevent

from django_socketio.channels.registry import Channels
from django_socketio.channels.subscriber import Subscriber
from django_socketio.concurrency import hub_log
from django_socketio.concurrency.executors import Executor
from django_socketio.concurrency.failures import failures
from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.turns import turns_of_hub
from django_socketio.concurrency.workers import Workers
from django_socketio.relay.topics import Topic

AT_ONCE = 10
"""Reports that may wait for workers at the same time, before the events of other sockets."""

LOOK_INTERVAL = 0.005
"""Seconds between looks for a worker that is free."""

LONGEST_WAIT = 0.1
"""Seconds after which further reports are made even if no worker is free."""

Report = tuple[Subscriber, Topic]


class LossReports:
    """Reports each loss to the subscribers of its topic: a few at a time, while workers are free.

    A loss that is about to be reported to a subscriber is not reported twice.

    Args:
        channels: knows the subscribers.
        executor: runs the handlers that get the reports.

    """

    def __init__(self, channels: Callable[[], Channels], executor: Executor) -> None:
        self._channels = channels
        self._executor = executor
        self._reports: deque[Report] = deque()
        self._known: set[Report] = set()

    def add(self, topic: Topic) -> None:
        """Have the present subscribers of a topic told of a loss; called in the event loop.

        Clients that keep positions are told at once: with a message that comes later, their
        position moves past the loss.
        """
        members = self._channels().members(topic)
        for subscriber in members:
            subscriber.missed(topic)
        if topic.policy.tells_losses:
            self._have_reported(topic, members)

    def _have_reported(self, topic: Topic, members: list[Subscriber]) -> None:
        is_idle = not self._reports
        new = [(one, topic) for one in members]
        new = [report for report in new if report not in self._known]
        self._known.update(new)
        self._reports.extend(new)
        if is_idle and new:
            self._start()

    def _start(self) -> None:
        if isinstance(self._executor, Workers):
            gevent.spawn(self._run, self._executor)
        else:
            self._report(len(self._reports))

    def _run(self, workers: Workers) -> None:
        while self._reports:
            self._report(AT_ONCE)
            turns_of_hub().wait()
            end = clock() + LONGEST_WAIT
            while workers.are_busy and clock() < end:
                gevent.sleep(LOOK_INTERVAL)

    def _report(self, count: int) -> None:
        for _ in range(min(count, len(self._reports))):
            report = self._reports.popleft()
            self._known.discard(report)
            subscriber, topic = report
            if self._channels().has(topic, subscriber):
                try:
                    subscriber.lost(topic.name)
                except failures():
                    hub_log.exception("A loss could not be reported")
