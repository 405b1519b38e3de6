"""Positions of clients: nothing missed between two connections, over each transport and relay."""

import itertools
import json

import gevent
import pytest
from django.core.exceptions import PermissionDenied

from django_socketio import ChannelError, EventError, emit, page_position, relay_status
from django_socketio.events import on_connect, on_event, on_message, on_subscribe
from django_socketio.relay.topics import channel_topic, everyone_topic, socket_topic
from tests.kit.clients import WebSocketClient
from tests.kit.keeping import KeepingClient
from tests.kit.waiting import wait_until

numbers = itertools.count()

HISTORY = {
    "^room": {"size": 5, "seconds": 600},
    "^replay": {"size": 5, "seconds": 600, "replay": 2},
}


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def server(request, serve, monkeypatch):
    """A server with a history of its channels "room…"."""
    if request.param == "memory":
        return serve(HISTORY=HISTORY)
    redis = request.getfixturevalue("redis")
    monkeypatch.setattr("django_socketio.relay.redis.listeners.YOUNG", 0)  # nobody is on their way
    prefix = f"test-{next(numbers)}"  # so that no test sees the channels of another
    server = serve(RELAY_URL=redis.url, RELAY_PREFIX=prefix, HISTORY=HISTORY)
    wait_until(lambda: server.call(relay_status)["alive"])  # until then, nobody is not certain
    return server


@pytest.fixture
def open_client(server, connect):
    """Connect a client that keeps positions; return it, and the data of CONNECT's answer."""

    def start(kept=True, **auth):
        client = connect(server, join=False)
        answer = client.connect(auth={"_positions": kept, **auth})
        return client, json.loads(answer[2:])

    return start


def publish(server, *messages, channel="hall", **audiences):
    for message in messages:
        server.call(lambda m=message: emit("message", m, **(audiences or {"channel": channel})))


def after(position, count=1):
    """Return the position that is so many messages after another one."""
    epoch, _, offset = position.rpartition(".")
    return f"{epoch}.{int(offset) + count}"


def offset(position):
    return int(position.rpartition(".")[2])


def place(client, message):
    """Return the place of the next event, which has this message."""
    name, *args, last = client.event()
    assert (name, args) == ("message", [message])
    return last["_at"]


def subscribe(client, channel="hall", **options):
    """Subscribe; return the second argument of the answer."""
    answer, past = client.ask("subscribe", channel, *([options] if options else []))
    assert answer is True
    return past


def test_a_client_that_does_not_ask_sees_nothing_of_positions(server, connect):
    client = connect(server, join=False)
    answer = client.connect(auth={"token": "x"})
    assert json.loads(answer[2:]) == {"sid": client.id}
    assert client.ask("subscribe", "hall") == [True]
    publish(server, "hello")
    assert client.receive() == '42["message","hello"]'


def test_a_client_that_asks_gets_the_place_of_each_message(server, open_client):
    client, answer = open_client()
    assert set(answer) == {"sid", "positions", "missed", "limit"}
    begin = subscribe(client)["position"]
    publish(server, "a", "b")
    places = [place(client, message) for message in "ab"]
    assert [topic for topic, _ in places] == ["channel,hall"] * 2
    first, second = (position for _, position in places)
    assert second == after(first)
    assert first == after(begin)


def test_what_a_client_asks_is_no_data_of_its_auth(server, open_client):
    seen = []

    @on_connect
    def came(request, socket, context):
        seen.append(socket.auth)

    open_client(token="x")
    open_client({"at": {"everyone": "x.1"}, "was": ["id"]})
    assert seen == [{"token": "x"}, {}]


IN_NO_FORM = [
    1, "yes", [], {"at": []}, {"was": "id"}, {"was": [1]}, {"was": ["x" * 201]},
    {"at": {str(n): "" for n in range(10_001)}}, {"was": ["x"] * 101},
    {"begun": ["everyone"]}, {"before": "id"}, {"before": [[["everyone"], ["id"]]] * 11},
    {"before": [["everyone"]]},
    {"before": [[["everyone"], ["x"] * 101]]}, {"before": [[[["everyone"]], ["id"]]]},
]  # fmt: skip


