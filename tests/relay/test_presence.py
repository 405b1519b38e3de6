"""Presence over several processes that die, freeze and stop, with real relays between them."""

import pytest

from django_socketio.channels.other_processes import RENEW_INTERVAL
from django_socketio.relay.roster import ROSTER_LIFE, Hold, Presence
from django_socketio.relay.topics import presence_topic
from tests.kit.presence import ROOM, Site
from tests.kit.waiting import wait_until
from tests.relay.conftest import keys_of_topics

OTHER = presence_topic("/", "room-2")
KINDS = ["redis", "cluster"]


@pytest.fixture(params=KINDS)
def new_rosters(request):
    """Make the rosters of a process."""
    of_kind = {"redis": "new_redis", "cluster": "new_cluster"}
    new = request.getfixturevalue(of_kind[request.param])
    return lambda: new(listen=False)[0].rosters


@pytest.fixture
def site(new_rosters):
    """A site of three processes."""
    site = Site()
    site.rosters = [new_rosters() for _ in range(3)]
    for rosters in site.rosters:
        site.start(rosters)
    return site


def present(site):
    return {*site.rosters[0].read(ROOM).people}


def test_tabs_in_several_processes_are_one_person(site):
    first, second, _ = site.processes
    tab, other = first.open("ann"), second.open("ann")
    second.open("bob")
    assert present(site) == {"ann", "bob"}
    first.close(tab)
    site.advance(60)
    assert present(site) == {"ann", "bob"}
    second.close(other, at_once=True)
    assert present(site) == {"bob"}
    assert site.told == [("join", "ann"), ("join", "bob"), ("leave", "ann")]


def test_a_reload_that_comes_to_another_process_is_no_leave(site):
    tab = site.processes[0].open("ann")
    for number in range(1, 5):
        site.processes[(number - 1) % 3].close(tab)
        site.advance(4)
        tab = site.processes[number % 3].open("ann")
        site.advance(10)
    assert site.told == [("join", "ann")]
    assert present(site) == {"ann"}


def test_the_people_of_a_killed_process_leave_within_a_minute_and_once(site):
    killed, other, _ = site.processes
    for person in ("ann", "bob"):
        killed.open(person)
    other.open("bob")
    killed.is_running = False
    site.advance(14)
    assert present(site) == {"ann", "bob"}
    site.advance(46)
    assert present(site) == {"bob"}
    assert site.told == [("join", "ann"), ("join", "bob"), ("leave", "ann")]
    assert site.rosters[0].topics_of(killed.keeper.process) == []


def test_a_process_that_was_frozen_registers_its_people_again(site):
    frozen, *_ = site.processes
    frozen.open("ann")
    frozen.is_running = False
    site.advance(40)
    assert present(site) == set()
    frozen.is_running = True
    former = frozen.keeper.process
    frozen.open("bob")  # before its timers have run
    assert present(site) == {"ann", "bob"}
    assert frozen.keeper.process != former
    site.advance(60)
    assert present(site) == {"ann", "bob"}
    assert site.told[:2] == [("join", "ann"), ("leave", "ann")]
    assert sorted(site.told[2:]) == [("join", "ann"), ("join", "bob")]


def test_an_order_that_comes_late_from_a_frozen_process_leaves_nobody_behind(site):
    frozen, *_ = site.processes
    frozen.open("ann")
    former = frozen.keeper.process
    frozen.is_running = False
    site.advance(40)
    order = frozen.keeper._rosters.hold
    order(former, [Hold(ROOM, "ghost", Presence.ONLINE, '[null,"ghost"]')])
    frozen.is_running = True
    site.advance(60)
    assert present(site) == {"ann"}


def test_a_site_that_stood_still_as_a_whole_loses_nobody(site):
    for number, process in enumerate(site.processes):
        process.open(f"person-{number}")
    site.now += 3600  # the computer slept
    site.advance(6)
    for seconds in (6, 3600):
        site.now += seconds
        site.processes[0].run()  # before the others, which have not renewed their leases
    site.advance(60)
    assert len(present(site)) == 3
    assert [one[0] for one in site.told] == ["join"] * 3


def test_nobody_leaves_when_all_processes_are_reloaded(site, new_rosters):
    for process in [*site.processes]:
        process.open("ann")
        process.open(f"of-{id(process)}")
    before = present(site)
    for process in [*site.processes]:
        process.keeper.stop()
        process.is_running = False
        site.advance(3)
        replacement = site.start(new_rosters())
        replacement.open("ann")
        replacement.open(f"of-{id(process)}")
    site.advance(120)
    assert present(site) == before
    assert {one[0] for one in site.told} == {"join"}
    assert len(site.told) == 4


def test_who_does_not_come_back_after_a_reload_leaves(site):
    stopped, *_ = site.processes
    stopped.open("ann")
    stopped.keeper.stop()
    stopped.is_running = False
    site.advance(30)
    assert present(site) == set()
    assert site.told == [("join", "ann"), ("leave", "ann")]


def test_the_first_process_of_a_new_start_removes_who_was_there(site, new_rosters):
    for process in site.processes:
        process.open("ann")
        process.is_running = False
    site.start(new_rosters())
    site.advance(40)
    assert present(site) == set()
    assert site.told == [("join", "ann"), ("leave", "ann")]


def test_away_is_told_and_is_present(site):
    first, second, _ = site.processes
    tab = first.open("ann")
    first.keeper.set_away(ROOM, tab, True)
    assert [entry.presence for entry in site.rosters[1].read(ROOM).people.values()] == ["away"]
    second.open("ann")
    assert [entry.presence for entry in site.rosters[1].read(ROOM).people.values()] == ["online"]
    first.keeper.set_away(ROOM, tab, False)
    assert site.told == [("join", "ann")]


