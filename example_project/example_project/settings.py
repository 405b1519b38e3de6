"""Settings of the example. django-socketio needs no more than its line in INSTALLED_APPS."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# For this example only: a real site keeps its key secret and its DEBUG off.
SECRET_KEY = "django-insecure-for-the-example-only"
DEBUG = True
ALLOWED_HOSTS = []  # with DEBUG: localhost, 127.0.0.1 and [::1]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_socketio",
    "chat",
    "orders",
    "tour",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DEMO_DATABASE", BASE_DIR / "db.sqlite3"),
        # Many connections at once: readers never wait for a writer, and a writer waits for
        # its turn at the start of a transaction instead of failing in the middle of it.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Who is in a room of the chat: one person for each visitor, however many tabs it has open.
SOCKETIO_PRESENCE = ["^room-"]

# The last minute of the load, for pages that are opened now.
SOCKETIO_HISTORY = {"^load$": {"size": 60, "seconds": 90, "replay": 60}}

# By itself, the example is one process. DEMO_REDIS=redis://127.0.0.1:6379/0 lets several processes
# share it, and has Celery run its task.
DEMO_REDIS = os.environ.get("DEMO_REDIS", "")
SOCKETIO_RELAY_URL = DEMO_REDIS or None
CELERY_BROKER_URL = DEMO_REDIS

STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True
