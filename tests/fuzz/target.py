"""A fuzz target, and the inputs that are made for it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_SIZE = 4_000
"""Bytes of an input; the shapes that only hurt when they are big have tests of their own."""


@dataclass(frozen=True)
class Target:
    """Something that takes bytes from others.

    ``check`` raises whatever it finds wrong; ``seeds`` are inputs to begin from, ``tokens`` pieces
    that mean something there.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    tokens: tuple[bytes, ...]

    def inputs(self, seed: int, count: int) -> Iterator[bytes]:
        """Yield inputs: the seeds, then mutations of them, the same ones for the same seed."""
        yield from self.seeds[:count]
        for number in range(len(self.seeds), count):
            yield self.input(random.Random(f"{self.name} {seed} {number}"))

    def input(self, chance: random.Random) -> bytes:
        """Return a mutation of one of the seeds."""
        data = bytearray(chance.choice(self.seeds))
        for _ in range(chance.choice((1, 1, 2, 3, 5, 9))):
            chance.choice(_MUTATIONS)(self, data, chance)
        return bytes(data[:MAX_SIZE])


def _place(data: bytearray, chance: random.Random) -> int:
    return chance.randrange(len(data) + 1)


def _set_byte(target: Target, data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.randrange(256)


def _flip_bit(target: Target, data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _insert_bytes(target: Target, data: bytearray, chance: random.Random) -> None:
    place = _place(data, chance)
    data[place:place] = chance.randbytes(chance.choice((1, 1, 2, 4, 20)))


def _insert_token(target: Target, data: bytearray, chance: random.Random) -> None:
    place = _place(data, chance)
    data[place:place] = chance.choice(target.tokens) * chance.choice((1, 1, 1, 2, 30))


def _replace_by_token(target: Target, data: bytearray, chance: random.Random) -> None:
    token, place = chance.choice(target.tokens), _place(data, chance)
    data[place : place + len(token)] = token


def _delete(target: Target, data: bytearray, chance: random.Random) -> None:
    place = _place(data, chance)
    del data[place : place + chance.choice((1, 1, 2, 5, 50))]


def _repeat(target: Target, data: bytearray, chance: random.Random) -> None:
    place = _place(data, chance)
    data[place:place] = data[place : place + chance.choice((1, 4, 30))] * chance.choice((1, 3))


def _join(target: Target, data: bytearray, chance: random.Random) -> None:
    data += chance.choice(target.seeds)


def _cut(target: Target, data: bytearray, chance: random.Random) -> None:
    del data[_place(data, chance) :]


_MUTATIONS = (
    _set_byte,
    _flip_bit,
    _insert_bytes,
    _insert_token,
    _insert_token,
    _replace_by_token,
    _delete,
    _repeat,
    _join,
    _cut,
)
