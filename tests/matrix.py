"""Runs the tests with each Python of this machine and each Django: ``make test-matrix``.

An environment of its own is made for each pair, from what requirements/ pins but for Django. Beside
them, the oldest versions of requirements/lowest.txt run on the oldest Python. Pythons that this
machine has not are named before and after.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements"

PYTHONS = {
    "3.11": ["5.2"],
    "3.12": ["5.2", "6.0", "6.1"],
    "3.13": ["5.2", "6.0", "6.1"],
    "3.14": ["5.2", "6.0", "6.1"],
}
"""The versions of Django that support each Python."""

LOWEST = "lowest"
"""In the place of a version of Django: the versions of requirements/lowest.txt."""


class Pair(NamedTuple):
    """A Python and a Django to run the tests with."""

    python: str
    django: str

    def __str__(self) -> str:
        if self.django == LOWEST:
            return f"Python {self.python}, lowest versions"
        return f"Python {self.python}, Django {self.django}"


def all_pairs() -> list[Pair]:
    """Return all supported pairs."""
    pairs = [Pair(python, django) for python, djangos in PYTHONS.items() for django in djangos]
    return [Pair(min(PYTHONS), LOWEST), *pairs]


def interpreter(version: str) -> str | None:
    """Return a Python of a version, from the path, pyenv or uv; None where there is none."""
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for command in [f"python{version}", *map(str, reversed(pyenv)), *_of_uv(version)]:
        if _version_of(command) == version:
            return command
    return None


def _of_uv(version: str) -> list[str]:
    if shutil.which("uv") is None:
        return []
    command = ["uv", "python", "find", "--no-python-downloads", version]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.split()


def _version_of(command: str) -> str | None:
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        run = subprocess.run([command, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return run.stdout.strip() or None


def requirements(django: str) -> list[str]:
    """Return the lines of requirements/ with another version of Django, or the lowest versions."""
    lines = _lines("run.txt") + _lines("test.txt")
    others = _lines("lowest.txt") if django == LOWEST else [f"Django=={django}.*"]
    replaced = {_name(line) for line in others}
    return [line for line in lines if _name(line) not in replaced] + others


def _lines(name: str) -> list[str]:
    lines = (REQUIREMENTS / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r "))]


def _name(line: str) -> str:
    return re.split("[=<>;]", line)[0].lower()


def make(pair: Pair, python: str, folder: Path) -> str:
    """Make the environment of a pair; return its Python."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = "\n".join(requirements(pair.django))
    own, file = folder / "bin" / "python", folder / "requirements.txt"
    if not file.exists() or file.read_text() != wanted:
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        made = folder / "wanted.txt"
        made.write_text(wanted)
        pip = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", made], check=True)
        subprocess.run([*pip, "--no-deps", "--editable", ROOT], check=True)
        made.rename(file)
    return str(own)


def main() -> int:
    """Run the pairs that were asked for; return 0 if all that could be run passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv" / "matrix")
    parser.add_argument("--only", help="part of a pair's name, such as 'Django 6.1'")
    parser.add_argument("--processes", default="2", help="of the tests that do not run alone")
    options, pytest = parser.parse_known_args()
    pairs = [pair for pair in all_pairs() if (options.only or "") in str(pair)]
    found = {pair.python: interpreter(pair.python) for pair in pairs}
    results = {}
    for pair in pairs:
        python = found[pair.python]
        print(f"\n=== {pair}: {python or 'NOT HERE, NOT RUN'} ===", flush=True)
        results[pair] = _run(pair, python, options, pytest)
    print("\n=== Summary ===")
    for pair, result in results.items():
        print(f"{pair}: {result}")
    return 0 if "passed" in results.values() and set(results.values()) <= {"passed", ABSENT} else 1


ABSENT = "NOT RUN: this machine has no such Python"


NO_TESTS = 5
"""The exit status of pytest if no test was selected."""


def _run(pair: Pair, python: str | None, options: argparse.Namespace, pytest: list[str]) -> str:
    if python is None:
        return ABSENT
    own = make(pair, python, options.environments / f"{pair.python}-{pair.django}")
    beside = ["--numprocesses", options.processes, "--dist", "loadfile"]
    codes = [
        _pytest(own, "not alone and not pinned", *beside, *pytest),
        _pytest(own, "alone and not pinned", *pytest),
    ]
    return "passed" if 0 in codes and set(codes) <= {0, NO_TESTS} else "FAILED"


def _pytest(python: str, marks: str, *arguments: str) -> int:
    command = [python, "-m", "pytest", "-m", marks, *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
