"""The types of the public names, as mypy reports them to a project."""

import ast
import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import django_socketio
from django_socketio.events import interfaces
from django_socketio.sockets.socket import Socket as InternalSocket

ROOT = Path(django_socketio.__file__).parent

PROJECT = '''
from typing import Any, TypedDict

from django.http import HttpRequest, HttpResponse

import django_socketio
from django_socketio import Handler, PublicSession, Socket, SocketIOError
from django_socketio import broadcast, broadcast_channel, emit, emit_batch, in_thread
from django_socketio import relay_status, send, sign_channel
from django_socketio.events import on_connect, on_disconnect, on_error, on_event, on_finish
from django_socketio.events import may_subscribe, on_message, on_subscribe, on_unsubscribe
from django_socketio.events import on_away, on_return
from django_socketio.sockets.socket import Socket as InternalSocket


class SiteRequest(HttpRequest):
    """The requests of a site that has a class of its own."""


class Context(TypedDict):
    name: str


@on_message(channel="^room-")
def say(request: HttpRequest, socket: Socket, context: Any, message: str) -> int:
    reveal_type(socket.send(message))  # bool
    reveal_type(socket.emit("saved", 1, callback=print))  # bool
    reveal_type(socket.call("question", timeout=None))  # Any
    reveal_type(socket.subscribe("room-1"))  # bool
    reveal_type(socket.session)  # PublicSession
    reveal_type(socket.session.session_id)  # str
    reveal_type(socket.channels)  # list[str]
    reveal_type(socket.event_channel)  # str | None
    reveal_type(socket.auth)  # dict[str, Any]
    reveal_type(socket.recovered)  # bool
    reveal_type(socket.is_away)  # bool
    reveal_type(socket.disconnect_reason)  # str | None
    socket.broadcast(message)
    socket.broadcast_channel(message, "room-1", event="said")
    socket.send_and_broadcast(message)
    socket.send_and_broadcast_channel(message)
    socket.unsubscribe("room-1")
    socket.disconnect()
    return 1


@on_connect
def enter(request: SiteRequest, socket: Socket, context: Context) -> None: ...


@on_event("typing", channel="^room-")
async def typing(request: HttpRequest, socket: Socket, context: Context, *args: str) -> str:
    return ""


@may_subscribe(channel="^room-")
def members_only(request: SiteRequest, channel: str) -> bool:
    return True


@may_subscribe
async def visitors(request: HttpRequest, channel: str) -> bool:
    return True


@on_error()
def fail(request: HttpRequest, socket: Socket, context: Context, exception: Exception) -> None: ...


def logged(handler: Handler) -> Handler:
    def run(request: Any, socket: Socket, context: Any, *args: Any) -> Any:
        return handler(request, socket, context, *args)

    return run


def half(number: int) -> float:
    return number / 2


reveal_type(say)  # def (request: HttpRequest, socket: Socket, context: Any, message: str) -> int
reveal_type(enter)  # def (request: SiteRequest, socket: Socket, context: Context)
reveal_type(on_subscribe(logged(say)))  # Handler
reveal_type(on_unsubscribe()(logged(typing)))  # Handler
reveal_type(on_away(channel="^room-")(logged(say)))  # Handler
reveal_type(on_return(enter))  # def (request: SiteRequest, socket: Socket, context: Context)
reveal_type(on_disconnect(enter))  # def (request: SiteRequest, socket: Socket, context: Context)
reveal_type(on_finish(namespace="/admin")(logged(fail)))  # Handler
reveal_type(members_only)  # def (request: SiteRequest, channel: str) -> bool
reveal_type(broadcast("hello"))  # int
reveal_type(broadcast_channel({"text": "hello"}, "room-1", event="said"))  # int
reveal_type(send("id", b"", namespace="/admin"))  # int
reveal_type(emit("saved", {"id": 1}, b"", channel=["a", "b"], on_commit=True))  # Emitted
reveal_type(emit("notice", group="editors", user=[1, "2"], session_id="x").received)  # int | None
reveal_type(emit("paid", 1, channel="a", idempotency_key="order-7").is_repeat)  # bool
with emit_batch() as batch:
    reveal_type(batch)  # EmitBatch
    reveal_type(batch.emit("saved", 1, user=1, keep=60, idempotency_key="order-7"))  # Emitted
    batch.emit("saved", on_commit=True)  # error: call-arg
with emit_batch(on_commit="replica") as batch:
    pass
reveal_type(sign_channel("room-1", user=7, last=20))  # ChannelToken
reveal_type(sign_channel("room-1", anyone=True, since=None).channel)  # str
sign_channel("room-1", 7)  # error: arg-type


from django.contrib.auth.models import User
from django_socketio import emit_template, publish_changes, publish_created, publish_model

page = {"user": 1}
reveal_type(emit_template("a.html", page, channel="a", swap="append", target="#log"))  # Emitted
reveal_type(emit_template(swap="refresh", user=[1, 2], target="#basket"))  # Emitted
reveal_type(publish_model(User, lambda user: [f"user-{user.pk}"], fields=["email"]))  # Publication
publish_model(User, "users", template="user.html", element_id=lambda user: "x").stop()
with publish_changes(User.objects.all()) as users:
    reveal_type(users)  # QuerySet[User, User]
publish_created([User()])
emit_template("a.html", swap="morph", channel="a")  # error: arg-type
publish_model("auth.User", "users")  # error: arg-type
publish_model(User, fields=["email"])  # error: call-arg

reveal_type(in_thread(half, 3))  # float
reveal_type(relay_status())  # RelayStatus
reveal_type(relay_status()["deaf_since"])  # float | None
reveal_type(django_socketio.__version__)  # str
reveal_type(django_socketio.RelayGap("room-1").channel)  # str
caught: type[Exception] = SocketIOError


def is_public(socket: InternalSocket) -> Socket:
    return socket  # the class that handlers receive implements all that is public


from django_socketio import WebSocketListener, WebSocketRequest, WebSocketView, accept
from django_socketio import accept_websocket, require_websocket


@accept_websocket
def ticker(request: WebSocketRequest, symbol: str) -> HttpResponse:
    reveal_type(request.is_websocket())  # bool
    reveal_type(request.websocket.wait(1))  # str | bytes | None
    reveal_type(list(request.websocket))  # list[str | bytes]
    reveal_type(request.websocket.send_json({"a": 1}))  # bool
    request.websocket.send(7)  # error: arg-type
    return HttpResponse()


@require_websocket(subprotocols=["v1"])
def quiet(request: WebSocketRequest) -> None: ...


class Room(WebSocketView):
    def websocket(self, request: WebSocketRequest, name: str) -> None: ...


class Raw(WebSocketListener):
    def on_message(self, message: str | bytes) -> None:
        reveal_type(self.send(message))  # bool


def raw(request: HttpRequest) -> HttpResponse:
    return accept(request, Raw(), subprotocols=["v1"])


reveal_type(ticker)  # def (request: WebSocketRequest, symbol: str) -> HttpResponse

from django_socketio.testing import NO_ANSWER, SocketClient, assert_emitted, outbox

client = SocketClient(session={"theme": "dark"}, headers={"Origin": "https://example.com"})
reveal_type(client.connect(auth={"token": "t"}))  # SocketClient
reveal_type(client.emit("typing", 1))  # Any
reveal_type(client.socket)  # Socket
reveal_type(client.disconnect_reason)  # str | None
reveal_type(client.received[0].args)  # tuple[Any, ...]
reveal_type(client.assert_received("saved", 1).event)  # str
reveal_type(assert_emitted("saved", channel="room-1").channels)  # list[str]
reveal_type(outbox)  # list[OutboxMessage]
client.answer("confirm?", NO_ANSWER)
client.sned("hello")  # error: attr-defined


from django_socketio import brodcast  # error: attr-defined
from django_socketio.events import on_mesage  # error: attr-defined
django_socketio.brodcast_channel("hello", "room-1")  # error: attr-defined
broadcast_channel("hello")  # error: call-arg
emit("saved", chanel="room-1")  # error: call-arg
emit("saved", channel=7)  # error: arg-type
emit("saved", idempotency_key=7)  # error: arg-type
on_message(channel=7)  # error: call-overload
on_event(7)  # error: arg-type


@on_message  # error: call-overload
def swapped(socket: Socket, request: HttpRequest, context: Any) -> None: ...


@may_subscribe  # error: type-var
def no_predicate(request: HttpRequest, socket: Socket, channel: str) -> bool:
    return True


@on_connect  # error: call-overload
def short(request: HttpRequest, socket: Socket) -> None: ...


def misspelt(socket: Socket) -> None:
    socket.emmit("saved")  # error: attr-defined
'''