def test_positions_in_no_form_of_ours_refuse_the_connect(server):
    for wrong in IN_NO_FORM:
        client = WebSocketClient(server.port)
        client.send("40" + json.dumps({"_positions": wrong}))
        assert client.receive().startswith('44{"message":"_positions'), wrong


def test_a_client_may_bring_the_positions_of_a_server_that_took_more(server, open_client, at_two):
    on_connect(lambda request, socket, context: socket.subscribe("hall"))
    many = {f"channel,hall-{number}": "forged.1" for number in range(9_999)}
    page = [[*many], ["id"]]
    client, answer = open_client({"at": {"channel,hall": at_two, **many}, "before": [page]})
    assert (len(many) > answer["limit"], answer["missed"]) == (True, [])
    assert client.event()[0] == "_positions"
    assert place(client, "b")


def test_data_that_looks_like_a_place_is_data(server, open_client):
    @on_event("echo")
    def echo(request, socket, context, value):
        socket.emit("echo", value)

    client, _ = open_client()
    looks = {"_at": ["channel,hall", "x.1"]}
    client.emit("echo", looks)
    assert client.event() == ["echo", looks, {"_at": []}]
    client.emit("echo", 1)
    assert client.event() == ["echo", 1]
    subscribe(client)
    publish(server, looks)
    assert place(client, looks)[0] == "channel,hall"


def test_binary_has_a_place_as_well(server, open_client):
    client, _ = open_client()
    subscribe(client)
    publish(server, b"\0\1")
    packet = client.receive()
    header = '451-["message",{"_placeholder":true,"num":0},{"_at":["channel,hall","'
    assert packet.startswith(header)
    assert client.receive() == b"\0\1"


@pytest.fixture
def at_two(server, open_client):
    """The position of a client that was on "hall" and got "a", and then was cut off."""
    client, _ = open_client()
    subscribe(client)
    publish(server, "a", "b")
    position = place(client, "a")[1]
    client.abandon()
    return position


def test_a_client_that_comes_back_gets_what_it_missed_and_goes_on(server, open_client, at_two):
    publish(server, "c")
    client, _ = open_client()
    past = subscribe(client, since=at_two)
    assert past["messages"] == [["message", "b"], ["message", "c"]]
    assert past["recovered"] is True
    publish(server, "d")
    assert place(client, "d")[1] == after(past["position"])
    assert client.sync() == []


def test_the_answer_is_repeated_when_the_ack_of_a_subscribe_was_lost(server, open_client, at_two):
    first, _ = open_client()
    answer = subscribe(first, since=at_two)
    assert subscribe(first, since=at_two) == answer  # in the same session
    first.abandon()
    again, _ = open_client()
    assert subscribe(again, since=at_two) == answer
    assert answer["messages"] == [["message", "b"]]


def test_messages_that_are_buffered_while_on_subscribe_decides_come_once(
    server, open_client, at_two
):
    @on_subscribe
    def decide(request, socket, context, channel):
        emit("message", "while it decides", channel=channel)

    client, _ = open_client()
    past = subscribe(client, since=at_two)
    assert past["messages"] == [["message", "b"], ["message", "while it decides"]]
    publish(server, "after")
    assert place(client, "after")
    assert client.sync() == []


def test_a_message_of_on_subscribe_is_after_the_position_of_the_answer(server, open_client):
    @on_subscribe
    def decide(request, socket, context, channel):
        emit("message", "while it decides", channel=channel)

    client, _ = open_client()
    position = subscribe(client)["position"]
    assert place(client, "while it decides")[1] == after(position)
    client.abandon()  # as if that message had not come
    client, _ = open_client()
    assert subscribe(client, since=position)["messages"][0] == ["message", "while it decides"]


