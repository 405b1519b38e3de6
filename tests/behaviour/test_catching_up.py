"""Subscribers that have read the log, and crowds of them."""

import pytest
from gevent.event import Event

from django_socketio import emit
from django_socketio.channels.backlogs import Gate, Pending
from django_socketio.channels.encoded_event import Errand
from django_socketio.channels.overlap import Overlap
from django_socketio.channels.registry import Channels
from django_socketio.channels.untold import UntoldPositions
from django_socketio.concurrency.timers import Timers
from django_socketio.events import on_connect, on_event
from django_socketio.relay.envelope import Delivery, Envelope, StreamPosition
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.topics import channel_topic
from django_socketio.sockets import pasts
from django_socketio.sockets.encoder import Encoder
from tests.kit.clients import WebSocketClient
from tests.kit.keeping import KeepingClient
from tests.kit.receiver import Receiver
from tests.kit.waiting import wait_until

A, B = channel_topic("/", "a"), channel_topic("/", "b")


@pytest.fixture
def channels():
    return Channels(MemoryRelay(), Encoder().delivery, 1_000)


def delivery(number, *topics, epoch="x", id=None, size=0):
    topics = topics or (A,)
    envelope = Envelope(topics, "/", "message", (number, "x" * size), id=id or f"m{number}")
    return Delivery(envelope, topics[0], StreamPosition(epoch, number))


@pytest.fixture
def caught_up(channels):
    """A receiver that has read the log of "a" up to the message 5, of which 4 is for "b" too."""
    receiver = Receiver(lambda encoded: encoded.data[1], keeps_positions=True)
    channels.add(A, receiver, pending=True)
    channels.deliver(delivery(5))
    channels.deliver(delivery(6))
    channels.skip(Overlap(A, StreamPosition("x", 5), frozenset({"m4"})), receiver)
    channels.deliver(delivery(3))
    channels.deliver(delivery(7))
    channels.admit(A, receiver)
    return receiver


def test_what_was_buffered_and_is_in_the_log_comes_once(caught_up):
    assert caught_up.received == [6, 7]


def test_what_was_dropped_because_it_is_in_the_log_leaves_room_for_others(channels):
    receiver = Receiver(lambda encoded: encoded.data[1], keeps_positions=True)
    channels.add(A, receiver, pending=True)
    channels.deliver(delivery(5, size=400))
    channels.deliver(delivery(6, size=400))
    channels.skip(Overlap(A, StreamPosition("x", 5)), receiver)
    channels.deliver(delivery(7, size=400))
    channels.admit(A, receiver)
    assert receiver.received == [6, 7]


@pytest.mark.parametrize("make", [Pending, lambda limit: Gate(limit, lambda gate: None)])
def test_nothing_is_buffered_any_more_for_a_receiver_that_has_exceeded_the_limit(channels, make):
    receiver = Receiver(lambda encoded: encoded.data[1])
    backlog, dropped = make(1_000), []
    channels.add_all({A: backlog}, receiver)
    backlog.add(Errand(channels.encode(delivery(1)), run=None, drop=dropped.append))
    for number in range(2, 100):
        channels.deliver(delivery(number, size=400))
    assert len(backlog.packets) == 1
    channels.remove(A, receiver)
    assert {*receiver.received} == {"overflow"}
    assert dropped == [receiver]


def test_what_the_log_had_before_it_came_here_does_not_come_again(channels, caught_up):
    channels.deliver(delivery(4))
    channels.deliver(delivery(5))
    channels.deliver(delivery(8))
    assert caught_up.received == [6, 7, 8]


def test_a_message_of_the_log_that_comes_by_another_topic_is_known_by_its_id(channels, caught_up):
    channels.deliver(delivery(4, B, A))
    channels.deliver(delivery(9, B, A))
    assert caught_up.received == [6, 7, 9]


def test_a_new_epoch_ends_the_overlap(channels, caught_up):
    channels.deliver(delivery(1, epoch="y"))
    channels.deliver(delivery(2, epoch="y"))
    assert caught_up.received == [6, 7, 1, 2]


def test_nobody_pays_for_an_overlap_that_is_over(channels, caught_up):
    channels.deliver(delivery(8))
    assert channels._members[A] == {caught_up: None}


