"""The greenlets in which handlers run."""

from greenlet import greenlet


class Worker(greenlet):
    """A greenlet in which handlers run, one mailbox after the other."""
