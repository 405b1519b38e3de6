"""asyncio's running loops under gevent: each greenlet knows its own, and no other."""

import re
import subprocess
import sys
import textwrap

import pytest

START = """
from gevent import monkey; monkey.patch_all()
import asyncio, gc, os, sys, threading
import gevent, greenlet
from gevent.event import Event
from django_socketio.concurrency import running_loops
running_loops.keep_loops_apart()
gevent.sleep(0)
settings_of_thread = sys.get_asyncgen_hooks(), sys.get_coroutine_origin_tracking_depth()

def running():
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

entered = []

async def wait():
    entered.append(asyncio.get_running_loop())
    await asyncio.sleep(60)

def start_waiting():
    before = len(entered)
    one = gevent.spawn(asyncio.run, wait())
    while len(entered) == before:
        gevent.sleep(0)
    return one

def as_before():
    gc.collect()
    now = sys.get_asyncgen_hooks(), sys.get_coroutine_origin_tracking_depth()
    assert now == settings_of_thread, now
    assert running() is None
    assert greenlet.gettrace() is None, greenlet.gettrace()
"""


@pytest.fixture
def run():
    """Run code in a process that gevent has patched: to its end, with no errors but those named."""

    def run(code, errors=()):
        code = START + textwrap.dedent(code) + "\nprint('done')\n"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == "done\n", done.stderr
        assert re.findall(r"^\w+(?:Error|Warning).*", done.stderr, re.M) == list(errors)

    return run


def test_a_greenlet_beside_a_loop_has_none(run):
    run("""
        one = start_waiting()
        assert running() is None
        assert greenlet.gettrace() is not None
        assert gevent.spawn(running).get() is None
        thread = threading.Thread(target=lambda: entered.append(running()))
        thread.start()
        thread.join()
        assert entered[-1] is None
        one.kill()
        as_before()
    """)


def test_the_event_loop_of_gevent_itself_has_none(run):
    run("""
        seen = []
        async def look():
            gevent.get_hub().loop.run_callback(lambda: seen.append(running()))
            await asyncio.sleep(0)
            return running() is not None
        assert asyncio.run(look())
        assert seen == [None]
        as_before()
    """)


def test_many_loops_with_all_that_asyncio_has(run):
    run("""
        import contextvars
        number = contextvars.ContextVar("number")

        async def count(to):
            for n in range(to):
                await asyncio.sleep(0)
                yield n

        async def child(loop):
            assert asyncio.get_running_loop() is loop
            await asyncio.sleep(0.001)
            return asyncio.current_task()

        async def all_of_it(n):
            number.set(n)
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            for _ in range(10):
                assert await asyncio.gather(*(child(loop) for _ in range(3)))
                assert await asyncio.to_thread(running) is None
                assert await asyncio.to_thread(number.get) == n
                assert [x async for x in count(3)] == [0, 1, 2]
                try:
                    async with asyncio.timeout(0.001):
                        await asyncio.sleep(60)
                except TimeoutError:
                    pass
                async with asyncio.TaskGroup() as group:
                    group.create_task(child(loop))
                gevent.sleep(0)
                assert (asyncio.get_running_loop(), asyncio.current_task()) == (loop, task)
            return n

        def plain():
            for _ in range(100):
                assert running() is None
                gevent.sleep(0.0005)

        plains = [gevent.spawn(plain) for _ in range(3)]
        loops = [gevent.spawn(asyncio.run, all_of_it(n)) for n in range(10)]
        gevent.joinall(plains + loops, raise_error=True)
        assert [one.value for one in loops] == list(range(10))
        as_before()
    """)