def test_a_position_of_the_overlap_is_not_told_and_a_later_one_ends_it(channels, caught_up):
    told = []
    caught_up.began = told.append
    untold = UntoldPositions(channels.backlogs, Timers())
    for epoch, offset in (("w", 9), ("x", 4), ("x", 5), ("x", 6)):
        untold.note(A, StreamPosition(epoch, offset))
        untold.tell()
    assert told == [{A: StreamPosition("x", 6)}]
    assert channels._members[A] == {caught_up: None}


def test_a_receiver_that_leaves_and_comes_back_has_no_overlap(channels, caught_up):
    channels.remove(A, caught_up)
    channels.add(A, caught_up)
    channels.deliver(delivery(5))
    assert caught_up.received == [6, 7, 5]


def test_a_crowd_that_comes_back_holds_up_nobody_else(serve, monkeypatch):
    """The log answers late: more clients than workers wait, four of them in a worker."""

    @on_event("echo")
    def echo(request, socket, context):
        return "echo"

    server = serve(WORKERS=8)
    channels, may_answer, at_once, most = server.socket_server.channels, Event(), [], []

    def answer_late(topic, wanted, past=channels.past):
        at_once.append(topic)
        most.append(len(at_once))
        may_answer.wait()
        at_once.remove(topic)
        return past(topic, wanted)

    monkeypatch.setattr(channels, "past", answer_late)
    clients = [WebSocketClient(server.port) for _ in range(20)]
    for number, client in enumerate(clients):
        client.connect(auth={"_positions": True})
        client.emit("subscribe", "hall", {"since": f"x.{number}"}, id=1)
    other = WebSocketClient(server.port)
    other.connect()
    assert other.ask("echo") == ["echo"]
    server.call(may_answer.set)
    for client in clients:
        assert client.receive().startswith('431[true,{"recovered":false,')
    assert max(most) == pasts.AT_ONCE


def test_a_reading_is_shared_by_those_who_wait_for_it_and_by_no_later_ones(serve, monkeypatch):
    server = serve()
    channels, begun, may_answer = server.socket_server.channels, [], Event()

    def answer_late(topic, wanted, past=channels.past):
        begun.append(topic)
        may_answer.wait()
        return past(topic, wanted)

    monkeypatch.setattr(channels, "past", answer_late)
    clients = [WebSocketClient(server.port) for _ in range(20)]
    for number, client in enumerate(clients):
        client.connect(auth={"_positions": True})
        client.emit("subscribe", "hall", {"since": "x.1"}, id=1)
        wait_until(lambda n=number: len(begun) == min(n + 1, pasts.AT_ONCE))
    server.call(may_answer.set)
    answers = {client.receive() for client in clients}
    assert len(answers) == 1
    assert pasts.AT_ONCE < len(begun) <= pasts.AT_ONCE + 2


def test_no_client_gets_more_bytes_of_the_past_than_wait_for_it_elsewhere(serve):
    server = serve(MAX_UNSENT_BYTES=20_000, HISTORY={"^hall": {"size": 100, "seconds": 60}})
    client = WebSocketClient(server.port)
    client.connect(auth={"_positions": True})
    _, answer = client.ask("subscribe", "hall")
    for number in range(15):
        server.call(lambda n=number: emit("message", f"{n} {'x' * 1000}", channel="hall"))
        client.event()
    _, past = client.ask("subscribe", "hall", {"since": answer["position"]})
    assert (past["recovered"], past["messages"]) == (False, [])
    _, past = client.ask("subscribe", "hall", {"last": 15})
    numbers = [int(text.split()[0]) for _, text in past["messages"]]
    assert numbers == list(range(6, 15))


def missing(server, *audiences, count, text):
    """Return a page that has missed messages of each of some audiences, and what it hears."""
    received, lost = [], []
    page = KeepingClient(received.append, lost.append)
    page.connect(server.port)
    hear(page)
    page.cut()
    for audience in audiences:
        server.call(lambda of=audience: [emit("message", text, **of) for _ in range(count)])
    return page, received, lost


def hear(page):
    """Take all that comes before the answer to an event."""
    page.ask("unsubscribe", "no channel of it")


