"""Query strings are read as Python's own reader reads them."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_socketio.transports.http import read_query

TEXTS = st.text(st.sampled_from("aZ=&;%20+é\t ?#[]\0"), max_size=20)


@given(TEXTS)
def test_any_text_is_read_as_by_the_standard_library(text):
    assert read_query(text) == dict(parse_qsl(text, keep_blank_values=True))


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("EIO=4&transport=polling", {"EIO": "4", "transport": "polling"}),
        ("sid=a&sid=b&t", {"sid": "b", "t": ""}),
        ("&&a==b&=c", {"a": "=b", "": "c"}),
        ("s%69d=%41+b", {"sid": "A b"}),
    ],
)
def test_fields_and_their_values(text, fields):
    assert read_query(text) == fields
