"""Forks of a server's process."""

import signal
import threading

from django_socketio.channels import current
from django_socketio.server import forking

TIMEOUT = 10


def test_threads_that_fork_at_the_same_time_have_their_signals_again(monkeypatch):
    """Signals are held back in the thread that forks: each thread has a mask of its own."""
    monkeypatch.setattr(current, "all_servers", lambda: [object()])
    both_hold, masks = threading.Barrier(2, timeout=TIMEOUT), []

    def fork():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        forking._hold_signals()
        both_hold.wait()
        forking._let_signals_come()
        both_hold.wait()
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before)

    threads = [threading.Thread(target=fork) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert masks == [True, True]
