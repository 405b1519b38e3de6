import copy
from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_socketio.exceptions import MisplacedAttachment, ProtocolError
from django_socketio.protocol import json
from django_socketio.protocol.socketio import packets as socketio
from django_socketio.protocol.socketio.packets import Decoder, Packet, PacketType
from django_socketio.protocol.socketio.payloads import RESERVED_EVENTS

repeatable = settings(derandomize=True, max_examples=80, deadline=None, database=None)

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, _, _ = PacketType
PLACEHOLDER = '{"_placeholder":true,"num":%d}'

# No low surrogates: a high one before them would make a character of both.
text = st.text(st.characters(exclude_categories=["Cs"]) | st.just("\ud800"), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**80), 2**80) | text | st.binary(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=15,
)
namespaces = st.just("/") | st.from_regex(r"/[^,\ud800-\udfff]{1,8}", fullmatch=True)
ids = st.integers(0, 2**53 - 1)
names = text.filter(lambda name: name not in RESERVED_EVENTS)
event_data = st.builds(lambda name, arguments: [name, *arguments], names, st.lists(values))
packets = st.builds(Packet, st.just(EVENT), namespaces, event_data, st.none() | ids) | st.builds(
    Packet, st.just(ACK), namespaces, st.lists(values), ids
)


class Blob:
    """A value that JSON does not know, with bytes inside."""

    def __init__(self, content):
        self.content = content


def decode_all(messages: Iterable[str | bytes], max_attachments=1000):
    """Feed one decoder; return the packets that came out."""
    decoder = Decoder(max_attachments)
    packets = [decoder.feed(message) for message in messages]
    return [packet for packet in packets if packet is not None]


def decode(*messages, max_attachments=10):
    """Return the one packet of these messages, which the last of them completes."""
    decoder = Decoder(max_attachments)
    assert all(decoder.feed(message) is None for message in messages[:-1])
    return decoder.feed(messages[-1])


def event(*data, **fields):
    return Packet(EVENT, data=list(data), **fields)


def placeholder(number):
    return {"_placeholder": True, "num": number}


def encode(packet, default=None):
    """Return a packet's messages: an EVENT's are the same from the functions for its halves."""
    messages = socketio.encode(packet, default)
    if packet.type is EVENT and packet.data is not None:
        text, attachments = socketio.encode_data(packet.data, default)
        header = socketio.event_header(packet.namespace, packet.id, len(attachments))
        assert [header + text, *attachments] == messages
    return messages


# Whole packets, both ways

ENCODED = [
    (Packet(CONNECT), ["0"]),
    (Packet(CONNECT, "/admin", {"sid": "x"}), ['0/admin,{"sid":"x"}']),
    (Packet(CONNECT, data={"token": "123"}), ['0{"token":"123"}']),
    (Packet(DISCONNECT), ["1"]),
    (Packet(DISCONNECT, "/admin"), ["1/admin,"]),
    (event("foo"), ['2["foo"]']),
    (event("foo", namespace="/admin"), ['2/admin,["foo"]']),
    (event("foo", 1, None, [True]), ['2["foo",1,null,[true]]']),
    (event("foo", id=0), ['20["foo"]']),
    (event("foo", id=12), ['212["foo"]']),
    (event("foo", namespace="/a", id=13), ['2/a,13["foo"]']),
    (Packet(ACK, data=[], id=12), ["312[]"]),
    (Packet(ACK, "/admin", ["bar"], 13), ['3/admin,13["bar"]']),
    (Packet(CONNECT_ERROR, data={"message": "No"}), ['4{"message":"No"}']),
    (
        Packet(CONNECT_ERROR, "/x", {"message": "Invalid namespace"}),
        ['4/x,{"message":"Invalid namespace"}'],
    ),
    (event("b", b"\x01"), ['51-["b",{"_placeholder":true,"num":0}]', b"\x01"]),
    (
        event("b", b"\x01", {"c": [b""]}, namespace="/admin"),
        [f'52-/admin,["b",{PLACEHOLDER % 0},{{"c":[{PLACEHOLDER % 1}]}}]', b"\x01", b""],
    ),
    (event(b"b"), [f"51-[{PLACEHOLDER % 0}]", b"b"]),
    (
        event("b", b"\x01", namespace="/n", id=7),
        ['51-/n,7["b",{"_placeholder":true,"num":0}]', b"\x01"],
    ),
    (Packet(ACK, data=[b"\x01"], id=15), ['61-15[{"_placeholder":true,"num":0}]', b"\x01"]),
]
DECODED = [(packet, messages) for packet, messages in ENCODED if packet.data != [b"b"]]


