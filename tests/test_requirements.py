"""Requirements: installed as pinned, fitting together, and bounded by the tested versions."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.version import Version

from tests import matrix

FOLDER = Path(__file__).parent.parent / "requirements"
PIN = re.compile(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)(?:; (.+))?")


def pinned(name):
    """Return the packages of a file, with versions and markers; each line must pin one."""
    lines = (FOLDER / name).read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith(("#", "-r "))]
    assert all(PIN.fullmatch(line) for line in lines), lines
    return [PIN.fullmatch(line).groups() for line in lines]


def applies(marker):
    return marker is None or Marker(marker).evaluate()


@pytest.mark.pinned
@pytest.mark.parametrize("name", ["run.txt", "test.txt"])
def test_what_is_pinned_is_installed(name):
    wanted = {line[0]: line[1] for line in pinned(name) if applies(line[2])}
    assert {package: importlib.metadata.version(package) for package in wanted} == wanted


@pytest.mark.pinned
def test_the_servers_that_are_pinned_are_installed():
    found = importlib.metadata.distributions(path=[str(FOLDER.parent / ".servers")])
    wanted = {name: version for name, version, _ in pinned("servers.txt")}
    assert {one.name: one.version for one in found} == wanted


FILES = [
    "run.txt",
    "test.txt",
    "servers.txt",
    "fuzz.txt",
    "audit.txt",
    "docs.txt",
    "release.txt",
    "lowest.txt",
]


@pytest.mark.parametrize("name", FILES)
def test_every_line_pins_one_version(name):
    assert pinned(name)


def test_nothing_that_is_installed_lacks_what_it_needs():
    check = [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"]
    run = subprocess.run(check, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


PROJECT = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["project"]


def bounds():
    """Return the requirements of the package and of its extras."""
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(line) for lines in (PROJECT["dependencies"], *extras) for line in lines]


def test_lower_bounds_are_the_lowest_versions_that_are_tested():
    lowest = {name: Version(version) for name, version, _ in pinned("lowest.txt")}
    for requirement in bounds():
        (bound,) = requirement.specifier
        assert (bound.operator, Version(bound.version)) == (">=", lowest.pop(requirement.name))
    # greenlet is gevent's; the SDK, for tests, is of the same release as the API.
    assert set(lowest) == {"greenlet", "opentelemetry-sdk", "opentelemetry-semantic-conventions"}


def test_classifiers_name_what_the_matrix_runs():
    begun = "Programming Language :: Python :: 3."
    pythons = {line.split()[-1] for line in PROJECT["classifiers"] if line.startswith(begun)}
    begun = "Framework :: Django :: "
    djangos = {line.split()[-1] for line in PROJECT["classifiers"] if line.startswith(begun)}
    pairs = [pair for pair in matrix.all_pairs() if pair.django != matrix.LOWEST]
    # Python 3.14 is in the matrix, and has not been run yet.
    assert pythons == {pair.python for pair in pairs} - {"3.14"}
    assert djangos == {pair.django for pair in pairs}
