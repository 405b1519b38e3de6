"""A real PostgreSQL of the tests' own, and sites that use it."""

import contextlib
import getpass
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from tests.kit.http import close_all, get
from tests.kit.programs import started
from tests.kit.servers import Gunicorn
from tests.kit.waiting import wait_until

TIMEOUT = 10


class PostgreSQL:
    """PostgreSQL on a Unix socket in a folder of its own."""

    def __init__(self):
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not programs:
            pytest.fail("PostgreSQL is missing: run make test, which installs it")
        # Socket names are short, so the folder's must be; and its server refuses to be root.
        self.folder = tempfile.mkdtemp(prefix="pg", dir="/tmp")
        self._as_user = []
        if getpass.getuser() == "root":
            shutil.chown(self.folder, "postgres", "postgres")
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        data, bin = f"{self.folder}/data", programs[-1].parent
        self._run(bin / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync")
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}"]
        options += ["-c", "fsync=off", "-c", "max_connections=100"]
        self._process = subprocess.Popen(
            [*self._as_user, bin / "postgres", "-D", data, *options],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.client = self._connect()

    def _run(self, *command):
        subprocess.run([*self._as_user, *command], check=True, capture_output=True, cwd=self.folder)

    def _connect(self):
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                return psycopg.connect(
                    host=self.folder, user="postgres", dbname="postgres", autocommit=True
                )
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL did not start"
                time.sleep(0.02)

    def connections(self):
        """How many connections handlers hold."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'handlers'"
        return self.client.execute(query).fetchone()[0]

    def connections_much_later(self, server):
        """Return how many there are after a long time; it may pass while one is used."""
        get(server.port, "/much-later/")
        return self.connections()

    def waiting(self):
        """How many queries of handlers wait for a lock."""
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return self.client.execute(query).fetchone()[0]

    @contextlib.contextmanager
    def locked(self, number):
        """Hold a lock."""
        self.client.execute("SELECT pg_advisory_lock(%s)", [number])
        yield
        self.client.execute("SELECT pg_advisory_unlock(%s)", [number])

    def kill_connections(self):
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        self.client.execute(f"{query} WHERE application_name = 'handlers'")
        wait_until(lambda: self.connections() == 0)

    def stop(self):
        self.client.close()
        self._process.terminate()  # "smart": it would wait for clients, if there were any
        self._process.wait(TIMEOUT)
        shutil.rmtree(self.folder)


@pytest.fixture(scope="session")
def postgresql():
    server = PostgreSQL()
    yield server
    server.stop()


def start(postgresql, **options):
    environ = {f"TEST_{name}": str(value) for name, value in options.items()}
    environ.setdefault("TEST_DATABASE", postgresql.folder)
    return Gunicorn(DJANGO_SETTINGS_MODULE="tests.system.database.settings", **environ)


@pytest.fixture
def site(postgresql):
    """Start a site: ``site(CONN_MAX_AGE=None, WORKERS=1)``."""
    started = []

    def one(**options):
        started.append(start(postgresql, **options))
        return started[-1]

    yield one
    close_all()
    for one in started:
        one.end()


@pytest.fixture(scope="module")
def _sites(postgresql):
    """Start the site with some options, or return the one that has been started with them."""
    yield from started(lambda **options: start(postgresql, **options))


@pytest.fixture
def common(_sites, postgresql):
    """The same for tests that do no harm: ``common(CONN_MAX_AGE=None, IDLE_TIME=0.2)``.

    Connections end after each test, for other tests count those of all sites.
    """
    used = []

    def one(**options):
        used.append(_sites(**options))
        return used[-1]

    yield one
    close_all()
    for server in used:
        wait_until(lambda server=server: postgresql.connections_much_later(server) == 0)


@pytest.fixture(scope="package", params=["postgresql", "sqlite"])
def either(request, postgresql, tmp_path_factory):
    """A site with one worker that keeps its connection: on each of the databases."""
    options = {"CONN_MAX_AGE": None, "DEBUG": 1}
    if request.param == "sqlite":
        options.update(VENDOR="sqlite", DATABASE=tmp_path_factory.mktemp("sqlite"))
    server = start(postgresql, **options)
    yield server
    close_all()
    server.end()
