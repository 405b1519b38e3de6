"""No client writes a line of a log, or a control character into one."""

import logging

import pytest
from django.core.exceptions import PermissionDenied

from django_socketio import logs
from django_socketio.events import on_event, on_message
from tests.kit.clients import join
from tests.kit.http import raw_request, response
from tests.kit.waiting import wait_until

C0 = "".join(map(chr, range(1, 32))) + "\x7f"
C1 = "".join(map(chr, range(0x80, 0xA0)))
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
EVIL = f"x\n2026-01-01 forged\r\x1b[2J{C0}{C1}{BIDI}y"

FORMAT = logging.Formatter("%(name)s %(message)s")


@pytest.fixture
def lines(caplog):
    """Return what the log has, line by line, once it has something."""
    caplog.set_level(logging.INFO)

    def read():
        wait_until(lambda: caplog.records)
        entries = [FORMAT.format(record) for record in caplog.records]
        caplog.clear()
        return [line for entry in entries for line in entry.split("\n")]

    return read


def check(lines):
    """Check that every line is printable, and begins as the package's own lines do."""
    assert lines
    for line in lines:
        assert line.isprintable(), line
        assert not line.startswith("2026-01-01"), lines


def percent(text):
    return "".join(f"%{byte:02x}" for byte in text.encode())


def exchange(port, head):
    with raw_request(port, head) as connection:
        return response(connection)[0]


FIELDS = b"Host: localhost\r\nConnection: close\r\n\r\n"
POLLING = "EIO=4&transport=polling"


@pytest.mark.parametrize(
    "query",
    [
        f"EIO=4&transport={percent(EVIL)}",
        f"EIO={percent(EVIL)}&transport=polling",
        f"{POLLING}&sid={percent(EVIL)}",
        f"{POLLING}&sid={percent(EVIL)}.deadbeef",
        f"{POLLING}&{percent(EVIL)}=1&sid=x",
    ],
)
def test_a_query_writes_no_line(server, lines, query):
    for method in ("GET", "POST", "OPTIONS"):
        exchange(server.port, f"{method} /socket.io/?{query} HTTP/1.1\r\n".encode() + FIELDS)
        check(lines())


RAW = (C0.replace("\n", "") + C1).encode("latin-1")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /socket.io/?EIO=4&transport=" + C1.encode("latin-1") + b" HTTP/1.1\r\n" + FIELDS,
        b"GET /socket.io/" + RAW + b" HTTP/1.1\r\n" + FIELDS,
        b"G\x1b[2JET /socket.io/ HTTP/1.1\r\n" + FIELDS,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA\x1b[2J\x85: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: \x1b[2J\x85\r\n" + FIELDS,
        b"GET / HTTP/1.1\r\nTransfer-Encoding: \x1b[2J\x85\r\n" + FIELDS,
        b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nOrigin: " + RAW + b"\r\n" + FIELDS,
        b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: \x1b[2J\x85\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\x1b[2J\x85\r\n",
    ],
    ids=range(9),
)
def test_a_request_writes_no_line(server, lines, head):
    exchange(server.port, head)
    check(lines())


def test_packets_write_no_line(server, lines):
    @on_event("refused")
    def refuse(request, socket, context, text):
        raise PermissionDenied(text)

    @on_event("fails")
    def fail(request, socket, context, text):
        raise ValueError(text)

    @on_event("chained")
    def chain(request, socket, context, text):
        try:
            raise KeyError(text)
        except KeyError:
            raise RuntimeError(f"told: {text}") from ValueError(text)

    client = join(server)
    client.subscribe(EVIL)
    for name in ("refused", "fails", "chained", EVIL):
        client.emit(name, EVIL)
    client.sync()
    check(lines())


@pytest.mark.parametrize(
    "packet", [f"42/{EVIL},[]", f"41/{EVIL},", EVIL, f"4{EVIL}", f"42[{EVIL}", f"45{EVIL}"]
)
def test_bad_packets_write_no_line(server, lines, packet):
    client = join(server)
    client.send(packet)
    client.emit("sync", id=1)
    assert client.is_closed()
    check(lines())


def test_meta_in_the_format_of_messages_writes_no_line(serve, lines):
    @on_message
    def nothing(request, socket, context, message):
        pass

    server = serve(MESSAGE_LOG_FORMAT="%(HTTP_X_NAME)s\n%(QUERY_STRING)s %(MESSAGE)s")
    client = join(server, header=[f"X-Name: \x1b[2J{C1}".encode("latin-1").decode("latin-1")])
    client.ask("message", EVIL)
    said = [line for line in lines() if "forged" in line]
    check(said)
    assert len(said) == 1  # the format's own line end stays: the name is on the line before


def test_a_record_keeps_its_template_and_its_exception(caplog):
    logger = logs.get_logger("django_socketio.tests")
    error = ValueError("a\nb")
    logger.error("%s of %r: %d", "a\nb", "a\nb", 3, exc_info=error)
    (record,) = caplog.records
    assert record.msg == "%s of %r: %d"
    assert record.getMessage() == r"a\nb of 'a\nb': 3"
    assert record.exc_info[1] is error
    assert record.exc_text == "ValueError: a\n    b"


def test_a_logger_that_is_configured_after_its_first_use_does_as_it_is_configured():
    texts = []
    name = f"django_socketio.tests.{__name__}"
    ours = logs.get_logger(name)
    ours.info("before")
    handler = logging.Handler()
    handler.emit = lambda record: texts.append(record.getMessage())
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        ours.info("a\n%s", "b\n")
        ours.debug("too much")
        assert ours.isEnabledFor(logging.INFO)
        logger.setLevel(logging.WARNING)
        ours.info("not any more")
        assert (ours.isEnabledFor(logging.INFO), ours.level) == (False, logging.WARNING)
        logger.disabled = True
        ours.error("disabled")
        assert ours.disabled
    finally:
        logger.removeHandler(handler)
        logger.disabled = False
        logger.setLevel(logging.NOTSET)
    assert texts == ["a\nb\\n"]


def test_printable_arguments_are_not_touched(caplog):
    error, text = ValueError("plain"), "Grüße"
    logs.get_logger("django_socketio.tests").error("%s %s %s", error, text, None)
    assert caplog.records[0].args == (error, text, None)


def test_lines_of_the_packages_own_stay(caplog):
    logs.get_logger("django_socketio.tests").error("held:\n%s", logs.Lines("first\n  second\x1b"))
    assert caplog.messages == ["held:\nfirst\n  second\\x1b"]


def test_a_mapping_keeps_its_class(caplog):
    class Atoms(dict):
        def __missing__(self, key):
            return "-"

    logs.get_logger("django_socketio.tests").error("%(a)s %(b)s", Atoms(a="x\ny"))
    assert caplog.messages == [r"x\ny -"]


def test_notes_of_an_exception_write_no_line(lines):
    error = ValueError("plain")
    error.add_note(EVIL)
    logs.get_logger("django_socketio.tests").error("It failed", exc_info=error)
    check(lines())


class Shy:
    """Has a text that is fit for a log, and a repr that is not, or none."""

    def __init__(self, shown):
        self._shown = shown

    def __str__(self):
        return "shy"

    def __repr__(self):
        if self._shown is None:
            raise RuntimeError("on purpose")
        return self._shown


def test_what_a_repr_holds_writes_no_line_and_what_it_raises_harms_nobody(lines):
    logger = logs.get_logger("django_socketio.tests")
    logger.error("%r and %s", Shy(EVIL), Shy(EVIL))
    logger.error("%s", Shy(None))
    check(lines())
