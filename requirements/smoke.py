"""A site in one file, and a client: what an installation has to be able to do.

``python smoke.py`` starts the site by its command, opens a WebSocket and asks a handler. It uses
nothing but what the package itself depends on.
"""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from urllib.request import urlopen

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.urls import include, path

if __name__ == "smoke":  # as Django imports it, after the settings are there
    urlpatterns = [path("", include("django_socketio.urls"))]


def manage() -> None:
    """Run a command of the site."""
    settings.configure(
        DEBUG=True,
        SECRET_KEY="smoke",
        ROOT_URLCONF="smoke",
        STATIC_URL="/static/",
        INSTALLED_APPS=["django.contrib.staticfiles", "django_socketio"],
    )
    django.setup()
    from django_socketio.events import on_message

    @on_message
    def answer(request: object, socket: object, context: object, message: object) -> object:
        return message

    execute_from_command_line(["manage.py", *sys.argv[2:]])


def main() -> None:
    """Start the site, and talk to it."""
    command = [sys.executable, __file__, "manage", "runserver_socketio", "127.0.0.1:0"]
    here = {"PYTHONPATH": str(Path(__file__).parent), "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(
        [*command, "--noreload"],
        env={**os.environ, **here},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        talk(port_of(server))
    finally:
        server.terminate()
        server.wait(20)
    print(f"django-socketio {version('django-socketio')} on Python {sys.version.split()[0]}: works")


def port_of(server: "subprocess.Popen[str]") -> str:
    """Return the port that a server announces."""
    printed = ""
    for line in server.stdout or ():
        printed += line
        if found := re.search(r"django-socketio .* at http://127.0.0.1:(\d+)/", line):
            return found[1]
    sys.exit(f"The server has not started:\n{printed}")


def talk(port: str) -> None:
    """Load the client, connect, and ask the handler."""
    from websockets.sync.client import connect

    script = urlopen(f"http://127.0.0.1:{port}/static/django_socketio/socketio.js").read()
    expect(b"window.io" in script, "socketio.js is not the client")
    with connect(f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket") as websocket:
        expect(websocket.recv(20).startswith("0{"), "no handshake")
        websocket.send("40")
        expect(websocket.recv(20).startswith('40{"sid":'), "not connected")
        websocket.send('421["message","hello"]')
        expect(websocket.recv(20) == '431["hello"]', "no answer of the handler")


def expect(condition: bool, problem: str) -> None:
    """End with an error unless a condition holds."""
    if not condition:
        sys.exit(f"Smoke test: {problem}")


if __name__ == "__main__":
    manage() if sys.argv[1:2] == ["manage"] else main()
