"""Handlers that use the database, well and badly."""

import asyncio
import os
import threading

from asgiref.sync import SyncToAsync, sync_to_async
from django.db import connection, connections, transaction

from django_socketio import in_thread
from django_socketio.events import on_error, on_event, on_message
from django_socketio.server import database
from tests.kit.blocking import block_until_told

if "TEST_IDLE_TIME" in os.environ:
    database.IDLE_TIME = float(os.environ["TEST_IDLE_TIME"])
if "TEST_GRACE" in os.environ:
    database.GRACE = float(os.environ["TEST_GRACE"])


COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'handlers'"


def query(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()[0] if cursor.description else None


def look_up(get_response):
    """A middleware that queries, as that of a login does."""

    def middleware(request):
        query("SELECT 1")
        return get_response(request)

    return middleware


@on_message
def answer(request, socket, context, message):
    return query("SELECT 1")


@on_event("echo")
def echo(request, socket, context, message):
    return message


@on_event("slow")
def slow(request, socket, context, lock):
    """Have a query wait for a lock."""
    query("SELECT pg_advisory_xact_lock_shared(%s)", lock)
    return "slow"


@on_event("queries")
def queries(request, socket, context):
    query("SELECT 1")
    return len(connection.queries)


@on_event("begin")
def begin(request, socket, context):
    query("BEGIN")
    query("INSERT INTO left_behind VALUES (1)")


@on_event("fail in begin")
def fail_in_begin(request, socket, context):
    begin(request, socket, context)
    query("SELECT nonsense")


@on_event("fail without autocommit")
def fail_without_autocommit(request, socket, context):
    transaction.set_autocommit(False)
    query("INSERT INTO left_behind VALUES (1)")
    query("SELECT nonsense")


@on_event("enter atomic")
def enter_atomic(request, socket, context):
    transaction.atomic().__enter__()
    query("INSERT INTO left_behind VALUES (1)")


@on_event("leave to callback")
def leave_to_callback(request, socket, context):
    def callback():
        query("BEGIN")
        query("INSERT INTO left_behind VALUES (1)")

    socket.emit("question", callback=callback)


@on_event("in thread")
def query_in_thread(request, socket, context):
    return in_thread(query, "SELECT 1")


@on_event("query and ask")
def query_and_ask(request, socket, context):
    query("SELECT 1")
    answer = socket.call("question", timeout=None)
    query("SELECT 1 FROM pg_sleep(0.1)")
    return [answer, query(f"{COUNT} AND state = 'active'")]


@on_event("ask in a transaction")
def ask_in_a_transaction(request, socket, context):
    with transaction.atomic():
        query("CREATE TEMPORARY TABLE mine ON COMMIT DROP AS SELECT 5 AS number")
        socket.call("question", timeout=None)
        return query("SELECT number FROM mine")


@on_event("async")
async def asynchronous(request, socket, context):
    return await sync_to_async(query)("SELECT 1")


@on_event("leave async")
async def leave_async(request, socket, context):
    await sync_to_async(enter_atomic)(request, socket, context)


@on_event("asyncio.run")
def in_loop_of_its_own(request, socket, context):
    return asyncio.run(sync_to_async(query)("SELECT 1"))


@on_event("transaction of asyncio.run")
def transaction_in_loop_of_its_own(request, socket, context, seconds):
    """Stay in a transaction for some seconds; return what was written in it before."""

    async def run():
        atomic = transaction.atomic()
        await sync_to_async(atomic.__enter__)()
        await sync_to_async(query)("CREATE TEMPORARY TABLE mine ON COMMIT DROP AS SELECT 5 AS n")
        await asyncio.sleep(seconds)
        written = await sync_to_async(query)("SELECT n FROM mine")
        await sync_to_async(atomic.__exit__)(None, None, None)
        return written

    return asyncio.run(run())


@on_event("thread")
def query_in_thread_of_its_own(request, socket, context):
    def run():
        query("SELECT 1")
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@on_event("asgiref's threads")
def asgirefs_threads(request, socket, context):
    return len(SyncToAsync.single_thread_executor._threads)


@on_error
def note(request, socket, context, exception):
    """Uses the database right after a handler that failed."""
    context["after the error"] = query("SELECT 2")


@on_event("error")
def error(request, socket, context):
    return context["after the error"]


@on_event("create")
def create(request, socket, context):
    query("DROP TABLE IF EXISTS left_behind")
    query("CREATE TABLE left_behind (id integer)")


@on_event("rows")
def rows(request, socket, context):
    return query("SELECT count(*) FROM left_behind")


@on_event("block")
def block(request, socket, context):
    block_until_told()


@on_event("fork")
def fork(request, socket, context):
    """Query in a child, then in its parent; return whose connections they were."""
    own = query("SELECT pg_backend_pid()")
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, b"%d" % query("SELECT pg_backend_pid()"))
        return None  # the child ends
    os.close(writer)
    with open(reader) as child:
        return [own, query("SELECT pg_backend_pid()"), int(child.read())]


kept = threading.local()

LEAVE = {
    "local": lambda: setattr(kept, "tenant", "a"),
    "thread": lambda: setattr(threading.current_thread(), "tenant", "a"),
    "attribute": lambda: setattr(connection, "tenant", "a"),
    "attribute after use": lambda: query("SELECT 1") and setattr(connection, "tenant", "a"),
    "wrapper": lambda: connection.execute_wrappers.append(lambda execute, *args: execute(*args)),
    "debug": lambda: setattr(connection, "force_debug_cursor", True),
    "SET": lambda: query("SET search_path = pg_catalog"),
    "set_config": lambda: query("SELECT set_config('search_path', 'pg_catalog', false)"),
    "several": lambda: query("SELECT 1; SET search_path = pg_catalog"),
    "temporary": lambda: query("CREATE TEMPORARY TABLE pg_settings (name text, setting text)"),
}
"""Ways to leave something to whoever is served by the same greenlet, or on the same connection."""


def seen():
    """Return what is there to be seen of ``LEAVE``."""
    return [
        getattr(kept, "tenant", None),
        getattr(threading.current_thread(), "tenant", None),
        getattr(connection, "tenant", None),
        len(connection.execute_wrappers) <= 1,
        connection.force_debug_cursor,
        query("SELECT setting FROM pg_settings WHERE name = 'search_path'"),
    ]


@on_event("leave")
def leave(request, socket, context, way):
    LEAVE[way]()


@on_event("seen")
def see(request, socket, context):
    return seen()


@on_event("backend")
def backend(request, socket, context):
    return query("SELECT pg_backend_pid()")


@on_event("object")
def connection_object(request, socket, context):
    query("SELECT 1")
    return id(connections["default"])
