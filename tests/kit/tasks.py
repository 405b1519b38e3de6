"""Celery tasks, asked for by a process that has neither Django nor the tasks."""

from celery import Celery


def send_tasks(redis, name, *calls):
    """Have a worker of ``tests.relay.celery_app`` run a task with each of these arguments.

    Args:
        redis: the Redis of the broker.

    """
    with Celery(broker=f"redis+{redis.url.replace('unix', 'socket')}", set_as_current=False) as app:
        for arguments in calls:
            app.send_task(f"tests.relay.celery_app.{name}", arguments, ignore_result=True)


ALONE = ["--without-gossip", "--without-mingle"]
"""Options of a Celery worker that looks for no others."""