@pytest.mark.parametrize(("packet", "messages"), ENCODED)
def test_a_packet_is_written_as_the_specification_says(packet, messages):
    assert encode(packet) == messages


@pytest.mark.parametrize(("packet", "messages"), DECODED)
def test_a_packet_is_read_as_the_specification_says(packet, messages):
    assert decode(*messages) == packet


@repeatable
@given(packets)
def test_a_packet_comes_back_with_its_bytes_in_their_places(packet):
    assert repr(decode_all(encode(packet))) == repr([packet])


@repeatable
@given(st.lists(packets, max_size=5))
def test_packets_follow_each_other_through_one_decoder(sent):
    assert decode_all(message for packet in sent for message in encode(packet)) == sent


@repeatable
@given(packets)
def test_writing_a_packet_leaves_its_data_alone(packet):
    before = copy.deepcopy(packet)
    encode(packet)
    assert repr(packet) == repr(before)


@repeatable
@given(packets)
def test_attachments_are_counted_right_and_numbered_in_their_order(packet):
    text, *attachments = encode(packet)
    assert text[:1] in ("56" if attachments else "23")
    assert not attachments or text[1:].startswith(f"{len(attachments)}-")


@settings(repeatable, max_examples=150)
@given(st.text(alphabet='0123456-/,a[]{}":_\x00', max_size=20))
def test_any_text_is_a_packet_or_a_protocol_error(text):
    try:
        packet = Decoder(3).feed(text)
    except ProtocolError:
        return
    assert packet is None or packet.type in PacketType


# Namespaces and ids


@pytest.mark.parametrize(
    ("text", "type", "namespace"),
    [
        ("0", CONNECT, "/"),
        ("0/", CONNECT, "/"),
        ("0/,", CONNECT, "/"),
        ("0/custom", CONNECT, "/custom"),
        ("0/custom,", CONNECT, "/custom"),
        ("0/a/b-c,{}", CONNECT, "/a/b-c"),
        ("0/ü", CONNECT, "/ü"),
        ("0/1", CONNECT, "/1"),
        ("1/custom", DISCONNECT, "/custom"),
        ("1/custom,", DISCONNECT, "/custom"),
        ('2/,["a"]', EVENT, "/"),
        ('2["/a,b"]', EVENT, "/"),
        ('2/1-2,["a"]', EVENT, "/1-2"),
    ],
)
def test_a_namespace_ends_at_its_comma_or_with_the_packet(text, type, namespace):
    packet = decode(text)
    assert (packet.type, packet.namespace) == (type, namespace)


@pytest.mark.parametrize("id", [0, 1, 12, 2**31, 2**53 - 1])
def test_ids_are_javascripts_safe_integers(id):
    assert decode(f'2{id}["a"]').id == decode(f"3{id}[]").id == id
    assert decode(f'2/n,{id}["a"]').id == id


def test_an_event_may_have_no_id():
    assert decode('2["a"]').id is None


@pytest.mark.parametrize("text", ["3[]", '3["a"]', "3/admin,[]", f"61-[{PLACEHOLDER % 0}]"])
def test_an_ack_without_an_id_is_refused(text):
    with pytest.raises(ProtocolError, match="ACK without the id"):
        decode_all([text, b"x"])


@pytest.mark.parametrize("text", ["2%s[1]", "3%s[]", "50-%s[1]"])
@pytest.mark.parametrize("digits", [17, 5000])
def test_an_id_that_is_no_safe_integer_is_refused_and_quoted_in_short(text, digits):
    with pytest.raises(ProtocolError, match=r"acknowledgment id 9+$") as error:
        decode(text % ("9" * digits))
    assert len(str(error.value)) < 100


@pytest.mark.parametrize("text", ["01", "0/a,1{}", "11", "1/a,1", "41{}", '4/a,1{"message":""}'])
def test_only_events_and_acks_have_ids(text):
    with pytest.raises(ProtocolError, match="with the acknowledgment id 1"):
        decode(text)


# What packets may hold


@pytest.mark.parametrize("text", ["", "7", "9[]", "abc", "-1", '["a"]', " 2", "٢[]", "\x00"])
def test_an_unknown_packet_type_is_refused(text):
    with pytest.raises(ProtocolError, match="from 0 to 6") as error:
        decode(text)
    assert repr(text) in str(error.value)


