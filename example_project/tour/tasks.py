"""The long task of the tour: Celery runs it if DEMO_REDIS is set, else a thread of the server."""

import time
from threading import Thread

from django.conf import settings
from django.db import connection

from django_socketio import emit_template

from .models import Export

STEP = 0.2  # seconds


def export_orders(pk):
    """Pretend to work, and tell the visitor wherever a page is open then."""
    export = Export.objects.get(pk=pk)
    for export.percent in range(0, 101, 5):
        export.save(update_fields=["percent"])
        time.sleep(STEP)
    notice = {"target": "#notices", "swap": "append", **export.audience}
    emit_template("tour/notice.html", {"export": export}, **notice)


def _in_a_thread(pk):
    def run():
        try:
            export_orders(pk)
        finally:
            connection.close()

    Thread(target=run).start()


if settings.DEMO_REDIS:
    from celery import shared_task

    start_export = shared_task(export_orders).delay
else:
    start_export = _in_a_thread
