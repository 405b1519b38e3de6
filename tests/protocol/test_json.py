import contextlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_socketio.protocol import json

repeatable = settings(derandomize=True, max_examples=60, deadline=None, database=None)

# A high surrogate never pairs up with what these texts hold besides, so it comes back as it was.
text = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\ud800\udbff"))
numbers = st.integers(-(2**90), 2**90) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)


class Colour(Enum):
    RED = "red"


@dataclass
class Message:
    text: object
    _secret: int = 1
    number: float = math.nan


@dataclass(slots=True)
class Slotted:
    text: object
    _secret: int = 1


@dataclass
class Extended(Slotted):
    number: int = 2


class Inherited(Message):
    """No dataclass to orjson, which asks ``default`` about it."""


def nested(depth, inner="x"):
    for _ in range(depth):
        inner = [inner]
    return inner


@repeatable
@given(values)
def test_every_json_value_comes_back_as_it_was(value):
    assert repr(json.loads(json.dumps(value))) == repr(value)


@repeatable
@given(values)
def test_what_is_written_can_always_be_sent_as_utf_8(value):
    assert json.dumps(value).encode().decode() == json.dumps(value)


@settings(repeatable, max_examples=20)
@given(st.integers(0, 400), st.sampled_from([2**70, "\ud800", "x", 0.5]))
def test_nesting_comes_back_whatever_is_inside(depth, inner):
    assert json.loads(json.dumps(nested(depth, inner))) == nested(depth, inner)


@settings(repeatable, max_examples=100)
@given(st.text(alphabet='[]{}",:0123456789.eE+-\\ud8truefalsn \n', max_size=30))
def test_any_text_is_read_or_refused_with_a_value_error(text):
    with contextlib.suppress(ValueError):
        json.loads(text)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": [1, 2]}, '{"a":[1,2]}'),
        ("ü", '"ü"'),
        ("\ud800", '"\\ud800"'),
        ({"\udfff": 1}, '{"\\udfff":1}'),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
        ({1: "a", None: "b"}, '{"1":"a","null":"b"}'),
        ([(1, 2), [2**70]], "[[1,2],[1180591620717411303424]]"),
    ],
)
def test_text_is_compact_whichever_library_writes_it(value, written):
    assert json.dumps(value) == written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"\\ud800"', "\ud800"),
        ('"\\udc00\\ud800"', "\udc00\ud800"),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\ud800 as it is, not escaped"', "\ud800 as it is, not escaped"),
        ("9007199254740993", 2**53 + 1),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2**64),
        ("-9223372036854775808", -(2**63)),
        ("-9223372036854775809", -(2**63) - 1),
        ("[1e2, -0.5]", [100.0, -0.5]),
        ("0.10000000000000000001", 0.1),
        ('"12345678901234567890"', "12345678901234567890"),
        (' {"a" : null}\n', {"a": None}),
        ('{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_text_of_javascript_is_read(text, value):
    assert repr(json.loads(text)) == repr(value)


BIG = 2**64


@pytest.mark.parametrize(
    "text",
    ["{}", "-{}", "[{}]", "[-{}]", "[1,{}]", "[1,-{}]", '{{"a":{}}}', '{{"a":-{}}}']
    + [f"[1,{space}{{}}]" for space in (" ", "\t", "\r", "\n")],
)
def test_an_integer_beyond_64_bits_is_read_wherever_it_stands(text):
    def integers(value):
        for one in value if isinstance(value, list) else [value]:
            yield from integers(list(one.values())) if isinstance(one, dict) else [one]

    read = list(integers(json.loads(text.format(BIG))))
    assert str(read[-1]) in (str(BIG), str(-BIG))


@pytest.mark.parametrize("text", ['["id-x1234567890123456789"]', '["T0000022699371000000"]'])
def test_digits_in_a_text_do_not_need_the_standard_library(text, monkeypatch):
    monkeypatch.setattr("django_socketio.protocol.stdjson.loads", None)
    assert json.loads(text) == [text[2:-2]]


@pytest.mark.parametrize(
    "text",
    ["", " ", "abc", "[", "{}}", '{"a"}', "[1,]", "01", "'a'", '"\n"', '"\\x"', "nul", "1 2"],
)
def test_text_that_is_not_json_is_refused(text):
    with pytest.raises(ValueError):
        json.loads(text)


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_constants_of_python_that_json_does_not_have_are_refused_by_name(name):
    with pytest.raises(ValueError, match=f"{name} is not JSON"):
        json.loads(f"[{name}]")


@pytest.mark.parametrize("constant", ["NaN", "Infinity"])
def test_such_constants_are_refused_beside_integers_beyond_64_bits_too(constant):
    with pytest.raises(ValueError, match=constant):
        json.loads(f"[{2**70},{constant}]")


@pytest.mark.parametrize("opened", ["[", '{"a":', '[{"a":'])
def test_text_nested_beyond_the_stack_is_refused(opened):
    with pytest.raises(ValueError, match="nested too deeply"):
        json.loads(opened * 100_000)


@pytest.mark.parametrize("beside", ["1", str(2**70)])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
def test_text_nested_more_deeply_than_orjson_reads_is_refused(beside, opened, closed):
    def text(depth):
        return f"[{beside},{opened * (depth - 1)}{closed * (depth - 1)}]".replace(":}", ":0}")

    assert json.loads(text(900))[0] == int(beside)
    with pytest.raises(ValueError, match="nested too deeply"):
        json.loads(text(1_100))


def test_an_integer_of_very_many_digits_is_refused_or_read_but_never_rounded():
    try:
        value = json.loads("1" + "0" * 5000)
    except ValueError:
        return
    assert value == 10**5000


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("beside", [1, 2**70])
def test_a_number_that_json_does_not_have_is_null_as_in_javascript(number, beside):
    assert json.dumps([number, beside]) == f"[null,{beside}]"


def test_a_value_that_contains_itself_is_not_sent():
    value = []
    value.append(value)
    with pytest.raises(ValueError):
        json.dumps(value)


def test_a_value_nested_beyond_the_stack_is_not_sent():
    with pytest.raises(ValueError, match="nested too deeply"):
        json.dumps(nested(100_000))


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", {(1, 2): 3}, Decimal("1.5")])
def test_a_value_that_nobody_knows_is_a_type_error(value):
    with pytest.raises(TypeError):
        json.dumps([value])


@pytest.mark.parametrize("beside", [1, 2**70, "\ud800"])
@pytest.mark.parametrize(
    "value",
    [
        Decimal("1.50"),
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=UTC).date(),
        UUID(int=7),
    ],
)
def test_default_writes_what_json_does_not_know_whichever_library_asks_it(value, beside):
    assert json.loads(json.dumps([value, beside], default=str)) == [str(value), beside]


