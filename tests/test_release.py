"""``make release``: its checks, and the site by which it tries an installation out.

The run itself, which builds and installs, takes minutes; it is made for a release.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "requirements"


@pytest.fixture(scope="module")
def release():
    """The script, as a module."""
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location("release", FOLDER / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(FOLDER))
    return module


GOOD = "Changelog\n=========\n\n1.0.0 (2026-12-01)\n------------------\n\n* New.\n"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, []),
        ({"tags": ["v0.9.0"]}, []),
        ({"tags": ["v1.0.0"]}, ["The version 1.0.0 is released: there is a tag v1.0.0."]),
        (
            {"changes": " M setup.py\n"},
            ["The tree has changes that are not committed:\n M setup.py"],
        ),
        (
            {"changelog": GOOD.replace("2026-12-01", "unreleased")},
            ["CHANGELOG.rst must have the date of 1.0.0, not (unreleased)."],
        ),
        (
            {"changelog": GOOD.replace("* New.\n", "")},
            ["CHANGELOG.rst has no changes of 1.0.0."],
        ),
        (
            {"changelog": GOOD.replace("* New.\n", "\n0.3.0 (2011-01-01)\n---\n\n* Old.\n")},
            ["CHANGELOG.rst has no changes of 1.0.0."],
        ),
        (
            {"changelog": ""},
            ['CHANGELOG.rst has no heading such as "1.0.0 (2026-01-31)".'],
        ),
        (
            {"version": "1.1.dev0"},
            [
                "The version must be A.B.C, not '1.1.dev0' (django_socketio/__init__.py).",
                "CHANGELOG.rst begins with 1.0.0; the package has the version 1.1.dev0.",
            ],
        ),
    ],
)
def test_what_is_in_the_way_of_a_release(release, changed, told):
    given = {"version": "1.0.0", "changelog": GOOD, "changes": "", "tags": [], **changed}
    assert [*release.faults(**given)] == told


@pytest.mark.parametrize(
    ("name", "versions"),
    [
        ("django_socketio-1.0.0-py3-none-any.whl", ["3.11", "3.13"]),
        ("django_socketio-1.0.0.tar.gz", ["3.11", "3.13"]),
        ("django_socketio-1.0.0-cp313-cp313-linux_x86_64.whl", ["3.13"]),
    ],
)
def test_a_distribution_is_tried_out_where_it_fits(release, name, versions):
    assert [one for one in ("3.11", "3.13") if release.fits(Path(name), one)] == versions


def test_the_heading_of_this_changelog_is_found(release):
    changelog = (FOLDER.parent / "CHANGELOG.rst").read_text()
    found = [*release.faults(release.django_socketio.__version__, changelog, "", [])]
    assert all("must have the date" in one for one in found)


def test_the_site_of_the_smoke_test_works():
    command = [sys.executable, FOLDER / "smoke.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(": works\n")