MARKED = r"reveal_type\(.*  # |  # error: "
FOUND = r"project\.py:(\d+): (?:error: .*\[([\w-]+)\]|note: Revealed type is \"(.*)\")$"
LINE = re.compile(FOUND, re.MULTILINE)


MYPY = ["--strict", "--config-file=", "--follow-imports=silent", "--ignore-missing-imports"]
MYPY += [f"--cache-dir={ROOT.parent / '.mypy_cache' / 'project'}"]


def check(path, source):
    """Return what mypy's strict rules say of a project's module."""
    path.write_text(source)
    command = [sys.executable, "-m", "mypy", *MYPY, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT.parent)
    assert not run.stderr, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The types and the errors that mypy's strict rules find, by the number of the line."""
    output = check(tmp_path_factory.mktemp("project") / "project.py", PROJECT)
    return {
        int(number): shortened(revealed) if revealed else f"error: {code}"
        for number, code, revealed in LINE.findall(output)
    }


def shortened(revealed):
    """Return a type without the modules of its names and the contents of named types."""
    names = re.sub(r"\b(?:\w+\.)+(?=\w)", "", revealed)
    names = re.sub(r"TypedDict\((\w+), \{[^}]*\}\)", r"\1", names)
    return re.sub(r"tuple\[[^]]*, fallback=(\w+)\]", r"\1", names)


