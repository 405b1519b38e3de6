"""Calls between processes: from another server, and from a process without a server."""

import os
import signal
import subprocess
import sys
import threading

import gevent
import pytest
from gevent.event import Event

from django_socketio import CallTimeout, NoSocket, RelayError, call, disconnect, emit, subscribe
from django_socketio.channels import listening, publish
from django_socketio.relay.untried import NotTried
from tests.kit.clients import join
from tests.kit.streams import StreamClient
from tests.kit.waiting import wait_until
from tests.relay.conftest import keys_of_topics


@pytest.fixture(params=["redis", "cluster"])
def site(request):
    """The URL of a Redis or of a cluster, and the servers of Redis."""
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        return server.url, [server.client]
    cluster = request.getfixturevalue("cluster")
    return cluster.url, [node.client for node in cluster.nodes]


@pytest.fixture
def servers(site, serve):
    """Two servers of one site."""
    pair = [serve(RELAY_URL=site[0], RELAY_TIMEOUT=2) for _ in range(2)]
    for server in pair:
        server.wait_for_relay()
    return pair


@pytest.fixture
def script(monkeypatch):
    """Have this thread be in a process that runs no server."""
    monkeypatch.setattr(publish, "current", lambda: None)


def in_background(function):
    outcome = []

    def run():
        try:
            outcome.append(function())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def result():
        thread.join(20)
        return outcome[0]

    return result


def keys_and_channels(site):
    """Return the keys in Redis that are not of the processes, and the channels for replies."""
    _, clients = site
    keys = {key for one in clients for key in one.scan_iter() if b"{self," not in key}
    found = [
        *(one.execute_command("PUBSUB", "CHANNELS") for one in clients),
        *(one.execute_command("PUBSUB", "SHARDCHANNELS") for one in clients),
    ]
    replies = [channel for some in found for channel in some if b"{replies," in channel]
    return keys, replies


def test_a_script_calls_sockets_of_every_process_and_leaves_nothing(site, servers, script):
    clients = [join(server, "a") for server in servers]
    before = keys_and_channels(site)
    threads = threading.active_count()
    answers = in_background(lambda: call("who?", b"\x01", channel="a", wait="all"))
    for number, client in enumerate(clients):
        assert client.receive() == '451-0["who?",{"_placeholder":true,"num":0}]'
        assert client.receive() == b"\x01"
        client.send(f"430[{number}]")
    assert sorted(one.value for one in answers()) == [0, 1]
    wait_until(lambda: keys_and_channels(site) == before)
    wait_until(lambda: threading.active_count() <= threads)
    assert listening._open == {}