def test_a_client_that_is_refused_when_it_comes_back_gets_nothing(server, open_client, at_two):
    @on_subscribe
    def refuse(request, socket, context, channel):
        raise PermissionDenied("kicked")

    client, _ = open_client()
    assert client.ask("subscribe", "hall", {"since": at_two}) == [{"error": "kicked"}]
    publish(server, "c")
    assert client.sync() == []


def test_a_client_is_told_when_it_was_kicked_and_begins_anew(server, open_client):
    @on_event("kick")
    def kick(request, socket, context):
        socket.unsubscribe("hall")

    client, _ = open_client()
    subscribe(client)
    client.emit("kick")
    assert client.event() == ["_positions", {"channel,hall": None}]
    publish(server, "while it is away")
    begin = subscribe(client)
    publish(server, "back")
    assert place(client, "back")[1].rpartition(".")[2] == "2"
    assert begin["position"].endswith(".1")


def test_a_message_for_two_channels_of_a_client_is_delivered_once_and_known_by_its_id(
    server, open_client
):
    @on_connect
    def also_there(request, socket, context):
        socket.subscribe("yard")

    client, _ = open_client()
    client.event()  # the position of "hall"
    begin = subscribe(client)["position"]
    publish(server, "both", channel=["hall", "yard"])
    (id,) = place(client, "both")
    assert client.sync() == []
    client.abandon()
    client, _ = open_client()
    client.event()
    past = subscribe(client, since=begin)
    assert past["messages"] == [["message", "both"]]
    assert past["ids"] == {"0": id}


def test_what_a_handler_has_joined_as_well_brings_nothing_twice(server, open_client):
    @on_connect
    def join(request, socket, context):
        socket.subscribe("hall")

    (client, _), (witness, _) = open_client(), open_client()
    for one in (client, witness):
        one.event()  # the position of "hall"
    publish(server, "a")
    _, position = place(client, "a")
    client.abandon()
    publish(server, "b")
    assert [place(witness, one)[0] for one in ("a", "b")] == ["channel,hall"] * 2
    client, _ = open_client()
    client.event()
    publish(server, "c")
    _, last = place(client, "c")  # before the page asks, as it does once it is connected
    past = subscribe(client, since=position)
    assert past == {"recovered": True, "messages": [["message", "b"]]}
    assert client.sync() == []
    assert subscribe(client, since=last)["messages"] == []


@pytest.mark.parametrize("forged", [False, True])
def test_what_the_subscription_of_a_handler_has_brought_is_not_in_the_answer(
    server, open_client, at_two, forged
):
    @on_connect
    def join(request, socket, context):
        socket.subscribe("hall")

    position = "forged.1" if forged else at_two
    client, _ = open_client({"at": {"channel,hall": position}})
    if forged:
        assert client.event() == ["_missed", "channel,hall"]
    assert client.event()[0] == "_positions"
    assert forged or place(client, "b")
    assert subscribe(client, since=position) == {"recovered": True, "messages": []}
    assert client.sync() == []


def test_a_history_has_no_message_that_comes_to_the_subscription_of_a_handler(server, open_client):
    @on_connect
    def join(request, socket, context):
        socket.subscribe("room-1")

    publish(server, *"abc", channel="room-1")
    client, _ = open_client()
    client.event()
    publish(server, "d", channel="room-1")
    assert place(client, "d")
    assert texts(subscribe(client, "room-1", last=3)) == ["b", "c"]
    assert texts(subscribe(client, "room-1", last=3)) == ["b", "c", "d"]


@pytest.mark.parametrize(("is_known", "expected"), [(True, "bc"), (False, "bcd")])
def test_a_history_whose_answer_was_lost_has_no_message_that_came_meanwhile(
    server, open_client, is_known, expected
):
    """The position after which the client has had all may not be known, with an idle channel."""

    @on_connect
    def join(request, socket, context):
        socket.subscribe("room-1")

    publish(server, *"abc", channel="room-1")
    client, _ = open_client()
    _, begun = client.event()
    publish(server, "d", channel="room-1")
    topic, position = place(client, "d")
    client.abandon()
    publish(server, "e", channel="room-1")
    begun = begun if is_known else {topic: ""}
    client, _ = open_client({"at": {topic: position}, "begun": begun})
    assert client.event() == ["_positions", {topic: position}]
    assert place(client, "e") == [topic, after(position)]
    assert texts(subscribe(client, "room-1", last=4)) == [*expected]
    assert texts(subscribe(client, "room-1", last=3)) == ["c", "d", "e"]


