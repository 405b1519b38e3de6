"""Does all of a release but the upload: ``make release``.

It checks the tree, the version and the changelog, builds the wheels and the sdist into dist/, has
twine check them, and installs each into an empty environment on each Python of this machine, where
``smoke.py`` starts a site.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import wheels  # noqa: E402

import django_socketio  # noqa: E402
from tests.kit.wheels import build as build_tracked  # noqa: E402
from tests.matrix import PYTHONS, interpreter  # noqa: E402

SMOKE = ROOT / "requirements" / "smoke.py"

RELEASE = re.compile(r"\d+\.\d+\.\d+")
TITLE = r"^(\S+) \(([^)\n]*)\)\n-+\n"
HEADING = re.compile(rf"{TITLE}(.*?)(?={TITLE}|\Z)", re.MULTILINE | re.DOTALL)


def faults(version: str, changelog: str, changes: str, tags: list[str]) -> Iterator[str]:
    """Yield what is in the way of a release.

    Args:
        version: of the package.
        changelog: the text of CHANGELOG.rst.
        changes: what ``git status --porcelain`` prints.
        tags: the tags of the repository.

    """
    if changes.strip():
        yield f"The tree has changes that are not committed:\n{changes.rstrip()}"
    if not RELEASE.fullmatch(version):
        yield f"The version must be A.B.C, not {version!r} (django_socketio/__init__.py)."
    if f"v{version}" in tags:
        yield f"The version {version} is released: there is a tag v{version}."
    newest = HEADING.search(changelog)
    if newest is None:
        yield 'CHANGELOG.rst has no heading such as "1.0.0 (2026-01-31)".'
        return
    if newest[1] != version:
        yield f"CHANGELOG.rst begins with {newest[1]}; the package has the version {version}."
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", newest[2]):
        yield f"CHANGELOG.rst must have the date of {newest[1]}, not ({newest[2]})."
    if not newest[3].strip():
        yield f"CHANGELOG.rst has no changes of {newest[1]}."


def git(*arguments: str) -> str:
    """Return what a command of git prints."""
    run = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return run.stdout


def check() -> None:
    """End with all that is in the way of a release."""
    changelog = (ROOT / "CHANGELOG.rst").read_text()
    state = git("status", "--porcelain"), git("tag").split()
    found = [*faults(django_socketio.__version__, changelog, *state)]
    if found:
        sys.exit("\n".join(found))


def build() -> list[Path]:
    """Build the wheels and the sdist of what is committed; return their paths."""
    shutil.rmtree(wheels.DIST, ignore_errors=True)
    wheels.main()
    with tempfile.TemporaryDirectory() as copy:
        build_tracked(copy, wheels.DIST, "--sdist")
    return sorted(wheels.DIST.iterdir())


def fits(distribution: Path, version: str) -> bool:
    """Return whether a Python can install a distribution."""
    tag = f"-cp{version.replace('.', '')}-"
    return tag in distribution.name or "-cp" not in distribution.name


def try_out(distribution: Path, python: str) -> None:
    """Install a distribution into an empty environment, and start a site there."""
    with tempfile.TemporaryDirectory() as folder:
        own = f"{folder}/bin/python"
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, str(distribution)], check=True)
        subprocess.run([own, "-I", "-c", LOCATION], cwd=folder, check=True)
        subprocess.run([own, str(SMOKE)], cwd=folder, check=True)


LOCATION = """
import django_socketio
assert "site-packages" in django_socketio.__file__, django_socketio.__file__
"""


def main() -> None:
    """Check, build and try out; then say what is left to do."""
    check()
    distributions = build()
    subprocess.run(
        [sys.argv[1], "-m", "twine", "check", "--strict", *map(str, distributions)], check=True
    )
    for version in PYTHONS:
        python = interpreter(version)
        if python is None:
            print(f"Python {version}: not here, not tried out")
            continue
        for distribution in distributions:
            if fits(distribution, version):
                print(f"{distribution.name}, Python {version}: ", end="", flush=True)
                try_out(distribution, python)
    plain = [str(one.relative_to(ROOT)) for one in distributions if "-cp" not in one.name]
    print(
        f"\nLeft to do: git tag v{django_socketio.__version__} && twine upload {' '.join(plain)}\n"
        "PyPI takes the compiled wheels only after auditwheel repair: see CONTRIBUTING.rst."
    )


if __name__ == "__main__":
    main()
