"""The Django app. When the registry of apps is ready, it imports the events of all apps."""

from functools import partial

from django.apps import AppConfig
from django.core.checks import register
from django.utils.module_loading import autodiscover_modules

from django_socketio.checks import ALL, BEFORE_DEPLOYMENT
from django_socketio.concurrency.patched import is_patched


class DjangoSocketIOConfig(AppConfig):
    """``django_socketio`` in ``INSTALLED_APPS``."""

    name = "django_socketio"
    verbose_name = "Socket.IO"

    def ready(self) -> None:
        """Register checks and signals, then import ``events.py`` of every installed app.

        Raises:
            Exception: an ``events.py`` cannot be imported.

        """
        from django_socketio import conf
        from django_socketio.channels import publish as broadcasts
        from django_socketio.concurrency import threads
        from django_socketio.publishing import causes, transactions
        from django_socketio.security import signals
        from django_socketio.server import relays

        for check in ALL:
            register(check)
        for check in BEFORE_DEPLOYMENT:
            register(check, "security", deploy=True)
        broadcasts.publish_without_server(relays.for_publisher, relays.for_caller)
        broadcasts.watch(transactions.warn)
        threads.limit_with(partial(conf.get, "THREADS"))
        signals.connect()
        causes.connect()
        if is_patched("threading"):
            from django_socketio.concurrency.running_loops import keep_loops_apart

            keep_loops_apart()
        autodiscover_modules("events")
