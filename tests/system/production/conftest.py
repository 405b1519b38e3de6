"""Fixtures: gunicorn with our worker, nginx before it, and clients."""

import subprocess

import pytest

from tests.kit.http import close_all
from tests.kit.servers import Gunicorn


@pytest.fixture
def gunicorn():
    """Start gunicorn: ``gunicorn("--setting", workers=2)``."""
    started = []

    def start(*arguments, **options):
        started.append(Gunicorn(*arguments, **options))
        return started[-1]

    yield start
    close_all()
    for one in started:
        one.end()


@pytest.fixture(scope="package")
def shared():
    """A gunicorn for tests that do it no harm."""
    gunicorn = Gunicorn()
    yield gunicorn
    gunicorn.end()


@pytest.fixture(scope="package")
def certificate(tmp_path_factory):
    """A certificate for loopback."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            *["-nodes", "-days", "1", "-keyout", key, "-out", certificate, *subject],
        ],
        check=True,
        capture_output=True,
    )
    return key, certificate
