"""The package compiled to C, as setup.py offers it, behaves as the Python that it is made from."""

import os
import subprocess
import sys

import pytest

from tests.kit.programs import ROOT

BEHAVIOUR = [
    "tests/protocol",
    "tests/behaviour/test_accept.py",
    "tests/behaviour/test_bad_input.py",
    "tests/behaviour/test_channels.py",
    "tests/behaviour/test_compression.py",
    "tests/behaviour/test_emit.py",
    "tests/behaviour/test_events.py",
    "tests/behaviour/test_lifecycle.py",
    "tests/behaviour/test_presence.py",
    "tests/behaviour/test_recovery.py",
    "tests/behaviour/test_rfc6455.py",
    "tests/behaviour/test_threads.py",
    "tests/monitoring",
    "tests/relay/test_moving.py",
    "tests/security/test_channels_admitted.py",
    "tests/security/test_edges.py",
    "tests/security/test_requests_of_sockets.py",
    "tests/testing/test_client.py",
]


def run(*command, cwd, **environ):
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5_000:]
    return done.stdout


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Compile a clean copy of what git tracks, quickly rather than well."""
    copy = tmp_path_factory.mktemp("compiled")
    run("git", "checkout-index", "--all", f"--prefix={copy}/", cwd=ROOT)
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    run(*build, cwd=copy, DJANGO_SOCKETIO_COMPILE="1", MYPYC_OPT_LEVEL="0")
    return copy


def test_the_message_path_is_compiled_and_behaves_the_same(compiled):
    files = "from django_socketio.sockets import lifecycle as a; "
    files += "from django_socketio.transports import session as b; "
    where = run(sys.executable, "-c", files + "print(a.__file__, b.__file__)", cwd=compiled)
    assert all(path.startswith(str(compiled)) for path in where.split())
    assert all(path.endswith(".so") for path in where.split())
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *BEHAVIOUR, cwd=compiled)
