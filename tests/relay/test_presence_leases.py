"""Presence that takes long to tell, or that the relay fails to take in the middle."""

from contextlib import suppress
from itertools import pairwise

import pytest

from django_socketio import RelayError
from django_socketio.channels.noted_topics import PROLONG_INTERVAL, NotedTopics
from django_socketio.channels.other_processes import PATIENCE
from django_socketio.relay.memory_rosters import MemoryRosters
from django_socketio.relay.topics import presence_topic
from tests.kit.presence import ROOM, Site

TOPICS = [presence_topic("/", f"room-{number}") for number in range(40)]


class SlowRosters(MemoryRosters):
    """Shared rosters, each step of which takes a second, or fails."""

    are_shared = True

    def __init__(self, site):
        super().__init__(lambda envelope: None, lambda topic: None)
        self.site = site
        self.cost = 1
        self.renewed = {}
        self.steps = 0
        self.fails_at = 0

    def hold(self, process, holds):
        return [change for hold in holds for change in self._step(process, hold)]

    def _step(self, process, hold):
        self.site.now += self.cost
        self.steps += 1
        if self.steps == self.fails_at:
            raise RelayError("the relay is away")
        return super().hold(process, [hold])

    def renew(self, process, is_new):
        self.renewed.setdefault(process, []).append(self.site.now)
        return super().renew(process, is_new)

    def longest_gap(self, process):
        times = [*self.renewed[process.keeper.process], self.site.now]
        return max(later - earlier for earlier, later in pairwise(times))


@pytest.fixture
def site():
    site = Site()
    site.rosters = SlowRosters(site)
    return site


def open_all(process, person="ann"):
    """Have a person on all channels, as sockets do that come back at the same time."""
    for topic in TOPICS:
        process.keeper._is_scheduled = True  # tell the relay later
        process.open(person, topic=topic)
    process.keeper._flush()


def test_a_process_with_many_people_renews_its_lease_while_it_tells_of_them(site):
    process = site.start(site.rosters)
    open_all(process)
    assert site.rosters.longest_gap(process) < PATIENCE / 2
    assert site.told == [("join", "ann")] * len(TOPICS)


def test_a_process_that_removes_many_people_renews_its_lease_meanwhile(site):
    process, dead = site.start(site.rosters), site.start(site.rosters)
    site.rosters.cost = 0
    open_all(dead)
    dead.is_running = False
    site.rosters.cost = 1
    site.advance(60)
    assert site.told.count(("leave", "ann")) == len(TOPICS)
    assert site.rosters.longest_gap(process) < PATIENCE / 2


def test_a_frozen_process_with_many_people_comes_back_for_good(site):
    frozen = site.start(site.rosters)
    open_all(frozen)
    site.rosters.forget(frozen.keeper.process)  # another process has counted it as dead
    for topic in TOPICS:
        site.rosters._topics.pop(topic)
    site.told.clear()
    site.advance(90)
    assert site.told == [("join", "ann")] * len(TOPICS)
    assert site.rosters.longest_gap(frozen) < PATIENCE / 2


def test_a_process_that_loses_its_lease_in_the_middle_takes_another_name(site, monkeypatch):
    process = site.start(site.rosters)
    former = process.keeper.process
    hold = site.rosters.hold

    def lose(process, holds):
        if site.rosters.steps == 3:
            site.rosters.forget(process)  # as another process does that has counted it as dead
        return hold(process, holds)

    monkeypatch.setattr(site.rosters, "hold", lose)
    open_all(process)
    site.advance(90)
    assert process.keeper.process != former
    assert all(site.rosters.count(topic) == 1 for topic in TOPICS)
    assert {topic for topic in TOPICS if site.rosters.people_of(former, topic)} == set()
    assert site.told == [("join", "ann")] * len(TOPICS)


@pytest.mark.parametrize("fails_at", [1, 2, 20])
def test_changes_before_and_after_a_failure_of_the_relay_are_told_too(site, fails_at):
    process = site.start(site.rosters)
    site.rosters.fails_at = fails_at
    open_all(process)
    assert len(site.told) == len(TOPICS) - 1
    site.advance(90)
    assert site.told == [("join", "ann")] * len(TOPICS)


@pytest.mark.parametrize("fails_at", [1, 2, 20])
def test_the_people_of_a_dead_process_are_told_although_the_relay_fails(site, fails_at):
    site.start(site.rosters)
    dead = site.start(site.rosters)
    open_all(dead)
    dead.is_running = False
    site.told.clear()
    site.rosters.steps, site.rosters.fails_at = 0, fails_at
    site.advance(180)
    assert site.told == [("leave", "ann")] * len(TOPICS)


@pytest.mark.parametrize("fails_at", [1, 2, 20])
def test_nothing_is_kept_of_channels_that_people_have_left_although_the_relay_fails(site, fails_at):
    process = site.start(site.rosters)
    site.rosters.cost = 0
    tabs = [process.open("ann", topic=topic) for topic in TOPICS]
    site.rosters.steps, site.rosters.fails_at = 0, fails_at
    process.keeper._is_scheduled = True  # tell the relay later
    for tab, topic in zip(tabs, TOPICS, strict=True):
        process.close(tab, at_once=True, topic=topic)
    process.keeper._flush()
    site.advance(90)
    assert site.told.count(("leave", "ann")) == len(TOPICS)
    assert process.keeper._topics == {}
    assert process.keeper._noted.take() == set()


