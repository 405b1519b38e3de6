"""Virtual environments that hold what the metadata of a wheel asks for, and nothing else.

pip resolves and installs as it does for a user. It finds the distributions that this environment
has, packed into wheels again, so that nothing is downloaded.
"""

import importlib.metadata
import subprocess
import sys
import venv
import zipfile

from tests.kit.programs import ROOT

TOOLS = {"celery", "coverage", "hypothesis", "mypy", "pip", "playwright", "ruff"}
"""Large, and nothing that a site needs: they are not packed."""


def build(copy, out, *kinds):
    """Build the wheel and the sdist, or one of them, from a clean copy of what git tracks.

    Args:
        copy: an empty folder for the copy.
        kinds: ``"--wheel"`` or ``"--sdist"``; both if there is none.

    """
    subprocess.run(["git", "checkout-index", "--all", f"--prefix={copy}/"], cwd=ROOT, check=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", str(out), str(copy)],
        check=True,
        capture_output=True,
    )


def pack_installed(folder, linked):
    """Pack what is installed here into wheels, except what is linked, by lowercase names."""
    for distribution in importlib.metadata.distributions():
        if distribution.name.lower() not in {"django-socketio", *TOOLS, *linked}:
            with zipfile.ZipFile(folder / _wheel_name(distribution), "w") as wheel:
                for file in filter(_is_packed, distribution.files):
                    wheel.write(file.locate(), str(file))


def pack_links(folder, names):
    """Pack distributions, by their names, into wheels which hold their metadata and links.

    pip resolves and installs them like others, but has no files to unpack, and Python none to
    compile, which takes five seconds.
    """
    for distribution in importlib.metadata.distributions():
        if (name := distribution.name.lower()) in names:
            place = _linked(folder / "linked" / name, distribution)
            with zipfile.ZipFile(folder / _wheel_name(distribution), "w") as wheel:
                for file in filter(_is_metadata, distribution.files):
                    wheel.write(file.locate(), str(file))
                wheel.writestr(f"{name}.pth", f"{place}\n")


def _linked(place, distribution):
    """Link what a distribution installs into a folder, which holds nothing else."""
    place.mkdir(parents=True)
    files = [file for file in distribution.files if ".." not in file.parts]
    for top in {file.parts[0]: file for file in files if not _is_metadata(file)}:
        (place / top).symlink_to(distribution.locate_file(top))
    return place


def _is_metadata(file):
    return file.parts[0].endswith(".dist-info")


def _is_packed(file):
    return ".." not in file.parts and "__pycache__" not in file.parts and file.locate().exists()


def _wheel_name(distribution):
    # One of its tags will do: that is the one for this interpreter and machine, or for any.
    tags = [
        line.removeprefix("Tag: ")
        for line in distribution.read_text("WHEEL").splitlines()
        if line.startswith("Tag: ")
    ]
    name = distribution.name.replace("-", "_").replace(".", "_")
    return f"{name}-{distribution.version}-{tags[-1]}.whl"


def make_environment(folder):
    """Make a virtual environment that holds nothing; return its Python."""
    venv.create(folder, symlinks=True)
    return str(folder / "bin" / "python")


def extend_environment(old, folder):
    """Make a virtual environment that holds what another one holds; return its Python."""
    python = make_environment(folder)
    (held,) = old.glob("lib/python*/site-packages")
    (own,) = folder.glob("lib/python*/site-packages")
    # A line with the path alone would leave out the links that are there.
    (own / "extended.pth").write_text(f"import site; site.addsitedir({str(held)!r})\n")
    return python


def install(python, wheels, requirement):
    """Install a requirement, with pip, into the environment of a Python.

    Args:
        wheels: the folder in which pip looks for everything.

    """
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-compile"]
    offline = ["--no-index", "--find-links", str(wheels), "--disable-pip-version-check", "--quiet"]
    run = subprocess.run(
        [*command, *offline, requirement], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