def test_a_long_text_that_is_no_packet_is_quoted_in_short():
    with pytest.raises(ProtocolError) as error:
        decode("x" * 100_000)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    "text", ["2[", "2abc", '2["a"', '2["a"]]', '2/a["a"],b', "2[1,]", "0{", "12[", "2[NaN]", "0x"]
)
def test_a_payload_that_is_not_json_is_refused(text):
    with pytest.raises(ProtocolError, match="not JSON"):
        decode(text)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ("", "nothing"),
        ("null", "nothing"),
        ("{}", "an object"),
        ('{"a":1}', "an object"),
        ("[]", "an empty array"),
        ('"a"', "a string"),
        ("true", "a bool"),
        ("-1.5", "a float"),
    ],
)
@pytest.mark.parametrize("header", ["2", "2/admin,", "50-", "51-"])
def test_an_events_payload_is_a_non_empty_array(header, payload, kind):
    with pytest.raises(ProtocolError, match=f"non-empty array, not {kind}$"):
        decode(header + payload)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("null", "nothing"),
        ("true", "a bool"),
        ("{}", "an object"),
        (PLACEHOLDER % 0, "an object"),
        ('["a"]', "an array"),
    ],
)
@pytest.mark.parametrize("header", ["2", "51-"])
def test_an_events_name_is_a_string(header, name, kind):
    with pytest.raises(ProtocolError, match=f"name is a string or a number, not {kind}$"):
        decode(f"{header}[{name}]")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        *[("0", "0"), ("42", "42"), ("-7", "-7"), ("1.5", "1.5"), ("-0.25", "-0.25")],
        *[("2.0", "2"), ("-0.0", "0"), ("1e20", "100000000000000000000"), ("1e21", "1e+21")],
    ],
)
@pytest.mark.parametrize("header", ["2", "2/admin,7", "50-"])
def test_a_number_as_a_name_becomes_a_string_as_in_javascript(header, number, name):
    assert decode(f"{header}[{number},{number}]").data == [name, float(number)]


@pytest.mark.parametrize("name", ["", "message", "Connect", "connect ", "error", "ü", "a b"])
def test_any_other_string_is_a_name(name):
    assert decode(f"2[{json.dumps(name)}]").data == [name]


@pytest.mark.parametrize(
    "name",
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"],
)
@pytest.mark.parametrize("header", ["2", "21", "2/admin,", "50-", "51-"])
def test_reserved_names_are_refused_and_named(header, name):
    with pytest.raises(ProtocolError, match=f"'{name}' is reserved"):
        decode(f'{header}["{name}"]')


def test_reserved_names_are_free_in_acks_and_arguments():
    assert decode('31["connect"]').data == ["connect"]
    assert decode('2["a","disconnect"]').data == ["a", "disconnect"]


@pytest.mark.parametrize("payload", ["", "{}", '"a"', "-1.5", "true", "null"])
@pytest.mark.parametrize("header", ["3/a,1", "60-/a,1", "61-/a,1"])
def test_an_acks_payload_is_an_array(header, payload):
    with pytest.raises(ProtocolError, match="ACK's payload is an array, not"):
        decode(header + payload)


@pytest.mark.parametrize("payload", ["[]", '"token"', "true", "-1"])
@pytest.mark.parametrize("header", ["0", "0/admin,"])
def test_a_connects_payload_is_an_object(header, payload):
    with pytest.raises(ProtocolError, match="CONNECT's payload is an object, not"):
        decode(header + payload)


@pytest.mark.parametrize("payload", ["{}", "[]", '"bye"', "false"])
@pytest.mark.parametrize("header", ["1", "1/admin,"])
def test_a_disconnect_has_no_payload(header, payload):
    with pytest.raises(ProtocolError, match="DISCONNECT has no payload, not"):
        decode(header + payload)


@pytest.mark.parametrize("text", ["4", "4[]", "4true", "4/admin,"])
def test_a_connect_errors_payload_is_an_object(text):
    with pytest.raises(ProtocolError, match="CONNECT_ERROR's payload is an object, not"):
        decode(text)


def test_a_connect_error_may_be_a_string_as_older_servers_sent_it():
    assert decode('4"No"') == Packet(CONNECT_ERROR, data="No")


def test_values_that_orjson_refuses_are_read():
    assert decode('2["a","\\ud800",18446744073709551616]').data == ["a", "\ud800", 2**64]


