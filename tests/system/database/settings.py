"""A site on PostgreSQL or SQLite, as the environment says."""

import json
import os

from tests.project.settings import *  # noqa: F403
from tests.project.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [*INSTALLED_APPS[:-1], "tests.system.database"]
if "TEST_LOGIN" in os.environ:
    MIDDLEWARE = ["tests.system.database.events.look_up", *MIDDLEWARE]
ROOT_URLCONF = "tests.system.database.urls"
DEBUG = "TEST_DEBUG" in os.environ

_age = os.environ.get("TEST_CONN_MAX_AGE", "0")
_SERVERS = {
    "postgresql": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["TEST_DATABASE"],
        "NAME": "postgres",
        "USER": "postgres",
        "OPTIONS": {
            "application_name": "handlers",
            "pool": json.loads(os.environ.get("TEST_POOL", "false")),
        },
    },
    "sqlite": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["TEST_DATABASE"] + "/db.sqlite3",
    },
}
DATABASES = {
    "default": {
        **_SERVERS[os.environ.get("TEST_VENDOR", "postgresql")],
        "ATOMIC_REQUESTS": "TEST_ATOMIC" in os.environ,
        "CONN_MAX_AGE": None if _age == "None" else int(_age),
    }
}
SOCKETIO_WORKERS = int(os.environ.get("TEST_WORKERS", "1"))
SOCKETIO_BLOCKED_AFTER = 0.3
SOCKETIO_MESSAGE_LOG_FORMAT = None
