"""A program on a terminal of its own: what a person types reaches it, Ctrl-C included."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading

from tests.kit.programs import ENVIRON, MANAGE, ROOT, TIMEOUT

CTRL_C = "\x03"


class Terminal:
    """``manage.py`` on a pseudo-terminal, or another program, whose output can be waited for."""

    def __init__(self, *arguments, program=(sys.executable, MANAGE), **environ):
        self.output = ""
        self._more = threading.Condition()
        self._master, slave = os.openpty()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *program, *arguments],
            env={**ENVIRON, "PYTHONUNBUFFERED": "1", "TERM": "dumb", **environ},
            cwd=ROOT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with contextlib.suppress(OSError):  # EIO: the last process has closed the terminal
            while piece := os.read(self._master, 65_536):
                with self._more:
                    self.output += piece.decode(errors="replace").replace("\r\n", "\n")
                    self._more.notify_all()

    def wait_for(self, pattern, count=1):
        """Wait until the pattern has been printed often enough; return all matches."""
        with self._more:
            self._more.wait_for(lambda: len(re.findall(pattern, self.output)) >= count, TIMEOUT)
        found = list(re.finditer(pattern, self.output))
        assert len(found) >= count, f"{pattern} did not come {count} times:\n{self.output}"
        return found

    def type(self, text):
        os.write(self._master, text.encode())

    @property
    def port(self):
        return int(self.wait_for(r" at:? http://.*:(\d+)")[-1][1])

    def wait(self, timeout=TIMEOUT):
        """Wait for the end; return the exit status."""
        status = self.process.wait(timeout)
        self._reader.join(TIMEOUT)
        return status

    def end(self):
        """End the process and its children, if the test did not."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()
        os.close(self._master)
