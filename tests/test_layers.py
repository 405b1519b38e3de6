"""Imports go down the layers of the design only."""

import ast
from pathlib import Path

import pytest

import django_socketio

ROOT = Path(django_socketio.__file__).parent

# A module may import from its own layer and from those before it.
LAYERS = [
    ["exceptions", "logs"],
    ["protocol"],
    [
        "concurrency",
        "transports",
        "codec",
        "acks",
        "calls",
        "channels",
        "relay",
        "names",
        "handlers",
        "events",
        "threads",
        "watchdog",
        "unhandled",
    ],
    ["member", "socket", "broadcasts", "patterns", "sockets"],
    ["repeated", "shared", "acknowledging", "clients", "connections"],
    [
        "conf",
        "security",
        "answers",
        "apps",
        "checks",
        "database",
        "origins",
        "parking",
        "admission",
        "sessions",
        "logins",
        "following",
        "endpoints",
        "forking",
        "garbage",
        "signals",
        "application",
        "process",
        "relays",
        "forwarding",
        "gunicorn_settings",
        "gunicorn_requests",
        "gunicorn",
        "handoff",
        "views",
        "urls",
        "server",
        "templatetags",
        "management",
        "__init__",
    ],
]

MODULES = sorted(ROOT.rglob("*.py"))


def layer(parts):
    """Return the number of a module's layer."""
    (number,) = [number for number, names in enumerate(LAYERS) if parts[0] in names]
    return number


def imports(path):
    """Yield the names of all modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path):
    """Yield the modules of the package that a file imports, as parts of their names."""
    for name in imports(path):
        parts = name.split(".")[1:]
        if name.startswith("django_socketio.") and not parts[0].startswith("__"):
            yield parts


def parts_of(path):
    return path.relative_to(ROOT).with_suffix("").parts


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    own = layer(parts_of(path))
    # "from django_socketio import events" names a module of another layer by its last part.
    for parts in ours(path):
        assert layer(parts) <= own, f"{path.name} imports {'.'.join(parts)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_edge_knows_django_and_only_the_core_is_without_io(path):
    own = layer(parts_of(path))
    names = {name.split(".")[0] for name in imports(path)}
    if own < len(LAYERS) - 1:
        assert "django" not in names
    if own < 2:
        assert not names & {"gevent", "greenlet", "socket", "time", "threading"}


def test_transports_do_not_know_events():
    for path in (ROOT / "transports").glob("*.py"):
        assert {parts[0] for parts in ours(path)} <= {
            "transports",
            "protocol",
            "concurrency",
            "exceptions",
            "logs",
        }


def test_modules_and_functions_are_small():
    for path in MODULES:
        source = path.read_text()
        assert source.count("\n") <= 350, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 40, f"{path}: {node.name}"


@pytest.mark.untraced
def test_importing_the_package_needs_no_settings_and_patches_nothing():
    import subprocess
    import sys

    code = (
        "import django_socketio, django_socketio.events, sys; "
        "assert not {'gevent', 'django.conf'} & set(sys.modules); "
        "from django_socketio import broadcast; "
        "from gevent import monkey; assert not monkey.saved; print(django_socketio.__version__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.stdout.strip(), run.stderr) == (django_socketio.__version__, "")


def test_the_worker_class_leaves_asyncio_to_be_imported_when_gevent_has_patched():
    import subprocess
    import sys

    code = (
        "import django_socketio.gunicorn, sys; "
        "assert not {'asyncio', 'asgiref', 'concurrent.futures'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
