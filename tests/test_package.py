"""The wheel and the sdist: what is in them, and that the quick start works with the wheel."""

import importlib.metadata
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import django_socketio
from tests.clients import WebSocketClient
from tests.test_bad_input import get
from tests.test_runserver import run  # noqa: F401  a fixture

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the wheel and the sdist from a clean copy of what git tracks."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("out")
    subprocess.run(["git", "checkout-index", "--all", f"--prefix={copy}/"], cwd=ROOT, check=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)],
        check=True,
        capture_output=True,
    )
    return out


def wheel(built):
    (path,) = built.glob("*.whl")
    return path


DATA = [
    "django_socketio/py.typed",
    "django_socketio/static/django_socketio/socketio.js",
    "django_socketio/templates/django_socketio/scripts.html",
]


def test_the_wheel_holds_the_package_and_nothing_else(built):
    names = zipfile.ZipFile(wheel(built)).namelist()
    assert set(DATA) <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"django_socketio"}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "django_socketio").rglob("*.py")}
    assert sources <= set(names)


def test_the_sdist_holds_what_the_wheel_is_built_from(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*DATA, "pyproject.toml", "README.rst", "LICENSE"} <= names


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


@pytest.fixture
def quick_start(built, tmp_path):
    """A new Django project with the wheel installed, set up as README's quick start says."""
    site = tmp_path / "site-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
    subprocess.run([*pip, str(wheel(built))], check=True, capture_output=True)
    subprocess.run(
        [sys.executable, "-m", "django", "startproject", "mysite", str(tmp_path)], check=True
    )
    chat = tmp_path / "chat"
    chat.mkdir()
    (chat / "__init__.py").touch()
    (chat / "events.py").write_text(
        "import django_socketio\n"
        "from django_socketio.events import on_message\n\n"
        "assert 'site-packages' in django_socketio.__file__  # the wheel, not the checkout\n\n"
        '@on_message(channel="^room-")\n'
        "def say(request, socket, context, message):\n"
        "    socket.send_and_broadcast_channel(message)\n"
    )
    edit(
        tmp_path / "mysite" / "settings.py",
        "INSTALLED_APPS = [",
        'INSTALLED_APPS = ["django_socketio", "chat",',
    )
    edit(
        tmp_path / "mysite" / "urls.py",
        "urlpatterns = [",
        "from django.urls import include\nurlpatterns = ["
        'path("", include("django_socketio.urls")),',
    )
    return tmp_path


def test_the_quick_start_works_with_the_installed_wheel(quick_start, run):  # noqa: F811
    server = run(
        "0",
        "--noreload",
        python=(str(quick_start / "manage.py"),),
        PYTHONPATH=f"{quick_start / 'site-packages'}:{quick_start}",
        DJANGO_SETTINGS_MODULE="mysite.settings",
    )
    assert get(server.port, "/static/django_socketio/socketio.js")[0] == 200
    first, second = WebSocketClient(server.port), WebSocketClient(server.port)
    for client in (first, second):
        client.connect()
        client.subscribe("room-1")
    first.emit("message", "hello")
    assert first.event() == second.event() == ["message", "hello"]