def test_a_process_that_froze_before_the_answer_about_its_lease_does_not_rely_on_it(site):
    process = site.start(site.rosters)
    process.open("ann")
    renew, former = site.rosters.renew, process.keeper.process

    def freeze(process, is_new):
        answer = renew(process, is_new)
        site.now += 60
        site.rosters.renew = renew
        site.rosters.forget(process)  # as another process does that has counted it as dead
        return answer

    site.rosters.renew = freeze
    process.keeper._renew()
    process.open("bob")
    assert process.keeper.process != former
    assert site.rosters.people_of(former, ROOM) == []
    assert {*site.rosters.read(ROOM).people} == {"ann", "bob"}


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("renew", "The lease of this process could not be renewed: the relay is away"),
        ("hold", "Who is present could not be noted; trying again: the relay is away"),
    ],
)
def test_a_relay_that_is_away_is_logged_once_a_minute(site, monkeypatch, caplog, method, text):
    caplog.set_level("INFO", logger="django_socketio.relay")
    process = site.start(site.rosters)

    def fail(process, *args, **options):
        raise RelayError("the relay is away")

    monkeypatch.setattr(site.rosters, method, fail)
    process.open("ann")
    site.advance(119)
    assert [one for one in caplog.messages if one == text] == [text] * 2


def test_people_whom_a_part_of_the_relay_has_lost_are_registered_again_and_nobody_is_told(site):
    site.rosters.are_divided = True
    process = site.start(site.rosters)
    site.rosters.cost = 0
    open_all(process)
    site.told.clear()
    for topic in TOPICS[::4]:
        site.rosters._topics.pop(topic)
    site.advance(120)
    assert all(site.rosters.count(topic) == 1 for topic in TOPICS)
    assert site.told == []
    assert len(site.rosters._leases) == 1


@pytest.fixture
def fails(site, monkeypatch):
    """Have the relay fail for some channels, as while a node of a cluster is down."""
    site.rosters.cost = 0

    def fail(*topics):
        def hold(process, holds, hold=site.rosters.hold):
            if not {hold.topic for hold in holds}.isdisjoint(topics):
                raise RelayError("the node is away")
            return hold(process, holds)

        monkeypatch.setattr(site.rosters, "hold", hold)

    return fail


def test_people_whom_a_part_of_the_relay_cannot_take_yet_are_not_lost(site, fails, monkeypatch):
    site.rosters.are_divided = True
    process = site.start(site.rosters)
    former = process.keeper.process
    fails(TOPICS[0])
    process.open("ann", topic=TOPICS[1])
    process.open("ann", topic=TOPICS[0])
    site.advance(30)
    monkeypatch.undo()
    site.advance(30)
    assert process.keeper.process == former
    assert site.told == [("join", "ann")] * 2


@pytest.mark.parametrize("failing", [TOPICS[:1], TOPICS[:9]], ids=len)
def test_a_part_of_the_relay_that_fails_does_not_hold_up_others(site, fails, monkeypatch, failing):
    process = site.start(site.rosters)
    fails(*failing)
    open_all(process)
    site.advance(5)
    assert site.told == [("join", "ann")] * (len(TOPICS) - len(failing))
    tab = process.open("bob", topic=TOPICS[-1])
    process.close(tab, at_once=True, topic=TOPICS[-1])
    assert site.told[-2:] == [("join", "bob"), ("leave", "bob")]
    monkeypatch.undo()
    site.advance(5)
    assert site.told.count(("join", "ann")) == len(TOPICS)
    assert process.keeper._due.take() == {}


@pytest.mark.parametrize("failing", [TOPICS[:1], TOPICS[:9]], ids=len)
def test_a_part_of_the_relay_that_fails_does_not_hold_up_the_end_of_a_process(
    site, fails, monkeypatch, caplog, failing
):
    site.start(site.rosters)
    dead = site.start(site.rosters)
    open_all(dead)
    dead.is_running = False
    fails(*failing)
    caplog.set_level("INFO", logger="django_socketio.relay")
    site.advance(180)
    assert site.told.count(("leave", "ann")) == len(TOPICS) - len(failing)
    assert "Who is present could not be noted; trying again: the node is away" in caplog.messages
    assert "lease" not in caplog.text
    monkeypatch.undo()
    site.advance(30)
    assert site.told.count(("leave", "ann")) == len(TOPICS)
    assert dead.keeper.process not in site.rosters._leases


def test_a_part_of_the_relay_that_fails_does_not_hold_up_a_process_with_a_new_name(site, fails):
    process = site.start(site.rosters)
    open_all(process)
    site.rosters.forget(process.keeper.process)  # another process has counted it as dead
    fails(TOPICS[0])
    site.advance(10)
    assert all(
        site.rosters.people_of(process.keeper.process, topic) == ["ann"] for topic in TOPICS[1:]
    )


class DividedRosters(MemoryRosters):
    """Rosters of which a part cannot be reached."""

    def __init__(self, away):
        super().__init__(lambda envelope: None, lambda topic: None)
        self.away, self.prolonged = away, set()

    def prolong(self, process, topics):
        for topic in topics:
            if topic in self.away:
                raise RelayError("the node is away")
            self.prolonged.add(topic)


def test_rosters_are_prolonged_while_a_node_with_others_is_away(site):
    rosters = DividedRosters(away={*TOPICS[:20]})
    noted = NotedTopics(rosters, lambda: site.now)
    noted.note("p", {*TOPICS})
    site.now += PROLONG_INTERVAL
    for _ in range(1000):
        with suppress(RelayError):
            noted.prolong("p")
    assert rosters.prolonged == {*TOPICS[20:]}
