"""Many publishers in one process: they share round trips, and wait for nothing but Redis."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

from django_socketio import RelayError
from django_socketio.relay.base import UNKNOWN
from django_socketio.relay.redis.clock import RedisClock
from django_socketio.relay.topics import channel_topic
from tests.kit.clients import WebSocketClient
from tests.kit.servers import Gunicorn
from tests.kit.waiting import wait_until
from tests.relay.conftest import A, B, message

LEAVING = 300


def crowd(url, scene, timeout):
    """Run a scene of tests/relay/crowds.py; return what publishers were told and what arrived."""
    patched = [sys.executable, "-m", "gevent.monkey", "--module"]
    command = [*patched, "tests.relay.crowds", url, scene, str(timeout)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    told, arrived = json.loads(done.stdout)
    assert len(told) > 200
    return dict(told), arrived


def check(told, arrived, several=frozenset(), unheard=frozenset()):
    """Check that what was accepted has arrived once, and what was refused has not.

    Args:
        told: the answers by the numbers that were published.
        arrived: the numbers, in their order.
        several: numbers for several topics: their error may say that some processes got it.
        unheard: numbers to which nobody listens.

    """
    told = {number: answer for number, answer in told.items() if not is_unknown(answer)}
    texts = {number: answer for number, answer in told.items() if isinstance(answer, str)}
    accepted = {number for number, answer in told.items() if answer == 1}
    partly = {number for number, text in texts.items() if "got it" in text}
    assert Counter(arrived).most_common(1)[0][1] == 1
    assert told.keys() - accepted - texts.keys() <= unheard
    assert partly <= several
    assert accepted | partly <= {*arrived}
    assert not (texts.keys() - partly - interrupted(told)) & {*arrived}


def is_unknown(answer):
    """Whether a publisher was told that its message may have arrived: Redis could not be asked."""
    return isinstance(answer, str) and answer.startswith(UNKNOWN)


def interrupted(told):
    return {number for number, answer in told.items() if answer == "interrupted"}


def test_a_loop_that_was_blocked_is_no_fault_of_redis(redis_server):
    told, arrived = crowd(redis_server.url, "blocked", 3)
    assert Counter(told.values()) == {1: len(told)}
    check(told, arrived)


def test_a_publisher_that_is_interrupted_harms_no_other(redis_server):
    told, arrived = crowd(redis_server.url, "interrupted", 10)
    assert {*told.values()} == {1, "interrupted"}, Counter(told.values())
    assert 0 < len(interrupted(told)) <= 30
    check(told, arrived)


def test_publishers_of_the_same_moment_share_calls(redis_server):
    redis_server.client.config_resetstat()
    told, arrived = crowd(redis_server.url, "together", 10)
    assert Counter(told.values()) == {1: 1501}
    check(told, arrived)
    calls = redis_server.client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert calls < 300, calls


def test_connections_that_are_killed_lose_nothing_and_double_nothing(redis_server):
    told, arrived = crowd(redis_server.url, "killed", 2)
    check(told, arrived)


def test_scripts_that_redis_has_forgotten_are_no_error(redis_server):
    told, arrived = crowd(redis_server.url, "forgotten", 10)
    assert Counter(told.values()) == {1: len(told)}
    check(told, arrived)


def test_threads_share_round_trips_and_get_their_own_answers(redis_server, new_redis):
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    told = {}

    def publish(first):
        for number in range(first, first + 50):
            topics = [(A,), (A, B), (B,)][number % 3]
            try:
                told[number] = relay.publish(message(number, *topics))
            except RelayError as error:
                told[number] = str(error)

    threads = [threading.Thread(target=publish, args=(first,)) for first in range(0, 1000, 50)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        redis_server.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    relay.publish(message("last"))
    inbox.wait_for("last")
    arrived = inbox.messages[:-1]
    assert len(told) == 1000
    # Nobody listens to B: a message for B alone is told so, and one whose answer was lost is not.
    several, unheard = ({n for n in told if n % 3 == place} for place in (1, 2))
    check(told, arrived, several, unheard)
    assert not unheard & {n for n, answer in told.items() if answer == 1}
    for first in range(0, 1000, 50):
        own = [number for number in arrived if first <= number < first + 50]
        assert own == sorted(own)


def publish_together(server, relay, numbers, topic_of):
    """Have threads publish a number each while Redis is paused; return what they were told.

    It goes on once all of them wait.
    """
    told = {}

    def publish(number):
        try:
            told[number] = relay.publish(message(number, topic_of(number)))
        except RelayError as error:
            told[number] = str(error)

    threads = [threading.Thread(target=publish, args=(number,)) for number in numbers]
    trips = relay._publisher._trips

    def waiting():
        return len(trips._queue) + sum(len(line.commands) for line in trips._lines)

    server.client.config_resetstat()
    server.pause()
    for thread in threads:
        thread.start()
    wait_until(lambda: waiting() == len(threads))
    server.resume()
    for thread in threads:
        thread.join()
    return told


def test_messages_that_wait_together_are_one_call_with_an_answer_each(redis_server, new_redis):
    relay, inbox = new_redis(timeout=20)
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("first"))
    told = publish_together(redis_server, relay, range(60), lambda _: A)
    relay.publish(message("last"))
    inbox.wait_for("last")
    assert {*told.values()} == {1}
    by_position = sorted(told, key=lambda number: told[number].position.offset)
    assert inbox.messages == ["first", *by_position, "last"]
    assert [told[number].position.offset for number in by_position] == [*range(2, 62)]
    calls = redis_server.client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert calls < 20, calls


def test_callers_that_are_told_together_that_a_script_is_missing_load_it_together(
    redis_server, new_redis
):
    relay, _ = new_redis(timeout=20)
    relay.publish(message("first"))
    redis_server.client.script_flush()
    own_topic = lambda number: channel_topic("/", str(number))  # noqa: E731
    told = publish_together(redis_server, relay, range(60), own_topic)
    assert {*told.values()} == {0}
    loads = redis_server.client.info("commandstats")["cmdstat_script|load"]["calls"]
    assert loads < 60, loads  # 120 if each of them loads two scripts


def test_what_redis_refuses_a_topic_does_not_concern_others_of_the_same_trip(
    redis_server, new_redis
):
    relay, inbox = new_redis(timeout=20)
    relay.subscribe(A, inbox.deliver)
    relay.subscribe(B, inbox.deliver)
    _, log = relay._keyspace.keys(B)
    redis_server.client.set(log, "of another program")
    relay.publish(message("first"))
    position, _ = relay._keyspace.keys(B)
    redis_server.client.hset(position, mapping={"epoch": "e", "number": 1, "bytes": 1})
    told = publish_together(redis_server, relay, range(60), lambda number: (A, B)[number % 2])
    relay.publish(message("last"))
    inbox.wait_for("last")
    assert {told[number] for number in range(0, 60, 2)} == {1}
    assert all("WRONGTYPE" in told[number] for number in range(1, 60, 2)), told
    assert sorted(inbox.messages[1:-1]) == [*range(0, 60, 2)]


def test_a_clock_that_was_moved_is_read_again(redis_server, new_redis):
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    assert relay.publish(message("before")) == 1
    relay._publisher._trips.clock._ahead -= 3600
    assert relay.publish(message("after")) == 1
    inbox.wait_for("after")
    assert inbox.messages == ["before", "after"]


def test_a_process_that_stalls_before_it_sends_tries_once_more(
    redis_server, new_redis, monkeypatch
):
    relay, inbox = new_redis(timeout=4)
    relay.subscribe(A, inbox.deliver)
    assert relay.publish(message("before")) == 1
    deadline, stalls = RedisClock.deadline, [2]  # all the time that Redis has

    def stalling(clock):
        text = deadline(clock)
        if stalls:
            time.sleep(stalls.pop())
        return text

    monkeypatch.setattr(RedisClock, "deadline", stalling)
    assert relay.publish(message("after")) == 1
    inbox.wait_for("after")
    assert inbox.messages == ["before", "after"]


def test_sockets_that_leave_at_once_all_say_goodbye(redis_server):
    environ = {"TEST_RELAY_URL": redis_server.url}
    site = Gunicorn(DJANGO_SETTINGS_MODULE="tests.relay.site.settings", **environ)
    try:
        clients = [WebSocketClient(site.port) for _ in range(LEAVING + 1)]
        for client in clients:
            client.connect("/leaving")
        for client in clients[1:]:
            client.ws.sock.shutdown(socket.SHUT_RDWR)
        goodbyes = [clients[0].receive() for _ in range(LEAVING)]
        assert {*goodbyes} == {'42/leaving,["message","goodbye"]'}
        site.wait_for("GOODBYE ", LEAVING)
        assert site.output.count("GOODBYE 1") == LEAVING
    finally:
        site.end()