def test_calls_one_after_the_other_hear_clients_that_answer_at_once(servers, script):
    clients = [join(server, "a") for server in servers]

    def answer(client):
        for number in range(5):
            assert client.receive() == f'42{number}["who?"]'
            client.send(f"43{number}[{number}]")

    threads = [threading.Thread(target=answer, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for number in range(5):
        answers = call("who?", channel="a", wait="all", timeout=5)
        assert [one.value for one in answers] == [number] * 2
    for thread in threads:
        thread.join()


def test_a_server_calls_the_sockets_of_another(servers):
    client = join(servers[1], "a")
    outcome = []
    servers[0].call(gevent.spawn, lambda: outcome.append(call("who?", session_id=client.id)))
    assert client.receive() == '420["who?"]'
    client.send('430["me"]')
    wait_until(lambda: outcome == ["me"])
    assert servers[0].call(lambda: len(servers[0].socket_server.callers)) == 0


def test_the_first_answer_ends_a_call_and_the_end_of_the_last_socket_too(servers, script):
    clients = [join(server, "a") for server in servers]
    answer = in_background(lambda: call("who?", channel="a", timeout=60))
    assert {client.receive() for client in clients} == {'420["who?"]'}
    clients[1].send('430["first"]')
    assert answer() == "first"
    answer = in_background(lambda: call("who?", channel="a", timeout=60))
    for client in clients:
        client.receive()
        client.close()
    assert isinstance(answer(), CallTimeout)


def test_nobody_is_told_at_once(servers, script):
    with pytest.raises(NoSocket):
        call("who?", channel="nobody", timeout=60)
    assert call("who?", channel="nobody", wait="all", timeout=60) == []


def test_receivers_that_are_asked_nothing_are_nobody(servers, script):
    stream = StreamClient(servers[0].port)  # it is on the channel, and cannot answer
    wait_until(lambda: emit("ping", channel="a").received)
    with pytest.raises(NoSocket):
        call("who?", channel="a", timeout=60)
    assert call("who?", channel="a", wait="all", timeout=60).is_complete
    stream.close()


def test_calls_at_the_same_time_share_what_listens(servers, script, monkeypatch):
    opened = []
    open_listening = publish._WithoutServer.open_listening
    monkeypatch.setattr(
        publish._WithoutServer,
        "open_listening",
        lambda: opened.append(1) or open_listening(),
    )
    client = join(servers[0], "a")
    answers = [in_background(lambda: call("who?", channel="a")) for _ in range(5)]
    assert [client.receive()[3:] for _ in range(5)] == ['["who?"]'] * 5
    for number in range(5):
        client.send(f"43{number}[{number}]")
    assert sorted(answer() for answer in answers) == list(range(5))
    assert len(opened) == 1


def test_commands_reach_the_sockets_of_every_process(servers, script):
    clients = [join(server, "a") for server in servers]
    assert subscribe("b", channel="a").received == 2
    wait_until(lambda: emit("ready", channel="b").received == 2)
    assert disconnect(channel="b").received == 2
    for client in clients:
        wait_until(lambda client=client: client.receive() == "41")


KILLED = """
import django; django.setup()
from django_socketio import call
print("calling", flush=True)
call("who?", channel="a", timeout=60)
"""


def test_a_caller_that_is_killed_leaves_nothing(redis_server, serve, tmp_path):
    server = serve(RELAY_URL=redis_server.url, RELAY_TIMEOUT=2)
    server.wait_for_relay()
    client = join(server, "a")
    before = {*keys_of_topics(redis_server)}
    environ = {"DJANGO_SETTINGS_MODULE": "tests.project.settings"}
    environ |= {"TEST_RELAY_URL": redis_server.url}
    process = subprocess.Popen([sys.executable, "-c", KILLED], env={**os.environ, **environ})
    try:
        assert client.receive() == '420["who?"]'
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    client.send('430["late"]')
    assert client.sync() == []
    after = {key for key in keys_of_topics(redis_server) if b"{self," not in key}
    assert after == before
    # Publishers do not wait for a process that held no sockets.
    assert server.call(lambda: call("who?", channel="nobody", wait="all")) == []


def test_an_error_while_answers_are_sent_does_not_keep_back_later_ones(
    servers, script, monkeypatch
):
    channels = servers[0].socket_server.channels
    publish_all, failed = channels.publish_all, []

    def fail_once(envelopes):
        if not failed:
            failed.append(envelopes)
            raise RuntimeError("unforeseen")
        return publish_all(envelopes)

    monkeypatch.setattr(channels, "publish_all", fail_once)
    client = join(servers[0], "a")
    first = in_background(lambda: call("who?", channel="a", timeout=60))
    assert client.receive() == '420["who?"]'
    client.send('430["first"]')
    wait_until(lambda: failed)
    second = in_background(lambda: call("who?", channel="a", timeout=60))
    assert client.receive() == '421["who?"]'
    client.send('431["second"]')
    assert second() == "second"
    servers[0].call(publish_all, *failed)
    assert first() == "first"


def test_an_answer_that_is_not_taken_costs_no_other_one(servers, script, monkeypatch):
    channels = servers[0].socket_server.channels
    publish_all, gate, tries, refused = channels.publish_all, Event(), [], []

    def refuse_one(envelopes):
        tries.append(len(envelopes))
        if len(tries) == 1:
            assert gate.wait(10)  # the answers that come meanwhile are sent together
        elif len(tries) == 2:
            refused.extend(envelopes[:1])
            return [RelayError("refused"), *[NotTried("refused")] * (len(envelopes) - 1)]
        return publish_all(envelopes)

    monkeypatch.setattr(channels, "publish_all", refuse_one)
    client = join(servers[0], "a")
    answers = []
    for number in range(3):
        answers.append(in_background(lambda: call("who?", channel="a", timeout=60)))
        assert client.receive() == f'42{number}["who?"]'
        client.send(f'43{number}["{number}"]')
        wait_until(lambda: tries == [1])
    client.sync()
    servers[0].call(gate.set)
    assert [answers[0](), answers[2]()] == ["0", "2"]
    assert tries == [1, 2, 1]
    servers[0].call(publish_all, refused)
    assert answers[1]() == "1"


def test_a_caller_that_is_interrupted_while_it_begins_to_listen_leaves_nothing():
    class Interrupted:
        is_closed = False

        def subscribe(self, topic, deliver):
            raise KeyboardInterrupt

        def close(self):
            self.is_closed = True

    relay = Interrupted()
    with pytest.raises(KeyboardInterrupt), listening.listening(lambda: relay):
        pass
    assert relay.is_closed
    assert listening._open == {}