def test_a_redis_that_was_emptied_is_filled_again_and_nobody_is_told(redis_server, new_redis):
    site = Site()
    relays = [new_redis(listen=False)[0] for _ in range(2)]
    processes = [site.start(relay.rosters) for relay in relays]
    for process in processes:
        process.open("ann")
    processes[1].open("bob")
    redis_server.client.flushall()
    assert relays[0].rosters.count(ROOM) == 0
    site.advance(11)
    assert {*relays[0].rosters.read(ROOM).people} == {"ann", "bob"}
    site.advance(60)
    assert {*relays[0].rosters.read(ROOM).people} == {"ann", "bob"}
    assert site.told == [("join", "ann"), ("join", "bob")]


@pytest.mark.needs("shards")
def test_a_node_of_a_cluster_that_was_emptied_is_filled_again(cluster, new_cluster):
    site = Site()
    relay = new_cluster(listen=False)[0]
    process = site.start(relay.rosters)
    topics = [presence_topic("/", f"room-{number}") for number in range(12)]
    for topic in topics:
        process.open("ann", topic=topic)
    home = cluster.node_of(relay._keyspace.processes)
    for node in cluster.nodes:
        for key in [*node.client.scan_iter(f"{relay._keyspace._before}presence*")]:
            if node is not home:
                node.client.delete(key)
    assert sum(map(relay.rosters.count, topics)) < 12
    site.advance(120)
    assert [*map(relay.rosters.count, topics)] == [1] * 12
    assert site.told == [("join", "ann")] * 12


@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.parametrize("since", [RENEW_INTERVAL, 2 * RENEW_INTERVAL])
def test_a_redis_with_older_data_is_corrected_and_nobody_is_told(
    redis_server, new_redis, since, is_told
):
    site = Site()
    rosters = new_redis(listen=False)[0].rosters
    process = site.start(rosters)
    tab = process.open("ann")
    site.advance(6)
    dumps = {
        key: (redis_server.client.dump(key), redis_server.client.pttl(key))
        for key in redis_server.client.scan_iter()
    }
    process.close(tab, at_once=True)
    process.open("bob")
    site.advance(since)
    redis_server.client.flushall()
    for key, (dump, ttl) in dumps.items():
        redis_server.client.restore(key, max(ttl, 0), dump)
    assert {*rosters.read(ROOM).people} == {"ann"}
    if is_told:  # before the time of the next renewal, and so much that it takes long
        site.now += RENEW_INTERVAL
        process.open("carol")
    site.advance(11)
    people = ["bob", "carol"] if is_told else ["bob"]
    assert {*rosters.read(ROOM).people} == {*people}
    joins = [("join", person) for person in people]
    assert site.told == [("join", "ann"), ("leave", "ann"), *joins]


def test_a_redis_that_is_away_for_long_costs_nobody_and_nothing(tmp_path, new_redis, redis_server):
    site = Site()
    rosters = [new_redis(listen=False)[0].rosters for _ in range(2)]
    processes = [site.start(one) for one in rosters]
    tab = processes[0].open("ann")
    redis_server.stop()
    processes[1].open("bob")
    processes[0].close(tab)
    site.advance(120, step=5)
    redis_server.start()
    wait_until(lambda: _answers(rosters[0]))
    site.advance(30)
    assert {*rosters[0].read(ROOM).people} == {"bob"}


def _answers(rosters):
    try:
        return rosters.count(ROOM) >= 0
    except Exception:
        return False


def _kind_of(key):
    return key.rpartition(b"}")[2]


def test_whatever_is_in_redis_ends_some_time_after_the_whole_site(redis_server, new_redis):
    site = Site()
    relay = new_redis(listen=False)[0]
    process, other = site.start(relay.rosters), site.start(relay.rosters)
    tab = process.open("ann")
    process.open("bob")
    process.open("ann", topic=OTHER)
    other.open("ann")
    site.advance(6)
    process.close(tab, at_once=True)
    redis = redis_server.client
    lives = {key: redis.ttl(key) for key in redis.scan_iter()}
    assert len(lives) > 12
    assert all(0 < life <= ROSTER_LIFE for life in lives.values()), lives

    brief = (b":log", b":position", b":order")
    needed = [key for key in lives if not _kind_of(key).startswith(brief)]
    for key in needed:
        redis.expire(key, 1000)
    site.now += 13 * 3600
    site.advance(6)
    assert min(map(redis.ttl, needed)) > ROSTER_LIFE / 3
    redis.flushall()
    other.keeper.stop()
    assert redis.keys() == []


def test_nothing_is_left_in_redis_and_idle_people_cost_nothing(redis_server, new_redis):
    site = Site()
    relay = new_redis(listen=False)[0]
    process, other = site.start(relay.rosters), site.start(relay.rosters)
    tabs = [process.open(f"person-{number}") for number in range(20)]

    def commands():
        return redis_server.client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)

    before = commands()
    site.advance(100, step=5)
    assert commands() - before <= 2 * 21  # the leases of two processes
    for tab in tabs:
        process.close(tab, at_once=True)
    for one in (process, other):
        one.keeper.stop()
        one.is_running = False
    left = {_kind_of(key) for key in keys_of_topics(redis_server)}
    orders = {one for one in left if one.startswith(b":order:")}  # for five minutes
    # The others are those of the changes, for an hour, and the name of the data.
    assert left - orders <= {b":position", b":log", b""}
    assert redis_server.client.hkeys("socketio:{processes}") == [b"data"]
