"""Processes that end with the benchmark, each on the core it is given."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, (os.cpu_count() or 1) - 1
STARTING, STOPPING, SETTLING = 30, 5, 10

CPUCLOCK_SCHED = 2
"""What Linux calls the clock of all processor time of a process (linux/posix-timers.h)."""


class Failed(Exception):
    """A program did not start, or did not do what it should."""


def on_core(core, command):
    """Return a command line that runs on one core and dies with the process that starts it."""
    for program in ("setpriv", "taskset"):
        if shutil.which(program) is None:
            raise Failed(f"{program} (util-linux) is needed to run the benchmarks.")
    return ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", str(core), *map(str, command)]


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A program that runs until the ``with`` block ends.

    Args:
        command: its command line.
        core: the core that it runs on.
        log: the file for what it prints.
        environ: variables besides those of this process.
        folder: where it runs.

    """

    def __init__(self, command, core, log, environ=None, folder=None):
        self._log = Path(log)
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                on_core(core, command),
                env={**os.environ, **(environ or {})},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.terminate()
        try:
            self._process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pids(self):
        """Its id, and those of its children."""
        pid = self._process.pid
        children = ""
        with contextlib.suppress(OSError):  # it has ended
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [pid, *map(int, children.split())]

    def wait_until(self, ready, what):
        """Wait until a condition holds.

        Raises:
            Failed: the program ended before, or it took too long.

        """
        deadline = time.monotonic() + STARTING
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self._log.read_text(errors="replace")[-2000:]
                raise Failed(f"{what} did not start:\n{tail}")
            time.sleep(0.05)

    def cpu(self):
        """Return the seconds of CPU time that it has used."""
        return sum(cpu_of(pid) for pid in self.pids)

    def settle(self):
        """Wait until it has nothing left to do, ten seconds at most."""
        deadline = time.monotonic() + SETTLING
        before = self.cpu()
        while time.monotonic() < deadline:
            time.sleep(0.1)
            before, now = self.cpu(), before
            if before - now <= 0.02:
                return


def cpu_of(pid):
    """Return the seconds of CPU time that a process has used."""
    # The clock of another process, as clock_getcpuclockid(3) names it: /proc counts in ticks.
    with contextlib.suppress(OSError):
        return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)
    return 0.0


def listens(port):
    """Return whether somebody listens on a port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def end_on_signals():
    """Make SIGTERM end the benchmark as Ctrl-C does: with all its programs."""

    def end(number, frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
