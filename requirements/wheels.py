"""Builds the wheels of a release into dist/: ``make wheels``.

There is one pure wheel, which runs everywhere, and one with the message path compiled to C for each
CPython of this machine that the package supports. pip prefers a compiled one where it fits.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.matrix import PYTHONS, interpreter  # noqa: E402

DIST = ROOT / "dist"
SOURCES = ["django_socketio", "setup.py", "pyproject.toml", "README.rst", "LICENSE"]


def environment(python: str, folder: Path) -> str:
    """Make an environment with the tools that build; return its Python."""
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    own = str(folder / "bin" / "python")
    pip = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    tools = ["setuptools>=77", "wheel", *_pinned("mypy", "mypy_extensions", "mypy-extensions")]
    subprocess.run([*pip, *tools, *_pinned("Django", "gevent")], check=True)
    return own


def _pinned(*names: str) -> list[str]:
    """Return the lines of requirements/ that pin these packages."""
    files = [ROOT / "requirements" / name for name in ("run.txt", "test.txt")]
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [line for line in lines if line.split("==")[0] in names]


def build(python: str, compiled: bool) -> Path:
    """Build one wheel from a clean copy of the sources; return its path."""
    with tempfile.TemporaryDirectory() as folder:
        for name in SOURCES:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, Path(folder) / name)
        pip = [python, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder],
            env={**os.environ, "DJANGO_SOCKETIO_COMPILE": str(int(compiled))},
            check=True,
        )
        (wheel,) = Path(folder).glob("*.whl")
        return Path(shutil.copy(wheel, DIST))


def has_compiled(wheel: Path) -> bool:
    """Return whether a wheel has compiled modules."""
    return any(name.endswith(".so") for name in zipfile.ZipFile(wheel).namelist())


def main() -> None:
    """Build all wheels that this machine can build, and name those that it cannot."""
    DIST.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for version in PYTHONS:
            found = interpreter(version)
            if found is None:
                print(f"Python {version}: not here, no compiled wheel")
                continue
            python = environment(found, Path(folder) / version)
            for compiled in [True] if list(DIST.glob("*-none-any.whl")) else [False, True]:
                wheel = build(python, compiled)
                if has_compiled(wheel) is not compiled:
                    sys.exit(f"{wheel.name} should {'' if compiled else 'not '}be compiled")
                print(wheel.relative_to(ROOT))


if __name__ == "__main__":
    main()