def test_a_client_that_asks_for_no_history_at_first_gets_all_of_it_later(server, open_client):
    @on_connect
    def join(request, socket, context):
        socket.subscribe("room-1")

    client, _ = open_client()
    client.event()
    assert client.ask("subscribe", "room-1") == [True]
    publish(server, "a", channel="room-1")
    assert place(client, "a")
    assert texts(subscribe(client, "room-1", last=3)) == ["a"]


@pytest.mark.parametrize("missed", [[], ["missed"]])
def test_a_page_gets_what_it_missed_where_a_handler_has_joined_at_no_known_position(serve, missed):
    @on_connect
    def join(request, socket, context):
        socket.subscribe("room-1")

    def come():
        client = WebSocketClient(server.port)
        client.connect(auth={"_positions": True})
        assert client.event() == ["_positions", {"channel,room-1": ""}]
        return client

    server = serve(HISTORY=HISTORY, RECOVERY_SECONDS=0)
    client, _witness = come(), come()
    publish(server, "had", channel="room-1")
    _, position = place(client, "had")
    client.abandon()
    publish(server, *missed, channel="room-1")
    past = subscribe(come(), "room-1", since=position)
    assert (past["recovered"], texts(past)) == (True, missed)


def page_on(server, *channels):
    """Return a page on channels, what it has received, and the losses that it was told."""
    received, lost = [], []
    page = KeepingClient(received.append, lost.append)
    page.connect(server.port)
    for channel in channels:
        page.subscribe(channel)
    return page, received, lost


@pytest.mark.parametrize(("most", "longest", "told"), [(10, 600, 20), (600, 0.01, 25)])
def test_messages_for_several_channels_move_the_position_of_each(
    server, monkeypatch, most, longest, told
):
    """Otherwise the client would come back with a position from before the log."""
    monkeypatch.setattr("django_socketio.channels.untold.MOST", most)
    monkeypatch.setattr("django_socketio.channels.untold.LONGEST", longest)
    page, received, lost = page_on(server, "yard", "hall")
    _other = page_on(server, "attic")
    publish(server, *range(25), channel=["attic", "hall", "yard"])
    while min(offset(page.at[f"channel,{channel}"]) for channel in page.wanted) < told:
        page.take(page.receive())
    page.ask("unsubscribe", "no channel of it")
    page.cut()
    publish(server, "missed", channel=["attic", "hall", "yard"])
    page.connect(server.port)
    assert (received, lost) == ([*range(25), "missed"], [])


def test_messages_for_several_channels_move_the_position_of_a_client_that_is_back(
    server, monkeypatch
):
    monkeypatch.setattr("django_socketio.channels.untold.LONGEST", 0.01)
    page, received, _ = page_on(server, "hall")
    _other = page_on(server, "attic")
    page.cut()
    publish(server, "missed")
    page.connect(server.port)
    begin = page.at["channel,hall"]
    publish(server, *range(3), channel=["attic", "hall"])
    while page.at["channel,hall"] != after(begin, 3):
        page.take(page.receive())
    assert received == ["missed", *range(3)]


def test_a_message_for_one_channel_is_not_followed_by_an_older_position(server):
    page, received, _ = page_on(server, "hall", "yard")
    begin = {**page.at}
    publish(server, "both", channel=["hall", "yard"])
    publish(server, "one")
    while received != ["both", "one"]:
        page.take(page.receive())
    server.call(server.socket_server.channels.untold.tell)
    page.ask("unsubscribe", "no channel of it")
    assert page.at["channel,hall"] == after(begin["channel,hall"], 2)
    assert page.at["channel,yard"] == after(begin["channel,yard"])


