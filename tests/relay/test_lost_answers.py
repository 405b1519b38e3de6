"""The fate of a message whose answer was lost, as logs that change meanwhile tell it."""

import pytest
from redis.exceptions import ResponseError, TimeoutError

from django_socketio.relay.redis.lost_answers import LATELY, Break, Fate, LogSearch
from django_socketio.relay.topics import channel_topic
from tests.relay.conftest import A, B


class Logs:
    """Logs of which each reading has the next one of some answers, the last one for good."""

    def __init__(self, **answers):
        self._answers = {A: answers["a"], B: answers["b"]}

    def newest(self, topic, count):
        answers = self._answers[topic]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            raise ResponseError("refused")
        return answer


def fate(**answers):
    return LogSearch(Logs(**answers), timeout=0.1).find((A, B), {b"sent"}, Break())


def test_a_log_that_is_read_before_the_message_comes_does_not_lack_it():
    assert fate(a=[[], [b"sent"]], b=[[b"sent"]]) == Fate((B, A), ())


def test_a_log_that_is_read_after_the_message_was_found_lacks_it():
    assert fate(a=[[]], b=[[b"other", b"sent"]]) == Fate((B,), (A,))


def test_a_log_that_has_gone_on_for_long_or_cannot_be_read_tells_nothing():
    newer = [b"%d" % number for number in range(LATELY)]
    assert fate(a=[newer], b=[[b"sent"]]) == Fate((B,), ())
    assert fate(a=[None], b=[[b"sent"]]) == Fate((B,), ())


@pytest.mark.parametrize(
    ("later", "found"),
    [([None], Fate((A,))), ([[]], Fate((A,), (B,))), ([None, [b"sent"]], Fate((A, B)))],
)
def test_what_was_found_counts_although_the_log_cannot_be_read_again(later, found):
    assert fate(a=[[b"sent"], None], b=[None, *later]) == found


def test_what_no_log_has_was_not_taken():
    assert fate(a=[[]], b=[[b"other"]]) == Fate(is_refused=True)


@pytest.mark.parametrize("log", [None, [b"%d" % number for number in range(LATELY)]])
def test_what_may_be_in_a_log_that_cannot_be_read_so_far_may_have_been_taken(log):
    assert fate(a=[[], log], b=[[]]) == Fate()


class HangingLogs:
    """Logs of a Redis that hangs: each reading takes half of the timeout, on a clock of its own."""

    def __init__(self, timeout):
        self.now, self._timeout, self.read = 100.0, timeout, 0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def newest(self, topic, count):
        self.read += 1
        self.now += self._timeout / 2
        raise TimeoutError


@pytest.mark.parametrize("is_late", [True, False])
def test_a_redis_that_hangs_holds_no_publisher_for_longer_than_the_timeout(monkeypatch, is_late):
    logs = HangingLogs(timeout=2.0)
    monkeypatch.setattr("django_socketio.relay.redis.lost_answers.time", logs)
    search, at = LogSearch(logs, timeout=2.0), Break(is_late)
    topics = [channel_topic("/", f"{number}") for number in range(30)]
    for first in (0, 10, 20):  # the messages of several publishers on one connection
        assert search.find(topics[first:], {b"sent"}, at) == Fate()
    assert logs.now <= at.since + 2.0
    assert logs.read == (1 if is_late else 2)
