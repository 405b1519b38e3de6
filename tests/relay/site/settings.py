"""A site of several processes: they share a relay."""

import os

from tests.project.settings import *  # noqa: F403
from tests.project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS[:-1], "tests.relay.site"]
ROOT_URLCONF = "tests.relay.site.urls"
SOCKETIO_PRESENCE = ["^[a-d]$"] if "TEST_PRESENCE" in os.environ else []
