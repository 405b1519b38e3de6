"""Regular expressions that take exponential time for some names (catastrophic backtracking).

``^(a+)+$`` takes seconds to find that 27 letters and a digit do not match. Channel names come from
clients, so such a pattern lets a client stop the server. Each part of a pattern that may repeat is
tried with names that repeat a text which it matches, and that end in a character which it does not.
"""

import re
import time
from collections.abc import Callable, Iterator
from itertools import product
from re import _parser  # type: ignore[attr-defined]
from typing import Any

TOO_LONG = 0.005
"""Seconds that no harmless pattern takes for so short a name, on any machine."""

REPETITIONS = range(4, 32, 2)
ENDS = ("\N{SNOWMAN}", ",,", "::", "--", "..")
"""Ends of names that most patterns do not expect."""

SAMPLES = ("a0-_A .é", "0-_A .éa")
"""Characters that are tried where a pattern allows any of a class, in two orders."""

Node = tuple[Any, Any]


def name_that_takes_long(pattern: re.Pattern[str]) -> str | None:
    """Return a short name for which matching takes exponential time, if one is found."""
    return next((name for name in _names(pattern) if _seconds(pattern, name) > TOO_LONG), None)


def _names(pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield names that repeat a part of the pattern, each a little longer than the one before."""
    nodes = list(_parser.parse(pattern.pattern, pattern.flags))
    starts = {start for samples in SAMPLES for start in _repetitions(nodes, samples)}
    for (beginning, repeated), end in product(sorted(starts), ENDS):
        for times in REPETITIONS:
            yield beginning + repeated * times + end


def _seconds(pattern: re.Pattern[str], name: str) -> float:
    """Return how long a match takes: the shorter of two attempts, as others use the machine too."""

    def measure() -> float:
        begin = time.perf_counter()
        pattern.match(name)
        return time.perf_counter() - begin

    first = measure()
    return first if first <= TOO_LONG else min(first, measure())


def _repetitions(nodes: list[Node], samples: str) -> Iterator[tuple[str, str]]:
    """Yield, for each part that may repeat, a text before it and a text that it matches."""
    before = ""
    for node in nodes:
        for inner in _inner(node):
            if str(node[0]).endswith("REPEAT") and (text := _sample(inner, samples)):
                yield before, text
            for inner_before, text in _repetitions(inner, samples):
                yield before + inner_before, text
        before += _sample([node], samples)


def _inner(node: Node) -> list[list[Node]]:
    """Return the parts of a pattern that a part of it consists of."""
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
    """Return a short text that these parts match, as far as it can be told without searching."""
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
    """Return the first character of a class that has none of the samples."""
    for kind, value in members if isinstance(members, list) else ():
        if str(kind) in ("LITERAL", "RANGE"):
            return chr(value if str(kind) == "LITERAL" else value[0])
    return ""


def _matches(node: Node, character: str) -> bool:
    parsed = _parser.parse("a")
    parsed.data = [node]
    return re._compiler.compile(parsed).match(character) is not None  # type: ignore[attr-defined]
