"""The wheel and the sdist: their files, and the documented commands with the wheel installed."""

import importlib.metadata
import re
import signal
import subprocess
import tarfile
import textwrap
import zipfile

import pytest

import django_socketio
from tests.kit import wheels
from tests.kit.clients import WebSocketClient
from tests.kit.http import close_all, get
from tests.kit.programs import ENVIRON, ROOT, Program
from tests.kit.redis_server import RedisServer


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the wheel and the sdist from a clean copy of what git tracks."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("out")
    wheels.build(copy, out)
    return out


def wheel(built):
    (path,) = built.glob("*.whl")
    return path


DATA = [
    "django_socketio/dashboard/static/socketio_dashboard/dashboard.css",
    "django_socketio/dashboard/static/socketio_dashboard/dashboard.js",
    "django_socketio/dashboard/templates/socketio_dashboard/dashboard.html",
    "django_socketio/py.typed",
    "django_socketio/static/django_socketio/live.js",
    "django_socketio/static/django_socketio/socketio.js",
    "django_socketio/templates/django_socketio/scripts.html",
]


def test_the_wheel_holds_the_package_and_nothing_else(built):
    names = zipfile.ZipFile(wheel(built)).namelist()
    assert set(DATA) <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"django_socketio"}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "django_socketio").rglob("*.py")}
    assert sources <= set(names)


