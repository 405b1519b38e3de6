"""A site whose servers share a relay, and notice broken connections to it at once."""

from tests.project.settings import *  # noqa: F403
from tests.project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS[:-1], "tests.relay.recovery"]
HISTORY = {"^kept": {"size": 50, "seconds": 600}}
SOCKETIO_HISTORY = HISTORY
