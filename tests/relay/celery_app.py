"""A Celery application whose tasks push to the sockets of other processes, and ask them."""

import os

import django
from celery import Celery

django.setup()

app = Celery("tests", broker=f"redis+socket://{os.environ['TEST_REDIS_SOCKET']}")


@app.task
def push(message, channel):
    from django_socketio import emit

    emit("message", message, channel=channel)


@app.task
def ask(channel):
    from django_socketio import call, emit

    answers = call("who?", channel=channel, wait="all")
    told = sorted(answer.value for answer in answers)
    emit("answers", told, channel=channel)