@pytest.fixture
def talkers(serve):
    """Two pages on a channel, whose events go to the other one; only three messages are kept."""

    @on_event("say")
    def say(request, socket, context, *messages):
        for message in messages:
            socket.broadcast_channel(message, "hall")
        return True

    server = serve(RELAY_LOG=3)
    return server, *(page_on(server, "hall") for _ in range(2))


def synchronize(*pages):
    """Come back once pages have taken all that was sent to them."""
    for page in pages:
        page.ask("unsubscribe", "no channel of it")


def tell_positions(server, *pages):
    """Have positions told that are untold; come back once pages have those that are for them."""
    server.call(server.socket_server.channels.untold.tell)
    synchronize(*pages)


def test_a_client_that_gets_none_of_its_own_messages_is_told_their_positions(talkers):
    """Otherwise it would come back with a position from before the log."""
    server, (page, *heard), (other, received, _) = talkers
    page.ask("say", *range(4))
    synchronize(other)
    before = {**other.at}
    tell_positions(server, page, other)
    assert (received, other.at) == ([*range(4)], before)
    assert page.at == other.at
    page.cut()
    page.connect(server.port)
    assert heard == [[], []]


def test_a_message_of_another_client_is_not_followed_by_an_older_position(talkers):
    server, (page, _, _), (other, received, lost) = talkers
    other.ask("say", 1, 2)
    page.ask("say", 3, 4, 5)
    synchronize(other)
    assert received == [3, 4, 5]
    before = {**other.at}
    tell_positions(server, other)
    assert (other.at, lost) == (before, [])


def test_a_page_is_told_no_position_from_before_the_last_one_had_left(server):
    page, received, _ = page_on(server, "hall", "yard")
    publish(server, "both", channel=["hall", "yard"])
    while received != ["both"]:
        page.take(page.receive())
    page.cut()
    channels = server.socket_server.channels
    wait_until(lambda: not channels.count(channel_topic("/", "hall")))
    publish(server, "away")
    new, *_ = page_on(server, "hall")
    begin = {**new.at}
    server.call(channels.untold.tell)
    new.ask("unsubscribe", "no channel of it")
    assert new.at == begin


@pytest.mark.parametrize("position", ["", "forged.1", "forged.999999999999999", "x.y.0"])
def test_a_position_that_proves_nothing_is_answered_not_recovered(
    server, open_client, at_two, position
):
    client, _ = open_client()
    past = subscribe(client, since=position)
    assert (past["recovered"], past["messages"]) == (False, [])
    assert past["position"].endswith(".2")
    publish(server, "c")
    assert place(client, "c")
    assert client.sync() == []


def test_a_position_beyond_the_end_is_answered_not_recovered(server, open_client, at_two):
    client, _ = open_client()
    past = subscribe(client, since=at_two.replace(".1", ".7"))
    assert (past["recovered"], past["messages"]) == (False, [])


NO_OPTIONS = [
    [], "x", 1, {"since": 1}, {"since": []}, {"since": "x"}, {"since": "x.-1"},
    {"since": "x.1e3"}, {"since": "x." + "9" * 17}, {"since": "x" * 201 + ".1"},
    {"last": -1}, {"last": "20"}, {"last": True}, {"last": 1.5}, {"last": []},
    {"since": "x.1", "last": 1},
]  # fmt: skip


def test_options_in_no_form_of_ours_are_refused(server, open_client):
    client, _ = open_client()
    for options in NO_OPTIONS:
        (answer,) = client.ask("subscribe", "hall", options)
        assert list(answer) == ["error"], options
        assert client.ask("unsubscribe", "hall") == [True]


# History


def texts(past):
    return [message for _, message in past["messages"]]


@pytest.fixture
def kept(server):
    """Seven messages of a channel with a history of five, published before anybody came."""
    publish(server, *"abcdefg", channel="room-1")


