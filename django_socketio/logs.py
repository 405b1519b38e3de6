"""The package's loggers, which escape foreign texts.

A logger is created when it is first used. The modules of a server are imported before Django
configures logging, and ``dictConfig`` disables every existing logger that ``LOGGING`` does not
name, unless ``disable_existing_loggers`` is False.

Clients choose texts that the log shows: query strings, header fields, messages, names. Control
characters in these texts could begin new lines, or control the terminal that shows the log.
"""

import copy
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast


class Lines(str):
    """A text of several lines from the package or the project. Its line ends are not escaped."""

    __slots__ = ()


class _Escaped(str):
    """The escaped text of an argument, with the escaped ``repr`` of the argument."""

    __slots__ = ("shown",)

    shown: str

    def __repr__(self) -> str:
        return self.shown


def printable(text: str) -> str:
    """Return a text as one line of printable characters, with the escapes of ``repr``."""
    return text if text.isprintable() else repr(text)[1:-1]


def escape(record: logging.LogRecord) -> bool:
    """Escape unprintable characters in the arguments and the exceptions of a record.

    This function is a filter of loggers, so it returns True. The record's ``msg``, by which error
    trackers group records, and its ``exc_info`` are not changed.
    """
    if isinstance(record.args, Mapping):
        record.args = _escaped_mapping(record.args)
    elif record.args:
        record.args = tuple(map(_escaped, record.args))
    if record.exc_info and record.exc_info[1] is not None:
        _escape_traceback(record, record.exc_info)
    return True


def _escaped_mapping(args: Mapping[str, Any]) -> Mapping[str, Any]:
    escaped: Any = copy.copy(args)
    for name in args:
        escaped[name] = _escaped(args[name])
    return cast(Mapping[str, Any], escaped)


def _escaped(value: Any) -> Any:
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, Lines):
        return Lines(_printable_lines(value, "\n"))
    text = _text(value)
    if text.isprintable() and (isinstance(value, str) or _text(value, repr).isprintable()):
        return value
    escaped = _Escaped(printable(text))
    escaped.shown = printable(_text(value, repr))
    return escaped


def _text(value: Any, text: Callable[[Any], str] = str) -> str:
    try:
        return text(value)
    except Exception:
        return ""  # logging reports the exception when it formats the record


def _printable_lines(text: str, end: str) -> str:
    return end.join(map(printable, text.split("\n")))


INDENT = "\n    "
"""The beginning of all lines of an exception's text but the first: no entry of a log has it."""


def _escape_traceback(record: logging.LogRecord, exc_info: Any) -> None:
    chain = list(_chain(exc_info[1]))
    texts = [(": ", text) for text in map(_text, chain)]
    texts += [("\n", str(note)) for error in chain for note in getattr(error, "__notes__", ())]
    foreign = [(before, text) for before, text in texts if not text.isprintable()]
    if not foreign:
        return
    traceback = logging.Formatter().formatException(exc_info) + "\n"
    for before, text in foreign:
        shown = _printable_lines(text, INDENT)
        traceback = traceback.replace(f"{before}{text}\n", f"{before}{shown}\n")
    record.exc_text = _printable_lines(traceback.removesuffix("\n"), "\n")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, and all other exceptions that its traceback shows."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function of the project, as the log shows it."""
    function = inspect.unwrap(function)
    name = getattr(function, "__qualname__", None)
    return f"{function.__module__}.{name}" if name else repr(function)


_METHODS = ("critical", "debug", "error", "exception", "info", "isEnabledFor", "log", "warning")
"""Methods of a logger that are looked up once: ``__getattr__`` takes a microsecond."""


class _LateLogger:
    """A proxy for a logger that is created when its first attribute is used."""

    __slots__ = ("_logger", "_name", *_METHODS)

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: logging.Logger | None = None

    def __getattr__(self, attribute: str) -> Any:
        """Return an attribute of the logger. Python calls this where the slot is still empty."""
        if self._logger is None:
            self._logger = logging.getLogger(self._name)
            self._logger.addFilter(escape)
        value = getattr(self._logger, attribute)
        if attribute in _METHODS:
            setattr(self, attribute, value)
        return value


def get_logger(name: str) -> logging.Logger:
    """Return a logger that is created at its first use, and that escapes foreign texts."""
    return cast(logging.Logger, _LateLogger(name))
