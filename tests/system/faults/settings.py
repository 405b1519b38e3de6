"""A site whose sockets end in every way there is."""

from tests.project.settings import *  # noqa: F403
from tests.project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS[:-1], "tests.system.faults"]
ROOT_URLCONF = "tests.system.faults.urls"

SOCKETIO_WORKERS = 10
SOCKETIO_MAX_UNSENT_BYTES = 100_000
SOCKETIO_RELAY_LOG_SECONDS = 1
SOCKETIO_MESSAGE_LOG_FORMAT = None
