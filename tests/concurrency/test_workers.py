"""Greenlets that run one thing after the other."""

import asyncio
import contextvars
import itertools
import logging
import time

import gevent
import gevent.socket
import pytest
from gevent.event import Event
from greenlet import getcurrent

from django_socketio.concurrency.mailbox import Mailbox
from django_socketio.concurrency.share import Share
from django_socketio.concurrency.turns import turns_of_hub
from django_socketio.concurrency.worker import Pooled
from django_socketio.concurrency.workers import Workers
from django_socketio.server.wsgi import http_workers
from tests.kit.waiting import TIMEOUT

language = contextvars.ContextVar("language", default="en")


def settle():
    """Let everything run that can: a turn of the event loop that takes long is broken off."""
    for _ in range(10):
        gevent.idle()


@pytest.fixture
def run():
    """Call functions in workers, one after the other; return what they returned."""

    def all_of(workers, *functions):
        results = []
        for function in functions:
            workers.spawn(lambda function=function: results.append(function()))
            settle()
        return results

    return all_of


def test_what_is_spawned_runs_in_a_greenlet_that_ran_something_before(run):
    assert len(set(run(Workers(10), getcurrent, getcurrent, getcurrent))) == 1


@pytest.mark.parametrize(
    "failure",
    [ValueError, gevent.Timeout, gevent.GreenletExit, asyncio.CancelledError],
    ids=lambda failure: failure.__name__,
)
def test_a_job_that_fails_leaves_the_next_one_of_its_mailbox_alone(caplog, failure):
    def fail():
        raise failure

    done = []
    mailbox = Mailbox(Workers(1))
    mailbox.put(fail)
    mailbox.put(done.append, getcurrent)
    gevent.idle()
    gevent.idle()
    assert done == [getcurrent]
    assert [record.message for record in caplog.records] == ["A job failed"]


def test_the_pools_of_a_hub_share_its_turns():
    assert turns_of_hub() is turns_of_hub()
    order = []

    def two_pieces(name):
        order.append(name)
        turns_of_hub().wait()
        order.append(name)

    gevent.joinall([gevent.spawn(two_pieces, name) for name in "abc"])
    assert order == [*"abc", *"abc"]


def test_what_failed_is_logged_and_its_greenlet_goes_on(run, caplog):
    workers = Workers(10)
    [before] = run(workers, getcurrent)
    assert run(workers, lambda: 1 / 0) == []
    assert "ZeroDivisionError" in caplog.text
    assert run(workers, getcurrent) == [before]


@pytest.fixture
def slow_log():
    """Have log entries wait, as for a mail server; the event is set once one was written."""
    written = Event()

    class Slow(logging.Handler):
        def emit(self, record):
            gevent.sleep(0.1)
            written.set()

    handler, logger = Slow(), logging.getLogger("django_socketio.server")
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


def start_timeout():
    gevent.Timeout(0.01).start()


def fail_with_timeout():
    start_timeout()
    raise ValueError


@pytest.mark.parametrize("leave", [start_timeout, fail_with_timeout])
def test_a_timeout_that_a_job_leaves_behind_costs_the_pool_no_worker(slow_log, leave):
    workers = Workers(1)
    workers.spawn(leave)
    gevent.sleep(0.05)
    mailbox = Mailbox(workers)
    for _ in range(2):
        done = Event()
        mailbox.put(done.set)
        assert done.wait(TIMEOUT)
        assert slow_log.wait(TIMEOUT)
    assert (workers.busy, workers.waiting) == (0, 0)


@pytest.mark.parametrize("failure", [ValueError, gevent.Timeout])
def test_a_worker_that_fails_to_give_back_its_resources_makes_room_for_another(run, failure):
    def fail():
        raise failure

    workers = Workers(1, kept=0, give_back=fail)
    assert run(workers, *[lambda: "ran"] * 2) == ["ran", "ran"]