ALL_OF_IT = [(4, "x" * 2000), (4, "語" * 700), (70, "")]
"""Numbers of messages, and their texts, of which a client gets those of one topic at once."""


@pytest.mark.parametrize(("count", "text"), ALL_OF_IT, ids=["long", "wide", "short"])
def test_what_a_page_has_missed_of_all_its_topics_never_closes_it(serve, count, text):
    """It would come back with the same positions, and be closed again."""

    @on_connect
    def join(request, socket, context):
        for channel in "abcd":
            socket.subscribe(channel)

    server = serve(MAX_UNSENT_BYTES=20_000, HISTORY={"": {"size": 100, "seconds": 60}})
    channels = [{"channel": name} for name in "abcd"]
    page, received, lost = missing(server, *channels, count=count, text=text)
    page.connect(server.port)
    hear(page)
    assert (received, lost) == ([text] * count, ["channel,b", "channel,c", "channel,d"])
    page.cut()
    del received[:], lost[:]
    page.connect(server.port)
    hear(page)
    assert (received, lost) == ([], [])
    server.call(lambda: [emit("message", text, channel="b") for _ in range(count)])
    hear(page)
    assert received == [text] * count


def test_what_follows_the_answer_of_a_connect_shares_the_room_of_what_is_queued(serve):
    @on_connect
    def join(request, socket, context):
        socket.subscribe("hall")

    server = serve(MAX_UNSENT_BYTES=20_000, HISTORY={"": {"size": 100, "seconds": 60}})
    page, received, lost = missing(server, {"channel": "hall"}, {}, count=4, text="x" * 2000)
    page.connect(server.port)
    hear(page)
    assert (len(received), lost) == (4, ["everyone"])
    server.call(lambda: [emit("message", "x" * 2000, channel="other") for _ in range(4)])
    _, answer = page.ask("subscribe", "other", {"last": 4})
    assert len(answer["messages"]) == 4  # the room was that of the CONNECT


@pytest.fixture
def caught_up_with_both(channels):
    """A receiver that has read the log of "a" up to 5, and before it that of "b" up to 1."""
    receiver = Receiver(lambda encoded: encoded.data[1], keeps_positions=True)
    for topic, offset in ((B, 1), (A, 5)):
        channels.add(topic, receiver, pending=True)
        channels.skip(Overlap(topic, StreamPosition("x", offset), frozenset({"m4"})), receiver)
        channels.admit(topic, receiver)
    return receiver


def test_a_message_before_the_position_of_one_topic_comes_by_another(channels, caught_up_with_both):
    channels.deliver(delivery(3, A, B))  # by "a", where it is not wanted
    channels.deliver(delivery(4, A, B))  # the log had it
    channels.deliver(delivery(6, A, B))
    assert caught_up_with_both.received == [3, 6]


def test_a_message_before_the_position_of_one_topic_is_buffered_for_another(channels):
    receiver = Receiver(lambda encoded: encoded.data[1], keeps_positions=True)
    for topic in (A, B):
        channels.add(topic, receiver, pending=True)
    channels.skip(Overlap(A, StreamPosition("x", 5)), receiver)
    channels.admit(A, receiver)
    for number in (3, 6):
        channels.deliver(delivery(number, A, B))
    assert receiver.received == [6]
    channels.admit(B, receiver)
    assert receiver.received == [6, 3]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_message_in_the_log_of_one_topic_is_not_buffered_for_another(channels, is_first):
    """It comes before the log of "a" is read, or after that; "b" has been read before."""
    receiver = Receiver(lambda encoded: encoded.data[1], keeps_positions=True)
    for topic in (A, B):
        channels.add(topic, receiver, pending=True)
    channels.skip(Overlap(B, StreamPosition("x", 1)), receiver)
    if is_first:
        channels.deliver(delivery(4, B, A))
    channels.skip(Overlap(A, StreamPosition("x", 5), frozenset({"m4"})), receiver)
    if not is_first:
        channels.deliver(delivery(4, B, A))
    channels.deliver(delivery(6, B, A))
    for topic in (B, A):
        channels.admit(topic, receiver)
    assert receiver.received == [6]
