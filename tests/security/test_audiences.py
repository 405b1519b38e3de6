"""Users, Django sessions and groups as audiences of ``emit``, in all processes of a site."""

import json
import subprocess
import sys

import pytest
import redis as redis_py

from tests.kit.clients import PollingClient
from tests.kit.programs import ROOT, python
from tests.kit.waiting import wait_until
from tests.security.conftest import Browser, ends_soon, logged_in, named, run

pushes = []
"""The events that mark the end of each push."""


def pushing(**audiences):
    """Return code that pushes, then says to all sockets that it is done."""
    given = ", ".join(f"{name}={code}" for name, code in audiences.items())
    pushes.append(f"done-{len(pushes)}")
    return f"(emit('pushed', {given}).received, emit('{pushes[-1]}'))[0]"


def push(server, **audiences):
    """Push by a view; the values are expressions."""
    return run(server, pushing(**audiences))


def received(*sockets):
    """Return how many copies of what was pushed each socket has received up to the last push."""
    end = f'42["{pushes[-1]}"]'
    return [list(iter(socket.receive, end)).count('42["pushed"]') for socket in sockets]


@pytest.fixture
def tabs(site, user):
    """Two tabs of a user at two processes, and one of another user."""
    browser, other = logged_in(site[0], user), logged_in(site[1], f"{user}-2")
    tabs = [browser.open(site[0]), browser.open(site[1]), other.open(site[1])]
    for tab in tabs:
        verify(tab)
    return tabs


def verify(socket):
    """Have a handler read the user: until then, messages for the user wait for a query."""
    assert socket.ask("who") != [""]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("{ann}", [1, 1, 0]),
        ("{ann}.pk", [1, 1, 0]),
        ("str({ann}.pk)", [1, 1, 0]),
        ("[{ann}, {bob}.pk, {ann}]", [1, 1, 1]),
        ("User.objects.filter(username__startswith='{user}')", [1, 1, 1]),
        ("User.objects.filter(username='{user}').values_list('pk', flat=True)", [1, 1, 0]),
        ("[]", [0, 0, 0]),
    ],
)
def test_every_tab_of_a_user_gets_one_copy(site, user, tabs, code, expected):
    code = code.format(ann=named(user), bob=named(f"{user}-2"), user=user)
    push(site[0], user=code)
    assert received(*tabs) == expected


def test_several_audiences_are_a_union(site, user, tabs):
    tabs[1].subscribe("room")
    run(site[0], f"Group.objects.create(name='{user}').user_set.add({named(user)})")
    tabs[1].sync()
    received_by = push(site[0], user=named(user), group=f"'{user}'", channel="['room', 'other']")
    assert int(received_by) >= 2
    assert received(*tabs) == [1, 1, 0]


def test_the_result_counts_processes_and_has_the_position(site, user, tabs):
    code = (
        f"(lambda e: (e.received, e.unit, e.position.offset))(emit('pushed', user={named(user)}))"
    )
    assert [run(site[0], code) for _ in range(2)] == ["(2, 'processes', 1)", "(2, 'processes', 2)"]


def test_what_is_kept_for_a_user_is_read_by_other_processes(site, user, tabs):
    name = f"{user}-kept"
    run(site[0], f"User.objects.create_user('{name}')")
    emitted = f"(lambda e: (e.received, e.is_kept))(emit('kept', 1, user={named(name)}, keep=60))"
    assert [run(site[0], emitted) for _ in range(2)] == ["(0, True)"] * 2
    code = f"(lambda h: ([one.args for one in h], h.is_complete))(history(user={named(name)}))"
    assert run(site[1], code) == "([(1,), (1,)], True)"


def test_audiences_are_no_channels(site, user, tabs):
    assert tabs[0].ask("channels") == [[]]
    pk = run(site[0], f"{named(user)}.pk")
    for channel in (f"user,/,{pk}", f"/,{pk}", pk, f"user-{pk}"):
        assert tabs[2].subscribe(channel) is True
    push(site[0], user=pk)
    assert received(*tabs) == [1, 1, 0]


def test_a_session_is_that_of_one_browser(site, user):
    here, there = logged_in(site[0], user), logged_in(site[0], user)
    visitor = Browser()
    visitor.get(site[0], "/visit/")
    sockets = [browser.open(site[1]) for browser in (here, there, visitor)]
    assert run(site[0], "emit('pushed', session=request.session).received", here) == "1"
    push(site[0], session=f"['{visitor.cookie}']")
    assert received(*sockets) == [1, 0, 1]


def test_a_socket_of_a_token_belongs_to_its_user(site, user, connect_with):
    run(site[0], f"User.objects.create(username='{user}')")
    sockets = [connect_with("X-Token", user), connect_with("X-Lazy-Token", user)]
    push(site[0], user=named(user))
    assert received(*sockets) == [1, 1]


@pytest.fixture
def connect_with(site):
    def connect(header, value):
        client = PollingClient(site[1].port, {header: value})
        client.connect()
        return client

    return connect