def test_values_that_orjson_refuses_are_written():
    assert encode(event("a", "\ud800", 2**64)) == ['2["a","\\ud800",18446744073709551616]']


@dataclass
class Picture:
    image: bytes
    title: str


@pytest.mark.parametrize("kind", [Picture, SimpleNamespace])
def test_bytes_beside_what_orjson_refuses_are_attached_once(kind):
    value = kind(image=b"1", title="\ud800")
    text, attachments = socketio.encode_data(["event", value, b"2"], vars)
    packet = decode(f"52-{text}", *attachments)
    assert packet.data == ["event", {"image": b"1", "title": "\ud800"}, b"2"]


def test_large_strings_and_binaries_come_back():
    packet = event("a", "ü" * 100_000, bytes(100_000))
    assert decode(*encode(packet)) == packet


# Nesting


@pytest.mark.parametrize("depth", [10, 200])
def test_deep_arrays_come_back_with_bytes_at_their_bottom(depth):
    inner = b"x"
    for _ in range(depth):
        inner = [inner]
    assert decode(*encode(event("a", inner))) == event("a", inner)


@pytest.mark.parametrize("depth", [10, 200])
def test_deep_objects_come_back_with_bytes_at_their_bottom(depth):
    inner = b"x"
    for _ in range(depth):
        inner = {"k": inner}
    assert decode(*encode(event("a", inner))) == event("a", inner)


@pytest.mark.parametrize("depth", [100_000, 5_000])
@pytest.mark.parametrize("opened", ["[", '{"a":'])
@pytest.mark.parametrize("closed", [True, False])
def test_nesting_beyond_the_stack_is_refused(depth, opened, closed):
    end = {"[": "]", '{"a":': "}"}[opened]
    payload = opened * depth + "1" + end * depth * closed
    # Since Python 3.12 the end of a text may be reached before the end of the stack.
    reason = "nested too deeply" if closed else "nested too deeply|not JSON"
    with pytest.raises(ProtocolError, match=reason):
        decode(f'2["a",{payload}]')


