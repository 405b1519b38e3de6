"""Rosters: what every relay knows of the people on channels; each test runs with all relays."""

import pytest

from django_socketio import RelayError
from django_socketio.relay.envelope import EnvelopeKind
from django_socketio.relay.roster import LEAVING, Entry, Hold, Presence
from django_socketio.relay.topics import presence_topic
from tests.kit.presence import Site
from tests.relay.conftest import relays_at

ROOM, OTHER = presence_topic("/", "room-1"), presence_topic("/", "room-2")
ONLINE, AWAY, GONE = Presence.ONLINE, Presence.AWAY, Presence.GONE
DETAILS = '{"name": "Ann \\n ü"}'


def hold(person, presence=ONLINE, topic=ROOM, details=DETAILS):
    return Hold(topic, person, presence, details)


def steps(changes):
    return [(one.person, one.before, one.presence) for one in changes]


@pytest.fixture
def rosters(pair):
    """The rosters as two processes have them."""
    return pair[0][0].rosters, pair[1][0].rosters


def test_a_person_is_present_while_any_process_holds_it(rosters):
    here, there = rosters
    here.note("p1", [ROOM])
    assert steps(here.hold("p1", [hold("ann")])) == [("ann", GONE, ONLINE)]
    assert steps(there.hold("p2", [hold("ann"), hold("bob")])) == [("bob", GONE, ONLINE)]
    assert here.hold("p1", [hold("ann")]) == []  # again: the answer may have been lost
    assert there.read(ROOM).people == dict.fromkeys(("ann", "bob"), Entry(ONLINE, DETAILS))
    assert (here.count(ROOM), here.count(OTHER)) == (2, 0)
    assert here.hold("p1", [hold("ann", GONE)]) == []
    assert here.hold("p1", [hold("ann", GONE), hold("nobody", GONE)]) == []
    changes = there.hold("p2", [hold("ann", GONE), hold("bob", GONE)])
    assert steps(changes) == [("ann", ONLINE, GONE), ("bob", ONLINE, GONE)]
    assert here.read(ROOM).people == {}
    assert here.people_of("p1", ROOM) == there.people_of("p2", ROOM) == []


def test_a_person_is_away_while_no_process_has_it_online(rosters):
    here, there = rosters
    assert steps(here.hold("p1", [hold("ann", AWAY)])) == [("ann", GONE, AWAY)]
    assert steps(there.hold("p2", [hold("ann")])) == [("ann", AWAY, ONLINE)]
    assert here.hold("p1", [hold("ann", AWAY)]) == []
    assert steps(there.hold("p2", [hold("ann", GONE)])) == [("ann", ONLINE, AWAY)]
    assert here.read(ROOM).people == {"ann": Entry(AWAY, DETAILS)}
    assert steps(here.hold("p1", [hold("ann")])) == [("ann", AWAY, ONLINE)]
    assert steps(here.hold("p1", [hold("ann", AWAY)])) == [("ann", ONLINE, AWAY)]
    assert steps(here.hold("p1", [hold("ann", GONE)])) == [("ann", AWAY, GONE)]


