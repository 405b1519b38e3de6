"""A terminal whose keys are read one by one, and whose screen is drawn anew."""

import os
import re
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from django_socketio.monitoring.screen import DOWN, ENTER, ESCAPE, UP

OPEN, CLOSE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""Switch to a screen of its own without a cursor, and back."""

HOME, CLEAR_LINE, CLEAR_REST = "\x1b[H", "\x1b[K", "\x1b[J"

KEY = re.compile(rb"\x1b(?:[\[O][A-Z])?|.", re.DOTALL)
"""A key, as a terminal sends it."""

KEYS = {
    b"\x1b[A": UP,
    b"\x1bOA": UP,
    b"\x1b[B": DOWN,
    b"\x1bOB": DOWN,
    b"\r": ENTER,
    b"\n": ENTER,
    b"\x1b": ESCAPE,
}


@contextmanager
def opened(out: TextIO) -> Iterator[None]:
    """Have keys come one by one, on a screen of its own, within a ``with`` block.

    Raises:
        SystemExit: the process was told to end (SIGTERM).

    """
    settings = termios.tcgetattr(sys.stdin)
    before = signal.signal(signal.SIGTERM, _end)
    try:
        tty.setcbreak(sys.stdin)
        out.write(OPEN)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)
        signal.signal(signal.SIGTERM, before)
        out.write(CLOSE)
        out.flush()


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)  # as shells tell a process that ended by a signal


def draw(out: TextIO, lines: list[str]) -> None:
    """Show lines from the top; the rest of the screen is empty."""
    out.write(HOME + "\r\n".join(f"{line}{CLEAR_LINE}" for line in lines) + CLEAR_REST)
    out.flush()


def size() -> tuple[int, int]:
    """Return the width and the height of the terminal."""
    found = shutil.get_terminal_size()
    return found.columns, found.lines


def keys_until(deadline: float) -> Iterator[str]:
    """Yield the keys that are pressed until a time of ``time.monotonic``."""
    while (left := deadline - time.monotonic()) > 0:
        if select.select([sys.stdin], [], [], left)[0]:
            pressed = os.read(sys.stdin.fileno(), 16)
            for key in KEY.findall(pressed) or [b"q"]:  # nothing: the terminal is gone
                yield KEYS.get(key) or key.decode(errors="replace")
