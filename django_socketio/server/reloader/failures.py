"""The failure of a process that was started again: it waits until its code is mended."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.utils import autoreload

CODE_CHANGED = 3
"""The status with which Django's reloader ends a child."""

FAILED = 1
"""The status with which Django ends a command that cannot run."""


def wait_after(run: Callable[[], None]) -> None:
    """Run a program. If it fails, show the error, and end once code has changed.

    Raises:
        SystemExit: the program has ended, or code has changed.

    """
    try:
        autoreload.check_errors(run)()  # notes the file with the error
    except Exception:
        code = Code()
        sys.excepthook(*sys.exc_info())
        code.wait_for_change()
    except SystemExit as end:
        if end.code != FAILED:
            raise
        Code().wait_for_change()


class Code:
    """The modules in all folders that code was loaded from, as they are now."""

    def __init__(self) -> None:
        self._reloader = autoreload.StatReloader()
        folders = {file.parent for file in self._reloader.watched_files()}
        for folder in {Path(sys.path[0]), *folders}:
            self._reloader.watch_dir(folder, "*.py")
        self._files = self._read()

    def _read(self) -> dict[Any, float]:
        return dict(self._reloader.snapshot_files())

    def wait_for_change(self) -> None:
        """Wait until a module changes, comes or goes.

        Raises:
            SystemExit: it has happened.

        """
        while self._read() == self._files:
            time.sleep(self._reloader.SLEEP_TIME)
        sys.exit(CODE_CHANGED)
