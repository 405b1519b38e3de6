"""The renewal of leases, with servers that are away and with changes meanwhile."""

import pytest
from redis.exceptions import ConnectionError

from django_socketio.relay.redis import leases
from django_socketio.relay.topics import channel_topic
from tests.kit.waiting import wait_until
from tests.relay.conftest import A

AWAY, HERE = ([channel_topic(f"/{name}", str(n)) for n in range(120)] for name in ("away", "here"))


@pytest.fixture
def new_leases():
    """Make leases, with what takes them: ``new_leases(take)``."""
    made = []

    def new(take):
        made.append(leases.Leases(take, by_namespace))
        return made[-1]

    yield new
    for one in made:
        one.stop()


def by_namespace(topics):
    names = sorted({topic.namespace for topic in topics})
    return [[topic for topic in topics if topic.namespace == name] for name in names]


def test_a_server_that_is_away_keeps_no_other_leases_from_being_renewed(new_leases):
    taken = set()

    def take(topics, seconds):
        if not {*topics}.isdisjoint(AWAY):
            raise ConnectionError("away")
        taken.update(topics)

    made = new_leases(take)
    for topic in (*AWAY, *HERE):
        made.begin(topic, None)
    made.renew((*AWAY, *HERE))
    wait_until(lambda: taken == {*HERE})


@pytest.mark.parametrize(("failing", "left"), [(AWAY, len(AWAY)), (AWAY[:1], leases.AT_ONCE)])
def test_a_failure_ends_the_renewal_of_a_servers_leases_until_the_next_one(
    new_leases, monkeypatch, failing, left
):
    failures, taken = [], set()

    def take(topics, seconds):
        if not {*topics}.isdisjoint(failing):
            failures.append(topics)
            raise ConnectionError("away")
        taken.update(topics)

    monkeypatch.setattr(leases, "PAUSE", 0)
    made = new_leases(take)
    made._topics = dict.fromkeys(AWAY, 0.0)
    for renewals in range(100):
        assert not made._renew_due()
        assert len(failures) == renewals + 1
    assert len({*AWAY} - taken) <= left  # the others are not behind the one that fails each time


def test_a_lease_that_is_to_be_renewed_while_it_is_taken_is_taken_once_more(new_leases):
    taken = []

    def take(topics, seconds):
        taken.append(topics)
        if len(taken) < 3:
            made.renew(topics)

    made = new_leases(take)
    made.begin(A, None)
    made.renew((A,))
    wait_until(lambda: taken == [[A]] * 3)