def test_asynchronous_generators_end_in_the_loop_that_began_them(run):
    run("""
        seen, go, kept = {}, {}, []

        async def count(n):
            try:
                while True:
                    yield asyncio.get_running_loop()
            finally:
                await asyncio.sleep(0)
                seen[n] = asyncio.get_running_loop()

        async def leave(n):
            loop = asyncio.get_running_loop()
            go[n] = loop, asyncio.Event()
            first = count(n)
            await anext(first)
            await go[n][1].wait()
            kept.append(count(n + 10))
            await anext(kept[-1])
            del first  # the finalizer ends it; the one that is kept ends with the loop
            while n not in seen:
                await asyncio.sleep(0)
            return loop

        loops = [gevent.spawn(asyncio.run, leave(n)) for n in range(3)]
        while len(go) < 3:
            gevent.sleep(0)
        # The first to begin is the first to end: what it found in the thread was nobody's.
        for n, one in enumerate(loops):
            loop, event = go[n]
            loop.call_soon_threadsafe(event.set)
            own = one.get()
            assert seen[n] is seen[n + 10] is own, seen
        as_before()
    """)


def test_the_debug_mode_of_a_loop_stays_its_own(run):
    run("""
        async def wait(event):
            await asyncio.to_thread(event.wait)
            return sys.get_coroutine_origin_tracking_depth()
        events = [Event(), Event()]
        ones = [gevent.spawn(asyncio.run, wait(event), debug=True) for event in events]
        gevent.sleep(0.01)
        assert sys.get_coroutine_origin_tracking_depth() == 0
        for one, event in zip(ones, events):
            event.set()
            assert one.get() > 0
            assert sys.get_coroutine_origin_tracking_depth() == 0
        as_before()
    """)


def test_a_greenlet_that_is_killed_ends_its_loop(run):
    run("""
        ended = []
        async def wait_well():
            try:
                await wait()
            finally:
                ended.append(asyncio.get_running_loop())
        first, second = start_waiting(), gevent.spawn(asyncio.run, wait_well())
        gevent.sleep(0.01)
        second.kill()
        assert ended == entered[1:]
        assert running() is None
        assert greenlet.gettrace() is not None
        first.kill(gevent.Timeout)
        as_before()
    """)


def test_a_greenlet_that_is_freed_ends_its_loop(run):
    run("""
        loop = asyncio.new_event_loop()
        def forever():
            asyncio._set_running_loop(loop)
            try:
                greenlet.getcurrent().parent.switch("left")
            finally:
                asyncio._set_running_loop(None)
        one = greenlet.greenlet(forever)
        assert one.switch() == "left"
        assert running() is None
        del one
        loop.close()
        as_before()
    """)


def test_a_greenlet_that_ends_without_ending_its_loop(run):
    run("""
        loop = asyncio.new_event_loop()
        def forget():
            asyncio._set_running_loop(loop)
            gevent.sleep(0)
            assert running() is loop
        one = gevent.spawn(forget)
        one.join()
        loop.close()
        as_before()
    """)


def test_a_loop_within_a_loop_in_the_way_of_nest_asyncio(run):
    run("""
        outer, inner = asyncio.new_event_loop(), asyncio.new_event_loop()
        def nest():
            asyncio._set_running_loop(outer)
            asyncio._set_running_loop(inner)
            gevent.sleep(0)
            assert running() is inner
            asyncio._set_running_loop(outer)
            gevent.sleep(0)
            assert running() is outer
            asyncio._set_running_loop(None)
            gevent.sleep(0)
            assert running() is None
        gevent.spawn(nest).get()
        outer.close(); inner.close()
        as_before()
    """)


def test_a_greenlet_that_works_for_a_coroutine_is_in_its_loop(run):
    """SQLAlchemy runs synchronous code so; it comes back whenever it has something to await."""
    run("""
        async def drive(function):
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            worker = greenlet.greenlet(function)
            awaited = worker.switch(loop, task)
            while not worker.dead:
                await awaited
                assert (asyncio.get_running_loop(), asyncio.current_task()) == (loop, task)
                awaited = worker.switch()
            return awaited

        def work(loop, task):
            for _ in range(3):
                greenlet.getcurrent().parent.switch(asyncio.sleep(0.001))
                assert (asyncio.get_running_loop(), asyncio.current_task()) == (loop, task)
                gevent.sleep(0)  # other greenlets run
                assert (asyncio.get_running_loop(), asyncio.current_task()) == (loop, task)
                asyncio._set_running_loop(None)
                asyncio._set_running_loop(loop)
                asyncio._set_running_loop(None)
            return "worked"

        others = [start_waiting(), gevent.spawn(asyncio.run, drive(work))]
        assert asyncio.run(drive(work)) == "worked" == others[1].get()
        others[0].kill()
        as_before()
    """)