def test_each_change_is_a_message_with_a_position(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(ROOM, inbox.deliver)
    here.rosters.hold("p1", [hold("ann"), hold("bob", AWAY), hold("ann")])
    here.rosters.hold("p1", [hold("bob", GONE), hold("cid", topic=OTHER), hold("ann", AWAY)])
    expected = [
        ("ann", "online", DETAILS),
        ("bob", "away", DETAILS),
        ("bob", "gone", ""),
        ("ann", "away", ""),
    ]
    inbox.wait(lambda: len(inbox.envelopes) == 4)
    assert [one.args for one in inbox.envelopes] == expected
    assert {one.kind for one in inbox.envelopes} == {EnvelopeKind.CONTROL}
    roster = there.rosters.read(ROOM)
    assert roster.people == {"ann": Entry(AWAY, DETAILS)}
    assert roster.position == here.position(ROOM) == inbox.deliveries[-1].position
    assert roster.position.offset == 4
    changes = there.read(ROOM, roster.position._replace(offset=2))
    assert changes.is_complete
    assert [one.envelope.args for one in changes.deliveries] == expected[2:]


def test_changes_that_nobody_hears_have_positions_as_well(pair):
    (here, _), (there, _) = pair
    here.rosters.hold("p1", [hold("ann")])
    before = there.rosters.read(ROOM)
    assert before.position.offset == 1
    here.rosters.hold("p1", [hold("ann", GONE)])
    assert there.rosters.read(ROOM).position.offset == 2
    assert len(there.read(ROOM, before.position).deliveries) == 1


def test_the_people_of_a_process_are_found_and_removed(rosters):
    here, there = rosters
    here.note("p1", [ROOM, OTHER])
    here.hold("p1", [hold(f"person-{n}") for n in range(120)])
    here.hold("p1", [hold("ann", topic=OTHER)])
    assert {*there.topics_of("p1")} == {ROOM, OTHER}
    people = there.people_of("p1", ROOM)
    assert len(people) == 120
    gone = [hold(person, GONE) for person in people]
    swept = [len(one.hold("p1", gone)) for one in (there, here)]
    assert swept == [120, 0]
    here.hold("p1", [hold("ann", GONE, OTHER)])
    there.forget("p1")
    assert there.topics_of("p1") == []


def test_a_lease_shows_that_its_process_lives(rosters):
    here, there = rosters
    first = here.renew("p1", is_new=True)
    second = here.renew("p1", is_new=False)
    other = there.renew("p2", is_new=True)
    assert first.is_held and second.is_held and other.is_held
    assert first.leases["p1"] != second.leases["p1"] == other.leases["p1"]
    assert first.data == other.data
    there.forget("p1")
    lost = here.renew("p1", is_new=False)
    assert not lost.is_held
    assert lost.data == first.data
    assert {*lost.leases} == {"p2"}


def test_a_process_that_stops_says_so(rosters):
    here, there = rosters
    if not here.are_shared:
        return here.leave("p1")
    here.renew("p1", is_new=True)
    here.leave("p1")
    assert there.renew("p2", is_new=True).leases["p1"] == LEAVING


def test_the_details_of_the_first_process_stay_for_as_long_as_the_person(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(ROOM, inbox.deliver)
    for process, presence in [("p1", ONLINE), ("p1", AWAY), ("p2", ONLINE), ("p1", GONE)]:
        here.rosters.hold(process, [hold("ann", presence, details=f'"{process}"')])
    here.rosters.hold("p2", [hold("ann", AWAY, details='"p2"')])
    inbox.wait(lambda: len(inbox.envelopes) == 4)
    assert here.rosters.read(ROOM).people == {"ann": Entry(AWAY, '"p1"')}
    told = [one.args for one in inbox.envelopes]
    assert told[0] == ("ann", "online", '"p1"')
    assert {details for _, _, details in told[1:]} == {""}


@pytest.fixture
def by_tap(tcp_redis):
    """Rosters whose Redis is reached by a tap, and the tap."""
    with relays_at(f"redis://127.0.0.1:{tcp_redis.tap.port}") as new:
        rosters = new(listen=False)[0].rosters
        rosters.renew("p1", is_new=True)
        rosters.hold("p1", [hold("somebody")])  # this brings the script
        yield rosters, tcp_redis.tap


@pytest.fixture
def other_rosters(tcp_redis):
    """Rosters of another process, which reaches Redis itself."""
    with relays_at(tcp_redis.url) as new:
        yield new(listen=False)[0].rosters


def test_a_change_is_told_although_its_answer_was_lost(by_tap):
    rosters, tap = by_tap
    tap.answers_to_lose = 1
    assert steps(rosters.hold("p1", [hold("ann")])) == [("ann", GONE, ONLINE)]
    assert tap.answers_to_lose == 0


def test_a_change_is_told_by_a_later_order_if_all_answers_were_lost(by_tap):
    rosters, tap = by_tap
    joined, left = ("ann", GONE, ONLINE), ("ann", ONLINE, GONE)
    lose_all(tap, lambda: rosters.hold("p1", [hold("ann")]))
    lose_all(tap, lambda: rosters.hold("p1", [hold("bob")]))
    changes = steps(rosters.hold("p1", [hold("ann", GONE), hold("bob")]))
    assert changes == [joined, left, ("bob", GONE, ONLINE)]
    assert rosters.hold("p1", [hold("bob")]) == []


def test_the_end_of_a_process_is_told_although_all_answers_were_lost(by_tap):
    rosters, tap = by_tap
    gone = [hold("somebody", GONE)]
    lose_all(tap, lambda: rosters.hold("p1", gone))
    rosters.renew("p2", is_new=True)
    assert rosters.people_of("p1", ROOM) == ["somebody"]
    assert steps(rosters.hold("p1", gone)) == [("somebody", ONLINE, GONE)]
    assert rosters.people_of("p1", ROOM) == []


def test_the_order_of_another_process_takes_no_answer_away(by_tap, other_rosters):
    rosters, tap = by_tap
    gone = [hold("somebody", GONE)]
    lose_all(tap, lambda: rosters.hold("p1", gone))
    assert steps(other_rosters.hold("p1", [hold("ann")])) == [("ann", GONE, ONLINE)]
    assert steps(rosters.hold("p1", gone)) == [("somebody", ONLINE, GONE)]


def test_a_leave_is_told_although_another_process_has_forgotten_the_dead_one(
    by_tap, other_rosters, monkeypatch
):
    (rosters, tap), site = by_tap, Site()
    dead, watcher = site.start(other_rosters), site.start(rosters)
    dead.open("ann")
    dead.is_running, removing = False, rosters.hold

    def remove(*args):
        tap.answers_to_lose = 100
        return removing(*args)

    monkeypatch.setattr(rosters, "hold", remove)
    while not tap.answers_to_lose:
        site.advance(1)
    tap.answers_to_lose = 0
    monkeypatch.setattr(rosters, "hold", removing)
    for process in {*rosters.renew("p2", is_new=True).leases} - {watcher.keeper.process, "p2"}:
        other_rosters.forget(process)
    assert site.told == [("join", "ann")]
    site.advance(6)
    assert site.told == [("join", "ann"), ("leave", "ann")]
    assert rosters.renew("p2", is_new=False).ended == []


def lose_all(tap, ask):
    """Lose the answers to a question, each time that it is asked."""
    tap.answers_to_lose = 100
    with pytest.raises(RelayError):
        ask()
    tap.answers_to_lose = 0