def test_no_more_run_at_the_same_time_than_there_may_be():
    workers, over, running = Workers(2), Event(), []

    def job():
        running.append(getcurrent())
        over.wait()

    busy = []
    for _ in range(5):
        busy.append(workers.are_busy)
        workers.spawn(job)
        settle()
    assert (len(running), busy) == (2, [False, False, True, True, True])
    over.set()
    settle()
    assert (len(running), len(set(running)), workers.are_busy) == (5, 2, False)


def test_workers_that_step_out_leave_their_place_to_others():
    workers, answer = Workers(2), Event()
    for _ in range(5):
        workers.spawn(workers.step_out, answer.wait)
    settle()
    assert (workers.stepped_out, workers.are_busy) == (5, False)
    answer.set()
    settle()
    assert (workers.stepped_out, workers.are_busy) == (0, False)


@pytest.mark.parametrize("others", [0, 2, 6])
def test_no_more_run_than_there_may_be_when_all_come_back_at_once(others):
    workers, answer, running, most = Workers(2), Event(), [], []

    def work():
        running.append(1)
        most.append(len(running))
        gevent.sleep(0)
        running.pop()

    def ask():
        workers.step_out(answer.wait)
        work()

    for _ in range(7):
        workers.spawn(ask)
    for _ in range(others):
        workers.spawn(work)
        settle()
    settle()
    for _ in range(others):
        workers.spawn(work)
    answer.set()
    for _ in range(20):
        settle()
    assert (len(most), max(most)) == (7 + 2 * others, 2)
    assert (workers.stepped_out, workers.are_busy) == (0, False)


def test_what_came_back_runs_before_what_has_not_begun():
    workers, answer, over, ran = Workers(1), Event(), Event(), []

    def ask():
        workers.step_out(answer.wait)
        ran.append("came back")

    def job(name):
        over.wait()
        ran.append(name)

    workers.spawn(ask)
    settle()
    for name in ("first", "second"):
        workers.spawn(job, name)
    settle()
    answer.set()
    settle()
    over.set()
    settle()
    assert ran == ["first", "came back", "second"]


def test_a_timeout_of_a_worker_that_comes_back_is_raised_once_there_is_a_place():
    workers, answer, over, ran, asking = Workers(1), Event(), Event(), [], []

    def ask():
        asking.append(getcurrent())
        try:
            workers.step_out(answer.wait)
            ran.append("answered")
        except gevent.Timeout:
            ran.append("timed out")

    workers.spawn(ask)
    settle()
    workers.spawn(over.wait)
    settle()
    answer.set()
    settle()
    gevent.get_hub().loop.run_callback(asking[0].throw, gevent.Timeout())
    settle()
    assert ran == []
    over.set()
    settle()
    assert ran == ["timed out"]
    assert (workers.stepped_out, workers.are_busy) == (0, False)


def test_a_greenlet_that_is_no_worker_and_a_worker_that_must_stay_just_wait():
    workers, answer = Workers(1, give_back=lambda: False), Event()
    outside = gevent.spawn(workers.step_out, answer.wait)
    workers.spawn(workers.step_out, answer.wait)
    settle()
    assert (workers.stepped_out, workers.are_busy) == (0, True)
    answer.set()
    settle()
    assert (outside.ready(), workers.are_busy) == (True, False)


def test_a_worker_of_another_pool_leaves_its_place_there():
    workers, others, answer, over, ran = Workers(1), Workers(1), Event(), Event(), []

    def ask():
        workers.step_out(answer.wait)
        ran.append("came back")

    workers.spawn(over.wait)
    others.spawn(ask)
    settle()
    others.spawn(ran.append, "next")
    settle()
    assert ran == ["next"]
    assert [(one.busy, one.stepped_out) for one in (workers, others)] == [(1, 0), (0, 1)]
    answer.set()
    settle()
    assert ran == ["next", "came back"]
    assert [(one.busy, one.stepped_out) for one in (workers, others)] == [(1, 0), (0, 0)]
    over.set()
    settle()


