"""What is installed is what is pinned, and fits together."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "requirements"
PIN = re.compile(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)")


def pins(name):
    """Return the packages of a file by their names; each line must pin one."""
    lines = (FOLDER / name).read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith(("#", "-r "))]
    assert all(PIN.fullmatch(line) for line in lines), lines
    return dict(PIN.fullmatch(line).groups() for line in lines)


@pytest.mark.parametrize("name", ["run.txt", "test.txt"])
def test_what_is_pinned_is_installed(name):
    installed = {package: importlib.metadata.version(package) for package in pins(name)}
    assert installed == pins(name)


def test_the_servers_that_are_pinned_are_installed():
    found = importlib.metadata.distributions(path=[str(FOLDER.parent / ".servers")])
    assert {one.name: one.version for one in found} == pins("servers.txt")


@pytest.mark.parametrize("name", ["run.txt", "test.txt", "servers.txt", "fuzz.txt", "audit.txt"])
def test_every_line_pins_one_version(name):
    assert pins(name)


def test_nothing_that_is_installed_lacks_what_it_needs():
    check = [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"]
    run = subprocess.run(check, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
