"""Clients that come back, against a model: each message once and in order, or a loss is told.

They are pages that keep positions, and clients that come back to their sockets as the official one
does. Server processes end in order or are killed, connections to them and to Redis break, Redis
forgets and goes back in time, and clients are kicked, come back and read histories meanwhile.

``POSITIONS_EXAMPLES`` is the number of examples if it is to be more than a few, and
``POSITIONS_SEED`` has them chosen anew.
"""

import os
import sys
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import ClassVar

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_socketio import NoSocket, RelayError, emit, history, page_position, send
from tests.kit.keeping import CHANNEL
from tests.kit.redis_server import RedisServer
from tests.relay.recovery.model import Book, Page
from tests.relay.recovery.officials import AUDIENCES, OfficialRules, channels, pick, picks, several
from tests.relay.recovery.processes import Servers
from tests.relay.recovery.settings import HISTORY
from tests.relay.recovery.site import SERVERS, Site

EXAMPLES = int(os.environ.get("POSITIONS_EXAMPLES", "10"))
SEED = os.environ.get("POSITIONS_SEED")

PAGES, STEPS, AGAIN = 3, 50, 10

BANNED = st.sampled_from([(), (), ("a",), ("b",)])
PUT_ON = st.sampled_from([(), ("a",), ("b",), ("a", "b")])
FAULTS = ["break_relays", "break_relays", "empty", "remember", "go_back_in_time"]