def test_a_client_gets_the_last_messages_in_the_answer_and_then_new_ones(server, connect, kept):
    client = connect(server)
    past = subscribe(client, "room-1", last=3)
    assert texts(past) == ["e", "f", "g"]
    assert set(past) == {"position", "messages"}
    publish(server, "h", channel="room-1")
    assert client.event() == ["message", "h"]
    assert texts(subscribe(client, "room-1", last=2)) == ["g", "h"]
    assert client.sync() == []


LAST = {0: "", 1: "g", 2.0: "fg", 5: "cdefg", 6: "cdefg", 1e9: "cdefg", 10**30: "cdefg"}


def test_no_client_gets_more_than_there_is(server, connect, kept):
    for last, expected in LAST.items():
        assert texts(subscribe(connect(server), "room-1", last=last)) == [*expected], last


def test_a_channel_without_a_history_has_none(server, connect):
    listener = connect(server)
    listener.subscribe("hall")
    publish(server, "a")
    past = subscribe(connect(server), last=5)
    assert past["messages"] == []


def test_a_message_between_the_history_and_the_first_new_one_comes_once(server, connect, kept):
    @on_subscribe
    def decide(request, socket, context, channel):
        publish_here("while it decides")

    def publish_here(text):
        emit("message", text, channel="room-1")

    client = connect(server)
    assert texts(subscribe(client, "room-1", last=2)) == ["g", "while it decides"]
    publish(server, "h", channel="room-1")
    assert client.event() == ["message", "h"]


def test_binary_of_the_past_comes_in_the_answer(server, connect):
    publish(server, b"\0\1", channel="room-1")
    client = connect(server)
    client.emit("subscribe", "room-1", {"last": 1}, id=1)
    assert client.receive().startswith("461-1[true,")
    assert client.receive() == b"\0\1"


def test_the_position_of_a_history_is_one_to_go_on_from(server, open_client, kept):
    client, _ = open_client()
    position = subscribe(client, "room-1", last=1)["position"]
    client.abandon()
    publish(server, "h", channel="room-1")
    client, _ = open_client()
    past = subscribe(client, "room-1", since=position)
    assert (past["recovered"], texts(past)) == (True, ["h"])


def test_who_may_not_subscribe_may_not_read(server, connect, kept):
    @on_subscribe
    def refuse(request, socket, context, channel):
        raise PermissionDenied("members only")

    answer = connect(server).ask("subscribe", "room-1", {"last": 5})
    assert answer == [{"error": "members only"}]


@pytest.fixture
def replayed(server):
    """Three messages of a channel of which a new subscriber gets two."""
    publish(server, *"abc", channel="replay-1")


def test_a_replay_comes_after_the_answer_and_before_new_messages(server, connect, replayed):
    @on_subscribe
    def decide(request, socket, context, channel):
        assert socket.channels == ["replay-1"]

    client = connect(server)
    assert client.subscribe("replay-1") is True
    publish(server, "d", channel="replay-1")
    assert [client.event() for _ in range(3)] == [["message", text] for text in "bcd"]
    assert client.subscribe("replay-1") is True  # no new subscription, and no replay
    assert client.sync() == []


def test_a_replay_comes_to_a_socket_that_a_handler_subscribes(server, connect, replayed):
    @on_connect
    def join(request, socket, context):
        socket.subscribe("replay-1")

    client = connect(server)
    publish(server, "d", channel="replay-1")
    assert [client.event() for _ in range(3)] == [["message", text] for text in "bcd"]
    assert client.sync() == []


def test_a_replay_that_was_read_for_a_channel_which_a_handler_left_does_not_come_later(
    server, connect, replayed
):
    @on_subscribe(channel="^hall")
    def leave(request, socket, context, channel):
        socket.unsubscribe("replay-1")

    client = connect(server)
    answer, *_ = client.ask("subscribe", ["replay-1", "hall"])
    assert answer == [True, True]
    subscribe(client, "replay-1", last=0)
    assert client.sync() == []


