"""A Celery application; its broker is not the relay's Redis, whose connections tests kill."""

import os

import django
from celery import Celery

django.setup()

app = Celery("tests", broker=f"redis+socket://{os.environ['TEST_BROKER_SOCKET']}")
app.conf.broker_connection_retry_on_startup = True


@app.task
def push(channel, content):
    from tests.relay.site.publishing import publish_and_say

    publish_and_say(channel, content)