class Recovery(OfficialRules):
    """Does what may happen to a site; each page compares what comes with what is due."""

    site: ClassVar = None
    failure: ClassVar = None
    """The first one; it depends on time and may not come again, as hypothesis expects."""

    def __init__(self):
        super().__init__()
        if self.failure is not None:
            raise self.failure
        self.site.begin_anew()
        self.book, self.pages = Book(), []
        self.kept, self.saved = [], None

    # Pages

    @initialize(may_lose=st.booleans())
    def begin(self, may_lose):
        """Have clients of each kind on channels, and a Redis that may lose data or never does."""
        self.may_lose = may_lose
        for number in range(SERVERS):
            self.arrive(number, in_hall=True)
            self.arrive_as_official(number)
            for channel in "ab":
                self.subscribe(number, channel)
                self.subscribe_official(number, channel, is_sure=True)

    @property
    def clients(self):
        return [*self.pages, *self.officials]

    @property
    def connected(self):
        return [page for page in self.pages if page.is_connected]

    @property
    def away(self):
        return [page for page in self.pages if not page.is_connected]

    def connect(self, page, number, **options):
        number %= SERVERS
        self.homes[page] = number
        page.connect(self.site.servers[number].port, **options)

    @precondition(lambda self: len(self.pages) < PAGES)
    @rule(number=picks, in_hall=st.booleans())
    def arrive(self, number, in_hall):
        page = Page(self.book)
        if in_hall:
            page.join(CHANNEL + "hall")
        self.pages.append(page)
        self.connect(page, number)

    @precondition(lambda self: self.connected)
    @rule(number=picks)
    def cut(self, number):
        pick(number, self.connected).cut()

    @precondition(lambda self: self.away)
    @rule(number=picks, server=picks, banned=BANNED, put_on=PUT_ON, meanwhile=several)
    def come_back(self, number, server, banned, put_on, meanwhile):
        with self.publishing(meanwhile):
            self.connect(pick(number, self.away), server, banned=banned, put_on=put_on)

    @precondition(lambda self: self.away)
    @rule(number=picks, server=picks, put_on=PUT_ON, count=st.integers(0, 5), meanwhile=several)
    def come_back_in_vain(self, number, server, put_on, count, meanwhile):
        port = self.site.servers[server % SERVERS].port
        with self.publishing(meanwhile):
            pick(number, self.away).connect_in_vain(port, put_on, count)

    @precondition(lambda self: self.connected)
    @rule(number=picks)
    def settle_one(self, number):
        pick(number, self.connected).settle(self.nudge)

    # Channels

    @precondition(lambda self: self.connected)
    @rule(number=picks, channel=channels)
    def subscribe(self, number, channel):
        page = pick(number, self.connected)
        if channel in page.client.wanted:
            return
        if page.client.subscribe(channel):
            page.join(CHANNEL + channel)
        else:
            page.refuse(CHANNEL + channel)

    @precondition(lambda self: self.connected)
    @rule(number=picks, channel=channels, count=st.integers(1, 2), is_cut=st.booleans())
    def subscribe_while_messages_come(self, number, channel, count, is_cut):
        """Have ``on_subscribe`` wait while messages are published, and the page maybe leave."""
        page = pick(number, self.connected)
        if channel in page.client.wanted:
            return
        topic, home = CHANNEL + channel, self.homes[page]
        page.client.ask("slow")
        page.client.begin_to_subscribe(channel)
        id, was_known = page.client.id, topic in page.client.at
        self.site.ask(home, "asked", id)
        page.join(topic)
        for _ in range(count):
            self.publish([channel])
            self.publish(["a", "b"])
        if is_cut:
            page.cut()
            if not was_known:
                page.leave(topic)
        self.site.ask(home, "go on", id)
        if not is_cut and not page.client.end_subscribing(channel):
            page.refuse(topic)

    @precondition(lambda self: self.connected)
    @rule(number=picks, channel=channels, count=st.integers(0, 3))
    def go_on_from_a_page(self, number, channel, count):
        """Subscribe after the position with which a page was rendered."""
        page = pick(number, self.connected)
        if channel in page.client.wanted or CHANNEL + channel in page.client.at:
            return
        since = page_position(channel)
        page.join(CHANNEL + channel, since)
        for _ in range(count):
            self.publish([channel])
        if not page.client.subscribe(channel, since=since):
            page.refuse(CHANNEL + channel)

    @precondition(lambda self: self.connected)
    @rule(number=picks, channel=channels)
    def unsubscribe(self, number, channel):
        page = pick(number, self.connected)
        if channel in page.client.wanted:
            page.client.unsubscribe(channel)
            page.leave(CHANNEL + channel)

    @precondition(lambda self: self.connected)
    @rule(number=picks)
    def kick(self, number):
        page = pick(number, self.connected)
        page.client.ask("kick", "hall")
        page.leave(CHANNEL + "hall")
        assert CHANNEL + "hall" not in page.client.at

    @precondition(lambda self: self.connected)
    @rule(number=picks)
    def admit(self, number):
        page = pick(number, self.connected)
        if CHANNEL + "hall" not in page.topics:
            page.await_topic(CHANNEL + "hall")
            page.client.ask("admit", "hall")
            page.join(CHANNEL + "hall")

    # Messages

    @rule(names=st.sampled_from(AUDIENCES))
    def publish_one(self, names):
        self.publish(names)

    def publish(self, names):
        topics = [CHANNEL + name for name in names] or ["everyone"]
        message = self.book.add(self.book.next(), topics)
        for one in self.clients:
            one.publishing(message)
        with suppress(RelayError):  # some processes may have got it
            done = emit("message", message.number, **({"channel": names} if names else {}))
            self.note(message, done)

    def note(self, message, done):
        """Note what was told of a message."""
        is_accepted = done.received or done.is_kept
        message.position = done.position
        if not is_accepted:
            del self.book.messages[message.number]
        for one in self.clients:
            (one.published if is_accepted else one.refused)(message)
        if is_accepted and message.topics == (CHANNEL + "kept",):
            self.kept.append(message)

    @contextmanager
    def publishing(self, audiences):
        """Have messages published again and again while a ``with`` block runs."""
        over = Event()
        these = [] if self.book.has_lost else audiences  # or a loss could be told of any of them
        thread = Thread(target=self._publish_until, args=(over, these * AGAIN))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _publish_until(self, over, audiences):
        for names in audiences:
            if not over.is_set():
                self.publish(names)

    def nudge(self):
        self.site.wait_until_heard()
        for names in AUDIENCES[:5]:
            self.publish(names)

    @rule(names=st.sampled_from(AUDIENCES), count=st.integers(1, 3))
    def publish_some(self, names, count):
        for _ in range(count):
            self.publish(names)

    @precondition(lambda self: self.connected)
    @rule(number=picks)
    def send_to_one(self, number):
        self.send_to(pick(number, self.connected))

    def send_to(self, one):
        message = self.book.add(self.book.next(), ["socket"])
        with suppress(NoSocket, RelayError):
            send(one.id, message.number)
            one.await_direct(message)

    # Histories

    @rule(last=st.integers(1, 6))
    def read_the_history(self, last):
        found = [one.args[0] for one in history("kept", last=last)]
        kept = [one.number for one in self.kept]
        known = [number for number in found if number in kept]
        assert known == kept[len(kept) - len(known) :]
        assert len(found) == last or known == kept

    @precondition(lambda self: len(self.pages) < PAGES)
    @rule(number=picks, last=st.integers(1, 6))
    def arrive_with_the_history(self, number, last):
        page = Page(self.book)
        self.pages.append(page)
        self.connect(page, number)
        page.expect(CHANNEL + "kept", self.kept[-last:])
        assert page.client.subscribe("kept", last=last)
        page.join(CHANNEL + "kept")

    # Faults

    @rule(number=st.integers(0, SERVERS - 1), is_killed=st.booleans())
    def replace_a_server(self, number, is_killed):
        self.site.replace(number, lambda old: old.kill() if is_killed else old.end())
        for page in self.connected:
            if self.homes[page] == number:
                page.cut()
        for one in self.officials:
            if self.homes[one] == number:
                one.may_be_lost = True
                one.cut()

    @rule(fault=st.sampled_from(FAULTS))
    def befall(self, fault):
        """Have something happen to Redis."""
        getattr(self, fault)()

    def break_relays(self):
        self.site.break_relays()

    def empty(self):
        if not self.may_lose:
            return
        self.site.redis.client.flushall()
        self.note_loss()
        self.kept, self.saved = [], None

    def note_loss(self):
        self.book.has_lost = True
        for one in self.clients:
            one.lose()

    def remember(self):
        self.site.redis.client.save()
        self.saved = [*self.kept]

    def go_back_in_time(self):
        if self.saved is None or not self.may_lose:
            return
        self.site.restart_redis()
        self.note_loss()
        self.kept = [*self.saved]
        self.site.wait_until_heard()

    def teardown(self):
        failure = sys.exc_info()[1]
        if isinstance(failure, Exception):
            type(self).failure = self.failure or failure
        if self.failure is not None:
            return
        try:
            self.end()
        except Exception as failure:
            type(self).failure = failure
            raise

    def end(self):
        for page in self.away:
            self.connect(page, 0)
        for one in self.officials_away:
            self.connect_official(one, 0)
        for one in self.clients:
            one.settle(self.nudge)
        self.nudge()
        for one in self.clients:
            one.settle(self.nudge)
            one.cut()
        self.site.wait_until_idle()


@pytest.fixture
def site(tmp_path):
    with RedisServer(tmp_path) as redis, Servers(TEST_RELAY_URL=redis.url) as servers:
        options = {"SOCKETIO_RELAY_URL": redis.url, "SOCKETIO_HISTORY": HISTORY}
        with override_settings(**options):
            yield Site(redis, servers)


def test_each_page_gets_all_that_it_is_entitled_to_or_is_told(site):
    Recovery.site = site
    options = settings(
        derandomize=SEED is None,
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a failure that depends on time cannot be made smaller
        verbosity=Verbosity.debug,  # pytest shows the steps where the test fails
        suppress_health_check=list(HealthCheck),
    )
    machine = Recovery if SEED is None else seed(int(SEED))(Recovery)
    try:
        run_state_machine_as_test(machine, settings=options)
    finally:
        if Recovery.failure is not None:
            raise Recovery.failure
