"""Event streams belong to users, sessions and groups, and end with their login, everywhere."""

import time

import pytest

from tests.kit.streams import StreamClient
from tests.security.conftest import SOON, logged_in, named, run


def streams_of(site, *browsers):
    """Open a stream of each browser, at one process after the other."""
    return [
        StreamClient(site[number % 2].port, "/stream/", **browser.headers).begin()
        for number, browser in enumerate(browsers)
    ]


@pytest.fixture
def people(site, user):
    """Two browsers of a user and one of another user, which have visited both processes."""
    browser, other = logged_in(site[0], user), logged_in(site[1], f"{user}-2")
    return browser, logged_in(site[1], user), other


def test_a_stream_belongs_to_its_user_its_session_and_its_groups(site, people, user):
    ann, bob = named(user), named(f"{user}-2")
    run(site[0], f"{ann}.groups.add(Group.objects.create(name='{user}'))")
    streams = streams_of(site, *people)
    run(site[0], f"emit('user', user={ann})")
    run(site[1], f"emit('group', group=Group.objects.get(name='{user}'))")
    run(site[1], "emit('session', session=request.session)", people[0])
    run(site[0], f"emit('both', user=[{ann}, {bob}], group=Group.objects.get(name='{user}'))")
    run(site[1], f"{bob}.groups.add(Group.objects.get(name='{user}'))")
    assert [event.type for event in streams[0].events(4)] == ["user", "group", "session", "both"]
    assert [event.type for event in streams[1].events(3)] == ["user", "group", "both"]
    assert streams[2].event().type == "both"
    # The groups of a stream that is open are followed.
    for number in range(100):
        run(site[0], f"emit('group', {number}, group=Group.objects.get(name='{user}'))")
        run(site[0], f"emit('user', user={bob})")
        if streams[2].event().type == "group":
            break
    else:
        raise AssertionError("the stream did not follow the groups of its user")


def test_what_was_sent_to_a_user_who_was_away_comes_once(site, people, user):
    ann, bob = named(user), named(f"{user}-2")
    streams = streams_of(site, *people)
    for number in range(20):  # by audiences of others as well
        run(site[number % 2], f"emit('push', {number}, user=[{bob}, {ann}])")
    for one in streams:
        assert [event.data for event in one.events(20)] == [*map(str, range(20))]
        one.close()
    run(site[0], f"emit('push', 20, user=[{ann}, {bob}])")
    run(site[1], f"emit('push', 21, user={ann})")
    for number, one in enumerate(streams):
        port = site[1 - number % 2].port
        again = one.come_back(port, "/stream/", **people[number].headers)
        run(site[0], f"emit('push', 22, user=[{ann}, {bob}])")
        expected = ["20", "22"] if number == 2 else ["20", "21", "22"]
        assert [event.data for event in again.events(len(expected))] == expected
        again.close()


ENDS = {
    "a logout": "/log-out/",
    "the end of the session": "/flush/",
    "a new user": "/log-in/?user={}-3",
}


@pytest.mark.parametrize("path", ENDS.values(), ids=ENDS)
def test_a_stream_ends_with_its_login_in_whichever_process(site, people, user, path):
    browser, *others = people
    mine = streams_of(site, browser, browser)
    (other,) = streams_of(site, others[0])
    begun = time.monotonic()
    browser.get(site[0], path.format(user))
    assert [one.rest() for one in mine] == [[], []]
    assert time.monotonic() - begun < SOON
    run(site[0], f"emit('push', user={named(user)})")
    assert other.event().type == "push"


def test_streams_of_a_user_who_is_deactivated_end(site, people, user):
    streams = streams_of(site, *people)
    people[2].get(site[1], f"/deactivate/?user={user}")
    assert [one.rest() for one in streams[:2]] == [[], []]
    run(site[0], f"emit('push', user={named(f'{user}-2')})")
    assert streams[2].event().type == "push"


def test_a_stream_ends_whose_session_has_just_lost_its_user(site, people, user):
    """The user of the stream is that of a middleware, not the one of the Django session."""
    people[2].get(site[1], f"/deactivate/?user={user}")
    headers = {**people[0].headers, "X-Token": f"{user}-2"}
    assert StreamClient(site[1].port, "/stream/", **headers).rest() == []


def test_a_user_who_was_deactivated_silently_gets_nothing_once_that_is_checked(watchful, user):
    browser = logged_in(watchful, user)
    stream = StreamClient(watchful.port, "/stream/", **browser.headers).begin()
    browser.get(watchful, f"/deactivate-silently/?user={user}")
    assert stream.rest() == []
    again = stream.come_back(watchful.port, "/stream/?channel=all", **browser.headers)
    again.begin()  # as an anonymous visitor
    run(watchful, f"emit('push', user={named(user)})")
    run(watchful, "emit('push', session=request.session)", browser)
    run(watchful, "emit('last', channel='all')")
    assert again.event().type == "last"


def test_anonymous_visitors_have_no_audience(site, people, user):
    anonymous = StreamClient(site[0].port, "/stream/?channel=all").begin()
    run(site[1], f"emit('push', user={named(user)})")
    run(site[1], "emit('last', channel='all')")
    assert anonymous.event().type == "last"
