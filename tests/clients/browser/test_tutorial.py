"""docs/tutorial.rst: each step, as it stands there, with two windows."""

import os
import re
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.kit import wheels
from tests.kit.documented import tutorial_sections
from tests.kit.programs import ENVIRON, Program, free_port

DEPENDENCIES = {
    "asgiref",
    "django",
    "gevent",
    "greenlet",
    "orjson",
    "sqlparse",
    "websockets",
    "wsproto",
    "zope.event",
    "zope.interface",
}
PLACE = re.compile(r"(?:# |\{# )(?:(at the end of) )?(\S+/\S+\.(?:py|html))(?: #\})?\n")

WITHOUT_PIP = "-m venv --without-pip"  # saves some seconds; ours installs
STARTED = "django-socketio .* at http://"


class Reader:
    """Does what the tutorial says, in a folder and an environment of its own."""

    def __init__(self, folder, found):
        self.folder = folder
        programs = f"{folder}/tutorial/venv/bin"
        path = os.pathsep.join([programs, os.path.dirname(sys.executable), ENVIRON["PATH"]])
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(found), "PIP_NO_COMPILE": "1"}
        pip = {"PIP_PYTHON": f"{programs}/python", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        self.environ = {**ENVIRON, **offline, **pip, "PATH": path}
        self.server, self.port = None, free_port()

    def follow(self, kind, text):
        """Take one step."""
        if kind == "console":
            self.type(text)
        else:
            self.write(text)

    def write(self, text):
        appended, name = PLACE.match(text).groups()
        file = self.folder / "tutorial" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        assert file.exists() or not appended, name
        file.write_text(file.read_text() + text if appended else text)

    def type(self, text):
        commands = [line.removeprefix("$ ") for line in text.splitlines() if line]
        serving = [line for line in commands if "runserver" in line]
        others = "\n".join(line for line in commands if line not in serving)
        place = self.folder / "tutorial"
        run = subprocess.run(
            ["bash", "-e", "-c", others.replace("-m venv", WITHOUT_PIP)],
            cwd=place if place.exists() else self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout
        for command in serving:
            self.serve(*command.split(), str(self.port))

    def serve(self, *command):
        self.server = Program(command, self.folder / "tutorial", PATH=self.environ["PATH"])


@pytest.fixture
def reader(tmp_path, tmp_path_factory):
    found = tmp_path_factory.mktemp("found")
    wheels.build(tmp_path_factory.mktemp("copy"), found, "--wheel")
    wheels.pack_links(found, DEPENDENCIES)
    reader = Reader(tmp_path, found)
    yield reader
    if reader.server is not None:
        reader.server.end()


def test_each_step(reader, window):
    project, page, live, handler, test = tutorial_sections()
    for step in project + page:
        reader.follow(*step)
    reader.server.wait_for(STARTED)
    address = f"http://127.0.0.1:{reader.port}/"
    windows = [window(address) for _ in range(2)]
    write(windows[0], "before")
    assert "before" not in windows[1].content()

    for step in live:
        reader.follow(*step)
    reader.server.wait_for(STARTED, 2)  # because views.py has changed
    load(windows)
    write(windows[0], "live")
    expect(windows[1].locator("li")).to_have_text(["before", "live"])
    restart(reader, windows)
    write(windows[0], "after")
    expect(windows[1].locator("li").last).to_have_text("after")

    for step in handler:
        reader.follow(*step)
    restart(reader, windows)
    load(windows)
    windows[0].locator("[name=text]").press("x")
    expect(windows[1].locator("output")).to_have_text("Somebody is writing…")
    windows[0].locator("button").click()  # more text would be told at the same time as the note
    expect(windows[1].locator("output")).to_have_text("")
    for step in test:
        reader.follow(*step)


def write(window, text):
    window.locator("[name=text]").fill(text)
    window.locator("button").click()
    expect(window.locator("li").last).to_have_text(text)


def load(windows):
    """Load the pages again, and wait until they are on the channel."""
    for one in windows:
        one.reload()
    connected(windows)


def connected(windows):
    for one in windows:
        one.wait_for_function("socket.connected")
        one.evaluate("new Promise((done) => socket.subscribe('wall', done))")


def restart(reader, windows):
    """Stop the server and start it again, as a person does; wait for the pages."""
    reader.server.end()
    for one in windows:
        one.wait_for_function("!socket.connected")
    reader.serve("python", "manage.py", "runserver_socketio", str(reader.port))
    connected(windows)
