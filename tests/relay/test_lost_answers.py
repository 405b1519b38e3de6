"""The fate of a message whose answer was lost, as logs that change meanwhile tell it."""

import pytest
from redis.exceptions import RedisError

from django_socketio.relay.redis.lost_answers import LATELY, Break, Fate, LogSearch
from tests.relay.conftest import A, B


class Logs:
    """Logs of which each reading has the next one of some answers, the last one for good."""

    def __init__(self, **answers):
        self._answers = {A: answers["a"], B: answers["b"]}

    def newest(self, topic, count):
        answers = self._answers[topic]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            raise RedisError("away")
        return answer


def fate(**answers):
    return LogSearch(Logs(**answers), timeout=0.1).find((A, B), b"sent", Break())


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
    assert fate(a=[[]], b=[[b"other"]]) == Fate()
