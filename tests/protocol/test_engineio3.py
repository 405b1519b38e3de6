"""Engine.IO 3 and Socket.IO 4: the examples of their specifications, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.engineio import v3
from django_socketio.protocol.engineio.client_pings import ClientPings
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.engineio.packets import Packet, PacketType
from django_socketio.protocol.socketio import v4

repeatable = settings(derandomize=True, max_examples=60, deadline=None, database=None)

MESSAGE = PacketType.MESSAGE

PAYLOADS = [
    (b"6:4hello", [Packet(MESSAGE, "hello")]),
    ("6:4hello2:4€".encode(), [Packet(MESSAGE, "hello"), Packet(MESSAGE, "€")]),
    ("2:4€10:b4AQIDBA==".encode(), [Packet(MESSAGE, "€"), Packet(MESSAGE, b"\x01\x02\x03\x04")]),
    (
        "3:4🦄2:4x1:2".encode(),
        [Packet(MESSAGE, "🦄"), Packet(MESSAGE, "x"), Packet(PacketType.PING)],
    ),
    (
        b"\x00\x04\xff4\xe2\x82\xac\x01\x05\xff\x04\x01\x02\x03\x04",
        [Packet(MESSAGE, "€"), Packet(MESSAGE, b"\x01\x02\x03\x04")],
    ),
]


@pytest.mark.parametrize(("body", "packets"), PAYLOADS, ids=range(len(PAYLOADS)))
def test_a_payload_is_read_as_the_specification_says(body, packets):
    assert list(v3.decode_payload(body, 10)) == packets


def contents_of(packets):
    """Return packets as WebSocket messages of Engine.IO 4 hold them."""
    return [p.data if isinstance(p.data, bytes) else f"{int(p.type)}{p.data}" for p in packets]


@pytest.mark.parametrize(("body", "packets"), PAYLOADS, ids=range(len(PAYLOADS)))
def test_a_payload_is_written_as_the_specification_says(body, packets):
    contents = contents_of(packets)
    written = (
        v3.binary_payload(contents) if body[0] == 0 else b"".join(map(v3.payload_part, contents))
    )
    assert written == body


texts = st.text(st.characters(exclude_categories=["Cs"]))
packets = st.lists(st.builds(Packet, st.just(MESSAGE), texts | st.binary()), min_size=1, max_size=5)


@repeatable
@given(packets)
def test_any_packets_survive_both_encodings(packets):
    contents = contents_of(packets)
    as_text = b"".join(map(v3.payload_part, contents))
    assert list(v3.decode_payload(as_text, 5)) == packets
    assert list(v3.decode_payload(v3.binary_payload(contents), 5)) == packets


@pytest.mark.parametrize(
    "body",
    [
        *[b"", b"abc", b"6", b"6:", b"6:4hell", b":4", b"-1:4", b"1:", b"0:", b"1:x", b"1:b"],
        *[b"4:b0AA", b"5:b4A*=", b"1_0:4", "²:4a".encode(), b"9" * 30 + b":4", b"\xff"],
        "2:4🦄".encode(),
        *[b"\x00", b"\x00\xff", b"\x00\x01", b"\x00\x09\xff4", b"\x00\x0a\xff4", b"\x02\x01\xff4"],
        *[
            b"\x00" + b"\x09" * 30 + b"\xff4",
            b"\x01\x01\xff\x02",
            b"\x01\x00\xff",
            b"\x00\x01\xff\xff",
        ],
        b"6:4hello\x00\x01\xff4",
    ],
    ids=repr,
)
def test_what_is_no_payload_is_refused(body):
    with pytest.raises(ProtocolError):
        list(v3.decode_payload(body, 10))


@pytest.mark.parametrize("one", [b"1:2", b"\x00\x01\xff2"])
def test_a_payload_has_at_most_as_many_packets_as_the_setting_says(one):
    assert len(list(v3.decode_payload(one * 3, 3))) == 3
    with pytest.raises(
        ProtocolError, match=r"more than 2 packets \(SOCKETIO_MAX_PAYLOAD_PACKETS\)"
    ):
        list(v3.decode_payload(one * 3, 2))


def test_a_script_of_jsonp_is_safe_in_old_browsers():
    script = v3.jsonp_script("4", '5:4"\u2028\u2029</script>'.encode())
    assert script == b'___eio[4]("5:4\\"\\u2028\\u2029</script>");'


@pytest.mark.parametrize(
    ("form", "payload"),
    [
        (b"d=6%3A4hello", b"6:4hello"),
        (b"d=4%3A4a%5Cnb", b"4:4a\nb"),
        (b"d=5%3A4a%5C%5Cnb", b"5:4a\\nb"),
        (b"d=2%3A4%E2%82%AC", "2:4€".encode()),
    ],
)
def test_a_form_of_jsonp_has_the_payload_in_a_field(form, payload):
    assert v3.jsonp_payload(form) == payload


@pytest.mark.parametrize("form", [b"", b"x=1", b"d=%FF", b"\xff", b"&".join([b"d=1"] * 11)])
def test_what_is_no_form_of_jsonp_is_refused(form):
    with pytest.raises(ProtocolError, match="field d"):
        v3.jsonp_payload(form)


# Heartbeat


def test_a_session_ends_after_interval_and_timeout_without_a_packet():
    protocol = ClientPings(25, 5, now=0)
    assert protocol.receive(Packet(PacketType.PING), now=20) is None
    assert protocol.tick(49.9) is None
    assert protocol.next_tick(49.9) == 50
    assert not protocol.is_over
    assert protocol.tick(50, is_heard=False) is None
    assert not protocol.is_over
    protocol.tick(55)
    assert protocol.reason == Reason.PING_TIMEOUT


@pytest.mark.parametrize("type", [PacketType.OPEN, PacketType.PONG])
def test_packets_of_servers_are_refused(type):
    with pytest.raises(ProtocolError, match=f"{type.name} packet from a client"):
        ClientPings(25, 5, now=0).receive(Packet(type), now=1)


# Socket.IO 4


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0", "0"),
        ("0/admin", "0/admin,"),
        ("0/admin,", "0/admin,"),
        ("0/admin?token=1%20%C3%BC&uid=&token=2", '0/admin,{"token":"2","uid":""}'),
        ("0/admin?", "0/admin,{}"),
        ('2["hello",1]', '2["hello",1]'),
        ('2/admin?x=1,["hello"]', '2/admin?x=1,["hello"]'),
        ("1/admin", "1/admin"),
    ],
)
def test_a_connect_has_its_query_as_data(old, new):
    assert v4.to_v5(old) == new


def test_a_query_has_a_limited_number_of_fields():
    fields = [f"a{number}=" for number in range(100)]
    assert v4.to_v5(f"0/admin?{'&'.join(fields)}").count(":") == 100
    with pytest.raises(ProtocolError, match="query of a namespace has more than 100 fields"):
        v4.to_v5(f"0/admin?{'&'.join(['', *fields])}")


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ('0{"sid":"abc"}', "0"),
        ('0/a{b,{"sid":"abc"}', "0/a{b,"),
        ('4{"message":"No, \\u00fc"}', '4"No, ü"'),
        ('4/admin,{"message":"No, {you}"}', '4/admin,"No, {you}"'),
        ('4/admin,{"message":"No","data":{"code":1}}', '4/admin,{"code":1}'),
        ('2["a"]', '2["a"]'),
        ('51-["a",{"_placeholder":true,"num":0}]', '51-["a",{"_placeholder":true,"num":0}]'),
    ],
)
def test_answers_to_a_connect_are_those_of_revision_4(new, old):
    assert v4.to_v4(new) == old
