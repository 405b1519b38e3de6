"""What may happen to clients that come back to their sockets, as rules of a model."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.kit.keeping import CHANNEL
from tests.relay.recovery.official import Official
from tests.relay.recovery.site import SERVERS

OFFICIALS = 3

picks = st.integers(0, 1000)
channels = st.sampled_from(["a", "b"])
servers = st.sampled_from([None, *range(SERVERS)])
AUDIENCES = [["a"], ["b"], ["hall"], ["kept"], [], ["a", "b"], ["b", "hall"], ["hall", "a", "b"]]
"""Channels of a message; none: it is for everyone."""

several = st.lists(st.sampled_from(AUDIENCES), max_size=4)


def pick(number, clients):
    """Return one of the clients."""
    return clients[number % len(clients)]


class OfficialRules(RuleBasedStateMachine):
    """The rules of these clients; the model has the site, the book and the messages."""

    def __init__(self):
        super().__init__()
        self.officials, self.homes = [], {}

    @property
    def connected_officials(self):
        return [one for one in self.officials if one.is_connected]

    @property
    def officials_away(self):
        return [one for one in self.officials if not one.is_connected]

    @property
    def officials_with_sockets(self):
        return [one for one in self.officials if not one.may_be_lost]

    def connect_official(self, one, number):
        number %= SERVERS
        self.homes[one] = number
        return one.connect(self.site.servers[number].port)

    @precondition(lambda self: len(self.officials) < OFFICIALS)
    @rule(number=picks)
    def arrive_as_official(self, number):
        self.officials.append(Official(self.book))
        self.connect_official(self.officials[-1], number)

    @precondition(lambda self: self.connected_officials)
    @rule(number=picks)
    def cut_official(self, number):
        pick(number, self.connected_officials).cut()

    @precondition(lambda self: self.officials_away)
    @rule(number=picks, server=servers, is_sure=st.booleans(), meanwhile=several)
    def come_back_to_the_socket(self, number, server, is_sure, meanwhile):
        self.bring_back(pick(number, self.officials_away), server, is_sure, meanwhile)

    @precondition(lambda self: self.connected_officials)
    @rule(number=picks, server=servers, is_sure=st.booleans(), missed=several, meanwhile=several)
    def come_back_at_once(self, number, server, is_sure, missed, meanwhile):
        """Be cut, and come back after some messages."""
        one = pick(number, self.connected_officials)
        one.cut()
        for names in missed:
            self.publish(names)
            self.send_to(one)
            self.emit_to(one)
        self.bring_back(one, server, is_sure, meanwhile)

    def bring_back(self, one, server, is_sure, meanwhile):
        """Have a client connect to its process or to a certain one, while messages are published.

        It must be recovered if the process hears Redis, or if it is the same process.
        """
        server = self.homes[one] if server is None else server
        if is_sure:
            self.site.wait_until_heard()
        must_be_recovered = is_sure or server == self.homes[one]
        must_be_recovered &= not (one.may_be_lost or self.book.has_lost)
        with self.publishing(meanwhile):
            is_recovered = self.connect_official(one, server)
        assert is_recovered or not must_be_recovered

    @precondition(lambda self: self.connected_officials)
    @rule(number=picks, channel=channels, is_sure=st.booleans())
    def subscribe_official(self, number, channel, is_sure):
        one = pick(number, self.connected_officials)
        if channel not in one.wanted:
            self.flush(one, is_sure)
            one.subscribe(channel, is_sure)

    def flush(self, one, is_sure):
        """Have the process of a client handle all that was accepted before, if that is wanted."""
        if is_sure:
            self.site.flush(self.homes[one])

    @precondition(lambda self: self.connected_officials)
    @rule(number=picks, channel=channels, count=st.integers(1, 2), is_cut=st.booleans())
    def subscribe_official_while_messages_come(self, number, channel, count, is_cut):
        one = pick(number, self.connected_officials)
        if channel in one.wanted:
            return
        home = self.homes[one]
        one.ask("slow")
        one.begin_to_subscribe(channel)
        self.site.ask(home, "asked", one.id)
        one.join(CHANNEL + channel)
        for _ in range(count):
            self.publish([channel])
            self.publish(["a", "b"])
        if is_cut:
            one.cut()
        self.site.ask(home, "go on", one.id)
        if not is_cut:
            one.end_subscribing()

    @precondition(lambda self: self.connected_officials)
    @rule(number=picks, last=st.integers(1, 6))
    def read_the_history_as_official(self, number, last):
        one = pick(number, self.connected_officials)
        if "kept" not in one.wanted:
            one.expect(CHANNEL + "kept", self.kept[-last:])
            one.subscribe("kept", last=last)

    @precondition(lambda self: self.connected_officials)
    @rule(number=picks, channel=channels)
    def unsubscribe_official(self, number, channel):
        one = pick(number, self.connected_officials)
        if channel in one.wanted:
            one.unsubscribe(channel)

    @precondition(lambda self: self.officials_with_sockets)
    @rule(number=picks, is_sure=st.booleans())
    def kick_or_admit_official(self, number, is_sure):
        """Take a socket, which may be away, off a channel, or put it there."""
        one, hall = pick(number, self.officials_with_sockets), CHANNEL + "hall"
        self.flush(one, is_sure)
        is_on = hall not in one.topics
        assert self.site.ask(self.homes[one], "put", one.id, "hall", is_on) == [True]
        if is_on:
            one.join(hall, is_sure)
        else:
            one.leave(hall, is_sure)

    @precondition(lambda self: self.officials_with_sockets)
    @rule(number=picks, by_handler=st.booleans())
    def send_to_one_official(self, number, by_handler):
        send = self.emit_to if by_handler else self.send_to
        send(pick(number, self.officials_with_sockets))

    def emit_to(self, one):
        """Have a handler send to the socket of a client, which may be away."""
        if not one.may_be_lost:
            message = self.book.add(self.book.next(), ["handler"])
            assert self.site.ask(self.homes[one], "emit", one.id, message.number) == [True]
            one.await_direct(message)

    @precondition(lambda self: self.connected_officials)
    @rule(number=picks)
    def settle_one_official(self, number):
        pick(number, self.connected_officials).settle(self.nudge)