@pytest.mark.parametrize("beside", [1, 2**70])
def test_what_default_returns_may_need_default_again(beside):
    def default(value):
        return str(value) if isinstance(value, Decimal) else sorted(value)

    written = json.dumps([{Decimal("1.50"), Decimal("2")}, beside], default)
    assert json.loads(written) == [["1.50", "2"], beside]


@pytest.mark.parametrize("beside", [1, 2**70])
def test_what_default_refuses_is_a_type_error_with_the_words_of_default(beside):
    def refuse(value):
        raise TypeError(f"no {type(value).__name__} here")

    with pytest.raises(TypeError, match="no set here"):
        json.dumps([{1}, beside], default=refuse)


@pytest.mark.parametrize("kind", [Message, Slotted, Extended, Inherited])
def test_a_dataclass_is_written_alike_whichever_library_writes_it(kind):
    def default(value):
        return [str(value.date()) if isinstance(value, datetime) else type(value).__name__]

    for part in ("x", [datetime(2026, 1, 2)], Colour.RED, Slotted(Message(1)), UUID(int=7)):
        value = kind(part)
        if hasattr(value, "__dict__"):
            value.more = "more"
        alone = json.loads(json.dumps(value, default))
        assert json.loads(json.dumps([value, 2**70], default)) == [alone, 2**70]


@pytest.mark.parametrize("part", ["\ud800", 2**70, {1: 2}, Enum("Big", {"ONE": 2**70}).ONE])
@pytest.mark.parametrize("kind", [Message, Slotted])
def test_a_part_of_a_dataclass_may_need_the_standard_library(kind, part):
    written = json.dumps({"text": part})
    assert json.loads(json.dumps(kind(part)))["text"] == json.loads(written)["text"]


def test_an_enum_is_written_alike_whichever_library_writes_it():
    def outcome(value):
        try:
            return json.loads(json.dumps(value))[0]
        except TypeError as error:
            return type(error)

    assert outcome([Colour.RED, 1]) == outcome([Colour.RED, 2**70])


def test_a_string_of_200_kilobytes_comes_back():
    assert json.loads(json.dumps("ü" * 100_000)) == "ü" * 100_000
