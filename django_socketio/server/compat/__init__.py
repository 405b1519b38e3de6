"""Parts of gevent, Django and gunicorn that they do not promise to keep, in one place for each."""