@pytest.mark.parametrize("depth", [300, 600, 900, 980, 1020, 5_000, 100_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_beside_an_attachment_is_read_or_refused_but_breaks_nothing(
    depth, opened, closed
):
    payload = opened * depth + PLACEHOLDER % 0 + closed * depth
    try:
        packet = decode(f'51-["a",{payload}]', b"x")
    except ProtocolError as error:
        assert "nested too deeply" in str(error)
    else:
        assert packet.data[0] == "a"


# Attachments received


def test_a_packet_is_complete_with_its_last_attachment():
    decoder = Decoder(10)
    assert decoder.feed(f'52-["a",{PLACEHOLDER % 0},{PLACEHOLDER % 1}]') is None
    assert decoder.feed(b"one") is None
    assert decoder.feed(b"two") == event("a", b"one", b"two")


def test_placeholders_name_attachments_in_any_order():
    text = f'52-["a",{PLACEHOLDER % 1},{PLACEHOLDER % 0}]'
    assert decode(text, b"one", b"two").data == ["a", b"two", b"one"]


@pytest.mark.parametrize("count", [0, 2, 1000])
def test_an_attachment_has_one_place_so_that_small_packets_do_not_become_huge_ones(count):
    places = "".join(f",{PLACEHOLDER % 1}" for _ in range(count))
    text = f'52-/n,7["a",{PLACEHOLDER % 0}{places}]'
    with pytest.raises(
        MisplacedAttachment, match=f"attachment 1 has {count} places, one is expected"
    ) as error:
        decode(text, b"x", b"y" * 1000)
    assert (error.value.packet.namespace, error.value.packet.id) == ("/n", 7)
    assert error.value.packet.data[:2] == ["a", placeholder(0)]


def test_after_a_packet_that_is_refused_others_are_read():
    decoder = Decoder(10)
    decoder.feed('51-["a"]')
    with pytest.raises(MisplacedAttachment):
        decoder.feed(b"x")
    decoder.feed(f'51-["b",{PLACEHOLDER % 0}]')
    assert decoder.feed(b"y") == event("b", b"y")


def test_a_binary_ack_is_an_ack_with_bytes_in_it():
    assert decode(f"61-15[{PLACEHOLDER % 0}]", b"x") == Packet(ACK, data=[b"x"], id=15)


@pytest.mark.parametrize(
    ("text", "packet"),
    [('50-["a"]', event("a")), ("60-1[]", Packet(ACK, data=[], id=1))],
)
def test_a_binary_packet_without_attachments_is_complete_at_once(text, packet):
    assert decode(text) == packet


@pytest.mark.parametrize(
    "number",
    ["1", "10", "-1", "null", "true", "false", '"0"', "0.0", "[]", "{}", "18446744073709551616"],
)
def test_a_placeholder_that_names_no_attachment_is_data(number):
    text = f'51-["a",{{"_placeholder":true,"num":{number}}},{PLACEHOLDER % 0}]'
    alike = {"_placeholder": True, "num": json.loads(number)}
    assert decode(text, b"x").data == ["a", alike, b"x"]


@pytest.mark.parametrize(
    "alike", [{"_placeholder": True}, {**placeholder(0), "more": []}, {"num": 0}]
)
def test_a_placeholder_has_two_keys(alike):
    text = f'51-["a",{json.dumps(alike)},{PLACEHOLDER % 0}]'
    assert decode(text, b"x").data == ["a", alike, b"x"]


@pytest.mark.parametrize("mark", ["false", "1", '"true"', "null"])
def test_only_true_makes_a_placeholder(mark):
    text = f'51-["a",{{"_placeholder":{mark},"num":0}},{PLACEHOLDER % 0}]'
    assert decode(text, b"x").data == ["a", {"_placeholder": json.loads(mark), "num": 0}, b"x"]


ALIKE = [
    placeholder(0),
    placeholder(99),
    {"_placeholder": 1},
    {"_placeholder": False},
    {1: 2, "_placeholder": [10**30]},  # written by the standard library
]


@pytest.mark.parametrize("alike", ALIKE, ids=repr)
@pytest.mark.parametrize("id", [None, 7])
def test_what_looks_like_a_placeholder_is_not_sent_beside_bytes(alike, id):
    for data in ([alike, b"x"], [b"x", {"deep": [alike]}], [[b"x", b"y"], alike, alike]):
        packet = Packet(EVENT, data=["a", *data], id=id)
        with pytest.raises(ValueError, match='"_placeholder" cannot be sent beside bytes'):
            encode(packet)


@pytest.mark.parametrize("alike", ALIKE, ids=repr)
def test_what_looks_like_a_placeholder_is_sent_where_no_bytes_are(alike):
    (text,) = encode(event("a", alike))
    assert '"_placeholder":' in text


@pytest.mark.parametrize("value", ["_placeholder", '"_placeholder":true', ["_placeholder", True]])
def test_text_about_placeholders_is_sent_beside_bytes(value):
    text, attachment = encode(event("a", value, b"x", {"num": 0, "place": value}))
    assert decode(text, attachment) == event("a", value, b"x", {"num": 0, "place": value})


def test_what_looks_like_a_placeholder_in_a_plain_event_stays_what_it_is():
    assert decode(f'2["a",{PLACEHOLDER % 0}]').data == ["a", placeholder(0)]


@pytest.mark.parametrize("text", ['2["a"]', "1", "0", f'51-["a",{PLACEHOLDER % 0}]', ""])
@pytest.mark.parametrize("before", [[], [b"one"]])
def test_text_before_all_attachments_came_is_refused(text, before):
    decoder = Decoder(10)
    for message in [f'52-["a",{PLACEHOLDER % 0},{PLACEHOLDER % 1}]', *before]:
        decoder.feed(message)
    with pytest.raises(ProtocolError, match="text came where a binary attachment was expected"):
        decoder.feed(text)


@pytest.mark.parametrize(
    "before",
    [
        [],
        ['2["a"]'],
        ["0"],
        ['50-["a"]'],
        [f'51-["a",{PLACEHOLDER % 0}]', b"one"],
    ],
)
@pytest.mark.parametrize("attachment", [b"", b"x"])
def test_binary_that_nothing_announced_is_refused(before, attachment):
    with pytest.raises(ProtocolError, match="no packet announced"):
        decode_all([*before, attachment])


@pytest.mark.parametrize("text", ['5["a"]', '5/admin,["a"]', "6[]", "6/admin,1[]"])
def test_a_binary_packet_says_how_many_attachments_follow(text):
    with pytest.raises(ProtocolError, match=r"BINARY_.* with no number of attachments"):
        decode(text)


@pytest.mark.parametrize("text", ['21-["a"]', "31-1[]", "01-", "11-/admin,", "41-{}", '20-["a"]'])
def test_other_packets_have_no_attachments(text):
    with pytest.raises(ProtocolError, match=r"with . number of attachments"):
        decode(text)


@pytest.mark.parametrize("text", ['5-["a"]', '5a-["a"]', '5-1-["a"]', '51.5-["a"]', '5 1-["a"]'])
def test_a_number_of_attachments_that_is_none_is_refused(text):
    with pytest.raises(ProtocolError):
        decode(text)


def test_as_many_attachments_as_allowed_are_taken():
    packet = event("a", *[bytes([number]) for number in range(10)])
    assert decode(*encode(packet), max_attachments=10) == packet


@pytest.mark.parametrize("count", ["11", "999999999", "1" + "0" * 30, "9" * 100_000])
@pytest.mark.parametrize("header", ['5%s-["a"]', "6%s-1[]"])
def test_more_attachments_than_allowed_are_refused_before_they_come(header, count):
    with pytest.raises(ProtocolError, match=r"at most 10 .*SOCKETIO_MAX_ATTACHMENTS") as error:
        decode(header % count)
    assert f"has {count[:9]}" in str(error.value)
    assert len(str(error.value)) < 200


# Attachments sent


@pytest.mark.parametrize(
    "value", [b"xyz", bytearray(b"xyz"), memoryview(b"xyz"), memoryview(b"x-y-z")[::2]]
)
def test_every_kind_of_bytes_is_sent_as_an_attachment(value):
    assert encode(event("a", value)) == [f'51-["a",{PLACEHOLDER % 0}]', b"xyz"]


def test_an_attachment_is_not_changed_by_what_its_sender_does_later():
    value = bytearray(b"before")
    _, attachment = encode(event("a", value))
    value[:] = b"after!"
    assert attachment == b"before"
    assert type(attachment) is bytes


def test_equal_bytes_in_several_places_come_back_in_all_of_them():
    same = b"same"
    packet = event("a", same, [same, bytes(bytearray(b"same"))], b"", {"k": b""})
    assert decode(*encode(packet)) == packet


@pytest.mark.parametrize("refused", [2**70, "\ud800", {1: "a"}], ids=["int", "surrogate", "key"])
@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_attachments_are_numbered_right_beside_what_orjson_refuses(refused, place):
    data = ["a", b"one", {"k": bytearray(b"two")}, b"three"]
    data.insert(place, refused)
    text, *attachments = encode(event(*data))
    assert text.startswith("53-")
    assert attachments == [b"one", b"two", b"three"]


@pytest.mark.parametrize("place", [1, 2, 3])
def test_bytes_beside_an_integer_beyond_64_bits_come_back_in_their_places(place):
    data = ["a", b"one", b"two"]
    data.insert(place, 2**70)
    assert decode(*encode(event(*data))).data == data


@pytest.mark.parametrize("beside", [1, 2**70])
def test_default_writes_what_json_does_not_know_beside_bytes(beside):
    packet = event("a", {1}, b"x", beside)
    assert decode(*encode(packet, default=list)).data == ["a", [1], b"x", beside]


def test_default_is_not_asked_about_bytes():
    def default(value):
        raise AssertionError(value)

    assert len(encode(event("a", b"x", bytearray(b"y"), memoryview(b"z")), default)) == 4


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("beside", [1, 2**70])
def test_bytes_that_default_makes_come_back_in_their_places(kind, beside):
    contents = [b"one", b"two", b"three"]
    packet = event("a", *map(Blob, contents), beside)
    messages = encode(packet, default=lambda blob: kind(bytes(bytearray(blob.content))))
    assert decode(*messages).data == ["a", *contents, beside]


def test_bytes_that_default_makes_are_sent_once_beside_what_orjson_refuses():
    messages = encode(event("a", Blob(b"x"), 2**70), default=lambda blob: bytes([*blob.content, 0]))
    assert messages[1:] == [b"x\x00"]


@pytest.mark.parametrize("beside", [b"x", 1, 2**70])
def test_what_nobody_can_write_is_a_type_error_that_names_it(beside):
    with pytest.raises(TypeError, match="Blob"):
        encode(event("a", beside, Blob(b"")))


@pytest.mark.parametrize("type", [CONNECT, CONNECT_ERROR])
def test_bytes_in_a_packet_that_has_no_binary_form_are_a_type_or_value_error(type):
    with pytest.raises((TypeError, ValueError)):
        encode(Packet(type, data={"a": b"x"}))
