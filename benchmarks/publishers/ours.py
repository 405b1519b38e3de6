"""``broadcast_channel`` from a script, after ``django.setup()``."""

import os

from benchmarks.publishers import pace

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.project.settings"
url, seconds, rate = pace.arguments()
os.environ["BENCH_REDIS"] = url

import django  # noqa: E402

django.setup()

from django_socketio import broadcast_channel  # noqa: E402

pace.run(lambda message: broadcast_channel(message, pace.CHANNEL), seconds, rate)
