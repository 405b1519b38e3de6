"""What a site may have in its middleware."""

import sys
import time

from django.contrib.auth.models import AnonymousUser, User
from django.utils.functional import SimpleLazyObject


def slow(get_response):
    """Let a test do something while a handshake is under way."""

    def middleware(request):
        response = get_response(request)
        if "HTTP_X_SLOW" in request.META:
            sys.stdout.write(f"slow: {request.META['HTTP_X_SLOW']}\n")
            time.sleep(0.5)
        return response

    return middleware


def tokens(get_response):
    """Know users by a token, at once or when they are asked for."""

    def middleware(request):
        meta = request.META
        if "HTTP_X_TOKEN" in meta:
            request.user = user_of(meta["HTTP_X_TOKEN"])
        elif "HTTP_X_LAZY_TOKEN" in meta:
            request.user = SimpleLazyObject(lambda: user_of(meta["HTTP_X_LAZY_TOKEN"]))
        return get_response(request)

    return middleware


def user_of(token):
    return User.objects.filter(username=token).first() or AnonymousUser()