def test_a_replay_of_a_channel_that_was_left_while_it_was_read_does_not_come_later(
    server, connect, replayed, monkeypatch
):
    client = connect(server)
    channels, relay = server.socket_server.channels, server.socket_server.relay
    (socket,) = server.call(channels.members, socket_topic("/", client.id))
    history = relay.history

    def leave(*asked):
        monkeypatch.setattr(relay, "history", history)
        socket.unsubscribe("replay-1")
        return history(*asked)

    monkeypatch.setattr(relay, "history", leave)
    client.ask("subscribe", "replay-1")
    subscribe(client, "replay-1", last=0)
    assert client.sync() == []


def test_a_client_that_comes_back_gets_what_it_missed_and_no_replay(server, open_client, replayed):
    client, _ = open_client()
    subscribe(client, "replay-1")
    positions = [place(client, text)[1] for text in "bc"]
    client.abandon()
    publish(server, "d", channel="replay-1")
    client, _ = open_client()
    assert texts(subscribe(client, "replay-1", since=positions[1])) == ["d"]
    assert client.sync() == []


def test_a_handler_that_subscribes_a_client_again_gives_it_what_it_missed(server, open_client):
    @on_connect
    def join(request, socket, context):
        socket.subscribe("hall")

    client, _ = open_client()
    _, at = client.event()
    client.abandon()
    publish(server, "missed")
    client, _ = open_client({"at": at})
    assert client.event() == ["_positions", at]
    assert place(client, "missed") == ["channel,hall", after(at["channel,hall"])]
    assert client.sync() == []
    client.abandon()
    client, _ = open_client({"at": {"channel,hall": "forged.1"}})
    assert client.event() == ["_missed", "channel,hall"]
    assert client.event()[0] == "_positions"
    publish(server, "live")
    assert place(client, "live")


@pytest.mark.parametrize("count", range(3))
def test_a_loss_is_told_if_the_connection_breaks_while_it_is_told(server, count):
    """The connection breaks after so many packets."""

    @on_connect
    def join(request, socket, context):
        socket.subscribe("hall")

    page, _, lost = page_on(server)
    page.ask("unsubscribe", "no channel of it")
    page.cut()
    page.at["channel,hall"] = "forged.1"
    page.begin(server.port)
    for _ in range(count):
        page.take(page.receive())
    page.cut()
    page.connect(server.port)
    page.ask("unsubscribe", "no channel of it")
    assert "channel,hall" in lost


def test_a_client_goes_on_after_what_it_has_sent_itself(server, open_client):
    """It names the page before a reload only as long as it has the positions of that page."""

    @on_connect
    def join(request, socket, context):
        socket.subscribe("hall")

    @on_message
    def pass_on(request, socket, context, message):
        socket.broadcast(message)
        socket.broadcast_channel(message)

    def positions(client, answer):
        (joined,) = (told for name, told in [client.event()] if name == "_positions")
        return {"everyone": answer["positions"]["everyone"], **joined}

    client, answer = open_client()
    at = positions(client, answer)
    client.ask("message", "own")
    client.abandon()
    client, answer = open_client({"at": at, "before": [[[*at], [client.id]]]})
    told = positions(client, answer)
    assert told == {topic: after(position) for topic, position in at.items()}
    assert client.sync() == []
    client.abandon()
    client, answer = open_client({"at": told})
    assert positions(client, answer) == told
    assert client.sync() == []


@pytest.mark.parametrize("everyone", [True, False], ids=["everyone", "channel"])
@pytest.mark.parametrize("is_back", [True, False], ids=["back", "new"])
def test_what_a_socket_sends_to_all_in_on_connect_comes_to_it_once(server, everyone, is_back):
    @on_connect
    def join(request, socket, context):
        if everyone:
            socket.send_and_broadcast("hello")
        else:
            socket.send_and_broadcast_channel("hello", "hall")
            socket.subscribe("hall")

    page, received, lost = page_on(server)
    page.ask("unsubscribe", "no channel of it")
    if is_back:
        page.cut()
        page.connect(server.port)
        page.ask("unsubscribe", "no channel of it")
    assert (received, lost) == (["hello"] * (1 + is_back), [])


