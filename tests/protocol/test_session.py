import json

import pytest

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.engineio.heartbeat import PING, Reason, SessionProtocol, open_packet
from django_socketio.protocol.engineio.packets import Packet, PacketType

PONG = Packet(PacketType.PONG)


def session(now=100.0):
    return SessionProtocol(ping_interval=25, ping_timeout=20, now=now)


def pinged():
    """A session whose ping went out at 125."""
    protocol = session()
    protocol.tick(125)
    return protocol


def test_a_new_session_lives_and_is_due_after_the_ping_interval():
    assert session().reason is None
    assert session().deadline == 125


def test_nothing_is_due_before_the_deadline():
    assert session().tick(124.999) is None


def test_a_ping_is_due_at_the_deadline():
    assert session().tick(125) == PING == Packet(PacketType.PING, "")


def test_after_a_ping_the_client_has_the_ping_timeout():
    assert pinged().deadline == 145


def test_a_ping_is_not_repeated_while_its_pong_is_awaited():
    protocol = pinged()
    assert protocol.tick(130) is None
    assert protocol.reason is None


def test_a_session_without_pong_is_over_exactly_interval_and_timeout_after_the_handshake():
    protocol = pinged()
    protocol.tick(144.999)
    assert protocol.reason is None
    assert protocol.tick(145) is None
    assert protocol.reason == Reason.PING_TIMEOUT == "ping timeout"


def test_the_timeout_counts_from_the_ping_however_late_that_is():
    protocol = session()
    assert protocol.tick(130) == PING
    assert protocol.deadline == 150


def test_a_pong_moves_the_deadline():
    protocol = pinged()
    protocol.receive(PONG, now=126)
    assert protocol.deadline == 151
    assert protocol.tick(150) is None


def test_a_pong_is_followed_by_the_next_ping_not_by_the_end():
    protocol = pinged()
    protocol.receive(PONG, now=126)
    assert protocol.tick(151) == PING
    assert protocol.reason is None


def test_a_pong_in_the_last_moment_counts():
    protocol = pinged()
    protocol.receive(PONG, now=144.9)
    assert protocol.tick(145) is None
    assert protocol.reason is None


def test_a_message_is_no_pong():
    protocol = pinged()
    protocol.receive(Packet(PacketType.MESSAGE, "x"), now=126)
    assert protocol.deadline == 145


def test_heartbeats_go_on_for_as_long_as_pongs_come():
    protocol = session()
    for beat in range(1, 50):
        assert protocol.tick(100 + 25 * beat) == PING
        protocol.receive(PONG, now=100 + 25 * beat)
    assert protocol.reason is None


def test_intervals_may_be_fractions():
    protocol = SessionProtocol(ping_interval=0.25, ping_timeout=0.5, now=0)
    assert protocol.tick(0.25) == PING
    protocol.tick(0.75)
    assert protocol.reason == Reason.PING_TIMEOUT


def test_the_next_tick_is_the_deadline_or_sooner_where_a_pong_may_bring_it_nearer():
    protocol = SessionProtocol(ping_interval=5, ping_timeout=20, now=0)
    assert protocol.next_tick(0) == 5
    protocol.tick(5)
    assert protocol.next_tick(5) == 10
    assert protocol.next_tick(24) == 25


def test_ticking_whenever_said_never_misses_a_ping():
    protocol = SessionProtocol(ping_interval=5, ping_timeout=20, now=0)
    protocol.tick(5)
    check = protocol.next_tick(5)
    protocol.receive(PONG, now=5.5)
    assert check <= protocol.deadline == 10.5


def test_a_client_that_cannot_be_heard_is_pinged_again():
    protocol = pinged()
    assert protocol.tick(200, is_heard=False) == PING
    assert protocol.deadline == 220
    assert protocol.tick(220) is None
    assert protocol.reason == Reason.PING_TIMEOUT


@pytest.mark.parametrize("content", ["hello", "", b"\x00\x01", b""])
def test_a_message_gives_its_content(content):
    assert session().receive(Packet(PacketType.MESSAGE, content), now=101) == content


@pytest.mark.parametrize("type", [PacketType.PONG, PacketType.CLOSE, PacketType.NOOP])
def test_other_packets_give_nothing(type):
    assert session().receive(Packet(type), now=101) is None


@pytest.mark.parametrize("type", [PacketType.NOOP, PacketType.UPGRADE])
def test_a_noop_and_an_upgrade_that_is_done_change_nothing(type):
    protocol = pinged()
    protocol.receive(Packet(type), now=126)
    assert (protocol.deadline, protocol.reason) == (145, None)


@pytest.mark.parametrize("type", [PacketType.OPEN, PacketType.PING])
def test_a_packet_that_clients_do_not_send_is_refused_and_named(type):
    with pytest.raises(ProtocolError, match=f"{type.name} packet"):
        session().receive(Packet(type), now=101)


def test_a_close_packet_ends_the_session():
    protocol = session()
    protocol.receive(Packet(PacketType.CLOSE), now=101)
    assert protocol.reason == Reason.TRANSPORT_CLOSE == "transport close"


def test_the_first_reason_stays():
    protocol = session()
    assert protocol.close(Reason.SLOW_CLIENT) is True
    assert protocol.close(Reason.PARSE_ERROR) is False
    protocol.receive(Packet(PacketType.CLOSE), now=101)
    assert protocol.reason == Reason.SLOW_CLIENT


@pytest.mark.parametrize("now", [125, 1000])
def test_a_session_that_is_over_pings_no_more(now):
    protocol = session()
    protocol.close(Reason.TRANSPORT_CLOSE)
    assert protocol.tick(now) is None
    assert protocol.reason == Reason.TRANSPORT_CLOSE


def test_a_timeout_does_not_replace_the_reason_of_the_end():
    protocol = pinged()
    protocol.close(Reason.SHUTTING_DOWN)
    protocol.tick(1000)
    assert protocol.reason == Reason.SHUTTING_DOWN


def test_the_handshake_has_exactly_the_keys_of_the_specification():
    packet = open_packet("secret", ["websocket"], 25, 20, 1_000_000)
    assert packet.type is PacketType.OPEN
    assert list(json.loads(packet.data).items()) == [
        ("sid", "secret"),
        ("upgrades", ["websocket"]),
        ("pingInterval", 25000),
        ("pingTimeout", 20000),
        ("maxPayload", 1000000),
    ]


def test_a_websocket_session_is_offered_no_upgrades():
    assert json.loads(open_packet("sid", [], 25, 20, 1).data)["upgrades"] == []


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(0.3, 300), (0.29, 290), (1.001, 1001), (1.1, 1100), (25, 25000), (2.5, 2500)],
)
def test_times_of_the_handshake_are_whole_milliseconds(seconds, milliseconds):
    handshake = json.loads(open_packet("sid", [], seconds, seconds * 2, 1).data)
    assert (handshake["pingInterval"], handshake["pingTimeout"]) == (milliseconds, milliseconds * 2)
    assert type(handshake["pingInterval"]) is int
