import asyncio
import functools

from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from django_socketio import in_thread
from django_socketio.events import on_connect, on_error, on_event, on_subscribe
from tests.kit.blocking import block_until_told
from tests.system.asynchronous import holding


@on_event("users")
def users(request, socket, context):
    return User.objects.count()


@on_event("hold async_to_sync")
def hold_async_to_sync(request, socket, context):
    return async_to_sync(holding.hold)()


@on_event("hold asyncio.run")
def hold_asyncio_run(request, socket, context):
    return asyncio.run(holding.hold())


@on_event("hold async handler")
async def hold_async_handler(request, socket, context):
    return await holding.hold()


@on_event("release")
def release(request, socket, context):
    return holding.release()


@on_connect(namespace="/async")
async def connected(request, socket, context):
    if socket.auth:
        raise PermissionDenied("not you")
    context["users"] = await User.objects.acount()


@on_event("context", namespace="/async")
async def answer_context(request, socket, context):
    await asyncio.sleep(0)
    return context["users"]


@on_event("several", namespace="/async")
async def several(request, socket, context, *args):
    """Answer with what a client takes for several arguments."""
    await asyncio.sleep(0)
    return (*args, await sync_to_async(str)("end"))


@on_event("send", namespace="/async")
async def send(request, socket, context):
    """Call what waits: in the greenlet of the handler, which then leaves its worker."""
    socket.emit("sent", 1)
    return await sync_to_async(socket.call)("question", timeout=5)


@on_event("call at once", namespace="/async")
async def call_at_once(request, socket, context):
    """Call what waits, where it would hold up the coroutine and keep the worker."""
    try:
        socket.call("question")
    except RuntimeError as error:
        return str(error)


class Adder:
    async def __call__(self, request, socket, context, number):
        await asyncio.sleep(0)
        return number + 1

    async def method(self, request, socket, context, number):
        return await self(request, socket, context, number + 1)


async def add(number, request, socket, context, other):
    await asyncio.sleep(0)
    return number + other


on_event("object", namespace="/async")(Adder())
on_event("method", namespace="/async")(Adder().method)
on_event("partial", namespace="/async")(functools.partial(add, 3))


@on_event("block", namespace="/async")
async def block(request, socket, context):
    await asyncio.sleep(0)
    block_until_told()


@on_event("ask", namespace="/async")
def ask(request, socket, context):
    async def answered(answer):
        await asyncio.sleep(0)
        context["users"] = answer

    socket.emit("question", callback=answered)


@on_event("compute", namespace="/async")
async def compute(request, socket, context):
    both = in_thread(sum, [1, 2]), await asyncio.to_thread(in_thread, sum, [3, 4])
    return both, await asyncio.gather(*(sync_to_async(in_thread)(abs, -n) for n in range(3)))


@on_event("fail", namespace="/async")
async def fail(request, socket, context, kind):
    await asyncio.sleep(0)
    if kind == "cancelled":
        raise asyncio.CancelledError
    raise {"denied": PermissionDenied, "value": ValueError}[kind](kind)


@on_error(namespace="/async")
async def note(request, socket, context, exception):
    await asyncio.sleep(0)
    context["failed"] = type(exception).__name__


@on_event("failed", namespace="/async")
def failed(request, socket, context):
    return context["failed"]


@on_subscribe(channel="^room", namespace="/async")
async def may_subscribe(request, socket, context, channel):
    if not await User.objects.filter(username=channel).aexists():
        raise PermissionDenied("no such room")
