"""Celery tasks, asked for by a process that has neither Django nor the tasks."""

from celery import Celery


def send_tasks(redis, name, calls):
    """Have a Celery worker run a task with each of these arguments.

    Args:
        redis: the Redis of the broker.
        name: of the task, with its module.
        calls: the arguments of each call, perhaps with pauses between them.

    """
    with Celery(broker=f"redis+{redis.url.replace('unix', 'socket')}", set_as_current=False) as app:
        for arguments in calls:
            app.send_task(name, arguments, ignore_result=True)


ALONE = ["--without-gossip", "--without-mingle"]
"""Options of a Celery worker that looks for no others."""
