"""A search for regular expressions with catastrophic backtracking.

``^(a+)+$`` takes seconds to find that 27 letters and a digit do not match. Clients choose the names
of channels, so a client could stop the server by such a pattern. The search builds names from each
part of the pattern that may repeat: a text that the part matches, many times, and an end that the
pattern does not match. A name that takes too long proves the fault.
"""

import re
import time
from collections.abc import Callable, Iterator
from itertools import product
from re import _parser  # type: ignore[attr-defined]
from typing import Any

TOO_LONG = 0.005
"""Seconds. A harmless pattern takes less for so short a name, on any machine."""

REPETITIONS = range(4, 32, 2)
ENDS = ("\N{SNOWMAN}", ",,", "::", "--", "..")
"""Ends of names that most patterns do not match."""

SAMPLES = ("a0-_A .é", "0-_A .éa")
"""Characters to try, in two orders, where a pattern allows any character of a class."""

Node = tuple[Any, Any]


def name_that_takes_long(pattern: re.Pattern[str]) -> str | None:
    """Return a short name for which the pattern takes exponential time; None if none is found."""
    return next((name for name in _names(pattern) if _seconds(pattern, name) > TOO_LONG), None)


def name_of_channel(pattern: re.Pattern[str]) -> str | None:
    """Return a short name that a pattern matches; None if none is found."""
    nodes = list(_parser.parse(pattern.pattern, pattern.flags))
    names = (_sample(nodes, samples) for samples in SAMPLES)
    return next((name for name in names if name and pattern.match(name)), None)


def _names(pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield names that repeat a part of the pattern more and more often."""
    nodes = list(_parser.parse(pattern.pattern, pattern.flags))
    starts = {start for samples in SAMPLES for start in _repetitions(nodes, samples)}
    for (beginning, repeated), end in product(sorted(starts), ENDS):
        for times in REPETITIONS:
            yield beginning + repeated * times + end


def _seconds(pattern: re.Pattern[str], name: str) -> float:
    """Return the time of a match: the shorter of two, as other programs use the processor too."""

    def measure() -> float:
        begin = time.perf_counter()
        pattern.match(name)
        return time.perf_counter() - begin

    first = measure()
    return first if first <= TOO_LONG else min(first, measure())


def _repetitions(nodes: list[Node], samples: str) -> Iterator[tuple[str, str]]:
    """Yield for each part that may repeat: a text that leads to it, and a text that it matches."""
    before = ""
    for node in nodes:
        for inner in _inner(node):
            if str(node[0]).endswith("REPEAT") and (text := _sample(inner, samples)):
                yield before, text
            for inner_before, text in _repetitions(inner, samples):
                yield before + inner_before, text
        before += _sample([node], samples)


def _inner(node: Node) -> list[list[Node]]:
    """Return the sequences of nodes inside a node."""
    find = _INNER.get(str(node[0]))
    return [list(part) for part in find(node[1])] if find else []


_INNER: dict[str, Callable[[Any], list[Any]]] = {
    "MAX_REPEAT": lambda value: [value[2]],
    "MIN_REPEAT": lambda value: [value[2]],
    "SUBPATTERN": lambda value: [value[3]],
    "ATOMIC_GROUP": lambda value: [value],
    "BRANCH": lambda value: value[1],
}


def _sample(nodes: list[Node], samples: str) -> str:
    """Return a short text that these nodes match, or nearly match: it is a guess, not a search."""
    return "".join(_sample_of(node, samples) for node in nodes)


def _sample_of(node: Node, samples: str) -> str:
    kind, value = str(node[0]), node[1]
    if kind == "LITERAL":
        return chr(value)
    if kind in ("IN", "NOT_LITERAL", "ANY"):
        return next((c for c in samples if _matches(node, c)), _first_literal(value))
    inner = _inner(node)
    times = max(1, value[0]) if kind in ("MAX_REPEAT", "MIN_REPEAT") else 1
    return _sample(inner[0], samples) * times if inner else ""


def _first_literal(members: Any) -> str:
    """Return the first character of a class, for a class without any of the samples."""
    for kind, value in members if isinstance(members, list) else ():
        if str(kind) in ("LITERAL", "RANGE"):
            return chr(value if str(kind) == "LITERAL" else value[0])
    return ""


def _matches(node: Node, character: str) -> bool:
    parsed = _parser.parse("a")
    parsed.data = [node]
    return re._compiler.compile(parsed).match(character) is not None  # type: ignore[attr-defined]
