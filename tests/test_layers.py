"""Imports go from higher rooms to lower ones only; tests share code by the kit only."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import django_socketio
from tests import rooms

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def modules():
    return rooms.read_modules()


def test_imports_go_down_without_cycles(modules):
    assert rooms.violations(modules) == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("security.origins", "django_socketio.server.wsgi"),
        ("sockets.acks", "django_socketio.relay.redis.relay"),
        ("protocol.json", "time"),
        ("transports.engine", "django.conf"),
        ("protocol.stdjson", "django_socketio.protocol.json"),
        ("relay.envelope", "django_socketio.relay.wire"),
    ],
)
def test_an_import_that_breaks_the_order_is_found(modules, module, name):
    assert rooms.violations({**modules, module: [*modules[module], name]})


def test_the_picture_in_the_documentation_is_that_of_the_source():
    assert rooms.PICTURE.read_text() == rooms.as_svg(), "make docs/rooms.svg writes it anew"


def imports_of_test_modules(source):
    """Return the test modules that a test module imports."""
    imported = []
    for node in rooms.statements(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            imported += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
    return [name for name in imported if re.search(r"(^|\.)test_", name)]


def test_no_module_of_the_tests_imports_a_test_module():
    modules = {path: path.read_text() for path in TESTS.rglob("*.py")}
    found = {str(path): imports_of_test_modules(source) for path, source in modules.items()}
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from tests.behaviour.test_http import get",
        "from tests.relay import test_redis",
        "import tests.relay.test_redis as redis",
        "def test():\n    from tests.behaviour.test_http import get",
    ],
)
def test_an_import_of_a_test_module_is_found(source):
    assert len(imports_of_test_modules(source)) == 1


def test_modules_and_functions_are_small():
    for path in rooms.ROOT.rglob("*.py"):
        source = path.read_text()
        assert source.count("\n") <= 350, path
        for node in rooms.statements(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 40, f"{path}: {node.name}"


@pytest.mark.untraced
def test_importing_the_package_needs_no_settings_and_patches_nothing():
    code = (
        "import django_socketio, django_socketio.events, sys; "
        "assert not {'gevent', 'django.conf'} & set(sys.modules); "
        "from django_socketio import broadcast; "
        "from gevent import monkey; assert not monkey.saved; print(django_socketio.__version__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.stdout.strip(), run.stderr) == (django_socketio.__version__, "")


def test_the_worker_class_leaves_asyncio_to_be_imported_when_gevent_has_patched():
    code = (
        "import django_socketio.gunicorn, sys; "
        "assert not {'asyncio', 'asgiref', 'concurrent.futures'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_process_that_only_sends_imports_neither_sockets_nor_transports():
    code = (
        "import django, os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.project.settings'; "
        "django.setup(); from django_socketio import emit; "
        "rooms = {name.split('.')[1] for name in sys.modules if name[:16] == 'django_socketio.'}; "
        "assert {'checks', 'security'} <= rooms and 'sockets' not in rooms, rooms; "
        "assert 'django_socketio.transports.http' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
