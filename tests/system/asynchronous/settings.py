"""A site with asyncio code in its views, handlers and middleware, on SQLite."""

import os

from tests.project.settings import *  # noqa: F403
from tests.project.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [*INSTALLED_APPS[:-1], "tests.system.asynchronous"]
if "TEST_ASYNC_MIDDLEWARE" in os.environ:
    MIDDLEWARE = ["tests.system.asynchronous.middleware.note_visit", *MIDDLEWARE]
ROOT_URLCONF = "tests.system.asynchronous.urls"
SOCKETIO_BLOCKED_AFTER = 0.3
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["console"]}},
}