def test_only_some_wait_for_something_to_do():
    workers, over, greenlets = Workers(10, kept=3), Event(), []

    def job():
        greenlets.append(getcurrent())
        over.wait()

    for _ in range(8):
        workers.spawn(job)
    settle()
    over.set()
    settle()
    assert sum(not one.dead for one in greenlets) == 3
    over.clear()
    for _ in range(12):
        workers.spawn(job)
    settle()
    assert len(set(greenlets[8:])) == len(greenlets[8:]) == 10
    over.set()
    settle()
    assert len(greenlets) == 20


def test_http_workers_do_not_know_the_context_of_the_connection_before(run):
    def translate():
        before = language.get()
        language.set("de")
        return before, getcurrent()

    (first, one), (second, other) = run(http_workers(10), translate, translate)
    assert (first, second) == ("en", "en")
    assert one is other
    assert type(one) is Pooled


# Turns of the event loop


def compute(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def wait_for(condition):
    with gevent.Timeout(10):
        while not condition():
            gevent.sleep(0.001)


def turns_of_others(put):
    """Return how many turns another greenlet and a socket got while jobs of 1 ms ran."""
    ours, theirs = gevent.socket.socketpair()
    ran, got = [], []

    def job():
        compute(0.001)
        ran.append(len(got))

    def other():
        theirs.send(b"x")  # readable from here on: only a look at the sockets is waited for
        while len(ran) < JOBS:
            gevent.socket.wait_read(ours.fileno())
            got.append(len(ran))

    with ours, theirs:
        gevent.spawn(other)
        put(job)
        wait_for(lambda: len(ran) == JOBS)
    return got


JOBS = 300


def test_a_long_mailbox_leaves_turns_of_the_event_loop_to_others():
    mailbox = Mailbox(Workers(10))
    got = turns_of_others(lambda job: [mailbox.put(job) for _ in range(JOBS)])
    assert len(got) >= JOBS / 10
    assert max(after - before for before, after in itertools.pairwise(got)) <= 20


def test_many_mailboxes_leave_turns_of_the_event_loop_to_others():
    workers = Workers(10)
    got = turns_of_others(lambda job: [Mailbox(workers).put(job) for _ in range(JOBS)])
    assert max(after - before for before, after in itertools.pairwise(got)) <= 20


def test_jobs_that_put_others_leave_turns_of_the_event_loop_to_others():
    workers = Workers(10)

    def put(job, rest=JOBS):
        def one():
            job()
            if rest > 1:
                put(job, rest - 1)

        Mailbox(workers).put(one)

    got = turns_of_others(put)
    assert max(after - before for before, after in itertools.pairwise(got)) <= 20


def test_jobs_that_wait_leave_turns_of_the_event_loop_to_others():
    workers, over = Workers(JOBS), Event()

    def put(job):
        for _ in range(JOBS // 2):
            mailbox = Mailbox(workers)
            mailbox.put(over.wait)
            mailbox.put(job)
            mailbox.put(job)
        gevent.sleep(0.01)
        over.set()

    got = turns_of_others(put)
    assert max(after - before for before, after in itertools.pairwise(got)) <= 20


def test_a_long_mailbox_leaves_the_worker_to_short_ones():
    workers, order = Workers(1), []
    long, short = Mailbox(workers), Mailbox(workers)
    for number in range(20):
        long.put(lambda number=number: [compute(0.003), order.append(number)])
    short.put(order.append, "short")
    wait_for(lambda: len(order) == 21)
    assert order.index("short") <= 3
    assert [item for item in order if item != "short"] == list(range(20))


def test_a_share_runs_mailboxes_in_a_part_of_the_workers(caplog):
    share, running, most, ended = Share(Workers(10), 2), [], [], []
    go = [Event() for _ in range(3)]

    def job(number):
        running.append(number)
        most.append(len(running))
        go[number // 2].wait()  # two jobs end in the same turn of the event loop
        running.remove(number)
        ended.append(number)

    for number in range(5):
        Mailbox(share).put(job, number)
    for event in go:
        gevent.idle()
        event.set()
    gevent.idle()
    assert (max(most), ended) == (2, [0, 1, 2, 3, 4])
    for number in (0, 1):  # no worker of the share has been lost
        Mailbox(share).put(job, number)
    gevent.idle()
    assert ended[5:] == [0, 1]
    assert caplog.messages == []
