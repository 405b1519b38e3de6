"""Middleware that tests of this folder ask for by TEST_MIDDLEWARE."""

import time

from tests.system.production.events import say


def late(get_response):
    """Hold answers back for a while, as a slow store of sessions does."""

    def middleware(request):
        response = get_response(request)
        say("answered")
        time.sleep(1)
        return response

    return middleware
