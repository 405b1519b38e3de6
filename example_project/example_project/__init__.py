import os

if os.environ.get("DEMO_REDIS"):
    from . import celery  # noqa: F401 - shared tasks belong to it