def test_threads_of_the_operating_system_have_loops_of_their_own(run):
    run("""
        pool = gevent.get_hub().threadpool
        first = start_waiting()
        async def look(n):
            await asyncio.sleep(0.005)
            gevent.sleep(0.001)
            return asyncio.get_running_loop()
        results = [pool.spawn(asyncio.run, look(n)) for n in range(4)]
        nothing = [pool.spawn(running) for n in range(4)]
        assert running() is None
        assert len({result.get() for result in results} | {first}) == 5
        assert [result.get() for result in nothing] == [None] * 4
        assert [pool.spawn(greenlet.gettrace).get() for n in range(4)] == [None] * 4
        first.kill()
        as_before()
    """)


def test_a_trace_function_that_was_there_goes_on(run):
    run("""
        seen = []
        def trace(event, args):
            seen.append(event)
        greenlet.settrace(trace)
        one = start_waiting()
        del seen[:]
        gevent.sleep(0)
        assert seen, "not called"
        one.kill()
        assert greenlet.gettrace() is trace
        greenlet.settrace(None)
        as_before()
    """)


def test_a_trace_function_that_comes_later_goes_on(run):
    run("""
        from gevent._tracer import GreenletTracer
        one = start_waiting()
        tracer = GreenletTracer()
        assert running() is None
        another = start_waiting()
        gevent.sleep(0)
        assert running() is None
        another.kill()
        one.kill()
        count = tracer.greenlet_switch_counter
        gevent.sleep(0)
        assert tracer.greenlet_switch_counter > count
        tracer.kill()  # gives the place to the function that was there before it
        gevent.sleep(0)
        start_waiting().kill()
        as_before()
    """)


def test_who_takes_the_trace_function_away_does_so_until_the_next_loop(run):
    run("""
        one = start_waiting()
        greenlet.settrace(None)
        two = start_waiting()
        assert running() is None
        one.kill(); two.kill()
        as_before()
    """)


def test_a_trace_function_that_raises_is_told_of_and_left_out(run):
    run(
        """
        def trace(event, args):
            raise ValueError("in the trace function")
        loop = asyncio.new_event_loop()
        greenlet.settrace(trace)  # greenlet itself would drop it, and raise the error in a greenlet
        assert loop.run_until_complete(asyncio.sleep(0.001, "result")) == "result"
        loop.close()
        as_before()
        """,
        errors=["ValueError: in the trace function"],
    )


def test_a_child_process_has_no_loop_of_its_parent(run):
    run("""
        def fork():
            # The system's own: gevent's sometimes does not come back on Python 3.13.0.
            pid = monkey.get_original("os", "fork")()
            if pid == 0:
                os._exit(7 if running() is None else 1)
            return os.waitstatus_to_exitcode(monkey.get_original("os", "waitpid")(pid, 0)[1])

        async def fork_within():
            return fork(), running() is not None

        one = start_waiting()
        assert fork() == 7
        assert asyncio.run(fork_within()) == (7, True)
        one.kill()
        as_before()
    """)


def test_signals_are_for_the_main_greenlet(run):
    run("""
        async def take(number):
            asyncio.get_running_loop().add_signal_handler(number, entered.append, "signal")
            os.kill(os.getpid(), number)
            while "signal" not in entered:
                await asyncio.sleep(0.001)
            return asyncio.get_running_loop().remove_signal_handler(number)

        def refused():
            try:
                asyncio.run(take(12))
            except RuntimeError as error:
                return str(error)

        assert asyncio.run(take(12))
        assert "main greenlet" in gevent.spawn(refused).get()
        as_before()
    """)
