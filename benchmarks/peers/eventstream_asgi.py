"""django-eventstream for uvicorn; BENCH_REDIS: the Redis between its processes.

``python eventstream_asgi.py`` publishes an event for each line of its input.
"""

import os
import sys

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only for benchmarks",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django_eventstream"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    EVENTSTREAM_REDIS={"unix_socket_path": os.environ["BENCH_REDIS"].removeprefix("unix://")},
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from django_eventstream import send_event  # noqa: E402

urlpatterns = [path("stream/", include("django_eventstream.urls"), {"channels": ["room-1"]})]
application = get_asgi_application()

if __name__ == "__main__":
    for line in sys.stdin:
        send_event("room-1", "tick", line.strip())