def wait_for_copies(server, socket, number, **audiences):
    """Push until a socket receives this number of copies: what was changed is known everywhere.

    The relay may refuse a push while a process is about to subscribe.
    """

    def is_so():
        refusal = run(server, f"refusal_of(lambda: {pushing(**audiences)})")
        return not refusal and received(socket) == [number]

    wait_until(is_so)


@pytest.mark.parametrize(
    ("join", "leave"),
    [
        ("{user}.groups.add({group})", "{user}.groups.remove({group})"),
        ("{group}.user_set.add({user})", "{group}.user_set.set([])"),
        ("{user}.groups.set([{group}])", "{user}.groups.clear()"),
        ("{group}.user_set.set([{user}])", "{group}.user_set.clear()"),
        ("{user}.groups.add({group})", "{group}.delete()"),
    ],
)
def test_a_socket_follows_the_groups_of_its_user(site, user, tabs, join, leave):
    pk = run(site[0], f"Group.objects.create(name='{user}').pk")
    names = {"user": named(user), "group": f"Group.objects.get(pk={pk})"}
    run(site[0], join.format(**names))
    wait_for_copies(site[0], tabs[1], 1, group=pk)
    run(site[0], leave.format(**names))
    wait_for_copies(site[0], tabs[1], 0, group=pk)


def test_a_new_socket_is_on_the_groups_of_its_user(site, user):
    run(site[0], f"Group.objects.create(name='{user}')")
    browser = logged_in(site[0], user)
    run(site[0], f"{named(user)}.groups.add(Group.objects.get(name='{user}'))")
    socket = browser.open(site[1])
    verify(socket)
    push(site[0], group=f"['{user}']")
    assert received(socket) == [1]
    assert "no group has this name" in error_of(site[0], f"emit('pushed', group='{user}?')")


def test_bulk_changes_of_groups_are_found_by_the_check(watchful, user):
    socket = logged_in(watchful, user).open(watchful)
    pk = run(watchful, f"Group.objects.create(name='{user}').pk")
    through = "User.groups.through.objects"
    run(
        watchful,
        f"{through}.bulk_create([User.groups.through(user_id={named(user)}.pk, group_id={pk})])",
    )
    wait_for_copies(watchful, socket, 1, group=pk)
    run(watchful, f"{through}.filter(group_id={pk}).delete()")
    wait_for_copies(watchful, socket, 0, group=pk)


def error_of(server, code):
    """Return the text of the error that an expression raises."""
    return run(server, f"error_of(lambda: {code})")


def test_groups_are_objects_keys_names_and_querysets(site, user):
    run(site[0], f"[Group.objects.create(name=f'{user}-{{n}}') for n in range(4)]")
    code = f"Group.objects.filter(name__startswith='{user}')"
    for groups in (code, f"list({code})", f"{code}.values_list('pk', flat=True)"):
        assert push(site[0], group=groups) in ("", "0")
    assert push(site[0], group=f"[{code}[0], {code}[1].pk, '{user}-2']") in ("", "0")


@pytest.mark.parametrize(
    "code",
    [
        "user='ann'",
        "user=None",
        "user=True",
        "user=1.5",
        "user='1_0'",
        "user=''",
        "user=[None]",
        "user={1: 2}",
        "user=User(username='new')",
        "user=Group(pk=1, name='g')",
        "user=Group.objects.all()",
        "user=request.user",
        "session=request.session",
        "group=None",
        "group=[{1: 2}]",
        "group=User(pk=1)",
    ],
)
def test_what_is_no_audience_is_an_error_with_a_clear_text(site, code):
    assert error_of(site[0], f"emit('pushed', {code})").startswith(f"emit({code.split('=')[0]}")


def test_a_login_that_has_ended_silently_gets_nothing(site, user):
    """No signal tells of the change, and no handler has asked for the user."""
    browser = logged_in(site[0], user)
    first = browser.open(site[1])
    run(site[0], f"User.objects.filter(username='{user}').update(password='other')")
    second = browser.open(site[1])
    push(site[0], user=f"User.objects.get(username='{user}')")
    for socket in (first, second):
        assert ends_soon(socket)


def test_messages_for_a_user_keep_their_order_while_the_login_is_examined(site, user):
    socket = logged_in(site[0], user).open(site[1])
    run(site[0], f"[emit('n', n, user={named(user)}) for n in range(20)] and ''")
    assert [socket.event()[1] for _ in range(20)] == list(range(20))


def test_a_save_that_pushes_succeeds_whether_or_not_a_page_is_open(site, user):
    run(site[0], f"Group.objects.create(name='{user}-1')")
    page = Browser().open(site[1])
    page.subscribe("groups")
    run(site[0], f"Group.objects.create(name='{user}-2')")
    assert page.event() == ["saved", f"{user}-2"]


