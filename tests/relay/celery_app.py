"""A Celery application whose task pushes to the sockets of other processes."""

import os

import django
from celery import Celery

django.setup()

app = Celery("tests", broker=f"redis+socket://{os.environ['TEST_REDIS_SOCKET']}")


@app.task
def push(message, channel):
    from django_socketio import emit

    emit("message", message, channel=channel)
