"""Django's admin with the page of the sockets, and its users."""

from contextlib import contextmanager

from django.conf import settings
from django.contrib import admin
from django.core.management import call_command
from django.test import override_settings
from django.urls import include, path

APPS = [
    "django.contrib.admin",
    "django.contrib.messages",
    *[app for app in settings.INSTALLED_APPS if app != "tests.project"],
    "django_socketio.dashboard",
]
MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES = [
    {
        **settings.TEMPLATES[0],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


class Urls:
    """The URLs, made once the admin is installed."""

    def __init__(self):
        self.urlpatterns = [
            path("admin/", admin.site.urls),
            path("", include("django_socketio.urls")),
        ]


@contextmanager
def admin_site(*middleware, **changes):
    """Have the admin and the page installed, with tables in the database in memory."""
    ours = {"INSTALLED_APPS": APPS, "MIDDLEWARE": [*MIDDLEWARE, *middleware]}
    with override_settings(TEMPLATES=TEMPLATES, **ours, **changes):
        call_command("migrate", verbosity=0)
        admin.autodiscover()
        with override_settings(ROOT_URLCONF=Urls()):
            yield
        call_command("flush", verbosity=0, interactive=False)


def staff(name, *permissions, **fields):
    """Return a new user of the admin, whose password is the name."""
    from django.contrib.auth.models import Permission, User

    made = User.objects.create_user(name, password=name, is_staff=True, **fields)
    made.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return made