def test_a_client_gets_its_own_message_to_a_channel_that_it_does_not_join_again(server):
    joins = itertools.cycle([True, False])

    @on_connect
    def join(request, socket, context):
        socket.send_and_broadcast_channel(next(numbers), "hall")
        if next(joins):
            socket.subscribe("hall")

    page, received, lost = page_on(server)
    for _ in range(3):
        page.ask("unsubscribe", "no channel of it")
        page.cut()
        page.connect(server.port)
    page.ask("unsubscribe", "no channel of it")
    begin = received[0]
    assert (received, lost) == ([*range(begin, begin + 4)], [])


# Pages


def test_a_page_gets_what_was_published_between_rendering_and_subscribing(server, connect):
    position = server.call(page_position, "hall")  # by the view, before the data
    publish(server, "while the page is on its way")  # nobody is on the channel
    past = subscribe(connect(server), since=position)
    assert past["recovered"] is True
    assert texts(past) == ["while the page is on its way"]


def test_a_page_that_was_too_long_on_its_way_is_told(server, connect):
    position = server.call(lambda: page_position("hall", seconds=0.01))
    gevent.sleep(0.1)
    publish(server, "while the page is on its way")
    past = subscribe(connect(server), since=position)
    assert (past["recovered"], past["messages"]) == (False, [])


@pytest.mark.parametrize("seconds", [0, -1, True, "60", None, float("nan"), float("inf"), 1e9])
def test_seconds_of_a_page_that_cannot_be(seconds):
    with pytest.raises(ValueError, match=r"page_position\(seconds=…\) takes"):
        page_position("hall", seconds=seconds)


def test_a_channel_of_a_page_that_cannot_be():
    with pytest.raises(ChannelError):
        page_position("")


def test_a_client_that_was_kicked_and_is_back_gets_nothing_of_the_time_between(server, open_client):
    @on_connect
    def join(request, socket, context):
        socket.subscribe("hall")

    @on_event("kick")
    def kick(request, socket, context):
        socket.unsubscribe("hall")

    @on_event("admit")
    def admit(request, socket, context):
        socket.subscribe("hall")

    listener = WebSocketClient(server.port)
    listener.connect()
    client, _ = open_client()
    _, at = client.event()
    client.abandon()
    publish(server, "away")
    client, _ = open_client({"at": at})
    client.event()
    position = place(client, "away")[1]
    client.emit("kick")
    assert client.event() == ["_positions", {"channel,hall": None}]
    publish(server, "kicked")
    assert [listener.event()[1] for _ in range(2)] == ["away", "kicked"]
    client.emit("admit")
    assert client.event() == ["_positions", {"channel,hall": after(position)}]
    publish(server, "back")
    assert place(client, "back")[1] == after(after(position))
    assert client.sync() == []


# Losses between processes


def test_a_client_is_told_of_a_loss_before_any_later_message(server, open_client):
    client, _ = open_client()
    subscribe(client)
    for topic in (channel_topic("/", "hall"), everyone_topic("/"), socket_topic("/", client.id)):
        server.call(server.socket_server.loss_reports.add, topic)
    publish(server, "later")
    assert client.event() == ["_missed", "channel,hall"]
    assert client.event() == ["_missed", "everyone"]
    assert place(client, "later")
    assert client.sync() == []


def test_a_client_without_positions_is_told_nothing_of_a_loss(server, connect):
    client = connect(server)
    client.subscribe("hall")
    server.call(server.socket_server.loss_reports.add, channel_topic("/", "hall"))
    assert client.sync() == []


@pytest.mark.parametrize("name", ["_positions", "_missed"])
def test_the_events_that_tell_positions_are_reserved(name):
    with pytest.raises(EventError, match="reserved"):
        emit(name, "room", channel="hall")
