"""What ``socketio_top`` shows, and what its keys do; without a terminal."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from django.template.defaultfilters import pluralize

from django_socketio.exceptions import SocketIOError
from django_socketio.logs import printable
from django_socketio.monitoring import rows, widths
from django_socketio.monitoring.answering import SocketInfo
from django_socketio.monitoring.rows import Column, Row, Sample

Sockets = Callable[[str, str], list[SocketInfo]]
"""Returns the sockets of a channel, by its namespace and its name."""

UP, DOWN, ENTER, ESCAPE = "up", "down", "enter", "escape"

HEAD = 3
"""Lines above the rows of a table."""

HELP = "q quit  p processes  c channels  h handlers  ↑↓ ⏎ look into a channel  s sort  r reverse"
NOT_MEASURED = "Messages, bytes and handlers are counted with SOCKETIO_METRICS = True"


class View(NamedTuple):
    """One of the tables."""

    name: str
    columns: list[Column]
    sorted_by: int


VIEWS = {
    "p": View("processes", rows.PROCESSES, 3),
    "c": View("channels", rows.CHANNELS, 2),
    "h": View("handlers", rows.HANDLERS, 5),
    "channel": View("sockets", rows.SOCKETS, 0),
}
"""The tables, by the key that shows each of them."""


class Screen:
    """The state of ``socketio_top``.

    Args:
        sockets: returns the sockets of a channel.

    Attributes:
        is_over: whether the user wants to end.
        problem: why there are no new numbers; "" if there are.

    """

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._view = "p"
        self._sorting = {key: (view.sorted_by, True) for key, view in VIEWS.items()}
        self._sorting["channel"] = (0, False)
        self._selected = 0
        self._channel: tuple[str, str] | None = None
        self._inside: list[Row] = []
        self._before: Sample | None = None
        self._now: Sample | None = None
        self.is_over = False
        self.problem = ""

    def update(self, sample: Sample) -> None:
        """Take new numbers."""
        self._before, self._now, self.problem = self._now, sample, ""
        self._read_channel()

    def _read_channel(self) -> None:
        if self._channel is not None:
            try:
                self._inside = rows.of_sockets(self._sockets(*self._channel))
            except SocketIOError as error:
                self.problem = str(error)

    def press(self, key: str) -> None:
        """Do what a key means."""
        if key in ("q", "\x03"):
            self.is_over = True
        elif key in ("p", "c", "h"):
            self._show(key)
        elif key in (UP, DOWN, "k", "j"):
            step = -1 if key in (UP, "k") else 1
            self._selected = max(0, min(self._selected + step, len(self._rows()) - 1))
        elif key == "s":
            column, is_reversed = self._sorting[self._view]
            columns = VIEWS[self._view].columns
            self._sorting[self._view] = ((column + 1) % len(columns), is_reversed)
        elif key == "r":
            column, is_reversed = self._sorting[self._view]
            self._sorting[self._view] = (column, not is_reversed)
        elif key == ENTER:
            self._look_into()
        elif key in (ESCAPE, "b") and self._view == "channel":
            self._show("c")

    def _show(self, view: str) -> None:
        self._view, self._selected, self._channel = view, 0, None

    def _look_into(self) -> None:
        found = self._rows()
        if self._view == "c" and found:
            address = found[self._selected]["address"]
            self._show("channel")
            self._channel, self._inside = address, []
            self._read_channel()

    # What is shown

    def lines(self, width: int, height: int) -> list[str]:
        """Return the lines of a terminal of this size."""
        found = self._rows()
        self._selected = max(0, min(self._selected, len(found) - 1))
        space = max(1, height - HEAD - 1)
        first = max(0, self._selected - space + 1)
        table = _table(VIEWS[self._view].columns, found, self._sorting[self._view][0])
        body = [
            f"{'>' if number == self._selected else ' '} {line}"
            for number, line in enumerate(table[1:])
        ]
        lines = [self._title(), self._totals(), f"  {table[0]}", *body[first : first + space]]
        lines = [*lines[: max(0, height - 1)], HELP if self._is_measured() else NOT_MEASURED]
        return [widths.cut(line, width) for line in lines]

    def _is_measured(self) -> bool:
        processes = {} if self._now is None else self._now.processes
        return not processes or any(one["measured"] for one in processes.values())

    def _title(self) -> str:
        name = VIEWS[self._view].name
        if self._channel is not None:
            name += " of " + " ".join(map(printable, reversed(self._channel)))
        return f"socketio_top: {name}, {time.strftime('%H:%M:%S')}"

    def _totals(self) -> str:
        if self._now is None or self.problem:
            return self.problem or "waiting for numbers"
        found = self._of_processes()
        processes, sockets = len(found), _sum(found, "sockets")
        told = [
            f"{processes} process{pluralize(processes, 'es')}",
            f"{sockets:,.0f} socket{pluralize(sockets)}",
            f"{_sum(found, 'received'):,.0f} messages a second in",
            f"{_sum(found, 'sent'):,.0f} out",
            f"{_sum(found, 'slow'):,.0f} slow clients",
        ]
        deaf = sum(one["relay"]["alive"] is False for one in self._now.processes.values())
        told += [f"{deaf} do not hear the relay"] if deaf else []
        told += [f"{self._now.silent} do not answer"] if self._now.silent else []
        return ", ".join(told)

    def _of_processes(self) -> list[Row]:
        return [] if self._now is None else rows.of_processes(self._before, self._now, time.time())

    def _rows(self) -> list[Row]:
        """Return the rows of the table that is shown, sorted."""
        if self._now is None:
            return []
        if self._view == "p":
            found = self._of_processes()
        elif self._view == "c":
            found = rows.of_channels(self._now)
        elif self._view == "h":
            found = rows.of_handlers(self._before, self._now)
        else:
            found = list(self._inside)
        number, is_reversed = self._sorting[self._view]
        column = VIEWS[self._view].columns[number]
        found.sort(key=lambda row: _order(row[column.key], column), reverse=is_reversed)
        return found


def _order(value: Any, column: Column) -> Any:
    return (value or "") if column.is_text else (-1.0 if value is None else value)


def _sum(found: list[Row], key: str) -> float:
    return sum(row[key] or 0 for row in found)


def _table(columns: list[Column], found: list[Row], sorted_by: int) -> list[str]:
    """Return the head and the rows of a table, in columns."""
    heads = [
        f"{column.title}*" if number == sorted_by else column.title
        for number, column in enumerate(columns)
    ]
    cells = [heads]
    cells += [[_cell(row[column.key], column) for column in columns] for row in found]
    wide = [max(widths.width_of(line[number]) for line in cells) for number in range(len(columns))]
    return [
        "  ".join(
            widths.pad(text, width, column.is_text)
            for text, width, column in zip(line, wide, columns, strict=True)
        )
        for line in cells
    ]


def _cell(value: Any, column: Column) -> str:
    return "-" if value is None else column.show(value)
