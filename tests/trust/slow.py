"""A middleware that lets a test do something while a handshake is under way."""

import sys
import time


def handshake(get_response):
    def middleware(request):
        response = get_response(request)
        if "HTTP_X_SLOW" in request.META:
            sys.stdout.write(f"slow: {request.META['HTTP_X_SLOW']}\n")
            time.sleep(0.5)
        return response

    return middleware