def expected():
    """Return the types and the errors that the comments of the project name."""
    lines = enumerate(PROJECT.splitlines(), 1)
    return {n: line.rpartition("  # ")[2] for n, line in lines if re.search(MARKED, line)}


def test_a_project_sees_the_types_and_its_mistakes(found):
    assert found == expected()


def public_names():
    """Return the names that the source of the package binds, for mypy or at run time."""
    body = ast.parse((ROOT / "__init__.py").read_text()).body
    (branch,) = [node for node in body if isinstance(node, ast.If)]
    imports = [node for node in body + branch.body if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if node.module.startswith("django_socketio.")]
    return {alias.name for node in ours for alias in node.names}


def test_all_names_what_exists():
    assert sorted(public_names()) == sorted(django_socketio.__all__)
    assert set(django_socketio.__all__) <= set(dir(django_socketio))
    for name in django_socketio.__all__:
        assert getattr(django_socketio, name).__name__ == name


def test_a_misspelt_name_is_no_attribute():
    with pytest.raises(AttributeError, match="'django_socketio' has no attribute 'brodcast'"):
        _ = django_socketio.brodcast


ROW = re.compile(r"^``socket\.(\w+)|``, ``(\w+)\(", re.MULTILINE)


def test_the_table_of_sockets_has_what_the_public_type_has():
    page = (ROOT.parent / "docs" / "events.rst").read_text()
    section = page.partition("\nSockets\n=")[2].partition("\nTypes\n=")[0]
    named = {first or second for first, second in ROW.findall(section)}
    assert named == {name for name in vars(interfaces.Socket) if not name.startswith("_")}


def test_the_public_type_has_the_parameters_of_the_class_behind_it():
    for name, method in vars(interfaces.Socket).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            own = inspect.signature(getattr(InternalSocket, name)).parameters
            assert list(own) == list(inspect.signature(method).parameters), name
            defaults = [parameter.default for parameter in own.values()]
            assert defaults == [p.default for p in inspect.signature(method).parameters.values()]


def test_the_documentation_names_the_types_in_an_example_that_mypy_accepts(tmp_path):
    page = (ROOT.parent / "docs" / "events.rst").read_text()
    section = page.partition("Annotations of handlers")[2]
    block = textwrap.dedent(section.partition("::\n\n")[2].partition("\nmypy reports")[0])
    assert check(tmp_path / "project.py", block) == "Success: no issues found in 1 source file\n"
    assert {"Socket", "PublicSession", "Handler", "RelayStatus"} <= set(
        re.findall(r"``(\w+)``", section)
    )
