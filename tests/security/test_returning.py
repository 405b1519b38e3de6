"""Messages for users, sessions, groups and all that a client gets when it comes back."""

import json

import pytest

from tests.kit.clients import WebSocketClient
from tests.security.conftest import Browser, logged_in, named, run


def arrive(server, browser, positions=True):
    """Connect; return the socket, and the data of CONNECT's answer."""
    socket = WebSocketClient(server.port, cookie=browser.headers.get("Cookie"))
    answer = socket.connect(auth={"_positions": positions})
    return socket, json.loads(answer[2:])


def leave(socket, answer):
    """Break the connection; return what the client brings when it comes back."""
    socket.abandon()
    return {"at": answer["positions"], "was": [answer["sid"]]}


def messages(socket, number):
    """Return the next messages without their places, and the topics of these."""
    found = [socket.event() for _ in range(number)]
    places = [event.pop()["_at"] for event in found]
    return [event[1] for event in found], [place[0].partition(",")[0] for place in places]


@pytest.fixture
def ann(site, user):
    browser = logged_in(site[0], user)
    run(site[0], f"Group.objects.create(name='{user}').user_set.add({named(user)})")
    return browser


def push(server, user, browser, text):
    """Push by another process, to each audience of a user."""
    run(server, f"emit('message', '{text} for all')")
    run(server, f"emit('message', '{text} for user', user={named(user)})")
    run(server, f"emit('message', '{text} for session', session='{browser.cookie}')")
    run(server, f"emit('message', '{text} for group', group='{user}')")


def test_the_audiences_of_a_client_have_positions(site, user, ann):
    _, answer = arrive(site[0], ann)
    kinds = sorted(topic.partition(",")[0] for topic in answer["positions"])
    assert kinds == ["everyone", "group", "session", "user"]
    assert all(answer["positions"].values())
    assert answer["missed"] == []
    assert ann.cookie not in str(answer)


def test_a_client_gets_what_was_for_its_audiences_in_another_process(site, user, ann):
    brought = leave(*arrive(site[0], ann))
    push(site[1], user, ann, "missed")
    socket, answer = arrive(site[1], ann, brought)
    assert answer["missed"] == []
    texts, kinds = messages(socket, 4)
    assert sorted(texts) == [f"missed for {one}" for one in ("all", "group", "session", "user")]
    assert sorted(kinds) == ["everyone", "group", "session", "user"]
    push(site[0], user, ann, "live")
    assert sorted(messages(socket, 4)[0]) == [
        f"live for {one}" for one in ("all", "group", "session", "user")
    ]
    assert socket.sync() == []


def test_a_client_that_was_cut_off_on_its_way_back_begins_where_it_was(site, user, ann):
    brought = leave(*arrive(site[0], ann))
    push(site[1], user, ann, "missed")
    brought = leave(*arrive(site[1], ann, brought))  # before any message has come
    socket, answer = arrive(site[0], ann, brought)
    assert answer["missed"] == []
    assert len(messages(socket, 4)[0]) == 4


def test_the_audience_of_another_user_cannot_be_read(site, user, ann):
    brought = leave(*arrive(site[0], ann))
    push(site[1], user, ann, "missed")
    socket, answer = arrive(site[1], logged_in(site[0], f"{user}-2"), brought)
    assert answer["missed"] == []
    assert messages(socket, 1) == (["missed for all"], ["everyone"])
    assert socket.sync() == []


def test_a_client_that_is_logged_out_when_it_comes_back_gets_nothing_of_its_user(site, user, ann):
    brought = leave(*arrive(site[0], ann))
    push(site[1], user, ann, "missed")
    Browser(ann.cookie).get(site[0], "/log-out/")
    socket, _ = arrive(site[1], Browser(ann.cookie), brought)
    assert messages(socket, 1) == (["missed for all"], ["everyone"])
    assert socket.sync() == []


@pytest.mark.parametrize("text", ["", "forged.1", 1, None, ["x.1"]])
def test_a_position_of_an_audience_that_proves_nothing(site, user, ann, text):
    brought = leave(*arrive(site[0], ann))
    push(site[1], user, ann, "missed")
    everyone = {"at": {**brought["at"], "everyone": text}, "was": []}
    socket, answer = arrive(site[1], ann, everyone)
    assert answer["missed"] == ([] if text is None else ["everyone"])
    assert sorted(messages(socket, 3)[0]) == [
        f"missed for {one}" for one in ("group", "session", "user")
    ]
    assert socket.sync() == []


def test_what_a_client_has_sent_to_others_does_not_come_back(site, user):
    socket, answer = arrive(site[0], Browser())
    socket.emit("to others", "mine")
    socket.sync()
    brought = leave(socket, answer)
    other, _ = arrive(site[1], Browser(), {**brought, "was": []})
    assert messages(other, 1)[0] == ["mine"]
    socket, _ = arrive(site[1], Browser(), brought)
    assert socket.sync() == []


def test_a_client_beside_one_without_positions_gets_what_it_missed(site, user, ann):
    """The topics of both have subscribers already, whose messages nothing keeps."""
    other, _ = arrive(site[0], ann, positions=False)
    brought = leave(*arrive(site[0], ann))
    push(site[1], user, ann, "missed")
    socket, answer = arrive(site[1], ann, brought)
    assert answer["missed"] == []
    assert len(messages(socket, 4)[0]) == 4
    other.abandon()
