import asyncio
import contextvars
import gc
import threading

import greenlet
import httpx
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path

from tests.system.asynchronous import holding

language = contextvars.ContextVar("language")


async def hold_async(request):
    return HttpResponse(await holding.hold())


async def users_async(request):
    """Use all of the asynchronous ORM, in tasks beside each other."""
    name = request.GET["name"]

    async def create(number):
        return await User.objects.acreate(username=f"{name}{number}")

    created = await asyncio.gather(*(create(number) for number in range(3)))
    found = [user.username async for user in User.objects.filter(username__startswith=name)]
    again = await User.objects.aget(pk=created[0].pk)
    again.email = "new@example.com"
    await again.asave()
    await User.objects.filter(username__startswith=name).adelete()
    left = await User.objects.filter(username__startswith=name).acount()
    return JsonResponse({"found": sorted(found), "again": again.username, "left": left})


def in_transaction(request):
    """Give asynchronous code the connection, and so the transaction, of its view."""
    try:
        with transaction.atomic():
            user = async_to_sync(User.objects.acreate)(username="for a moment")
            inside = User.objects.filter(pk=user.pk).exists()
            raise InterruptedError
    except InterruptedError:
        return JsonResponse({"inside": inside, "after": User.objects.filter(pk=user.pk).exists()})


def run_in_view(request):
    """``asyncio.run`` with sync code in it."""

    async def count():
        count = await sync_to_async(User.objects.count)()
        return count, await User.objects.acount(), await asyncio.to_thread(str, "thread")

    return JsonResponse({"counts": asyncio.run(count())})


def several(request):
    """Run loops beside each other in threads of one view."""
    results = []

    async def work(number):
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        async with asyncio.timeout(5):
            for _ in range(5):
                await asyncio.sleep(0.001)
                assert (asyncio.get_running_loop(), asyncio.current_task()) == (loop, task)
        results.append(number)

    threads = [threading.Thread(target=asyncio.run, args=(work(n),)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return JsonResponse({"results": sorted(results)})


def set_loop(request):
    """Return what a view knows of the event loop that another thread has set."""
    loop = asyncio.new_event_loop()
    is_set, done = threading.Event(), threading.Event()

    def set_and_wait():
        asyncio.set_event_loop(loop)
        is_set.set()
        done.wait()

    thread = threading.Thread(target=set_and_wait)
    thread.start()
    is_set.wait()
    try:
        return HttpResponse(repr(asyncio.get_event_loop()))
    except RuntimeError as error:
        return HttpResponse(str(error))
    finally:
        done.set()
        thread.join()
        loop.close()


async def fetch(request):
    """Ask this very server with httpx."""
    base = f"http://{request.get_host()}"
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=10) as client:
        answers = await asyncio.gather(*(client.get("/users/") for _ in range(4)))
    return JsonResponse({"users": [answer.json()["users"] for answer in answers]})


def context(request):
    """Follow a context variable into asynchronous code, and back."""
    language.set("view")

    def sync_inside():
        seen.append(language.get())
        language.set("inside")

    async def inside():
        seen.append(language.get())
        await sync_to_async(sync_inside)()

    seen = []
    async_to_sync(inside)()
    return JsonResponse({"seen": [*seen, language.get()]})


async def program(request):
    """Start a program, and wait for its end."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        "cat; exit 3",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(b"through a pipe")
    return JsonResponse({"out": out.decode(), "status": process.returncode})


async def take_signal(request):
    try:
        asyncio.get_running_loop().add_signal_handler(15, holding.say, "mine")
    except (RuntimeError, ValueError) as error:
        return HttpResponse(f"{type(error).__name__}: {error}")
    return HttpResponse("taken")


async def stream(request):
    async def parts():
        async for user in User.objects.order_by("pk")[:1]:
            yield user.username

    return StreamingHttpResponse(parts())


def state(request):
    """What is left behind when no loop runs."""
    gc.collect()
    return JsonResponse(
        {
            "traced": greenlet.gettrace() is not None,
            "connected": connection.connection is not None,
        }
    )


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("hold/async view/", hold_async),
    path("hold/async_to_sync/", lambda request: HttpResponse(async_to_sync(holding.hold)())),
    path("hold/asyncio.run/", lambda request: HttpResponse(asyncio.run(holding.hold()))),
    path("release/", lambda request: JsonResponse({"released": holding.release()})),
    path("users/", lambda request: JsonResponse({"users": User.objects.count()})),
    path("users/async/", users_async),
    path("transaction/", in_transaction),
    path("run/", run_in_view),
    path("several/", several),
    path("set/", set_loop),
    path("fetch/", fetch),
    path("context/", context),
    path("program/", program),
    path("signal/", take_signal),
    path("stream/", stream),
    path("state/", state),
]