SAVE = """
import django
django.setup()
import tests.security.urls
from django.contrib.auth.models import Group
from django.db import transaction
from django_socketio import RelayError, emit, relay_status

with transaction.atomic():
    Group.objects.create(name="%s")
assert Group.objects.filter(name="%s").exists()
assert relay_status()["failed_after_commit"] == 1
try:
    emit("saved", channel="groups")
except RelayError as error:
    print("raised:", type(error).__name__, error)
"""


def test_a_save_that_pushes_succeeds_while_the_relay_is_away(database, user):
    environ = {**database, "TEST_RELAY_URL": "redis://127.0.0.1:1/0"}
    done = python(environ, "-c", SAVE % (user, user))
    assert "raised: RelayError the relay of SOCKETIO_RELAY_URL did not take" in done.stdout
    assert "'saved'" in done.stderr  # one line of the log


class TestCost:
    def test_connecting_asks_redis_once(self, site, redis, user):
        browser = logged_in(site[0], user)
        with redis_py.Redis.from_url(redis.url) as client:
            browser.open(site[1]).sync()  # EVERYONE is subscribed to from now on
            before = client.info("commandstats")["cmdstat_subscribe"]["calls"]
            other = logged_in(site[0], f"{user}-2").open(site[1])
            other.sync()
            assert client.info("commandstats")["cmdstat_subscribe"]["calls"] == before + 1

    def test_no_session_key_is_in_redis(self, site, redis, user):
        browser = logged_in(site[0], user)
        socket = browser.open(site[1])
        push(site[0], session=f"'{browser.cookie}'")
        assert received(socket) == [1]
        with redis_py.Redis.from_url(redis.url, decode_responses=True) as client:
            names = [*client.pubsub_channels(), *client.scan_iter()]
            assert any("{session," in name for name in names)
            assert not any(browser.cookie in name for name in names)
            logs = [client.xrange(name) for name in names if name.endswith("}:log")]
            assert browser.cookie not in json.dumps(logs)

    def test_a_visitor_without_a_session_is_on_no_audience(self, site, redis):
        with redis_py.Redis.from_url(redis.url) as client:
            Browser().open(site[1]).sync()
            before = set(client.pubsub_channels())
            socket = Browser().open(site[1])
            socket.sync()
            new = set(client.pubsub_channels()) - before
            assert [name.split(b"{")[1].split(b",")[0] for name in new] == [b"socket"]

    def test_neither_a_visitor_nor_a_site_without_groups_causes_a_query(self, start, user):
        server = start()
        run(server, "Group.objects.all().delete()")
        browser = logged_in(server, user)
        browser.open(server).sync()  # the process has asked whether the site has groups
        for visitor in (browser, Browser()):
            before = run(server, "len(queries)")
            visitor.open(server).sync()
            statements = run(server, f"queries[{before}:]")
            assert "auth_" not in statements, statements


@pytest.mark.parametrize(
    ("field", "good", "text", "bad"),
    [
        (
            "models.UUIDField(primary_key=True, default=uuid.uuid4)",
            "uuid.UUID(int=7), str(uuid.UUID(int=7)), uuid.UUID(int=7).hex, "
            "Person.from_db('default', ['id'], [uuid.UUID(int=7)])",
            "00000000-0000-0000-0000-000000000007",
            "7, 'ann', Person()",
        ),
        (
            "models.CharField(primary_key=True, max_length=9)",
            "'ann', Person(id='ann')",
            "ann",
            "None, ''",
        ),
    ],
)
def test_users_may_have_other_keys_than_numbers(tmp_path, field, good, text, bad):
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "__init__.py").write_text("")
    (tmp_path / "people" / "models.py").write_text(
        "import uuid\n"
        "from django.contrib.auth.base_user import AbstractBaseUser\n"
        "from django.db import models\n"
        f"class Person(AbstractBaseUser):\n    id = {field}\n    USERNAME_FIELD = 'id'\n"
        "    def __str__(self):\n        return str(self.id)\n"
    )
    script = f"""
import uuid
from django.conf import settings
apps = ["django.contrib.contenttypes", "django.contrib.auth", "django_socketio", "people"]
settings.configure(SECRET_KEY="x", INSTALLED_APPS=apps, AUTH_USER_MODEL="people.Person")
import django
django.setup()
from django_socketio import emit
from django_socketio.channels.publish import publish_without_server
from django_socketio.relay.memory import MemoryRelay
from people.models import Person
topics = []
class Relay(MemoryRelay):
    def publish(self, envelope):
        topics.extend(envelope.topics)
        return 0
publish_without_server(Relay, Relay)
emit("pushed", user=[{good}])
assert set(map(str, topics)) == {{"user,/,{text}"}}, topics
for key in ({bad}):
    try:
        emit("pushed", user=key)
    except (TypeError, ValueError) as error:
        assert "Person" in str(error), error
    else:
        raise AssertionError(key)
try:
    emit("pushed", group="editors")
except ValueError as error:
    assert "no field 'groups'" in str(error), error
"""
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}"},
    )
    assert run.returncode == 0, run.stderr