TO_BUILD = {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.rst", "pyproject.toml", "setup.cfg"}


def test_the_sdist_holds_what_the_wheel_is_built_from_and_nothing_else(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {one.name.partition("/")[2] for one in archive if one.isfile()}
    assert set(DATA) <= names
    others = {name for name in names if not name.startswith("django_socketio")}
    assert others == {*TO_BUILD, "setup.py"}


def test_the_version_is_that_of_the_package(built):
    named = f"django_socketio-{django_socketio.__version__}"
    metadata = zipfile.ZipFile(wheel(built)).read(f"{named}.dist-info/METADATA").decode()
    assert f"\nVersion: {django_socketio.__version__}\n" in metadata
    assert (built / f"{named}.tar.gz").exists()


def test_an_editable_installation_has_the_version_of_the_package():
    assert importlib.metadata.version("django-socketio") == django_socketio.__version__


def test_the_changelog_begins_with_the_version():
    lines = (ROOT / "CHANGELOG.rst").read_text().splitlines()
    underlined = next(number for number, line in enumerate(lines) if line.startswith("---"))
    assert lines[underlined - 1].split()[0] == django_socketio.__version__


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


README = (ROOT / "README.rst").read_text()


def quick_start(first_line):
    """Return the block of README's quick start that begins with a line."""
    section = README.partition("\nQuick start\n")[2].partition("\nWhere to go from here\n")[0]
    blocks = re.findall(r"::\n\n((?:        .*\n|\n)+)", section)
    (block,) = [block for block in map(textwrap.dedent, blocks) if block.startswith(first_line)]
    return block


FROM_THE_WHEEL = """
import django_socketio

assert "site-packages" in django_socketio.__file__  # the wheel, not the checkout
"""

DOCUMENTED = [
    "django-socketio",
    "django-socketio[redis]",
    "django-socketio[gunicorn]",
    "django-socketio[gunicorn,redis]",
    "django-socketio[metrics]",
    "django-socketio[opentelemetry]",
]
"""Requirements that the documentation names."""


def test_the_documentation_names_the_requirements_that_are_tested_here():
    pages = [ROOT / "README.rst", *(ROOT / "docs").rglob("*.rst")]
    found = {line for page in pages for line in re.findall("pip install (.*)", page.read_text())}
    assert {line.strip("'") for line in found if "django" in line} == set(DOCUMENTED)


LINKED = {"asgiref", "django", "gevent", "greenlet", "sqlparse", "zope.event", "zope.interface"}
"""What each environment has; others are unpacked, which share no namespace with a linked one."""


@pytest.fixture(scope="module")
def install(built, tmp_path_factory):
    """Make an environment with what the wheel's metadata asks for: ``install("django-socketio")``.

    It returns the environment's folder.
    """
    wheels.pack_installed(built, LINKED)
    wheels.pack_links(built, LINKED)
    plain = tmp_path_factory.mktemp("environment")
    made = {"django-socketio": plain}
    wheels.install(wheels.make_environment(plain), built, "django-socketio")

    def make(requirement):
        if requirement not in made:
            made[requirement] = tmp_path_factory.mktemp("environment")
            python = wheels.extend_environment(plain, made[requirement])
            wheels.install(python, built, requirement)
        return made[requirement]

    return make


@pytest.fixture(scope="module")
def project(install, tmp_path_factory):
    """A new Django project, set up as README's quick start says."""
    folder = tmp_path_factory.mktemp("project")
    python = install("django-socketio") / "bin" / "python"
    subprocess.run([python, "-m", "django", "startproject", "mysite", folder], check=True)
    chat = folder / "chat"
    chat.mkdir()
    (chat / "__init__.py").touch()
    events = quick_start("from django_socketio import emit\nfrom django_socketio.events import")
    (chat / "events.py").write_text(FROM_THE_WHEEL + events)
    edit(
        folder / "mysite" / "settings.py",
        "INSTALLED_APPS = [",
        "import os\nSOCKETIO_RELAY_URL = os.environ.get('RELAY')\n"
        "INSTALLED_APPS = ['django_socketio', 'chat',",
    )
    urls = quick_start("from django.urls import include, path\n")
    (chat / "views.py").write_text(quick_start("from django.http import HttpResponse\n"))
    urls += "from chat.views import lunch\nurlpatterns += [path('lunch/', lunch)]\n"
    (folder / "mysite" / "urls.py").write_text(urls)
    # Other environments share the bytecode of all that this imports.
    subprocess.run([python, "manage.py", "check"], cwd=folder, env=ENVIRON, check=True)
    return folder


class Site:
    """A project in an environment."""

    def __init__(self, folder, programs, **environ):
        self.folder = folder
        self.python, self.gunicorn = str(programs / "python"), str(programs / "gunicorn")
        self.environ = environ

    def start(self, *command):
        return Program(command, self.folder, **self.environ)

    def manage(self, *arguments):
        """Run a command to its end; return its status and all that it printed."""
        return self.run(self.python, "manage.py", *arguments)

    def run(self, *command):
        environ = {**ENVIRON, **self.environ}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        run = subprocess.run(command, cwd=self.folder, env=environ, check=False, **options)
        return run.returncode, run.stdout


@pytest.fixture
def site(project, install):
    """Return the site in an environment: ``site("django-socketio[redis]", RELAY=url)``."""
    return lambda requirement, **environ: Site(project, install(requirement) / "bin", **environ)


@pytest.fixture
def start():
    """Start a program of a site; return it with the port that it prints."""
    started = []

    def run(site, *command, port, quickly=signal.SIGQUIT):
        started.append(site.start(*command))
        started[-1].quickly = quickly
        started[-1].port = int(started[-1].wait_for(port)[0][1])
        return started[-1]

    yield run
    close_all()
    for one in started:
        one.end()


def runserver(site, start):
    command = [site.python, "manage.py", "runserver_socketio", "0", "--noreload"]
    return start(site, *command, port=r"at http://.*:(\d+)/", quickly=signal.SIGKILL)


def gunicorn(site, start, workers):
    worker = ["-k", "django_socketio.gunicorn.Worker", "-w", str(workers), "-b", "127.0.0.1:0"]
    command = [site.gunicorn, *worker, "mysite.wsgi"]
    server = start(site, *command, port=r"Listening at: http://127.0.0.1:(\d+)")
    server.wait_for("Worker ready", workers)
    return server


def conversing(server, clients=2):
    """Return clients that are on a channel, after one has spoken there to all."""
    clients = [WebSocketClient(server.port) for _ in range(clients)]
    for client in clients:
        client.connect()
        client.subscribe("room-1")
    clients[0].emit("channel", "room-1", "message", "hello")
    assert [client.event() for client in clients] == [["message", "hello"]] * len(clients)
    return clients


def test_the_quick_start_works_with_what_the_metadata_asks_for(site, start):
    site = site("django-socketio")
    server = runserver(site, start)
    assert get(server.port, "/static/django_socketio/socketio.js")[0] == 200
    assert get(server.port, "/lunch/")[0] == 200  # no page is open
    clients = conversing(server)
    assert get(server.port, "/lunch/")[0] == 200
    assert [client.event() for client in clients] == [["message", "Lunch is ready"]] * len(clients)
    assert "Traceback" not in server.output


def test_commands_without_redis_say_what_to_set(site):
    site = site("django-socketio")
    assert site.manage("check")[0] == 0
    status, output = site.manage("socketio_send", "room-1", '"hello"')
    assert (status, "SOCKETIO_RELAY_URL is not set" in output) == (1, True), output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    "command",
    [["check"], ["socketio_send", "room-1", '"hello"'], ["runserver_socketio", "0", "--noreload"]],
    ids=lambda command: command[0],
)
def test_a_relay_without_redis_py_says_what_to_install(site, command):
    site = site("django-socketio", RELAY="redis://localhost:1/0")
    status, output = site.manage(*command)
    assert status == 1
    assert "SOCKETIO_RELAY_URL needs redis-py: pip install 'django-socketio[redis]'" in output
    assert "Traceback" not in output or command[0] != "check", output


def test_one_gunicorn_worker_needs_no_redis(site, start):
    site = site("django-socketio[gunicorn]")
    server = gunicorn(site, start, 1)
    conversing(server)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert "Traceback" not in server.output


def test_gunicorn_workers_and_an_operator_by_redis(site, start, tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis:
        site = site("django-socketio[gunicorn,redis]", RELAY=redis.url)
        server = gunicorn(site, start, 2)
        clients = conversing(server, 6)
        status, output = site.manage("socketio_send", "room-1", '{"text": "hello"}')
        assert status == 0
        assert re.fullmatch(
            r"Sent; received by (1 server process|2 server processes)\.\n", output
        )  # workers with such sockets
        assert [client.event() for client in clients] == [["message", {"text": "hello"}]] * 6


IMPORTED = """
import importlib, os, pkgutil, django_socketio
os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
import django
from mysite import settings
settings.INSTALLED_APPS += ["django_socketio.dashboard"]
django.setup()
for module in pkgutil.walk_packages(django_socketio.__path__, "django_socketio."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        print(module.name, error.name)
"""


@pytest.mark.parametrize(
    ("requirement", "missing"),
    [
        ("django-socketio", {"gunicorn", "opentelemetry", "prometheus_client", "pytest", "redis"}),
        ("django-socketio[metrics]", {"gunicorn", "opentelemetry", "pytest", "redis"}),
        ("django-socketio[opentelemetry]", {"gunicorn", "prometheus_client", "pytest", "redis"}),
        # pytest alone imports its plugin
        ("django-socketio[gunicorn,redis]", {"opentelemetry", "prometheus_client", "pytest"}),
    ],
)
def test_modules_import_nothing_that_the_metadata_does_not_ask_for(site, requirement, missing):
    site = site(requirement)
    status, output = site.run(site.python, "-W", "error", "-c", IMPORTED)
    assert status == 0, output
    lines = [line.split() for line in output.splitlines()]
    assert {name for _, name in lines} == missing, output
    rooms = (
        "gunicorn",
        "server.gunicorn",
        "server.compat.gunicorn",
        "relay.redis",
        "relay.cluster",
        "metrics",
        "monitoring.tracing",
        "testing.plugin",
    )
    assert all(name.startswith(rooms, len("django_socketio.")) for name, _ in lines), output
