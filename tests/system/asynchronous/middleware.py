import asyncio

from django.contrib.auth.models import User
from django.utils.decorators import async_only_middleware


@async_only_middleware
def note_visit(get_response):
    """Asks the database before the view, and lets other requests in between."""

    async def middleware(request):
        request.users = await User.objects.acount()
        await asyncio.sleep(0.001)
        response = await get_response(request)
        response["X-Users"] = request.users
        return response

    return middleware
