"""Texts in the columns of a terminal: Chinese, Japanese and Korean characters take two of them."""

import unicodedata
from itertools import accumulate


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, width: int) -> str:
    """Return as much of a text as fits into some columns."""
    if text.isascii():
        return text[:width]
    ends = accumulate(map(_columns, text))
    return "".join(one for one, end in zip(text, ends, strict=True) if end <= width)


def pad(text: str, width: int, is_text: bool) -> str:
    """Return a text that takes some columns: with spaces after a text, or before a number."""
    space = " " * (width - width_of(text))
    return text + space if is_text else space + text


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
